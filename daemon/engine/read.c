/* For those who only look: the newest state, an older one, the entries of one subject or of all, and what will happen.
 * Each call takes its own snapshot, and ends it, unless it is made from within another (a visitor that looks further).
 */
#include "engine/inside.h"

#include "base/limits.h"

static int enter(struct engine *e, bool *ret_was_reading)
{
    *ret_was_reading = e->is_reading;
    return reading_begin(e);
}

static void leave(struct engine *e, bool was_reading)
{
    if (!was_reading && !e->is_in_turn) reading_end(e);
}

/* --- one subject -------------------------------------------------------------------------------------------------- */

static int unpack_record(const struct entry *entry, struct arena *arena, Handoff__V1__PatientRecord **ret_record,
                         uint64_t *ret_sequence, int64_t *ret_time_ms)
{
    if (!entry->record.len) return ENGINE_E_UNKNOWN;
    Handoff__V1__PatientRecord *record =
        handoff__v1__patient_record__unpack(arena_protobuf(arena), entry->record.len, entry->record.data);
    if (!record) return arena_left(arena) < LIMIT_STEP_ARENA_BYTES ? ENGINE_E_MEMORY : ENGINE_E_DAMAGED;
    *ret_record = record;
    *ret_sequence = entry->sequence;
    *ret_time_ms = entry->time_ms;
    return 0;
}

/* The newest committed entry of a subject. */
static int newest_entry(struct engine *e, const struct patient_key *key, struct entry *ret_entry)
{
    struct found found;
    int code = lookup_committed(e, key, &found);
    if (code) return code;
    return found.row.sequence ? lookup_entry(e, &found.row, ret_entry) : ENGINE_E_UNKNOWN;
}

int engine_record(struct engine *e, const struct patient_key *key, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence, int64_t *ret_time_ms)
{
    return engine_record_at(e, key, INT64_MAX, 0, arena, ret_record, ret_sequence, ret_time_ms);
}

int engine_record_at(struct engine *e, const struct patient_key *key, int64_t at_ms, uint64_t as_of,
                     struct arena *arena, Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence,
                     int64_t *ret_time_ms)
{
    bool was_reading;
    struct entry entry;
    int code = enter(e, &was_reading);
    if (!code) code = newest_entry(e, key, &entry);
    while (!code && (entry.time_ms > at_ms || (as_of && entry.sequence > as_of)))
        code = entry.prev_sequence ? lookup_sequence(e, entry.prev_sequence, &entry) : ENGINE_E_UNKNOWN;
    if (!code) code = unpack_record(&entry, arena, ret_record, ret_sequence, ret_time_ms);
    leave(e, was_reading);
    return code;
}

/* The newest entry of the subject with a sequence < before. A page's first entry is looked up at once, because
 * `before` is then one of the subject's own. */
static int entry_before(struct engine *e, const struct patient_key *key, uint64_t before, struct entry *ret_entry)
{
    struct entry entry;
    int code = before && before <= e->last_sequence ? lookup_sequence(e, before, &entry) : ENGINE_E_UNKNOWN;
    if (code || !key_equals(&entry.key, key)) code = newest_entry(e, key, &entry);
    while (!code && before && entry.sequence >= before)
        code = entry.prev_sequence ? lookup_sequence(e, entry.prev_sequence, &entry) : ENGINE_E_UNKNOWN;
    if (!code) *ret_entry = entry;
    return code;
}

int engine_walk(struct engine *e, const struct patient_key *key, uint64_t before, void *context,
                bool (*visit)(void *context, const struct entry *entry))
{
    bool was_reading;
    struct entry entry;
    int code = enter(e, &was_reading);
    if (!code) code = entry_before(e, key, before, &entry);
    bool goes_on = !code;
    while (goes_on) {
        goes_on = visit(context, &entry) && entry.prev_sequence;
        if (goes_on) code = lookup_sequence(e, entry.prev_sequence, &entry);
        if (code) goes_on = false;
    }
    leave(e, was_reading);
    return code == ENGINE_E_UNKNOWN && before ? 0 : code; /* a page past the oldest is empty */
}

/* --- all of them ----------------------------------------------------------------------------------------------------
 */

struct scan {
    uint64_t from, last;
    uint32_t left;
    void *context;
    bool (*visit)(void *context, const struct entry *entry);
    bool is_stopped;
};

static int scan_batch(struct scan *s, const struct batch_view *view)
{
    uint32_t offset = view->entries_begin;
    for (uint32_t i = 0; i < view->count && s->left && !s->is_stopped; i++) {
        struct entry entry;
        int code = batch_entry(view, offset, &entry, &offset);
        if (code) return code;
        if (entry.sequence < s->from) continue;
        s->left--;
        s->last = entry.sequence;
        s->is_stopped = !s->visit(s->context, &entry);
    }
    return 0;
}

static int scan_all(struct engine *e, struct scan *s)
{
    while (s->left && !s->is_stopped && s->last < e->last_sequence) {
        uint64_t first, at = s->last ? s->last + 1 : s->from;
        struct bytes blob;
        struct batch_view view;
        int code = e->options.journal->ops->find(e->journal_reader, at, &first, &blob);
        if (code == JOURNAL_E_NOT_FOUND) return 0;
        if (!code) code = batch_open(blob, &view);
        if (!code) code = scan_batch(s, &view);
        if (code) {
            engine_say(e, "the journal is damaged at %llu", (unsigned long long)at);
            return ENGINE_E_DAMAGED;
        }
    }
    return 0;
}

int engine_scan(struct engine *e, uint64_t from, uint32_t max_entries, void *context,
                bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last)
{
    bool was_reading;
    struct scan s = {.from = from ? from : 1, .left = max_entries, .context = context, .visit = visit};
    int code = enter(e, &was_reading);
    if (!code) code = scan_all(e, &s);
    leave(e, was_reading);
    if (!code) *ret_last = s.last ? s.last : s.from - 1;
    return code;
}

int engine_work_next(struct engine *e, const struct patient_key *after, struct patient_key *ret_key)
{
    bool was_reading;
    int code = enter(e, &was_reading);
    if (code) return code;
    code = e->options.index->ops->work_next(e->index_reader, after, ret_key);
    leave(e, was_reading);
    if (!code) return 0;
    return code == INDEX_E_NOT_FOUND ? ENGINE_E_UNKNOWN : ENGINE_E_INDEX;
}

/* --- what will happen ------------------------------------------------------------------------------------------------
 */

/* An overdue thing fires now; a timer that fires for ever is bounded by the limit. */
int engine_forecast(struct engine *e, const struct patient_key *key, uint32_t limit, struct arena *arena, void *context,
                    void (*visit)(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing,
                                  const struct outcome *outcome))
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms, now_ms = engine_now_ms(e);
    int code = engine_record(e, key, arena, &record, &sequence, &time_ms);
    if (code) return code;
    for (uint32_t i = 0; i < limit && e->rules && arena_left(arena) >= LIMIT_STEP_ARENA_BYTES; i++) {
        Handoff__V1__TimerInput *firing = arena_alloc(arena, sizeof *firing);
        struct outcome *outcome = arena_alloc(arena, sizeof *outcome);
        handoff__v1__timer_input__init(firing);
        int64_t due_ms = step_next_due(record, firing);
        if (due_ms == NO_DUE) return 0;
        if (due_ms > now_ms) now_ms = due_ms;
        struct step_input input = {.kind = STEP_FIRING,
                                   .sequence = e->last_sequence + 1 + i,
                                   .now_ms = now_ms,
                                   .subject_name = record->patient_id,
                                   .firing = firing};
        step(e->rules, record, &input, arena, outcome);
        visit(context, now_ms, firing, outcome);
        record = outcome->after;
    }
    return 0;
}
