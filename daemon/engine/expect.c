/* What is about to be asked for is fetched ahead, so that the processor does not stand still at each of the cold places
 * between an event and its record: the tables of changes, the row, the entry's page in the journal. Each is known only
 * when the one before is there, so an event that is expected moves on one stage with every few expected after it.
 *
 * All of this is a hint. Nothing is decided here, and what is wrong with an event is found by who takes it. */
#include "engine/inside.h"

#include <assert.h>
#include "base/limits.h"
#include "base/wire.h"

enum { EVENT_PATIENT_ID = 4 /* handoff/v1/event.proto */ };
enum { STAGE = 4, ENTRY_LINES = 20, LINE_BYTES = 64 };

static_assert(EXPECTED_MAX >= 2 * STAGE + 1, "an event stays until its last stage");

/* The patient that the event names. */
static bool find_name(struct bytes event, char ret_name[LIMIT_ID_BYTES + 1])
{
    struct wire_field f;
    while (event.len && wire_take_field(&event, &f) && f.number <= EVENT_PATIENT_ID) {
        if (f.number != EVENT_PATIENT_ID) continue;
        if (f.wire != WIRE_BYTES || !f.bytes.len || f.bytes.len > LIMIT_ID_BYTES) return false;
        memcpy(ret_name, f.bytes.data, f.bytes.len);
        ret_name[f.bytes.len] = '\0';
        return strlen(ret_name) == f.bytes.len;
    }
    return false;
}

static void fetch_rows(const struct engine *e, const struct patient_key *key)
{
    changes_fetch_row(e->active, key);
    changes_fetch_row(e->frozen, key);
}

/* Finds it as who takes the event will, and leaves in memory what was read for it. */
static void fetch_entry(struct engine *e, const struct patient_key *key)
{
    struct found found;
    struct bytes blob;
    if (lookup_committed(e, key, &found) || !found.row.sequence) return;
    if (lookup_batch(e, found.row.batch_sequence, &blob) || found.row.offset >= blob.len) return;
    size_t left = blob.len - found.row.offset;
    for (size_t at = 0; at < left && at < (size_t)ENTRY_LINES * LINE_BYTES; at += LINE_BYTES)
        __builtin_prefetch(blob.data + found.row.offset + at);
}

static const struct expected *expected_before(const struct engine *e, uint32_t events)
{
    const struct expected *x = &e->expected[(e->expected_count - events) % EXPECTED_MAX];
    return x->is_known ? x : NULL;
}

void engine_expect(struct engine *e, struct bytes event)
{
    char name[LIMIT_ID_BYTES + 1];
    assert(e->is_in_turn);
    struct expected *now = &e->expected[e->expected_count % EXPECTED_MAX];
    now->is_known = find_name(event, name);
    if (now->is_known) {
        subject_key(e->hash_key, SUBJECT_IS_PATIENT, name, &now->key);
        changes_fetch(e->active, &now->key);
        changes_fetch(e->frozen, &now->key);
        places_fetch(&e->places, &now->key);
    }
    const struct expected *earlier = expected_before(e, STAGE), *first = expected_before(e, 2 * STAGE);
    if (earlier) fetch_rows(e, &earlier->key);
    if (first) fetch_entry(e, &first->key);
    e->expected_count++;
}
