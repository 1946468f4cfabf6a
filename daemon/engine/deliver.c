/* What daemon/delivery asks of the engine: its own entries, and the content of what it hands out. */
#include "engine/inside.h"

#include <assert.h>

#include "base/stored.h"
#include "engine/view.h"

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

int engine_entry(struct engine *e, const struct engine_place *place, struct entry *ret_entry)
{
    assert(e->is_in_turn || e->is_reading);
    if (!place->batch_sequence || place->sequence > e->last_sequence) return lookup_sequence(e, place->sequence, ret_entry);
    struct index_row row = {
        .sequence = place->sequence, .batch_sequence = place->batch_sequence, .offset = place->offset};
    return lookup_entry(e, &row, ret_entry);
}

static int newest_record(struct engine *e, const struct patient_key *key, uint64_t known_sequence, struct arena *arena,
                         Handoff__V1__PatientRecord **ret_record)
{
    struct found found;
    int code = e->is_in_turn ? lookup_subject(e, key, &found) : lookup_committed(e, key, &found);
    *ret_record = NULL;
    if (!code && found.row.sequence && found.row.sequence == known_sequence) return 0;
    if (!code) code = lookup_record_without(e, &found, &view_untold, arena, ret_record);
    return !code && !*ret_record ? ENGINE_E_UNKNOWN : code;
}

int engine_newest(struct engine *e, const struct patient_key *key, uint64_t known_sequence, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record)
{
    struct patient_key at = *key;
    int code = newest_record(e, &at, known_sequence, arena, ret_record);
    for (int depth = 0; !code && *ret_record && (*ret_record)->merged_into[0] && depth < ALIASES_MAX; depth++) {
        subject_key(e->hash_key, SUBJECT_IS_PATIENT, (*ret_record)->merged_into, &at);
        code = newest_record(e, &at, 0, arena, ret_record);
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
