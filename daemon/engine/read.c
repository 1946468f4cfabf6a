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

int engine_alias(struct engine *e, struct patient_key *key, int64_t at_ms, struct arena *arena)
{
    for (int depth = 0; depth < ALIASES_MAX; depth++) {
        Handoff__V1__PatientRecord *record;
        uint64_t sequence;
        int64_t time_ms;
        size_t mark = arena_used(arena);
        int code = engine_record_at(e, key, at_ms, 0, arena, &record, &sequence, &time_ms);
        bool is_alias = !code && record->merged_into[0];
        if (is_alias) subject_key(e->hash_key, SUBJECT_IS_PATIENT, record->merged_into, key);
        arena_rewind(arena, mark);
        if (!is_alias) return code == ENGINE_E_UNKNOWN ? 0 : code;
    }
    return 0;
}

/* --- the entries of a subject, and of those that became it ---------------------------------------------------------- */

enum { WALK_CHAINS = 64 };

/* Where a walk stands on each chain: the next entry to be visited, 0 at the end. */
struct walk {
    uint64_t next[WALK_CHAINS];
    uint32_t count;
};

/* The newest entry of a chain, from this one on, with a sequence < before. */
static int begin_chain(struct engine *e, struct walk *w, uint64_t newest, uint64_t before)
{
    struct entry entry;
    while (before && newest >= before) {
        int code = lookup_sequence(e, newest, &entry);
        if (code) return code;
        newest = entry.prev_sequence;
    }
    if (w->count < WALK_CHAINS) w->next[w->count++] = newest;
    return 0;
}

/* A page's first entry is looked up at once, because `before` is then often one of the subject's own. */
static int begin_own(struct engine *e, struct walk *w, const struct patient_key *key, uint64_t newest, uint64_t before)
{
    struct entry entry;
    int code = before && before <= newest ? lookup_sequence(e, before, &entry) : ENGINE_E_UNKNOWN;
    if (!code && key_equals(&entry.key, key)) newest = entry.prev_sequence;
    return begin_chain(e, w, newest, before);
}

static int begin_walk(struct engine *e, const struct patient_key *key, uint64_t before, struct walk *w)
{
    struct entry newest;
    int code = newest_entry(e, key, &newest);
    if (!code) code = begin_own(e, w, key, newest.sequence, before);
    if (code || !newest.record.len) return code;
    size_t mark = arena_used(e->arena); /* a listener may be reading what is in it */
    const Handoff__V1__PatientRecord *record =
        handoff__v1__patient_record__unpack(arena_protobuf(e->arena), newest.record.len, newest.record.data);
    for (size_t i = 0; !code && record && i < record->n_merged; i++)
        code = begin_chain(e, w, record->merged[i]->sequence, before);
    arena_rewind(e->arena, mark);
    return code;
}

static uint64_t *newest_of(struct walk *w)
{
    uint64_t *newest = &w->next[0];
    for (uint32_t i = 1; i < w->count; i++)
        if (w->next[i] > *newest) newest = &w->next[i];
    return newest;
}

int engine_walk(struct engine *e, const struct patient_key *key, uint64_t before, void *context,
                bool (*visit)(void *context, const struct entry *entry))
{
    bool was_reading, goes_on = true;
    struct entry entry;
    struct walk w = {0};
    int code = enter(e, &was_reading);
    if (!code) code = begin_walk(e, key, before, &w);
    while (!code && goes_on && *newest_of(&w)) {
        uint64_t *at = newest_of(&w);
        code = lookup_sequence(e, *at, &entry);
        if (code) break;
        *at = entry.prev_sequence;
        goes_on = visit(context, &entry);
    }
    leave(e, was_reading);
    return code == ENGINE_E_UNKNOWN && before ? 0 : code; /* a page past the oldest is empty */
}

/* --- all of them ----------------------------------------------------------------------------------------------------
 */

struct scan {
    uint64_t from, last;
    uint32_t left;
    uint16_t whole; /* flags of entries that are read whole */
    bool is_by_headers;
    void *context;
    bool (*visit)(void *context, const struct entry *entry);
    bool is_stopped;
};

static int scan_entry(const struct scan *s, const struct batch_view *view, uint32_t offset, struct entry *ret_entry,
                      uint32_t *ret_next)
{
    if (!s->is_by_headers) return batch_entry(view, offset, ret_entry, ret_next);
    int code = batch_entry_header(view, offset, ret_entry, ret_next);
    return code || !(ret_entry->flags & s->whole) ? code : batch_entry(view, offset, ret_entry, ret_next);
}

static int scan_batch(struct scan *s, const struct batch_view *view)
{
    uint32_t offset = view->entries_begin;
    for (uint32_t i = 0; i < view->count && s->left && !s->is_stopped; i++) {
        struct entry entry;
        int code = scan_entry(s, view, offset, &entry, &offset);
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

static int scan_from(struct engine *e, struct scan *s, uint64_t *ret_last)
{
    bool was_reading;
    int code = enter(e, &was_reading);
    if (!code) code = scan_all(e, s);
    leave(e, was_reading);
    if (!code) *ret_last = s->last ? s->last : s->from - 1;
    return code;
}

int engine_scan(struct engine *e, uint64_t from, uint32_t max_entries, void *context,
                bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last)
{
    struct scan s = {.from = from ? from : 1, .left = max_entries, .context = context, .visit = visit};
    return scan_from(e, &s, ret_last);
}

int engine_scan_headers(struct engine *e, uint64_t from, uint32_t max_entries, uint16_t whole, void *context,
                        bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last)
{
    struct scan s = {.from = from ? from : 1,
                     .left = max_entries,
                     .whole = whole,
                     .is_by_headers = true,
                     .context = context,
                     .visit = visit};
    return scan_from(e, &s, ret_last);
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
