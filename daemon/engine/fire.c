/* What is due: candidates from the heaps of both generations and from the index, in the order of their time; each
 * becomes an entry through step, as an event does. The due index is lazy, so a candidate may turn out to be
 *
 *     stale   its subject is lodged at another time: nothing to do (the row is deleted if nobody would)
 *     early   nothing of the subject is due yet: it is lodged at the right time, without an entry
 *     due     firings until nothing is, or the bound is reached; then lodged at whatever comes next
 *
 * A subject is looked at once for each candidate taken, and each candidate is given back when the commit fails. */
#include "engine/inside.h"

#include <assert.h>
#include "base/limits.h"
#include "core/calendar.h"

enum { ADVANCE_TURNS = 16 };

/* --- candidates ----------------------------------------------------------------------------------------------- */

static void scan_load(struct engine *e)
{
    if (e->is_scan_known) return;
    e->scan_next.at_ms = NO_DUE;
    if (reading_begin(e)) return;
    int code = e->options.index->ops->due_next(e->index_reader, e->has_scan_begun ? e->scan_after.at_ms : INT64_MIN,
                                               e->has_scan_begun ? &e->scan_after.key : NULL, &e->scan_next.at_ms,
                                               &e->scan_next.key);
    if (code) e->scan_next.at_ms = NO_DUE;
    e->is_scan_known = !code || code == INDEX_E_NOT_FOUND; /* else it is asked again */
    if (!e->is_scan_known) engine_say(e, "the index cannot be read: %s", index_error(code));
}

static void consider(const struct due *due, enum due_origin origin, struct due *best, enum due_origin *from)
{
    if (!due || due->at_ms >= best->at_ms) return;
    *best = *due;
    *from = origin;
}

static enum due_origin first_candidate(struct engine *e, struct due *ret_due)
{
    enum due_origin from = DUE_FROM_NOWHERE;
    ret_due->at_ms = NO_DUE;
    scan_load(e);
    consider(changes_first_due(e->active), DUE_FROM_ACTIVE, ret_due, &from);
    consider(changes_first_due(e->frozen), DUE_FROM_FROZEN, ret_due, &from);
    consider(&e->scan_next, DUE_FROM_INDEX, ret_due, &from);
    return from;
}

static void take(struct engine *e, const struct due *due, enum due_origin from)
{
    assert(e->deciding->taken_count < e->taken_max);
    e->deciding->taken[e->deciding->taken_count] = *due;
    e->deciding->taken_from[e->deciding->taken_count++] = from;
    if (from == DUE_FROM_ACTIVE) changes_pop_due(e->active);
    if (from == DUE_FROM_FROZEN) changes_pop_due(e->frozen);
    if (from != DUE_FROM_INDEX) return;
    e->scan_after = *due;
    e->has_scan_begun = true;
    e->is_scan_known = false;
}

/* --- firing ----------------------------------------------------------------------------------------------------- */

static bool is_same_thing(const Handoff__V1__TimerInput *a, const Handoff__V1__TimerInput *b)
{
    return a->kind == b->kind && a->number == b->number && a->generation == b->generation &&
           a->due_at_ms == b->due_at_ms;
}

/* A subject that cannot be fired now is looked at again in an hour; the others go on. */
static void put_off(struct engine *e, const struct patient_key *key, const struct found *found)
{
    turn_lodge(e, key, found, e->now_ms + MS_PER_HOUR);
}

struct firing_result {
    bool is_added, is_due_again;
};

static int fire_once(struct engine *e, const struct patient_key *key, const struct found *found,
                     struct firing_result *ret_result)
{
    Handoff__V1__PatientRecord *before;
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT, next = HANDOFF__V1__TIMER_INPUT__INIT;
    arena_reset(e->arena);
    int code = lookup_record(e, found, e->arena, &before);
    if (code) return code;
    int64_t due_ms = before ? step_next_due(before, &firing) : NO_DUE;
    if (due_ms > e->now_ms) {
        turn_lodge(e, key, found, due_ms);
        return 0;
    }
    struct step_input input = {.kind = STEP_FIRING,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject_name = before->patient_id,
                               .firing = &firing};
    struct outcome outcome;
    step(e->rules, before, &input, e->arena, &outcome);
    int64_t next_ms = step_next_due(outcome.after, &next);
    struct bytes after_packed;
    bool is_stuck = next_ms <= e->now_ms && is_same_thing(&firing, &next);
    if (!turn_fits(e, outcome.after, true, &after_packed)) {
        engine_say(e, "a record became too large when a timer fired; it is tried again in an hour");
        put_off(e, key, found);
        return 0;
    }
    if (is_stuck || outcome.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_NO_OP) {
        engine_say(e, "a due thing did not go away when it fired; it is tried again in an hour");
        put_off(e, key, found);
        return 0;
    }
    struct event_change change;
    code = change_by_outcome(e, &outcome.journaled, &change);
    if (code) return code;
    turn_add(e, &(struct addition){.kind = ENTRY_TIMER,
                                   .key = key,
                                   .found = found,
                                   .input_message = &firing.base,
                                   .before = before,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled,
                                   .is_firing = true});
    if (change.is_needed) change_add(e, &change);
    *ret_result = (struct firing_result){true, next_ms <= e->now_ms};
    return 0;
}

/* Until nothing of this subject is due, or the bound is reached: then it is lodged where it is, in the past. */
static uint32_t fire_subject(struct engine *e, const struct due *due, enum due_origin from, uint32_t limit)
{
    struct found found;
    if (lookup_subject(e, &due->key, &found)) return 0;
    if (found.row.lodged_at_ms != due->at_ms) {
        bool is_left_behind = from == DUE_FROM_INDEX && found.is_unknown_to_memory && found.row.sequence;
        if (!is_left_behind) return 0;
        found.unlodge_at_ms = due->at_ms;
        turn_lodge(e, &due->key, &found, found.row.lodged_at_ms);
        return 0;
    }
    if (found.row.due_at_ms > e->now_ms) {
        turn_lodge(e, &due->key, &found, found.row.due_at_ms);
        return 0;
    }
    uint32_t fired = 0;
    struct firing_result result = {.is_due_again = true};
    while (result.is_due_again && fired < limit && turn_has_room(e)) {
        result = (struct firing_result){0};
        if (fired && lookup_subject(e, &due->key, &found)) break;
        if (fire_once(e, &due->key, &found, &result)) put_off(e, &due->key, &found);
        fired += result.is_added;
    }
    return fired;
}

/* Without room in the table of changes timers wait for the index, whose end of a sweep wakes the loop. */
static bool can_fire(const struct engine *e)
{
    return !e->options.clock->is_held && !e->is_full && !e->is_stopped && e->rules && sweep_has_room(e);
}

/* What is done beside events and timers, some of it a turn. */
static void go_on(struct engine *e)
{
    heard_go_on(e);
    rounds_go_on(e);
}

static bool has_more(const struct engine *e)
{
    return rounds_have_work(e) || heard_have_work(e);
}

/* Sources first: one that has an hour more must not be found silent before it was told so. */
uint32_t engine_fire(struct engine *e, uint32_t limit)
{
    assert(e->is_in_turn);
    uint32_t fired = 0;
    if (limit > e->options.fire_per_turn) limit = e->options.fire_per_turn;
    if (can_fire(e)) heard_go_on(e);
    bool may_begin = !heard_have_work(e);
    while (may_begin && can_fire(e) && fired < limit && turn_has_room(e) && e->deciding->taken_count < e->taken_max) {
        struct due due;
        enum due_origin from = first_candidate(e, &due);
        if (due.at_ms > e->now_ms) break;
        take(e, &due, from);
        fired += fire_subject(e, &due, from, limit - fired);
    }
    if (can_fire(e)) rounds_go_on(e);
    return fired;
}

/* --- when ------------------------------------------------------------------------------------------------------- */

int64_t fire_next_ms(struct engine *e)
{
    struct due due;
    bool was_reading = e->is_reading;
    first_candidate(e, &due);
    if (!was_reading && !e->is_in_turn) reading_end(e);
    return due.at_ms;
}

int64_t engine_next_due(struct engine *e)
{
    if (!can_fire(e)) return NO_DUE;
    return has_more(e) ? engine_now_ms(e) : fire_next_ms(e);
}

int64_t engine_oldest_overdue_ms(struct engine *e)
{
    int64_t late_ms = engine_now_ms(e) - fire_next_ms(e);
    return late_ms > 0 ? late_ms : 0;
}

/* --- manual time ------------------------------------------------------------------------------------------------ */

/* One turn without moving: whatever all records have to be gone through for comes before what is due later. */
static int advance_nowhere(struct engine *e)
{
    if (rounds_wait_for_index(e) && engine_index_flush(e)) return ENGINE_E_INDEX;
    engine_turn_begin(e);
    if (!sweep_has_room(e)) indexer_wait(e->indexer);
    if (can_fire(e)) go_on(e);
    int code = engine_turn_commit(e);
    return code ? code : 1;
}

/* One turn at the next due time. Returns 1, or why it failed. */
static int advance_to_due(struct engine *e, int64_t at_ms, uint64_t *fired)
{
    clock_set_ms(e->options.clock, at_ms);
    engine_turn_begin(e);
    if (!sweep_has_room(e)) indexer_wait(e->indexer);
    *fired += engine_fire(e, e->options.fire_per_turn);
    int code = engine_turn_commit(e);
    return code ? code : 1;
}

int engine_advance(struct engine *e, int64_t to_ms, uint64_t *ret_fired)
{
    engine_commit_all(e);
    if (e->options.clock->kind != CLOCK_KIND_MANUAL || to_ms < engine_now_ms(e)) return ENGINE_E_CLOCK;
    if (e->is_full || e->is_stopped) return e->is_full ? ENGINE_E_FULL : ENGINE_E_STOPPED;
    uint64_t fired = 0;
    int code = 1;
    for (int turn = 0; turn < ADVANCE_TURNS && code == 1; turn++) {
        if (can_fire(e) && (has_more(e) || rounds_wait_for_index(e))) {
            code = advance_nowhere(e);
            continue;
        }
        int64_t next_ms = fire_next_ms(e);
        code = next_ms <= to_ms ? advance_to_due(e, next_ms, &fired) : change_set_clock(e, to_ms);
    }
    if (ret_fired) *ret_fired = fired;
    return code;
}
