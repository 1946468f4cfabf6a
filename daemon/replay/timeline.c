/* See timeline.h. Changes of one batch count together, from the next batch on.
 *
 * Each point is a set of rules of its own. Where many have been made by events (absences, rows of the directory: one
 * entry each, for years), several of these are taken together, so that all points fit. */
#include "replay/timeline.h"

#include <errno.h>
#include <stdlib.h>

struct journaled_change {
    uint64_t sequence, batch_end;
    int64_t at_ms;
    uint8_t *packed;
    size_t bytes;
    bool is_by_event, is_point; /* the rules are built after it */
};
struct changes_over_time {
    struct journaled_change *list;
    size_t count, max;
};

/* About so many points at most, and so many rows (absences, agencies) in all of them together. */
enum { POINTS_BY_EVENTS = 1024, ROWS_OF_POINTS = 8 * 1024 * 1024 };

/* --- looking up -------------------------------------------------------------------------------------------------- */

/* How many points are not after; is_after is false for the first of them and true for the last. */
static size_t points_until(const struct timeline *t, bool (*is_after)(const struct timeline_point *, const void *),
                           const void *moment)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_after(&t->points[middle], moment))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool is_after_sequence(const struct timeline_point *p, const void *sequence)
{
    return p->from_sequence > *(const uint64_t *)sequence;
}
static bool is_after_time(const struct timeline_point *p, const void *at_ms)
{
    return p->at_ms >= *(const int64_t *)at_ms;
}

const struct rules *timeline_at_sequence(const struct timeline *t, uint64_t sequence)
{
    size_t until = points_until(t, is_after_sequence, &sequence);
    return until ? t->points[until - 1].rules : NULL;
}

const struct rules *timeline_at_time(const struct timeline *t, int64_t at_ms)
{
    size_t until = points_until(t, is_after_time, &at_ms);
    if (!t->count) return NULL;
    return t->points[until ? until - 1 : 0].rules;
}

const struct rules *timeline_newest(const struct timeline *t)
{
    return t->count ? t->points[t->count - 1].rules : NULL;
}

void timeline_free(struct timeline *t)
{
    free(t->points);
    *t = (struct timeline){0};
}

static int add_point(struct timeline *t, uint64_t from_sequence, int64_t at_ms, const struct rules *rules)
{
    if (!rules) return 0; /* no policy or no site yet: nothing is decided */
    if (t->count == t->max) {
        size_t max = t->max ? 2 * t->max : 64;
        struct timeline_point *larger = realloc(t->points, max * sizeof *larger);
        if (!larger) return -ENOMEM;
        t->points = larger;
        t->max = max;
    }
    t->points[t->count++] = (struct timeline_point){from_sequence, at_ms, rules};
    return 0;
}

/* --- the journal's changes --------------------------------------------------------------------------------------- */

struct changes_over_time *timeline_changes_new(void)
{
    return calloc(1, sizeof(struct changes_over_time));
}

void timeline_changes_free(struct changes_over_time *c)
{
    for (size_t i = 0; c && i < c->count; i++) free(c->list[i].packed);
    if (c) free(c->list);
    free(c);
}

static bool is_made_by_event(const Handoff__V1__RulesChange *change)
{
    return change->body_case >= HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE;
}

/* The change need not be understood here: what does not unpack is said when it is applied. */
static bool is_entry_by_event(const struct entry *entry)
{
    Handoff__V1__RulesChange *change = handoff__v1__rules_change__unpack(NULL, entry->input.len, entry->input.data);
    bool is = change && is_made_by_event(change);
    if (change) handoff__v1__rules_change__free_unpacked(change, NULL);
    return is;
}

int timeline_take(struct changes_over_time *c, const struct entry *entry, uint64_t batch_end)
{
    if (c->count == c->max) {
        size_t max = c->max ? 2 * c->max : 64;
        struct journaled_change *larger = realloc(c->list, max * sizeof *larger);
        if (!larger) return -1;
        c->list = larger;
        c->max = max;
    }
    uint8_t *packed = malloc(entry->input.len + 1);
    if (!packed) return -1;
    memcpy(packed, entry->input.data, entry->input.len);
    c->list[c->count++] = (struct journaled_change){
        entry->sequence, batch_end, entry->time_ms, packed, entry->input.len, is_entry_by_event(entry), false};
    return 0;
}

static bool is_last_of_batch(const struct changes_over_time *c, size_t i)
{
    return i + 1 == c->count || c->list[i + 1].batch_end != c->list[i].batch_end;
}

/* Of how many batches of changes by events the rules are built once. */
static size_t stride_of(const struct changes_over_time *c)
{
    size_t batches = 0, rows = 0, points;
    for (size_t i = 0; i < c->count; i++) {
        rows += c->list[i].is_by_event;
        batches += c->list[i].is_by_event && is_last_of_batch(c, i);
    }
    points = rows * POINTS_BY_EVENTS > ROWS_OF_POINTS ? ROWS_OF_POINTS / rows + 1 : POINTS_BY_EVENTS;
    return batches / points + 1;
}

/* At the end of each batch in which somebody changed the rules; of batches of changes by events, of every n-th. */
static void choose_points(struct changes_over_time *c)
{
    size_t stride = stride_of(c), count = 0;
    bool is_by_event = true;
    for (size_t i = 0; i < c->count; i++) {
        is_by_event &= c->list[i].is_by_event;
        if (!is_last_of_batch(c, i)) continue;
        c->list[i].is_point = !is_by_event || i + 1 == c->count || ++count % stride == 0;
        is_by_event = true;
    }
}

static Handoff__V1__RulesChange *unpack(const struct journaled_change *change, struct yaml_errors *errors)
{
    Handoff__V1__RulesChange *message = handoff__v1__rules_change__unpack(NULL, change->bytes, change->packed);
    if (!message) yaml_error_at(errors, "journal", 0, 0, "a change of rules does not unpack");
    return message;
}

int timeline_journaled(struct changes_over_time *c, struct ruleset *rs, struct timeline *ret_timeline,
                       struct yaml_errors *errors)
{
    int error = 0;
    choose_points(c);
    for (size_t i = 0; i < c->count && !error; i++) {
        const struct journaled_change *at = &c->list[i];
        Handoff__V1__RulesChange *change = unpack(at, errors);
        error = change ? ruleset_apply(rs, change, at->sequence, errors) : -EINVAL;
        if (change) handoff__v1__rules_change__free_unpacked(change, NULL);
        if (!error && at->is_point) error = add_point(ret_timeline, at->batch_end + 1, at->at_ms, ruleset_build(rs));
    }
    return error;
}

/* --- the candidate's --------------------------------------------------------------------------------------------- */

struct telling {
    const struct changes_over_time *changes;
    struct candidate *candidate;
    const struct ruleset *journaled;
    int64_t since_ms;
    bool has_begun;
    struct timeline *timeline;
    struct yaml_errors *errors;
};

/* Between two batches: entries from the day on come after all changes before it. */
static int begin(struct telling *t, uint64_t from_sequence)
{
    const struct rules *before = candidate_build(t->candidate);
    if (!before) return 0; /* the first rules are not complete */
    t->has_begun = true;
    int error = candidate_begin(t->candidate, t->journaled, before->sequence, t->errors);
    if (error || t->since_ms == INT64_MIN) return error;
    return add_point(t->timeline, from_sequence, t->since_ms - 1, candidate_build(t->candidate));
}

static int take(struct telling *t, size_t i)
{
    const struct journaled_change *at = &t->changes->list[i];
    uint64_t before = i ? t->changes->list[i - 1].batch_end + 1 : 0;
    bool is_first_after = !t->has_begun && t->since_ms != INT64_MIN && at->at_ms >= t->since_ms;
    int error = is_first_after ? begin(t, before) : 0;
    Handoff__V1__RulesChange *change = error ? NULL : unpack(at, t->errors);
    if (!change) return -EINVAL;
    error = candidate_apply(t->candidate, change, at->sequence, t->errors);
    handoff__v1__rules_change__free_unpacked(change, NULL);
    if (error || !at->is_point) return error;
    if (!t->has_begun && t->since_ms == INT64_MIN) error = begin(t, at->batch_end + 1);
    return error ? error : add_point(t->timeline, at->batch_end + 1, at->at_ms, candidate_build(t->candidate));
}

int timeline_candidate(const struct changes_over_time *c, struct candidate *candidate, const struct ruleset *journaled,
                       int64_t since_ms, struct timeline *ret_timeline, struct yaml_errors *errors)
{
    struct telling t = {c, candidate, journaled, since_ms, false, ret_timeline, errors};
    int error = 0;
    if (since_ms == INT64_MIN) candidate_replace_all(candidate);
    for (size_t i = 0; i < c->count && !error; i++) error = take(&t, i);
    if (!error && !t.has_begun && c->count) error = begin(&t, c->list[c->count - 1].batch_end + 1);
    return error;
}
