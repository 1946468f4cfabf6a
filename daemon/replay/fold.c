/* See fold.h. */
#include "replay/fold.h"

#include <assert.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/stored.h"
#include "core/calendar.h"
#include "core/seen.h"

/* What steps leave behind is let go when so much has come together: then the record moves. */
enum { SETTLE_BYTES = 16 * 1024 * 1024, FIRINGS_AT_ONCE = 10000, PACKED_BYTES = 2 * 1024 * 1024 };

int fold_new(struct fold *f, const struct timeline *timeline)
{
    *f = (struct fold){.timeline = timeline, .packed_max = PACKED_BYTES};
    f->arena = arena_new(LIMIT_ARENA_BYTES);
    f->packed = malloc(f->packed_max);
    if (f->arena && f->packed) return 0;
    fold_free(f);
    return -1;
}

void fold_free(struct fold *f)
{
    if (f->arena) arena_free(f->arena);
    free(f->packed);
    free(f->roots);
    *f = (struct fold){0};
}

/* --- where things go back to ---------------------------------------------------------------------------------------
 */

void fold_add_root(struct fold *f, uint64_t sequence, int64_t occurred_ms)
{
    if (f->root_count == f->root_max) {
        size_t max = f->root_max ? 2 * f->root_max : 1024;
        struct fold_root *larger = realloc(f->roots, max * sizeof *larger);
        if (!larger) return; /* then what goes back to it counts from itself */
        f->roots = larger;
        f->root_max = max;
    }
    assert(!f->root_count || f->roots[f->root_count - 1].sequence <= sequence);
    f->roots[f->root_count++] = (struct fold_root){sequence, occurred_ms};
}

static int64_t root_of(const struct fold *f, uint64_t sequence, int64_t otherwise_ms)
{
    size_t low = 0, high = f->root_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->roots[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < f->root_count && f->roots[low].sequence == sequence ? f->roots[low].occurred_ms : otherwise_ms;
}

/* The input that a due thing goes back to; 0: none. */
static uint64_t cause_of(const Handoff__V1__PatientRecord *r, const Handoff__V1__TimerInput *due)
{
    for (size_t i = 0; i < r->n_timers && due->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER; i++)
        if (r->timers[i]->generation == due->generation) return r->timers[i]->cause_sequence;
    for (size_t i = 0; i < r->n_tasks && due->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TASK; i++)
        if (r->tasks[i]->number == due->number && r->tasks[i]->n_causes) return r->tasks[i]->causes[0]->sequence;
    for (size_t i = 0; i < r->n_escalations && due->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION; i++)
        if (r->escalations[i]->number == due->number && r->escalations[i]->cause)
            return r->escalations[i]->cause->sequence;
    return 0;
}

/* --- a patient -------------------------------------------------------------------------------------------------------
 */

static void scale_sequences(Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_tasks; i++)
        for (size_t c = 0; c < r->tasks[i]->n_causes; c++) r->tasks[i]->causes[c]->sequence *= FOLD_STEPS;
    for (size_t i = 0; i < r->n_escalations; i++)
        if (r->escalations[i]->cause) r->escalations[i]->cause->sequence *= FOLD_STEPS;
    for (size_t i = 0; i < r->n_timers; i++) r->timers[i]->cause_sequence *= FOLD_STEPS;
    for (size_t i = 0; i < r->n_episodes; i++) r->episodes[i]->opened_sequence *= FOLD_STEPS;
    for (size_t i = 0; i < r->n_closed_episodes; i++) r->closed_episodes[i]->opened_sequence *= FOLD_STEPS;
    for (size_t i = 0; i < r->n_seen; i++) r->seen[i] += seen_sequence(r->seen[i]) * (FOLD_STEPS - 1);
}

static void renumber_pathways(const struct fold *f, Handoff__V1__PatientRecord *r)
{
    if (!f->number) return;
    for (size_t i = 0; i < r->n_episodes; i++)
        r->episodes[i]->pathway = f->number(f->number_context, r->episodes[i]->pathway);
    for (size_t i = 0; i < r->n_closed_episodes; i++)
        r->closed_episodes[i]->pathway = f->number(f->number_context, r->closed_episodes[i]->pathway);
}

static int take_record(struct fold *f, struct bytes packed)
{
    arena_reset(f->arena);
    f->record = NULL;
    if (!packed.len) return 0;
    f->record = stored_unpack(&handoff__v1__patient_record__descriptor, packed, f->arena);
    if (!f->record) return -1;
    scale_sequences(f->record);
    renumber_pathways(f, f->record);
    return 0;
}

int fold_begin(struct fold *f, struct bytes record, uint64_t sequence, int64_t at_ms)
{
    f->root_count = 0;
    f->sequence = sequence * FOLD_STEPS;
    f->now_ms = at_ms;
    f->hold_until_ms = INT64_MIN;
    f->firings_now = 0;
    return take_record(f, record);
}

int fold_rebase(struct fold *f, const struct entry *entry)
{
    uint64_t sequence = entry->sequence * FOLD_STEPS;
    f->now_ms = entry->time_ms;
    f->hold_until_ms = INT64_MIN;
    if (sequence > f->sequence) f->sequence = sequence;
    fold_add_root(f, f->sequence, entry->time_ms);
    return take_record(f, entry->record);
}

static void settle(struct fold *f)
{
    if (arena_used(f->arena) < SETTLE_BYTES || !f->record) return;
    size_t bytes = handoff__v1__patient_record__get_packed_size(f->record);
    if (bytes > f->packed_max) return; /* as long as there is room */
    handoff__v1__patient_record__pack(f->record, f->packed);
    arena_reset(f->arena);
    f->record = stored_unpack(&handoff__v1__patient_record__descriptor, (struct bytes){f->packed, bytes}, f->arena);
    assert(f->record);
}

struct arena *fold_arena(struct fold *f)
{
    settle(f);
    return f->arena;
}

static void take_step(struct fold *f, const struct step_input *input, const struct rules *rules, int64_t cause_ms)
{
    struct outcome outcome;
    step(rules, f->record, input, f->arena, &outcome);
    fold_add_root(f, input->sequence, cause_ms);
    f->record = outcome.after;
    f->sequence = input->sequence;
    f->steps++;
    if (!f->on_told) return;
    f->on_told(f->context, &(struct fold_told){.at_ms = input->now_ms,
                                               .cause_ms = cause_ms,
                                               .outcome = &outcome.journaled,
                                               .after = outcome.after,
                                               .rules = rules,
                                               .is_firing = input->kind == STEP_FIRING});
}

void fold_event(struct fold *f, const struct step_input *input, uint64_t sequence, int64_t at_ms)
{
    struct step_input scaled = *input;
    const struct rules *rules = timeline_at_sequence(f->timeline, sequence);
    if (!rules) return;
    scaled.sequence = sequence * FOLD_STEPS;
    if (scaled.sequence <= f->sequence) scaled.sequence = f->sequence + 1;
    scaled.now_ms = f->now_ms = at_ms;
    f->firings_now = 0;
    int64_t occurred_ms = input->event && input->event->occurred_at_ms < at_ms ? input->event->occurred_at_ms : at_ms;
    take_step(f, &scaled, rules, occurred_ms);
}

/* --- firing
 * ----------------------------------------------------------------------------------------------------------- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t fold_next_ms(const struct fold *f)
{
    Handoff__V1__TimerInput due = HANDOFF__V1__TIMER_INPUT__INIT;
    if (!f->record) return NO_DUE;
    int64_t at_ms = step_next_due(f->record, &due);
    return at_ms == NO_DUE ? NO_DUE : later(later(at_ms, f->now_ms), f->hold_until_ms);
}

static bool is_same_thing(const Handoff__V1__TimerInput *a, const Handoff__V1__TimerInput *b)
{
    return a->kind == b->kind && a->number == b->number && a->generation == b->generation &&
           a->due_at_ms == b->due_at_ms;
}

/* As the engine: what does not go away is looked at again in an hour. */
static void hold_if_stuck(struct fold *f, const Handoff__V1__TimerInput *fired)
{
    Handoff__V1__TimerInput next = HANDOFF__V1__TIMER_INPUT__INIT;
    bool is_stuck = step_next_due(f->record, &next) <= f->now_ms && is_same_thing(fired, &next);
    if (is_stuck || f->firings_now >= FIRINGS_AT_ONCE) f->hold_until_ms = f->now_ms + MS_PER_HOUR;
}

static void fire(struct fold *f, int64_t at_ms)
{
    settle(f);
    Handoff__V1__TimerInput *firing = ARENA_NEW(f->arena, Handoff__V1__TimerInput);
    handoff__v1__timer_input__init(firing);
    int64_t due_ms = step_next_due(f->record, firing);
    const struct rules *rules = timeline_at_time(f->timeline, due_ms);
    if (at_ms > f->now_ms) f->firings_now = 0;
    f->now_ms = at_ms;
    f->firings_now++;
    struct step_input input = {.kind = STEP_FIRING,
                               .sequence = f->sequence + 1,
                               .now_ms = at_ms,
                               .subject_name = f->record->patient_id,
                               .firing = firing};
    take_step(f, &input, rules, root_of(f, cause_of(f->record, firing), due_ms));
    hold_if_stuck(f, firing);
}

void fold_advance(struct fold *f, int64_t to_ms)
{
    for (int64_t next_ms; (next_ms = fold_next_ms(f)) <= to_ms && timeline_newest(f->timeline);) fire(f, next_ms);
    if (to_ms > f->now_ms) f->now_ms = to_ms;
}
