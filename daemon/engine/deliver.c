/* What daemon/delivery asks of the engine: its own entries, and the content of what it hands out. */
#include "engine/inside.h"

#include <assert.h>

#include "base/stored.h"

bool engine_has_room(const struct engine *e)
{
    return e->is_in_turn && !e->is_full && !e->is_stopped && e->rules && turn_has_room(e);
}

int engine_add_delivery(struct engine *e, const char *subscription, const Handoff__V1__DeliveryInput *input)
{
    struct patient_key key;
    struct found found;
    assert(e->is_in_turn);
    if (!engine_has_room(e)) return ENGINE_E_LIMIT;
    subject_key(e->hash_key, SUBJECT_IS_SUBSCRIPTION, subscription, &key);
    int code = lookup_subject(e, &key, &found);
    if (code) return code;
    turn_add(e, &(struct addition){.kind = ENTRY_DELIVERY, .key = &key, .found = &found, .input_message = &input->base});
    return 0;
}

int engine_walk_delivery(struct engine *e, const char *subscription, void *context,
                         bool (*visit)(void *context, const struct entry *entry))
{
    struct patient_key key;
    subject_key(e->hash_key, SUBJECT_IS_SUBSCRIPTION, subscription, &key);
    return engine_walk(e, &key, 0, context, visit);
}

int engine_hold(struct engine *e)
{
    return reading_begin(e);
}

void engine_let_go(struct engine *e)
{
    reading_end(e);
}

int engine_entry(struct engine *e, uint64_t sequence, struct entry *ret_entry)
{
    assert(e->is_in_turn || e->is_reading);
    return lookup_sequence(e, sequence, ret_entry);
}

static int newest_record(struct engine *e, const struct patient_key *key, struct arena *arena,
                         Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence)
{
    struct found found;
    int code = e->is_in_turn ? lookup_subject(e, key, &found) : lookup_committed(e, key, &found);
    if (!code) code = lookup_record(e, &found, arena, ret_record);
    if (!code && !*ret_record) code = ENGINE_E_UNKNOWN;
    if (!code) *ret_sequence = found.row.sequence;
    return code;
}

int engine_newest(struct engine *e, const struct patient_key *key, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence)
{
    struct patient_key at = *key;
    int code = newest_record(e, &at, arena, ret_record, ret_sequence);
    for (int depth = 0; !code && depth < ALIASES_MAX && (*ret_record)->merged_into[0]; depth++) {
        subject_key(e->hash_key, SUBJECT_IS_PATIENT, (*ret_record)->merged_into, &at);
        code = newest_record(e, &at, arena, ret_record, ret_sequence);
    }
    return code;
}

/* Journal time never runs back, so the first entry at or after a time is found by halving. */
int engine_sequence_before(struct engine *e, int64_t at_ms, uint64_t *ret_sequence)
{
    uint64_t low = 1, high = e->last_sequence + 1;
    struct entry entry;
    int code = reading_begin(e);
    while (!code && low < high) {
        uint64_t middle = low + (high - low) / 2;
        code = lookup_sequence(e, middle, &entry);
        if (code) break;
        if (entry.time_ms < at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    if (!e->is_in_turn) reading_end(e);
    if (!code) *ret_sequence = low - 1;
    return code;
}
