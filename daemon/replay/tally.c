/* See tally.h. */
#include "replay/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pathway/words.h"

enum { ROWS_MAX = 8192, SLOTS = 4 * ROWS_MAX };
#define CLIMB(NAME) HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME

struct occurrence {
    uint32_t row;
    int64_t at_ms, due_ms, delay_ms;
};
struct course_list {
    struct occurrence *list;
    size_t count, max;
};

struct tally {
    struct tally_row rows[ROWS_MAX];
    const struct tally_row *sorted[ROWS_MAX];
    uint32_t row_count;
    uint16_t slots[SLOTS]; /* row + 1; open addressing, linear */
    struct course_list courses[COURSES];
    bool has_lost;
};

struct tally *tally_new(void)
{
    return calloc(1, sizeof(struct tally));
}

void tally_free(struct tally *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < t->row_count; i++) {
        free((char *)(uintptr_t)t->rows[i].pathway); /* ours */
        free(t->rows[i].from_cause[COURSE_PRESENT]);
        free(t->rows[i].from_cause[COURSE_CANDIDATE]);
    }
    for (int c = 0; c < COURSES; c++) free(t->courses[c].list);
    free(t);
}

bool tally_has_lost(const struct tally *t)
{
    return t->has_lost;
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static uint32_t hash_of(const struct tally_row *key)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (const char *c = key->pathway; *c; c++) h = (h ^ (uint8_t)*c) * 16777619u;
    uint32_t parts[] = {key->told, key->kind, key->rung, key->severity};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) h = (h ^ parts[i]) * 16777619u;
    return h;
}

static bool is_same_row(const struct tally_row *a, const struct tally_row *b)
{
    return a->told == b->told && a->kind == b->kind && a->rung == b->rung && a->severity == b->severity &&
           strcmp(a->pathway, b->pathway) == 0;
}

static bool add_row(struct tally *t, const struct tally_row *key)
{
    struct tally_row row = *key;
    row.pathway = strdup(key->pathway);
    for (int c = COURSE_PRESENT; c <= COURSE_CANDIDATE; c++) row.from_cause[c] = calloc(1, sizeof(struct quantile));
    if (row.pathway && row.from_cause[0] && row.from_cause[1]) {
        t->rows[t->row_count++] = row;
        return true;
    }
    free((char *)(uintptr_t)row.pathway);
    free(row.from_cause[0]);
    free(row.from_cause[1]);
    return false;
}

/* Position, or ROWS_MAX: there is no room for another. */
static uint32_t row_of(struct tally *t, const struct tally_row *key)
{
    uint32_t slot = hash_of(key) % SLOTS;
    for (; t->slots[slot]; slot = (slot + 1) % SLOTS)
        if (is_same_row(&t->rows[t->slots[slot] - 1], key)) return t->slots[slot] - 1u;
    if (t->row_count == ROWS_MAX || !add_row(t, key)) return ROWS_MAX;
    t->slots[slot] = (uint16_t)t->row_count;
    return t->row_count - 1;
}

/* --- a patient -------------------------------------------------------------------------------------------------------
 */

static void note(struct tally *t, enum course course, const struct tally_row *key, struct occurrence o)
{
    struct course_list *l = &t->courses[course];
    o.row = row_of(t, key);
    if (l->count == l->max) {
        size_t max = l->max ? 2 * l->max : 1024;
        struct occurrence *larger = realloc(l->list, max * sizeof *larger);
        if (!larger)
            o.row = ROWS_MAX;
        else
            l->list = larger, l->max = max;
    }
    if (o.row == ROWS_MAX)
        t->has_lost = true;
    else
        l->list[l->count++] = o;
}

static bool is_told(const Handoff__V1__Emission *e, struct tally_row *key, int64_t *ret_due_ms)
{
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) {
        key->told = TOLD_TASK;
        key->kind = e->task->kind;
        *ret_due_ms = e->task->due_at_ms;
        return e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED;
    }
    if (e->body_case != HANDOFF__V1__EMISSION__BODY_ESCALATION) return false;
    Handoff__V1__EscalationChange change = e->escalation->change;
    key->told = change == CLIMB(REPEATED) ? TOLD_AGAIN : TOLD_ESCALATION;
    key->rung = e->escalation->rung;
    key->severity = e->escalation->severity;
    *ret_due_ms = 0;
    return change == CLIMB(RAISED) || change == CLIMB(CLIMBED) || change == CLIMB(RESUMED) || change == CLIMB(REPEATED);
}

void tally_take(struct tally *t, enum course course, const struct names *names, const Handoff__V1__Outcome *outcome,
                int64_t at_ms, int64_t cause_ms)
{
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        struct tally_row key = {.pathway = names_pathway(names, e->episode)};
        struct occurrence o = {.at_ms = at_ms, .delay_ms = at_ms - cause_ms};
        if (is_told(e, &key, &o.due_ms)) note(t, course, &key, o);
    }
}

static int by_row_and_time(const void *left, const void *right)
{
    const struct occurrence *a = left, *b = right;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    if (a->at_ms != b->at_ms) return a->at_ms < b->at_ms ? -1 : 1;
    return (a->due_ms > b->due_ms) - (a->due_ms < b->due_ms);
}

struct run { /* of one row in a sorted list */
    const struct occurrence *at;
    size_t count;
};

static struct run run_of(const struct course_list *l, size_t *from, uint32_t row)
{
    struct run r = {l->list + *from, 0};
    while (*from < l->count && l->list[*from].row == row) (*from)++, r.count++;
    return r;
}

/* How many are in both at the very same times. */
static size_t common(const struct run *a, const struct run *b)
{
    size_t i = 0, j = 0, same = 0;
    while (i < a->count && j < b->count) {
        int order = by_row_and_time(&a->at[i], &b->at[j]);
        same += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return same;
}

static bool compare_row(struct tally_row *row, const struct run *present, const struct run *candidate)
{
    const struct run *runs[] = {present, candidate};
    size_t same = common(present, candidate);
    size_t rest = (present->count < candidate->count ? present->count : candidate->count) - same;
    bool differs = rest || present->count != candidate->count;
    for (int c = COURSE_PRESENT; c <= COURSE_CANDIDATE; c++) {
        row->counts[c] += runs[c]->count;
        for (size_t i = 0; i < runs[c]->count; i++) quantile_add(row->from_cause[c], runs[c]->at[i].delay_ms);
    }
    row->patients += present->count || candidate->count;
    row->moved += rest;
    row->patients_differ += differs;
    return differs;
}

static uint32_t least_row(const struct tally *t, const size_t at[COURSES])
{
    uint32_t least = ROWS_MAX;
    for (int c = 0; c < COURSES; c++)
        if (at[c] < t->courses[c].count && t->courses[c].list[at[c]].row < least) least = t->courses[c].list[at[c]].row;
    return least;
}

struct tally_patient tally_end_patient(struct tally *t)
{
    struct tally_patient p = {false, false};
    size_t at[COURSES] = {0};
    for (int c = 0; c < COURSES; c++)
        if (t->courses[c].count)
            qsort(t->courses[c].list, t->courses[c].count, sizeof(struct occurrence), by_row_and_time);
    for (uint32_t row; (row = least_row(t, at)) < ROWS_MAX;) {
        struct run runs[COURSES];
        for (int c = 0; c < COURSES; c++) runs[c] = run_of(&t->courses[c], &at[c], row);
        t->rows[row].counts[COURSE_JOURNAL] += runs[COURSE_JOURNAL].count;
        p.differs |= compare_row(&t->rows[row], &runs[COURSE_PRESENT], &runs[COURSE_CANDIDATE]);
        p.is_unlike_journal |= runs[COURSE_PRESENT].count != runs[COURSE_JOURNAL].count;
    }
    for (int c = 0; c < COURSES; c++) t->courses[c].count = 0;
    return p;
}

/* --- all of them
 * ------------------------------------------------------------------------------------------------------ */

const char *tally_row_name(const struct tally_row *row, char buffer[TALLY_NAME_BYTES])
{
    char first[WORD_BYTES], second[WORD_BYTES];
    if (row->told == TOLD_TASK) {
        snprintf(buffer, TALLY_NAME_BYTES, "%s",
                 word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, (int)row->kind, first));
        return buffer;
    }
    snprintf(buffer, TALLY_NAME_BYTES, "escalation: %s, %s%s",
             word_of(&handoff__v1__role__descriptor, WORD_KEBAB, (int)row->rung, first),
             word_of(&handoff__v1__severity__descriptor, WORD_KEBAB, (int)row->severity, second),
             row->told == TOLD_AGAIN ? ", again" : "");
    return buffer;
}

static int by_name(const void *left, const void *right)
{
    const struct tally_row *a = *(const struct tally_row *const *)left, *b = *(const struct tally_row *const *)right;
    char name_a[TALLY_NAME_BYTES], name_b[TALLY_NAME_BYTES];
    int order = strcmp(a->pathway, b->pathway);
    if (!order && (a->told == TOLD_TASK) != (b->told == TOLD_TASK)) order = a->told == TOLD_TASK ? -1 : 1;
    return order ? order : strcmp(tally_row_name(a, name_a), tally_row_name(b, name_b));
}

const struct tally_row *const *tally_rows(struct tally *t, size_t *ret_count)
{
    for (uint32_t i = 0; i < t->row_count; i++) t->sorted[i] = &t->rows[i];
    if (t->row_count) qsort(t->sorted, t->row_count, sizeof *t->sorted, by_name);
    *ret_count = t->row_count;
    return t->sorted;
}
