/* A turn: entries go into the builder, rows into the overlay, and either all of it becomes true with one append or
 * none of it ever was. What becomes of a batch that was decided is commit.c's. */
#include "engine/inside.h"

#include <assert.h>
#include "base/limits.h"
#include "base/stored.h"

uint64_t turn_last_decided(const struct engine *e)
{
    return e->deciding->first_sequence + e->deciding->entry_count - 1;
}

uint64_t turn_next_sequence(const struct engine *e)
{
    return turn_last_decided(e) + 1;
}

bool turn_has_room(const struct engine *e)
{
    return e->deciding->entry_count + ENTRIES_PER_EVENT <= e->options.batch_events &&
           batch_bytes(e->deciding->builder) + BATCH_SPARE_BYTES <= LIMIT_BATCH_BYTES;
}

bool engine_is_batch_full(const struct engine *e)
{
    return !turn_has_room(e) || e->deciding->result_count == e->result_max;
}

uint64_t engine_batch(const struct engine *e)
{
    return e->deciding->number;
}

uint32_t engine_batch_entries(const struct engine *e)
{
    return e->deciding->entry_count;
}

/* --- adding ------------------------------------------------------------------------------------------------- */

static_assert(BATCH_SPARE_BYTES >= ENTRIES_PER_EVENT * 2 * LIMIT_RECORD_BYTES + LIMIT_EVENT_BYTES,
              "an event's entries fit what a batch that is not full has left");
static_assert(PACKED_BYTES >= 2 * LIMIT_RECORD_BYTES + LIMIT_EVENT_BYTES, "a record that must act can be packed ahead");

/* In one pass, so that it ends at `end`; what stored_write does not take is only measured. */
static struct bytes pack_ahead(const ProtobufCMessage *message, uint8_t *begin, uint8_t *end)
{
    uint8_t *at = stored_write(message, begin, end);
    return at ? (struct bytes){at, (size_t)(end - at)}
              : (struct bytes){NULL, protobuf_c_message_get_packed_size(message)};
}

bool turn_fits(struct engine *e, const Handoff__V1__PatientRecord *after, bool must_act, struct bytes *ret_packed)
{
    *ret_packed = pack_ahead(&after->base, e->packed, e->packed + sizeof e->packed);
    return ret_packed->len <= (must_act ? 2 : 1) * (size_t)LIMIT_RECORD_BYTES;
}

/* `packed` is the message, or its size alone. */
static void place(const ProtobufCMessage *message, struct bytes packed, struct bytes to)
{
    if (packed.data)
        memcpy((uint8_t *)to.data, packed.data, packed.len);
    else if (message)
        protobuf_c_message_pack(message, (uint8_t *)to.data);
}

/* The outcome is packed in front of the record. */
static struct bytes pack_outcome(struct engine *e, const struct addition *a)
{
    if (!a->outcome) return (struct bytes){0};
    size_t end = a->after_packed.data ? (size_t)(a->after_packed.data - e->packed) : sizeof e->packed;
    assert(end <= sizeof e->packed);
    return pack_ahead(&a->outcome->base, e->packed, e->packed + end);
}

static uint32_t fill_sections(struct engine *e, struct entry *entry, const struct addition *a)
{
    struct bytes input = a->input;
    if (a->input_message) input = (struct bytes){NULL, protobuf_c_message_get_packed_size(a->input_message)};
    struct bytes outcome = pack_outcome(e, a);
    uint32_t offset = batch_reserve(e->deciding->builder, entry, input.len, outcome.len, a->after_packed.len);
    place(a->input_message, input, entry->input);
    place(a->outcome ? &a->outcome->base : NULL, outcome, entry->outcome);
    place(a->after ? &a->after->base : NULL, a->after_packed, entry->record);
    batch_finish_entry(e->deciding->builder, offset, entry);
    return offset;
}

uint16_t turn_flags(const struct record_totals *after, const Handoff__V1__Outcome *outcome)
{
    uint16_t flags = 0;
    if (after->open_tasks || after->open_escalations) flags |= ENTRY_HAS_OPEN_WORK;
    if (after->open_episodes) flags |= ENTRY_HAS_OPEN_EPISODE;
    if (outcome && outcome->verdict == HANDOFF__V1__VERDICT__VERDICT_PARKED) flags |= ENTRY_IS_PARKED;
    if (outcome && outcome->n_emissions) flags |= ENTRY_HAS_EMISSIONS;
    return flags;
}

static struct overlay_note *put_overlay(struct engine *e, const struct patient_key *key, const struct found *found,
                                        const struct index_row *row)
{
    struct index_change *change = changes_find(&e->deciding->overlay, key);
    if (!change) {
        change = changes_add(&e->deciding->overlay, key);
        e->deciding->notes[change - e->deciding->overlay.rows] = (struct overlay_note){0};
    }
    change->row = *row;
    change->unlodge_at_ms = found->unlodge_at_ms;
    return &e->deciding->notes[change - e->deciding->overlay.rows];
}

/* Lazy: a due time is lodged only when it is earlier than what is; a later one is found out when that fires. */
static bool lodge(struct index_row *row, bool is_firing)
{
    if (!is_firing && row->due_at_ms >= row->lodged_at_ms) return false;
    row->lodged_at_ms = row->due_at_ms;
    return true;
}

static void place_row(struct engine *e, const struct addition *a, const struct entry *entry, uint32_t offset)
{
    struct index_row row = {
        .sequence = entry->sequence,
        .batch_sequence = e->deciding->first_sequence,
        .offset = offset,
        .flags = entry->flags,
        .due_at_ms = entry->due_at_ms,
        .lodged_at_ms = a->found->row.lodged_at_ms,
    };
    bool is_lodged = lodge(&row, a->is_firing);
    struct overlay_note *note = put_overlay(e, a->key, a->found, &row);
    if (is_lodged) note->is_lodged = row.lodged_at_ms != NO_DUE;
}

static void count_emissions(int64_t totals[TOTAL_COUNT], const Handoff__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        switch (outcome->emissions[i]->body_case) {
        case HANDOFF__V1__EMISSION__BODY_TASK:
        case HANDOFF__V1__EMISSION__BODY_REMINDER:
            totals[TOTAL_EMISSIONS_TASK]++;
            break;
        case HANDOFF__V1__EMISSION__BODY_ESCALATION:
            totals[TOTAL_EMISSIONS_ESCALATION]++;
            break;
        case HANDOFF__V1__EMISSION__BODY_STATUS:
            totals[TOTAL_EMISSIONS_STATUS]++;
            break;
        case HANDOFF__V1__EMISSION__BODY_AUDIT:
            totals[TOTAL_EMISSIONS_AUDIT]++;
            break;
        case HANDOFF__V1__EMISSION__BODY__NOT_SET:
        case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
            break;
        }
    }
}

/* A review is something recorded that a human looks at. */
static void count_event(int64_t totals[TOTAL_COUNT], Handoff__V1__Verdict verdict)
{
    totals[TOTAL_EVENTS]++;
    if (verdict == HANDOFF__V1__VERDICT__VERDICT_APPLIED) totals[TOTAL_EVENTS_APPLIED]++;
    if (verdict == HANDOFF__V1__VERDICT__VERDICT_RECORDED || verdict == HANDOFF__V1__VERDICT__VERDICT_REVIEW)
        totals[TOTAL_EVENTS_RECORDED]++;
    if (verdict == HANDOFF__V1__VERDICT__VERDICT_OVERTAKEN) totals[TOTAL_EVENTS_OVERTAKEN]++;
}

void totals_count(int64_t totals[TOTAL_COUNT], const struct counted *c)
{
    struct record_totals before = {0};
    if (c->before) step_totals(c->before, &before);
    totals[TOTAL_ENTRIES]++;
    if (c->kind == ENTRY_EVENT) count_event(totals, c->outcome->verdict);
    if (c->kind == ENTRY_TIMER) totals[TOTAL_FIRINGS]++;
    if (c->is_new_patient) totals[TOTAL_PATIENTS]++;
    if (c->outcome && c->outcome->verdict == HANDOFF__V1__VERDICT__VERDICT_PARKED) totals[TOTAL_PARKED]++;
    totals[TOTAL_OPEN_EPISODES] += c->after.open_episodes - before.open_episodes;
    totals[TOTAL_OPEN_TASKS] += c->after.open_tasks - before.open_tasks;
    totals[TOTAL_OPEN_ESCALATIONS] += c->after.open_escalations - before.open_escalations;
    totals[TOTAL_PENDING_TIMERS] += c->after.pending_timers - before.pending_timers;
    if (c->outcome) count_emissions(totals, c->outcome);
}

static void measure_silence(struct engine *e, int64_t silence_ms)
{
    if (silence_ms > e->longest_silence_ms) e->longest_silence_ms = silence_ms;
}

void turn_add(struct engine *e, const struct addition *a)
{
    assert(e->is_in_turn && e->deciding->entry_count < e->options.batch_events);
    struct counted counted = {a->kind, a->is_new_patient, a->before, a->outcome, {0}};
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    if (a->after) step_totals(a->after, &counted.after);
    if (a->before && a->after) measure_silence(e, step_silence_ended(a->before, a->after));
    struct entry *entry = &e->deciding->entries[e->deciding->entry_count];
    *entry = (struct entry){
        .sequence = turn_next_sequence(e),
        .prev_sequence = a->found->row.sequence,
        .time_ms = e->now_ms,
        .due_at_ms = a->after ? step_next_due(a->after, &firing) : NO_DUE,
        .key = *a->key,
        .flags = turn_flags(&counted.after, a->outcome),
        .kind = a->kind,
        .format = ENTRY_FORMAT_PROTOBUF,
    };
    if (a->after && a->after->n_rounds) rounds_look_again(e);
    if (a->after && a->after->silent_at_ms) heard_take(e, a->key, a->after);
    uint32_t offset = fill_sections(e, entry, a);
    entry->batch_sequence = e->deciding->first_sequence;
    entry->offset = offset;
    e->deciding->entry_count++;
    place_row(e, a, entry, offset);
    totals_count(e->deciding->totals_after, &counted);
}

void turn_lodge(struct engine *e, const struct patient_key *key, const struct found *found, int64_t at_ms)
{
    struct index_row row = found->row;
    row.lodged_at_ms = at_ms;
    struct overlay_note *note = put_overlay(e, key, found, &row);
    note->is_lodged = at_ms != NO_DUE;
}

/* --- results -------------------------------------------------------------------------------------------------- */

void turn_tell_result(struct engine *e, const struct result *result)
{
    if (!e->options.listener.on_result) return;
    Handoff__V1__PublishResult told = HANDOFF__V1__PUBLISH_RESULT__INIT;
    told.code = result->code;
    told.sequence = result->sequence;
    told.verdict = result->verdict;
    told.sentence = (char *)result->sentence;
    if (result->field) told.field = (char *)result->field;
    e->options.listener.on_result(e->options.listener.context, result->ticket, result->position, &told);
}

void turn_add_result(struct engine *e, const struct result *result)
{
    assert(e->deciding->result_count < e->result_max);
    struct result *kept = &e->deciding->results[e->deciding->result_count++];
    *kept = *result;
    kept->sentence = result->sentence[0] ? arena_string(e->deciding->results_arena, result->sentence) : "";
}

void turn_tell_unavailable(struct engine *e, uint64_t ticket, uint32_t position)
{
    turn_tell_result(e, &(struct result){
                            .ticket = ticket,
                            .position = position,
                            .code = HANDOFF__V1__CODE__CODE_UNAVAILABLE,
                            .sentence = "Nothing is known to be stored; publish it again with the same id.",
                        });
}

void turn_tell_entry(struct engine *e, const struct entry *entry)
{
    if (!e->options.listener.on_entry) return;
    char key_text[33];
    Handoff__V1__Outcome nothing = HANDOFF__V1__OUTCOME__INIT;
    const Handoff__V1__Outcome *outcome = NULL;
    arena_reset(e->arena);
    engine_key_text(&entry->key, key_text);
    bool has_outcome = entry->kind == ENTRY_EVENT || entry->kind == ENTRY_TIMER || entry->record.len;
    if (entry->flags & ENTRY_HAS_EMISSIONS)
        outcome = stored_unpack(&handoff__v1__outcome__descriptor, entry->outcome, e->arena);
    else if (has_outcome) outcome = &nothing;
    e->options.listener.on_entry(e->options.listener.context, entry, outcome, key_text);
}
