/* See scenario.h. A run keeps the newest record, moves its own clock from due time to due time, and compares what
 * each step caused with what the file expects. */
#include "pathway/scenario.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "core/directory.h"
#include "core/message.h"
#include "core/roster.h"
#include "core/rounds.h"
#include "core/step.h"
#include "pathway/history.h"
#include "pathway/ruleset_parts.h"
#include "pathway/words.h"

enum { WORDS_MAX = 1024, TEXT_BYTES = 160, FIRINGS_MAX = 20000, PATIENTS_MAX = 1000, SAID_MAX = 64 };

struct words { /* what happened, or what should have */
    char list[WORDS_MAX][TEXT_BYTES];
    size_t count;
};
enum happened { TASKS, ESCALATIONS, DISCLOSURES, WITHHELD, JOINED, WITHDRAWN, RESOLVED, NOTED, HAPPENED_COUNT };
static const char *const happened_keys[] = {"tasks",  "escalations", "disclosures", "withheld",
                                            "joined", "withdrawn",   "resolved", "noted"};
enum { EXACT_COUNT = 4 }; /* the first four are exact also when the file does not speak of them */

struct said_by_site { /* an event of the site, and whether it was taken back: before it came, too */
    uint64_t hash;
    const Handoff__V1__Event *event; /* NULL: it has not come */
    bool is_taken_back;
};

struct scenario {
    const struct rules *rules;
    struct rules own;       /* with what an event of the site made known; then rules is this */
    struct ruleset *common; /* which folds that; NULL: nothing yet */
    const struct calendar *calendar;
    struct scenario_report *report;
    struct arena *arena;
    struct yaml *yaml;
    struct yaml_node steps;
    const char *name, *patient;
    enum subject_kind subject; /* of the record: the patient, or the site, which then stands in `patient` */
    Handoff__V1__PatientRecord *record;
    struct history history;
    int64_t now_ms;
    struct said_by_site said[SAID_MAX];
    size_t said_count;
    struct words happened[HAPPENED_COUNT];
    int64_t reminders;
    Handoff__V1__Verdict verdict;
    const char *sentence;
    size_t step; /* the one that is looked at, from 1 */

    /* Of the one that was opened: with `patients: 80` the other 79, who live through the same, and the site. */
    struct scenario **others, *site;
    size_t other_count;
    bool is_other;        /* what is as expected is told once, for all of them */
    uint32_t list_length; /* the site's newest list */
};

/* --- words --------------------------------------------------------------------------------------------------- */
__attribute__((format(printf, 2, 3))) static void add_word(struct words *w, const char *format, ...)
{
    if (w->count == WORDS_MAX) { /* then nothing that is expected matches */
        snprintf(w->list[WORDS_MAX - 1], TEXT_BYTES, "and more than a step can show");
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(w->list[w->count++], TEXT_BYTES, format, arguments);
    va_end(arguments);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}
static void sort_words(struct words *w)
{
    qsort(w->list, w->count, TEXT_BYTES, by_text);
}

static bool is_same(struct words *a, struct words *b)
{
    sort_words(a);
    sort_words(b);
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (strcmp(a->list[i], b->list[i]) != 0) return false;
    return a->count == b->count;
}

static void join_words(const struct words *w, char *buffer, size_t bytes)
{
    size_t n = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < w->count && n < bytes; i++)
        n += (size_t)snprintf(buffer + n, bytes - n, "%s%s", i ? ", " : "", w->list[i]);
}

static const char *kebab(const ProtobufCEnumDescriptor *type, int value, char *buffer)
{
    return word_of(type, WORD_KEBAB, value, buffer);
}
static const char *upper(const ProtobufCEnumDescriptor *type, int value, char *buffer)
{
    return word_of(type, WORD_UPPER, value, buffer);
}

static void local_time(const struct scenario *r, int64_t at_ms, char *buffer)
{
    uint32_t date = date_from_day(calendar_local_day(r->calendar, at_ms));
    int32_t minute = calendar_local_minute(r->calendar, at_ms);
    snprintf(buffer, TEXT_BYTES, "%04u-%02u-%02u %02d:%02d", date / 10000, date / 100 % 100, date % 100, minute / 60,
             minute % 60);
}

/* --- reporting ----------------------------------------------------------------------------------------------- */
__attribute__((format(printf, 3, 4))) static void check(struct scenario *r, bool is_so, const char *format, ...)
{
    char what[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    bool is_beside = r->is_other || r->subject == SUBJECT_IS_SITE;
    if (r->is_other && is_so) return;
    unsigned number = r->report->passed + r->report->failed + 1;
    fprintf(r->report->tap, "%sok %u - %s%s%s, step %zu: %s\n", is_so ? "" : "not ", number, r->name,
            is_beside ? ", " : "", is_beside ? r->patient : "", r->step, what);
    if (is_so)
        r->report->passed++;
    else
        r->report->failed++;
}

static void compare(struct scenario *r, const char *key, struct words *got, struct words *expected)
{
    char a[2048], b[2048];
    bool is_so = is_same(got, expected);
    join_words(got, a, sizeof a);
    join_words(expected, b, sizeof b);
    if (is_so)
        check(r, true, "%s: %s", key, b[0] ? b : "none");
    else
        check(r, false, "%s: expected [%s], got [%s]", key, b, a);
}

/* --- what came out ------------------------------------------------------------------------------------------- */
static void note_task(struct scenario *r, const Handoff__V1__TaskEmission *t)
{
    char kind[WORD_BYTES];
    bool is_reopened = t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED;
    enum happened list = is_reopened                                                    ? TASKS
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED    ? TASKS
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED    ? JOINED
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_WITHDRAWN ? WITHDRAWN
                                                                                        : HAPPENED_COUNT;
    if (list == HAPPENED_COUNT) return;
    const char *subject = t->subject ? t->subject->id : "";
    add_word(&r->happened[list], "%s%s%s%s", kebab(&handoff__v1__task_kind__descriptor, t->kind, kind),
             *subject ? "@" : "", subject, is_reopened ? " reopened" : "");
}

static void note_escalation(struct scenario *r, const Handoff__V1__EscalationEmission *e)
{
    char rung[WORD_BYTES], change[WORD_BYTES];
    kebab(&handoff__v1__role__descriptor, e->rung, rung);
    kebab(&handoff__v1__escalation_change__descriptor, e->change, change);
    if (e->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED)
        add_word(&r->happened[RESOLVED], "%s", rung);
    else if (e->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RAISED)
        add_word(&r->happened[ESCALATIONS], "%s", rung);
    else if (e->change != HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_ACKNOWLEDGED)
        add_word(&r->happened[ESCALATIONS], "%s %s", rung, change);
}

static void note_emission(struct scenario *r, const Handoff__V1__Emission *e)
{
    char kind[WORD_BYTES], party[WORD_BYTES];
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        if (e->task->total) r->list_length = e->task->total;
        note_task(r, e->task);
        return;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        if (e->escalation->total) r->list_length = e->escalation->total;
        note_escalation(r, e->escalation);
        return;
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        add_word(&r->happened[DISCLOSURES], "%s %s %s",
                 kebab(&handoff__v1__status_kind__descriptor, e->status->kind, kind),
                 upper(&handoff__v1__party__descriptor, e->status->recipient->party, party), e->status->recipient->id);
        return;
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        r->reminders += !e->reminder->is_dropped;
        return;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE)
            add_word(&r->happened[NOTED], "note");
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIRECTORY_DOUBTFUL)
            add_word(&r->happened[NOTED], "doubtful %s", e->audit->text);
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_WITHHELD)
            add_word(&r->happened[WITHHELD], "%s %s",
                     upper(&handoff__v1__party__descriptor, e->audit->recipient->party, party),
                     e->audit->recipient->id);
        return;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        return;
    }
}

/* One line an emission; the driver of the real daemon writes the same lines (tests/e2e). */
static void write_emission(struct scenario *r, const Handoff__V1__Emission *e)
{
    char a[WORD_BYTES], b[WORD_BYTES], c[WORD_BYTES];
    FILE *to = r->report->transcript;
    if (!to) return;
    fprintf(to, "%lld ", (long long)r->now_ms);
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        fprintf(to, "task %s t%u %s %s %s due=%lld subject=%s\n",
                kebab(&handoff__v1__task_change__descriptor, e->task->change, a), e->task->number,
                kebab(&handoff__v1__task_kind__descriptor, e->task->kind, b),
                kebab(&handoff__v1__role__descriptor, e->task->owner, c),
                e->task->severity == 1   ? "routine"
                : e->task->severity == 2 ? "urgent"
                                         : "emergent",
                (long long)e->task->due_at_ms, e->task->subject ? e->task->subject->id : "");
        return;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        fprintf(to, "escalation %s e%u %s next=%lld\n",
                kebab(&handoff__v1__escalation_change__descriptor, e->escalation->change, a), e->escalation->number,
                kebab(&handoff__v1__role__descriptor, e->escalation->rung, b), (long long)e->escalation->next_at_ms);
        return;
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        fprintf(to, "status %s %s %s consent=%s\n", kebab(&handoff__v1__status_kind__descriptor, e->status->kind, a),
                upper(&handoff__v1__party__descriptor, e->status->recipient->party, b), e->status->recipient->id,
                e->status->consent_id);
        return;
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        fprintf(to, "reminder %s starts=%lld dropped=%d\n", e->reminder->appointment_id,
                (long long)e->reminder->starts_at_ms, e->reminder->is_dropped);
        return;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        fprintf(to, "audit %s %s\n", kebab(&handoff__v1__audit_kind__descriptor, e->audit->kind, a),
                e->audit->recipient ? e->audit->recipient->id : "");
        return;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        return;
    }
}

static void note_outcome(struct scenario *r, const struct outcome *o)
{
    r->record = o->after;
    r->verdict = o->journaled.verdict;
    r->sentence = o->journaled.sentence;
    for (size_t i = 0; i < o->journaled.n_emissions; i++) {
        note_emission(r, o->journaled.emissions[i]);
        write_emission(r, o->journaled.emissions[i]);
    }
}

/* --- driving ------------------------------------------------------------------------------------------------- */
/* What is known to all from now on. */
static void change_rules(struct scenario *r, const Handoff__V1__RulesChange *change, struct yaml_errors *errors)
{
    if (!r->common) r->common = ruleset_new();
    if (!r->common) {
        yaml_error_at(errors, r->name, 0, 0, "no memory");
        return;
    }
    if (ruleset_apply(r->common, change, ++*r->report->sequence, errors)) return;
    r->own = *r->rules;
    ruleset_share(r->common, &r->own);
    r->rules = &r->own;
}

static void take_step(struct scenario *r, struct step_input input)
{
    struct outcome outcome;
    struct ruleset_event_change said;
    struct yaml_errors ignored = {0}; /* a doubt about an agency is applied or is nothing */
    input.sequence = ++*r->report->sequence;
    input.now_ms = r->now_ms;
    input.subject = r->subject;
    input.subject_name = r->patient;
    step(r->rules, r->record, &input, r->arena, &outcome);
    history_note(&r->history, r->arena, &input, r->record, &outcome);
    note_outcome(r, &outcome);
    if (ruleset_change_by_outcome(&outcome.journaled, &said)) change_rules(r, &said.change, &ignored);
}

static void advance(struct scenario *r, int64_t to_ms)
{
    Handoff__V1__TimerInput firing;
    int64_t due = 0;
    for (int i = 0; i < FIRINGS_MAX && r->record && (due = step_next_due(r->record, &firing)) <= to_ms; i++) {
        if (due > r->now_ms) r->now_ms = due;
        take_step(r, (struct step_input){.kind = STEP_FIRING, .firing = message_copy(&firing, r->arena)});
    }
    if (to_ms > r->now_ms) r->now_ms = to_ms;
}

/* What an event made due at once belongs to it, as in the daemon; the sender was answered before. */
static void fire_at_once(struct scenario *r)
{
    Handoff__V1__Verdict verdict = r->verdict;
    const char *sentence = r->sentence;
    advance(r, r->now_ms);
    r->verdict = verdict;
    r->sentence = sentence;
}

/* FNV-1a: any hash will do where one patient's repeats are told apart. */
static uint64_t hash_text(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text; text++) h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return h;
}

static char *task_id(const struct scenario *r, const char *wanted)
{
    char kind[WORD_BYTES], text[TEXT_BYTES], *id = arena_alloc(r->arena, STEP_ID_BYTES);
    for (size_t i = r->record ? r->record->n_tasks : 0; i-- > 0;) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        kebab(&handoff__v1__task_kind__descriptor, t->kind, kind);
        snprintf(text, sizeof text, "%s@%s", kind, t->subject ? t->subject->id : "");
        if (strcmp(wanted, kind) != 0 && strcmp(wanted, text) != 0) continue;
        snprintf(id, STEP_ID_BYTES, "t%u", t->number);
        return id;
    }
    return id;
}

static bool is_held_by(const Handoff__V1__Escalation *e, const char *wanted)
{
    int role = 0;
    if (!word_find(&handoff__v1__role__descriptor, WORD_KEBAB, wanted, &role)) return false;
    return (int)e->rung == role || (e->roles >> role & 1);
}

static char *escalation_id(const struct scenario *r, const char *wanted)
{
    char *id = arena_alloc(r->arena, STEP_ID_BYTES);
    for (size_t i = r->record ? r->record->n_escalations : 0; i-- > 0;) {
        if (!is_held_by(r->record->escalations[i], wanted)) continue;
        snprintf(id, STEP_ID_BYTES, "e%u", r->record->escalations[i]->number);
        return id;
    }
    return id;
}

static char *text_of(struct scenario *r, struct yaml_node step, const char *key)
{
    const char *text = yaml_text(yaml_get(step, key));
    return arena_string(r->arena, text ? text : "");
}

/* ep2, or the newest open episode on a pathway of that name. */
static char *episode_id(const struct scenario *r, char *wanted)
{
    char *id = arena_alloc(r->arena, STEP_ID_BYTES);
    for (size_t i = r->record ? r->record->n_episodes : 0; *wanted && i-- > 0;) {
        const struct pathway *p = rules_pathway(r->rules, r->record->episodes[i]->pathway);
        if (!p || strcmp(p->name, wanted) != 0) continue;
        snprintf(id, STEP_ID_BYTES, "ep%u", r->record->episodes[i]->number);
        return id;
    }
    return wanted;
}

static void fill_envelope(struct scenario *r, struct yaml_node step, Handoff__V1__Event *e)
{
    char id[TEXT_BYTES];
    snprintf(id, sizeof id, "%s-%zu", r->patient, r->step);
    e->id = arena_string(r->arena, yaml_text(yaml_get(step, "id")) ? yaml_text(yaml_get(step, "id")) : id);
    e->source =
        arena_string(r->arena, yaml_text(yaml_get(step, "source")) ? yaml_text(yaml_get(step, "source")) : "scenario");
    e->patient_id = arena_string(r->arena, r->patient);
    e->occurred_at_ms = r->now_ms;
    scenario_time(yaml_text(yaml_get(step, "occurred")), r->calendar, &e->occurred_at_ms);
    e->referral_id = text_of(r, step, "referral");
    e->appointment_id = text_of(r, step, "appointment");
    e->episode_id = episode_id(r, text_of(r, step, "episode"));
    const char *task = yaml_text(yaml_get(step, "task")), *escalation = yaml_text(yaml_get(step, "escalation"));
    if (task) e->task_id = task_id(r, task);
    if (task && !e->task_id[0]) check(r, false, "no task %s is open", task);
    if (escalation) e->escalation_id = escalation_id(r, escalation);
    if (escalation && !e->escalation_id[0]) check(r, false, "no escalation on rung %s is open", escalation);
}

/* --- expectations -------------------------------------------------------------------------------------------- */
static void read_words(struct yaml_node at, struct words *w)
{
    w->count = 0;
    for (size_t i = 0; i < yaml_size(at); i++) add_word(w, "%s", yaml_text(yaml_item(at, i)));
}

static const struct pathway *pathway_of(const struct scenario *r, uint32_t number)
{
    return rules_pathway(r->rules, number);
}

static const char *open_state(const struct scenario *r, const char *pathway)
{
    for (size_t i = r->record->n_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
        if (p && strcmp(p->name, pathway) == 0) return p->main.states[r->record->episodes[i]->state].name;
    }
    return "none open";
}

static const char *ended_state(const struct scenario *r, const char *pathway)
{
    for (size_t i = r->record->n_closed_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->closed_episodes[i]->pathway);
        if (p && strcmp(p->name, pathway) == 0) return p->main.states[r->record->closed_episodes[i]->state].name;
    }
    return "none ended";
}

static const char *region_state(const struct scenario *r, const char *region)
{
    for (size_t i = r->record->n_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
        for (uint32_t k = 0; p && k < p->region_count; k++)
            if (strcmp(p->regions[k].name, region) == 0)
                return p->regions[k].states[r->record->episodes[i]->region_states[k]].name;
    }
    return "no such region";
}

static void due_of(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "not running");
    for (size_t i = 0; i < r->record->n_timers; i++) {
        const Handoff__V1__Timer *t = r->record->timers[i];
        for (size_t e = 0; e < r->record->n_episodes; e++) {
            const struct pathway *p =
                r->record->episodes[e]->number == t->episode ? pathway_of(r, r->record->episodes[e]->pathway) : NULL;
            if (!p || strcmp(p->timers[t->kind].name, name) != 0) continue;
            if (t->is_paused)
                snprintf(buffer, TEXT_BYTES, "paused");
            else
                local_time(r, t->due_at_ms, buffer);
        }
    }
}

typedef void look_up(const struct scenario *r, const char *name, char *buffer);
static void look_state(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", open_state(r, name));
}
static void look_ended(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", ended_state(r, name));
}
static void look_region(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", region_state(r, name));
}

static void expect_map(struct scenario *r, const char *key, struct yaml_node map, look_up *look)
{
    char got[TEXT_BYTES];
    for (size_t i = 0; i < yaml_size(map); i++) {
        const char *name = yaml_text(yaml_key(map, i)), *expected = yaml_text(yaml_value(map, i));
        look(r, name, got);
        if (strcmp(got, expected) == 0)
            check(r, true, "%s %s: %s", key, name, expected);
        else
            check(r, false, "%s %s: expected %s, got %s", key, name, expected, got);
    }
}

/* Who has the newest open task of a kind. */
static void person_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        snprintf(buffer, TEXT_BYTES, "%s",
                 roster_holder(r->rules, rules_site(r->rules, r->record->site), r->record, t->owner, t, r->now_ms));
    }
}

/* When the newest open task of a kind is due. */
static void task_due_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        local_time(r, t->due_at_ms, buffer);
    }
}

/* Who of the directory the newest open task of a kind carries, the best first. */
static void matches_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        struct directory_matches found;
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        uint32_t episode = t->n_causes > 0 ? t->causes[0]->episode : 0;
        directory_for_task(r->rules, r->record, t->kind, episode, r->now_ms, r->arena, &found);
        snprintf(buffer, TEXT_BYTES, "%s", found.count ? "" : "nobody");
        for (size_t k = 0; k < found.count; k++) {
            size_t len = strlen(buffer);
            snprintf(buffer + len, TEXT_BYTES - len, "%s%s", k ? " " : "", found.list[k]->agency_id);
        }
    }
}

static void current_holds(const struct scenario *r, struct words *w)
{
    w->count = 0;
    for (size_t i = 0; i < r->record->n_episodes; i++)
        for (size_t h = 0; h < r->record->episodes[i]->n_holds; h++) {
            const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
            if (p) add_word(w, "%s", p->holds[r->record->episodes[i]->holds[h]->kind].name);
        }
}

static void open_tasks(const struct scenario *r, struct words *w)
{
    char kind[WORD_BYTES];
    w->count = 0;
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        const char *subject = t->subject ? t->subject->id : "";
        add_word(w, "%s%s%s", kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), *subject ? "@" : "", subject);
    }
}

static void expect_happened(struct scenario *r, struct yaml_node expect)
{
    static struct words expected;
    for (int i = 0; i < HAPPENED_COUNT; i++) {
        struct yaml_node at = yaml_get(expect, happened_keys[i]);
        if (i >= EXACT_COUNT && !yaml_is_present(at)) continue;
        read_words(at, &expected);
        if (yaml_is_present(at) || r->happened[i].count) compare(r, happened_keys[i], &r->happened[i], &expected);
    }
    int64_t reminders = 0;
    struct yaml_errors ignored = {0};
    if (yaml_is_present(yaml_get(expect, "reminders")))
        yaml_read_int(yaml_get(expect, "reminders"), 0, 1000, &reminders, &ignored);
    if (reminders || r->reminders)
        check(r, reminders == r->reminders, "reminders: expected %lld, got %lld", (long long)reminders,
              (long long)r->reminders);
}

static void expect_lists(struct scenario *r, struct yaml_node expect)
{
    static struct words expected, got;
    static const struct {
        const char *key;
        void (*gather)(const struct scenario *, struct words *);
    } lists[] = {{"holds", current_holds}, {"open", open_tasks}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct yaml_node at = yaml_get(expect, lists[i].key);
        if (!yaml_is_present(at)) continue;
        read_words(at, &expected);
        lists[i].gather(r, &got);
        compare(r, lists[i].key, &got, &expected);
    }
}

static size_t timers_on(const struct scenario *r, const char *pathway)
{
    size_t count = 0;
    for (size_t i = 0; i < r->record->n_timers; i++)
        for (size_t e = 0; e < r->record->n_episodes; e++) {
            const struct pathway *p = pathway_of(r, r->record->episodes[e]->pathway);
            count +=
                r->record->episodes[e]->number == r->record->timers[i]->episode && p && strcmp(p->name, pathway) == 0;
        }
    return count;
}

/* `all`, or a list of pathways. */
static void expect_no_timers(struct scenario *r, struct yaml_node at)
{
    if (yaml_kind(at) == YAML_SCALAR)
        check(r, r->record->n_timers == 0, "no timer is pending (%zu are)", r->record->n_timers);
    for (size_t i = 0; yaml_kind(at) == YAML_SEQUENCE && i < yaml_size(at); i++) {
        const char *pathway = yaml_text(yaml_item(at, i));
        check(r, timers_on(r, pathway) == 0, "no timer of %s is pending (%zu are)", pathway, timers_on(r, pathway));
    }
}

static void expect_rest(struct scenario *r, struct yaml_node expect)
{
    char verdict[WORD_BYTES];
    const char *says = yaml_text(yaml_get(expect, "says")), *wanted = yaml_text(yaml_get(expect, "verdict"));
    if (says) check(r, r->sentence && strstr(r->sentence, says), "the sender is told \"%s\"", says);
    if (wanted) {
        kebab(&handoff__v1__verdict__descriptor, r->verdict, verdict);
        check(r, strcmp(verdict, wanted) == 0, "verdict %s (got %s)", wanted, verdict);
    }
    expect_no_timers(r, yaml_get(expect, "no_timers"));
    check(r, r->record->parked == 0, "no invariant broke");
}

static struct said_by_site *find_said(struct scenario *r, const char *id, struct yaml_errors *errors)
{
    uint64_t hash = hash_text(id);
    size_t i = 0;
    while (i < r->said_count && r->said[i].hash != hash) i++;
    if (i == SAID_MAX) {
        yaml_error_at(errors, r->name, 0, 0, "a scenario has at most %d events of the site", SAID_MAX);
        return NULL;
    }
    if (i == r->said_count) r->said[r->said_count++] = (struct said_by_site){.hash = hash};
    return &r->said[i];
}

/* Whether what the other made known is out of the rules now. */
static void take_back(struct scenario *r, const Handoff__V1__EventRetracted *retracted, struct yaml_errors *errors)
{
    struct ruleset_event_change said;
    struct ruleset_said by = {"", r->now_ms, 0};
    struct said_by_site *of = find_said(r, retracted->retracted_id, errors);
    if (!of || of->is_taken_back) return;
    of->is_taken_back = true;
    ruleset_change_by_retraction(&by, of->hash, 0, &said);
    if (of->event) change_rules(r, &said.change, errors);
}

/* An event of the site: what it means for everybody holds from now on. False: it was taken back before it came. */
static bool make_known(struct scenario *r, const Handoff__V1__Event *event, struct yaml_errors *errors)
{
    struct ruleset_event_change change;
    if (event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED) {
        take_back(r, event->event_retracted, errors);
        return true;
    }
    struct said_by_site *said = find_said(r, event->id, errors);
    if (!said || said->event || said->is_taken_back) return said && !said->is_taken_back;
    said->event = event;
    struct ruleset_said by = {rules_site(r->rules, "")->name, r->now_ms, said->hash};
    if (ruleset_change_by_event(event, &by, &change)) change_rules(r, &change.change, errors);
    return true;
}

/* As the daemon does: what was seen before is not taken again. */
static void receive(struct scenario *r, const Handoff__V1__Event *event)
{
    uint64_t hash = hash_text(event->id), first = 0;
    if (r->record && step_seen(r->record, hash, event->occurred_at_ms, &first) == SEEN_BEFORE) return;
    struct step_input input = {.kind = STEP_EVENT, .event = event, .seen_hash = hash};
    if (event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED) {
        input.retracted_hash = hash_text(event->event_retracted->retracted_id);
        input.retraction = history_retraction(&r->history, r->arena, event->event_retracted);
    }
    take_step(r, input);
}

/* An agency's end is told to whoever is in care there, and that it was taken back to whoever was told of it, as the daemon
 * does when it goes through all records. */
static bool concerns(const struct scenario *r, const Handoff__V1__Event *event)
{
    Handoff__V1__Round round = HANDOFF__V1__ROUND__INIT;
    if (event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED)
        return history_retraction(&r->history, r->arena, event->event_retracted) != NULL;
    if (!r->record || event->body_case != HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED) return false;
    round.kind = HANDOFF__V1__ROUND_KIND__ROUND_KIND_AGENCY_ENDS;
    round.about = event->agency_delisted->agency_id;
    return round_concerns(r->rules, r->record, &round);
}

/* `of: site` */
static bool is_of_site(struct yaml_node step, Handoff__V1__Event *event, struct yaml_errors *errors)
{
    const char *of = yaml_text(yaml_get(step, "of"));
    if (!of) return false;
    event->patient_id = (char *)(uintptr_t)"";
    if (strcmp(of, "site") != 0) yaml_error_add(errors, yaml_get(step, "of"), "an event is the patient's, or `of: site`");
    return strcmp(of, "site") == 0;
}

static void begin_step(struct scenario *r)
{
    for (int i = 0; i < HAPPENED_COUNT; i++) r->happened[i].count = 0;
    r->reminders = 0;
    r->sentence = NULL;
    r->list_length = 0;
}

static void run_step(struct scenario *r, struct yaml_node step, struct yaml_errors *errors)
{
    static const char *const keys[] = {"say",        "at",       "event",       "with",    "source", "id",
                                       "occurred",   "referral", "appointment", "episode", "task",
                                       "escalation", "expect",   "of",          NULL};
    static const char *const expect_keys[] = {
        "site", "tasks", "escalations", "reminders", "disclosures", "withheld",  "withdrawn", "resolved", "joined", "state",
        "ended", "region",      "holds",     "timers",      "no_timers", "open",      "verdict",  "says",   "people", "noted", "matches",
        "due",   NULL};
    yaml_expect_keys(step, keys, errors);
    struct yaml_node expect = yaml_require(step, "expect", errors);
    yaml_expect_keys(expect, expect_keys, errors);
    int64_t at = 0;
    if (!yaml_is_present(expect)) return;
    if (scenario_time(yaml_text(yaml_get(step, "at")), r->calendar, &at) && at < r->now_ms) {
        yaml_error_add(errors, yaml_get(step, "at"),
                       "this is before the step above; steps stand in the order of their times");
        return;
    }
    if (!scenario_time(yaml_text(yaml_get(step, "at")), r->calendar, &at)) {
        yaml_error_add(errors, step, "a step needs `at: YYYY-MM-DD HH:MM`");
        return;
    }
    begin_step(r);
    if (r->report->transcript) fprintf(r->report->transcript, "step %zu\n", r->step);
    advance(r, at);
    Handoff__V1__Event *event = NULL;
    if (yaml_is_present(yaml_get(step, "event"))) {
        event = scenario_event(step, r->calendar, r->arena, errors);
        if (!event) return;
        fill_envelope(r, step, event);
        bool is_sites = is_of_site(step, event, errors);
        bool is_heeded = !is_sites || (make_known(r, event, errors) && concerns(r, event));
        if (errors->count || !is_heeded) event = NULL;
    }
    if (event) {
        for (int delivery = 0; delivery <= r->report->is_twice; delivery++) receive(r, event);
        fire_at_once(r);
    }
    if (!r->record) {
        check(r, yaml_size(expect) == 0, "nothing is known of the patient, so nothing can be expected");
        return;
    }
    expect_happened(r, expect);
    expect_map(r, "state", yaml_get(expect, "state"), look_state);
    expect_map(r, "ended", yaml_get(expect, "ended"), look_ended);
    expect_map(r, "region", yaml_get(expect, "region"), look_region);
    expect_map(r, "timer", yaml_get(expect, "timers"), due_of);
    expect_map(r, "person", yaml_get(expect, "people"), person_of);
    expect_map(r, "matches", yaml_get(expect, "matches"), matches_of);
    expect_map(r, "due", yaml_get(expect, "due"), task_due_of);
    expect_lists(r, expect);
    expect_rest(r, expect);
}

/* --- the site beside its patients ----------------------------------------------------------------------------- */

static int by_risk(const void *a, const void *b)
{
    return round_order(*(Handoff__V1__ListLine *const *)a, *(Handoff__V1__ListLine *const *)b);
}

/* What a patient adds to the list of a round. */
static void add_lines(struct scenario *site, struct scenario *patient, const Handoff__V1__Round *round,
                      Handoff__V1__RoundList *list)
{
    static struct round_line lines[ROUND_RECORD_LINES_MAX];
    bool is_told = !round_is_about_tasks(round); /* who heard of it belongs to the list, as does who has the work */
    if (!patient->record || (is_told && !round_concerns(patient->rules, patient->record, round))) return;
    size_t count =
        round_lines(patient->rules, patient->record, "", round, site->now_ms, site->arena, lines);
    for (size_t i = 0; i < count; i++) {
        Handoff__V1__ListLine *line = arena_copy(site->arena, &lines[i].line, sizeof lines[i].line);
        list->person_id = arena_string(site->arena, lines[i].person_id);
        list_append(site->arena, &list->lines, &list->n_lines, line);
    }
}

/* One list of all that the scenario's patients add; the daemon makes one for each who receives any. */
static void finish_round(struct scenario *site, struct scenario *leader, const Handoff__V1__Round *round)
{
    Handoff__V1__CommandInput *command = MESSAGE_NEW(site->arena, Handoff__V1__CommandInput, command_input);
    Handoff__V1__RoundDone *done = MESSAGE_NEW(site->arena, Handoff__V1__RoundDone, round_done);
    Handoff__V1__RoundList *list = MESSAGE_NEW(site->arena, Handoff__V1__RoundList, round_list);
    add_lines(site, leader, round, list);
    for (size_t i = 0; i < leader->other_count; i++) add_lines(site, leader->others[i], round, list);
    if (list->n_lines) qsort(list->lines, list->n_lines, sizeof *list->lines, by_risk);
    list->total = (uint32_t)list->n_lines;
    done->sequence = round->sequence;
    done->kind = round->kind;
    done->about = arena_string(site->arena, round->about);
    done->taken_back = round->since_sequence;
    if (list->n_lines) list_append(site->arena, &done->lists, &done->n_lists, list);
    command->body_case = HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE;
    command->round_done = done;
    take_step(site, (struct step_input){.kind = STEP_COMMAND, .command = command});
}

static void finish_rounds(struct scenario *site, struct scenario *leader)
{
    for (size_t i = 0; site->record && i < site->record->n_rounds;) {
        if (site->record->rounds[i]->is_begun)
            finish_round(site, leader, site->record->rounds[i]); /* which takes it away */
        else
            i++;
    }
}

/* `site: {escalations: [supervisor], list: 80}`; `resolved` and `withdrawn` where the file speaks of them */
static void expect_site(struct scenario *site, struct yaml_node expect)
{
    static struct words expected;
    static const enum happened exact[] = {TASKS, ESCALATIONS}, others[] = {RESOLVED, WITHDRAWN};
    int64_t length = 0;
    struct yaml_errors ignored = {0};
    if (!yaml_is_present(expect)) return;
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        read_words(yaml_get(expect, happened_keys[exact[i]]), &expected);
        compare(site, happened_keys[exact[i]], &site->happened[exact[i]], &expected);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!yaml_is_present(yaml_get(expect, happened_keys[others[i]]))) continue;
        read_words(yaml_get(expect, happened_keys[others[i]]), &expected);
        compare(site, happened_keys[others[i]], &site->happened[others[i]], &expected);
    }
    if (!yaml_is_present(yaml_get(expect, "list"))) return;
    yaml_read_int(yaml_get(expect, "list"), 0, PATIENTS_MAX * ROUND_RECORD_LINES_MAX, &length, &ignored);
    check(site, site->list_length == length, "a list of %lld (got %u)", (long long)length, site->list_length);
}

/* After its patients: their records are as the list shows them. */
static void run_site_step(struct scenario *site, struct scenario *leader, struct yaml_node step,
                          struct yaml_errors *errors)
{
    Handoff__V1__Event *event = NULL;
    begin_step(site);
    site->step = leader->step;
    advance(site, leader->now_ms);
    finish_rounds(site, leader);
    if (yaml_text(yaml_get(step, "of"))) event = scenario_event(step, site->calendar, site->arena, errors);
    if (event) {
        site->patient = leader->patient; /* the event is named as the others name it */
        fill_envelope(site, step, event);
        site->patient = rules_site(site->rules, "")->name;
        event->patient_id = arena_string(site->arena, "");
        make_known(site, event, errors);
        for (int delivery = 0; delivery <= site->report->is_twice; delivery++) receive(site, event);
        finish_rounds(site, leader);
    }
    expect_site(site, yaml_get(yaml_get(step, "expect"), "site"));
}

static struct scenario *open_other(const struct scenario *leader, const char *patient, enum subject_kind subject)
{
    struct scenario *o = calloc(1, sizeof *o);
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    if (!o || !arena) {
        arena_free(arena);
        free(o);
        return NULL;
    }
    *o = (struct scenario){.rules = leader->rules,
                           .calendar = leader->calendar,
                           .report = leader->report,
                           .arena = arena,
                           .name = leader->name,
                           .patient = arena_string(arena, patient),
                           .subject = subject,
                           .now_ms = leader->now_ms,
                           .is_other = subject == SUBJECT_IS_PATIENT};
    return o;
}

/* `patients: 80` */
static void open_others(struct scenario *r, struct yaml_node at, struct yaml_errors *errors)
{
    int64_t count = 1;
    char name[TEXT_BYTES];
    if (yaml_is_present(at)) yaml_read_int(at, 1, PATIENTS_MAX, &count, errors);
    r->site = open_other(r, rules_site(r->rules, "")->name, SUBJECT_IS_SITE);
    r->others = calloc((size_t)count, sizeof *r->others);
    bool is_whole = r->site && r->others;
    for (int64_t i = 1; i < count && is_whole; i++) {
        snprintf(name, sizeof name, "%s-%lld", r->patient, (long long)i + 1);
        r->others[r->other_count] = open_other(r, name, SUBJECT_IS_PATIENT);
        is_whole = r->others[r->other_count] != NULL;
        r->other_count += is_whole;
    }
    if (!is_whole) yaml_error_at(errors, r->name, 0, 0, "no memory");
}

/* The transcript is the first one's. */
static void run_others(struct scenario *r, struct yaml_node step, struct yaml_errors *errors)
{
    unsigned failed = r->report->failed;
    FILE *transcript = r->report->transcript;
    r->report->transcript = NULL;
    for (size_t i = 0; i < r->other_count; i++) {
        r->others[i]->step = r->step;
        run_step(r->others[i], step, errors);
    }
    if (r->other_count)
        check(r, r->report->failed == failed, "the other %zu come out the same", r->other_count);
    run_site_step(r->site, r, step, errors);
    r->report->transcript = transcript;
}

static void close_one(struct scenario *r)
{
    if (!r) return;
    ruleset_free(r->common);
    arena_free(r->arena);
    free(r);
}

static void read_head(struct scenario *r, struct yaml_node root, struct yaml_errors *errors)
{
    static const char *const keys[] = {"scenario", "about", "start", "patient", "patients", "steps", NULL};
    yaml_expect_keys(root, keys, errors);
    r->name = yaml_text(yaml_require(root, "scenario", errors));
    r->patient = yaml_text(yaml_require(root, "patient", errors));
    if (!scenario_time(yaml_text(yaml_get(root, "start")), r->calendar, &r->now_ms))
        yaml_error_add(errors, root, "a scenario needs `start: YYYY-MM-DD HH:MM`");
    r->steps = yaml_require(root, "steps", errors);
    if (!errors->count) open_others(r, yaml_get(root, "patients"), errors);
}

struct scenario *scenario_open(const char *path, const struct rules *rules, struct scenario_report *report,
                               struct yaml_errors *errors)
{
    struct scenario *r = calloc(1, sizeof *r);
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    struct yaml *yaml = r && arena ? yaml_load_file(path, errors) : NULL;
    if (!r || !arena) yaml_error_at(errors, path, 0, 0, "no memory");
    if (!yaml) {
        arena_free(arena);
        free(r);
        return NULL;
    }
    *r = (struct scenario){
        .rules = rules, .calendar = &rules_site(rules, "")->calendar, .report = report, .arena = arena, .yaml = yaml};
    read_head(r, yaml_root(yaml), errors);
    return r;
}

int64_t scenario_next_ms(const struct scenario *r)
{
    int64_t at = INT64_MIN; /* a step without a time says so when its turn comes */
    if (r->step >= yaml_size(r->steps)) return INT64_MAX;
    scenario_time(yaml_text(yaml_get(yaml_item(r->steps, r->step), "at")), r->calendar, &at);
    return at;
}

bool scenario_step(struct scenario *r, struct yaml_errors *errors)
{
    if (errors->count || r->step >= yaml_size(r->steps) || (r->report->is_brief && r->report->failed)) return false;
    r->step++;
    run_step(r, yaml_item(r->steps, r->step - 1), errors);
    if (!errors->count) run_others(r, yaml_item(r->steps, r->step - 1), errors);
    return true;
}

void scenario_close(struct scenario *r)
{
    if (!r) return;
    yaml_close(r->yaml);
    for (size_t i = 0; i < r->other_count; i++) close_one(r->others[i]);
    close_one(r->site);
    free(r->others);
    close_one(r);
}

int scenario_run(const char *path, const struct rules *rules, struct scenario_report *report,
                 struct yaml_errors *errors)
{
    struct scenario *r = scenario_open(path, rules, report, errors);
    while (r && scenario_step(r, errors)) continue;
    scenario_close(r);
    return errors->count ? -EINVAL : 0;
}
