/* See scenario.h. A run keeps the newest record, moves its own clock from due time to due time, and compares what
 * each step caused with what the file expects. */
#include "pathway/scenario_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"
#include "core/message.h"
#include "core/rounds.h"

enum { FIRINGS_MAX = 20000 };

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

void scenario_take_step(struct scenario *r, struct step_input input)
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
    scenario_note(r, &outcome);
    if (ruleset_change_by_outcome(&outcome.journaled, &said)) change_rules(r, &said.change, &ignored);
}

void scenario_advance(struct scenario *r, int64_t to_ms)
{
    Handoff__V1__TimerInput firing;
    int64_t due = 0;
    for (int i = 0; i < FIRINGS_MAX && r->record && (due = step_next_due(r->record, &firing)) <= to_ms; i++) {
        if (due > r->now_ms) r->now_ms = due;
        scenario_take_step(r, (struct step_input){.kind = STEP_FIRING, .firing = message_copy(&firing, r->arena)});
    }
    if (to_ms > r->now_ms) r->now_ms = to_ms;
}

/* What an event made due at once belongs to it, as in the daemon; the sender was answered before. */
static void fire_at_once(struct scenario *r)
{
    Handoff__V1__Verdict verdict = r->verdict;
    const char *sentence = r->sentence;
    scenario_advance(r, r->now_ms);
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

void scenario_fill_envelope(struct scenario *r, struct yaml_node step, Handoff__V1__Event *e)
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
    if (task && !e->task_id[0]) scenario_check(r, false, "no task %s is open", task);
    if (escalation) e->escalation_id = escalation_id(r, escalation);
    if (escalation && !e->escalation_id[0]) scenario_check(r, false, "no escalation on rung %s is open", escalation);
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

bool scenario_make_known(struct scenario *r, const Handoff__V1__Event *event, struct yaml_errors *errors)
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

static bool has_come(const struct scenario *r, const Handoff__V1__Event *event, uint64_t hash)
{
    uint64_t first = 0;
    for (size_t at = 0; r->record && step_seen(r->record, hash, event->occurred_at_ms, &at, &first) == SEEN_BEFORE;) {
        const Handoff__V1__Event *other = history_event(&r->history, first);
        if (!other || strcmp(other->id, event->id) == 0) return true; /* else its hash is alike, no more */
    }
    return false;
}

/* As the daemon does: what was seen before is not taken again. */
void scenario_receive(struct scenario *r, const Handoff__V1__Event *event)
{
    uint64_t hash = hash_text(event->id);
    if (has_come(r, event, hash)) return;
    struct step_input input = {.kind = STEP_EVENT, .event = event, .seen_hash = hash};
    if (event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED) {
        input.retracted_hash = hash_text(event->event_retracted->retracted_id);
        input.retraction = history_retraction(&r->history, r->arena, event->event_retracted);
    }
    scenario_take_step(r, input);
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
    event->patient_id = (char *)(uintptr_t) "";
    if (strcmp(of, "site") != 0)
        yaml_error_add(errors, yaml_get(step, "of"), "an event is the patient's, or `of: site`");
    return strcmp(of, "site") == 0;
}

void scenario_begin_step(struct scenario *r)
{
    for (int i = 0; i < HAPPENED_COUNT; i++) r->happened[i].count = 0;
    r->reminders = 0;
    r->sentence = NULL;
    r->list_length = 0;
}

/* What would never reach the rules proves nothing of them. That nothing of that name is open was said already. */
static void check_taken(const struct scenario *r, struct yaml_node step, const Handoff__V1__Event *event,
                        struct yaml_errors *errors)
{
    bool is_missed = (yaml_is_present(yaml_get(step, "task")) && !event->task_id[0]) ||
                     (yaml_is_present(yaml_get(step, "escalation")) && !event->escalation_id[0]);
    if (!r->report->refusal || is_missed) return;
    size_t mark = arena_used(r->arena);
    const char *sentence = r->report->refusal(event, r->now_ms, r->arena);
    if (sentence) yaml_error_add(errors, yaml_get(step, "event"), "%s", sentence);
    arena_rewind(r->arena, mark);
}

/* NULL: the step has none that reaches the record. */
static Handoff__V1__Event *read_event(struct scenario *r, struct yaml_node step, struct yaml_errors *errors)
{
    if (!yaml_is_present(yaml_get(step, "event"))) return NULL;
    Handoff__V1__Event *event = scenario_event(step, r->calendar, r->arena, errors);
    if (!event) return NULL;
    scenario_fill_envelope(r, step, event);
    bool is_sites = is_of_site(step, event, errors);
    if (!errors->count) check_taken(r, step, event, errors);
    if (errors->count) return NULL;
    bool is_heeded = !is_sites || (scenario_make_known(r, event, errors) && concerns(r, event));
    return errors->count || !is_heeded ? NULL : event;
}

void scenario_run_step(struct scenario *r, struct yaml_node step, struct yaml_errors *errors)
{
    static const char *const keys[] = {"say",  "at",         "event",    "with",        "source",
                                       "id",   "occurred",   "referral", "appointment", "episode",
                                       "task", "escalation", "expect",   "of",          NULL};
    static const char *const expect_keys[] = {
        "site",    "tasks", "escalations", "reminders", "disclosures", "withheld", "withdrawn", "resolved",
        "joined",  "state", "ended",       "region",    "holds",       "timers",   "no_timers", "open",
        "verdict", "says",  "people",      "noted",     "matches",     "due",      NULL};
    yaml_expect_keys(step, keys, errors);
    struct yaml_node expect = yaml_require(step, "expect", errors);
    int64_t at = 0;
    if (!yaml_is_present(expect)) return;
    yaml_expect_keys(expect, expect_keys, errors);
    if (scenario_time(yaml_text(yaml_get(step, "at")), r->calendar, &at) && at < r->now_ms) {
        yaml_error_add(errors, yaml_get(step, "at"),
                       "this is before the step above; steps stand in the order of their times");
        return;
    }
    if (!scenario_time(yaml_text(yaml_get(step, "at")), r->calendar, &at)) {
        yaml_error_add(errors, step, "a step needs `at: YYYY-MM-DD HH:MM`");
        return;
    }
    scenario_begin_step(r);
    if (r->report->transcript) fprintf(r->report->transcript, "step %zu\n", r->step);
    scenario_advance(r, at);
    Handoff__V1__Event *event = read_event(r, step, errors);
    if (errors->count) return;
    if (event) {
        for (int delivery = 0; delivery <= r->report->is_twice; delivery++) scenario_receive(r, event);
        fire_at_once(r);
    }
    if (!r->record) {
        scenario_check(r, yaml_size(expect) == 0, "nothing is known of the patient, so nothing can be expected");
        return;
    }
    scenario_expect(r, expect);
}

void scenario_close_one(struct scenario *r)
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
    scenario_check_names(r->rules, r->steps, errors);
    if (!errors->count) scenario_open_others(r, yaml_get(root, "patients"), errors);
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
    scenario_run_step(r, yaml_item(r->steps, r->step - 1), errors);
    if (!errors->count) scenario_run_others(r, yaml_item(r->steps, r->step - 1), errors);
    return true;
}

void scenario_close(struct scenario *r)
{
    if (!r) return;
    yaml_close(r->yaml);
    for (size_t i = 0; i < r->other_count; i++) scenario_close_one(r->others[i]);
    scenario_close_one(r->site);
    free(r->others);
    scenario_close_one(r);
}

int scenario_run(const char *path, const struct rules *rules, struct scenario_report *report,
                 struct yaml_errors *errors)
{
    struct scenario *r = scenario_open(path, rules, report, errors);
    while (r && scenario_step(r, errors)) continue;
    scenario_close(r);
    return errors->count ? -EINVAL : 0;
}
