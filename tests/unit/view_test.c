/* What readers see: names, persons, reasons and ids from numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "engine/view.h"
#include "core/message.h"
#include "core/step.h"

#define KEY "00112233445566778899aabbccddeeff"
#define NOW_MS INT64_C(1767618000000)

/* --- a small world -------------------------------------------------------------------------------------------- */
static const struct state main_states[] = {{.name = "requested"}, {.name = "accepted"}, {.name = "cancelled", .is_final = true}};
static const struct state region_states[] = {{.name = "idle"}, {.name = "waiting"}};
static const struct machine regions[] = {{.name = "call-back", .states = region_states, .state_count = 2}};
static const struct firing call_back_firings[] = {{.rule = 1}, {.rule = 2}};
static const struct timer_kind timers[] = {{.name = "acknowledge"},
                                           {.name = "call-back", .firings = call_back_firings, .firing_count = 2}};
static const struct hold_kind holds[] = {{.name = "consent", .is_per_recipient = true}};
static const struct concern_kind concerns[] = {{.name = "reselecting"}, {.name = "declining"}};
static const char *const variables[] = {"misses_in_row"};
static const struct rule_text rule_texts[] = {{1, "The family reached only a voicemail."},
                                              {2, "First firing."},
                                              {3, "Second firing."},
                                              {4, ""}};
static const struct pathway referral = {.name = "referral",
                                        .version = 3,
                                        .number = 1,
                                        .main = {.name = "", .states = main_states, .state_count = 3},
                                        .regions = regions,
                                        .region_count = 1,
                                        .timers = timers,
                                        .timer_count = 2,
                                        .holds = holds,
                                        .hold_count = 1,
                                        .concerns = concerns,
                                        .concern_count = 2,
                                        .variables = variables,
                                        .variable_count = 1,
                                        .rules = rule_texts,
                                        .rule_count = 4};

struct world {
    struct arena *arena;
    struct rules rules;
    struct site site;
    const struct pathway *pathways[1];
    Handoff__V1__Site roster;
    Handoff__V1__Person person;
    Handoff__V1__Role role;
    Handoff__V1__Person *people[1];
    Handoff__V1__PatientRecord *record;
    struct view view;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->arena = arena_new(32 * 1024 * 1024);
    handoff__v1__site__init(&w->roster);
    handoff__v1__person__init(&w->person);
    w->role = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    w->person.id = (char *)(uintptr_t) "coordinator-1";
    w->person.roles = &w->role;
    w->person.n_roles = 1;
    w->people[0] = &w->person;
    w->roster.people = w->people;
    w->roster.n_people = 1;
    w->site.name = "main";
    w->site.roster = &w->roster;
    for (int day = 0; day < 5; day++)
        w->site.calendar.week[day][0] = (struct opening){480, 1020};
    w->pathways[0] = &referral;
    w->rules.pathways = w->pathways;
    w->rules.pathway_count = 1;
    w->rules.sites = &w->site;
    w->rules.site_count = 1;
    w->rules.policy.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY].reason = "The policy's reason.";
    w->record = MESSAGE_NEW(w->arena, Handoff__V1__PatientRecord, patient_record);
    w->record->patient_id = (char *)(uintptr_t) "mary";
    w->view = (struct view){&w->rules, w->arena, NOW_MS};
    *state = w;
    return 0;
}
static int tear_down(void **state)
{
    struct world *w = *state;
    arena_free(w->arena);
    free(w);
    return 0;
}

static Handoff__V1__Episode *add_episode(struct world *w)
{
    Handoff__V1__Episode *e = MESSAGE_NEW(w->arena, Handoff__V1__Episode, episode);
    e->number = 1;
    e->pathway = 1;
    list_append(w->arena, &w->record->episodes, &w->record->n_episodes, e);
    return e;
}

static Handoff__V1__Task *add_task(struct world *w, uint32_t rule)
{
    Handoff__V1__Task *t = MESSAGE_NEW(w->arena, Handoff__V1__Task, task);
    Handoff__V1__Cause *cause = MESSAGE_NEW(w->arena, Handoff__V1__Cause, cause);
    cause->episode = 1;
    cause->sequence = 42;
    cause->rule = rule;
    t->number = 4;
    t->kind = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY;
    t->owner = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    t->due_at_ms = NOW_MS + 1000;
    list_append(w->arena, &t->causes, &t->n_causes, cause);
    list_append(w->arena, &w->record->tasks, &w->record->n_tasks, t);
    return t;
}

static struct view_subject mary(const struct world *w) { return (struct view_subject){KEY, w->record}; }

static struct view_entry *entry_of(struct world *w, struct entry *entry, const Handoff__V1__Outcome *outcome)
{
    struct view_entry *of = ARENA_NEW(w->arena, struct view_entry);
    entry->sequence = 7;
    entry->time_ms = NOW_MS;
    of->entry = entry;
    of->outcome = outcome;
    of->record = w->record;
    memcpy(of->key, KEY, sizeof KEY);
    return of;
}

/* --- words ---------------------------------------------------------------------------------------------------- */
static void an_enum_value_reads_as_a_word(void **state)
{
    struct world *w = *state;
    assert_string_equal(view_word(w->arena, &handoff__v1__task_kind__descriptor, HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY), "call-family");
    assert_string_equal(view_word(w->arena, &handoff__v1__role__descriptor, HANDOFF__V1__ROLE__ROLE_ON_CALL), "on-call");
    assert_string_equal(view_word(w->arena, &handoff__v1__level_of_care__descriptor, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_PCP), "pcp");
    assert_string_equal(view_word(w->arena, &handoff__v1__role__descriptor, 99), "99");
}

static void every_enum_of_the_schema_loses_its_prefix(void **state)
{
    struct world *w = *state;
    const ProtobufCEnumDescriptor *all[] = {&handoff__v1__task_kind__descriptor, &handoff__v1__escalation_change__descriptor,
                                            &handoff__v1__status_kind__descriptor, &handoff__v1__audit_kind__descriptor,
                                            &handoff__v1__diagnosis_category__descriptor};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (unsigned v = 0; v < all[i]->n_values; v++) {
            const char *word = view_word(w->arena, all[i], all[i]->values[v].value);
            assert_true(word[0] >= 'a' && word[0] <= 'z');
            assert_null(strstr(word, "kind"));
        }
}

static void ordinals_read_as_people_say_them(void **state)
{
    struct world *w = *state;
    static const struct {
        uint32_t n;
        const char *word;
    } rows[] = {{1, "1st"}, {2, "2nd"}, {3, "3rd"}, {4, "4th"}, {11, "11th"}, {12, "12th"}, {13, "13th"}, {21, "21st"},
                {102, "102nd"}, {111, "111th"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(view_ordinal(w->arena, rows[i].n), rows[i].word);
}

/* --- records -------------------------------------------------------------------------------------------------- */
static void a_task_shows_its_rules_reason_its_person_and_its_ids(void **state)
{
    struct world *w = *state;
    add_episode(w);
    Handoff__V1__Task *task = add_task(w, 0);
    task->escalation = 2;
    Handoff__V1__TaskView *view = view_task(&w->view, &(struct view_subject){KEY, w->record}, task);
    assert_string_equal(view->reason, "The family reached only a voicemail.");
    assert_string_equal(view->person_id, "coordinator-1");
    assert_string_equal(view->task_id, KEY "-t4");
    assert_string_equal(view->episode_id, KEY "-ep1");
    assert_string_equal(view->escalation_id, KEY "-e2");
    assert_string_equal(view->pathway, "referral");
    assert_string_equal(view->patient_id, "mary");
    assert_string_equal(view->site, "main");
    assert_int_equal(view->cause_sequence, 42);
    assert_false(view->is_overdue);
}

static void a_task_past_its_due_time_shows_as_overdue(void **state)
{
    struct world *w = *state;
    Handoff__V1__Task *task = add_task(w, 0);
    task->due_at_ms = NOW_MS - 1;
    struct view_subject of = mary(w);
    assert_true(view_task(&w->view, &of, task)->is_overdue);
}

static void a_rule_without_words_leaves_the_policys_reason(void **state)
{
    struct world *w = *state;
    add_episode(w);
    struct view_subject of = mary(w);
    assert_string_equal(view_task(&w->view, &of, add_task(w, 3))->reason, "The policy's reason.");
    assert_string_equal(view_task(&w->view, &of, add_task(w, 999))->reason, "The policy's reason.");
}

static void a_task_without_any_reason_shows_its_kind(void **state)
{
    struct world *w = *state;
    Handoff__V1__Task *task = add_task(w, 0);
    task->n_causes = 0;
    task->kind = HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_EVENT;
    struct view_subject of = mary(w);
    assert_string_equal(view_task(&w->view, &of, task)->reason, "review-event");
}

static Handoff__V1__UnusedEvent *add_unused(struct world *w, Handoff__V1__Task *task, const char *id, const char *patient)
{
    Handoff__V1__UnusedEvent *u = MESSAGE_NEW(w->arena, Handoff__V1__UnusedEvent, unused_event);
    u->type = (char *)(uintptr_t) "referral.accepted";
    u->source = (char *)(uintptr_t) "agency-feed";
    u->id = (char *)(uintptr_t)id;
    u->patient_id = (char *)(uintptr_t)patient;
    list_append(w->arena, &task->unused, &task->n_unused, u);
    task->unused_count++;
    return u;
}

static void a_review_says_which_events_came_and_of_a_source_for_whom(void **state)
{
    struct world *w = *state;
    Handoff__V1__Task *task = add_task(w, 0);
    task->n_causes = 0;
    task->kind = HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_EVENT;
    struct view_subject of = mary(w);
    Handoff__V1__UnusedEvent *first = add_unused(w, task, "ev-1", "");
    assert_string_equal(view_task(&w->view, &of, task)->reason,
                        "review-event It is referral.accepted, id ev-1 from agency-feed.");
    first->patient_id = (char *)(uintptr_t) "david";
    add_unused(w, task, "ev-9", "sarah");
    task->unused_count = 5;
    assert_string_equal(view_task(&w->view, &of, task)->reason,
                        "review-event Nobody had told us of the patient. 5 came: first referral.accepted for david, "
                        "id ev-1; last referral.accepted for sarah, id ev-9.");
}

static void the_reason_of_a_closed_episodes_task_is_still_found(void **state)
{
    struct world *w = *state;
    Handoff__V1__ClosedEpisode *closed = MESSAGE_NEW(w->arena, Handoff__V1__ClosedEpisode, closed_episode);
    closed->number = 1;
    closed->pathway = 1;
    list_append(w->arena, &w->record->closed_episodes, &w->record->n_closed_episodes, closed);
    struct view_subject of = mary(w);
    assert_string_equal(view_task(&w->view, &of, add_task(w, 0))->reason, "The family reached only a voicemail.");
}

static void an_escalation_for_a_task_says_which_task_nobody_did(void **state)
{
    struct world *w = *state;
    add_episode(w);
    Handoff__V1__Task *task = add_task(w, 0);
    Handoff__V1__Escalation *e = MESSAGE_NEW(w->arena, Handoff__V1__Escalation, escalation);
    e->number = 2;
    e->task = 4;
    e->unreached = 1u << HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    struct view_subject of = mary(w);
    assert_string_equal(view_escalation(&w->view, &of, e)->reason,
                        "a message did not arrive about t4 call-family: The family reached only a voicemail.");
    task->is_overdue = true;
    Handoff__V1__EscalationView *view = view_escalation(&w->view, &of, e);
    assert_string_equal(view->reason, "nobody has done t4 call-family: The family reached only a voicemail.");
    assert_string_equal(view->task_id, KEY "-t4");
    assert_string_equal(view->escalation_id, KEY "-e2");
}

/* Of a patient who has become another: what the gate is asked about has the other's numbers. */
static void work_of_another_patient_id_is_asked_about_by_its_number_here(void **state)
{
    struct world *w = *state;
    Handoff__V1__PatientRecord then = HANDOFF__V1__PATIENT_RECORD__INIT;
    Handoff__V1__MergedPatient *merged = MESSAGE_NEW(w->arena, Handoff__V1__MergedPatient, merged_patient);
    static uint8_t there[16] = {0xab};
    static const char there_text[] = "ab000000000000000000000000000000";
    Handoff__V1__Emission e = HANDOFF__V1__EMISSION__INIT;
    Handoff__V1__TaskEmission told = HANDOFF__V1__TASK_EMISSION__INIT;
    then.patient_id = (char *)(uintptr_t) "mary-2";
    merged->key = (ProtobufCBinaryData){16, there};
    list_append(w->arena, &w->record->merged, &w->record->n_merged, merged);
    Handoff__V1__Task *t = add_task(w, 0);
    t->origin = MESSAGE_NEW(w->arena, Handoff__V1__Origin, origin);
    t->origin->merged = 1;
    t->origin->number = 2;
    e.body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    e.task = &told;
    told.number = 2;
    assert_int_equal(view_as_of_now(w->arena, there_text, &then, w->record, &e)->task->number, t->number);
    told.number = 3; /* was done before */
    assert_int_equal(view_as_of_now(w->arena, there_text, &then, w->record, &e)->task->number, 0);
    Handoff__V1__Escalation *x = MESSAGE_NEW(w->arena, Handoff__V1__Escalation, escalation);
    Handoff__V1__EscalationEmission raised = HANDOFF__V1__ESCALATION_EMISSION__INIT;
    x->number = 9;
    x->origin = t->origin;
    list_append(w->arena, &w->record->escalations, &w->record->n_escalations, x);
    e.body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    e.escalation = &raised;
    raised.number = 7;
    e.origin_key = merged->key; /* it was another's there already */
    e.origin_number = 2;
    assert_int_equal(view_as_of_now(w->arena, "cd000000000000000000000000000000", &then, w->record, &e)->escalation->number, 9);
}

static void a_task_because_of_a_message_that_did_not_arrive_says_that(void **state)
{
    struct world *w = *state;
    add_episode(w);
    Handoff__V1__Task *t = add_task(w, 0);
    t->causes[0]->is_undelivered = true;
    struct view_subject of = mary(w);
    assert_string_equal(view_task(&w->view, &of, t)->reason, "The policy's reason.");
    w->rules.policy.tasks[t->kind].undelivered = "A reminder did not arrive.";
    assert_string_equal(view_task(&w->view, &of, t)->reason, "A reminder did not arrive.");
}

static void an_episode_shows_names_for_all_its_numbers(void **state)
{
    struct world *w = *state;
    Handoff__V1__Episode *e = add_episode(w);
    Handoff__V1__Hold *hold = MESSAGE_NEW(w->arena, Handoff__V1__Hold, hold);
    uint32_t region = 1;
    int64_t misses = 2;
    hold->recipient_id = (char *)(uintptr_t) "agency-1";
    list_append(w->arena, &e->holds, &e->n_holds, hold);
    e->state = 1;
    e->concerns = 2;
    e->n_region_states = e->n_variables = 1;
    e->region_states = &region;
    e->variables = &misses;
    struct view_subject of = mary(w);
    Handoff__V1__PatientReply *reply = view_patient(&w->view, &of, 9, NOW_MS);
    const Handoff__V1__EpisodeView *view = reply->episodes[0];
    assert_string_equal(view->state, "accepted");
    assert_int_equal(view->version, 3);
    assert_string_equal(view->regions[0], "call-back: waiting");
    assert_string_equal(view->holds[0], "consent: agency-1");
    assert_int_equal(view->n_concerns, 1);
    assert_string_equal(view->concerns[0], "declining");
    assert_string_equal(view->variables[0], "misses_in_row: 2");
}

static void numbers_that_no_pathway_knows_do_not_crash(void **state)
{
    struct world *w = *state;
    Handoff__V1__Episode *e = add_episode(w);
    Handoff__V1__Timer *t = MESSAGE_NEW(w->arena, Handoff__V1__Timer, timer);
    uint32_t region = 77;
    e->state = 77;
    e->n_region_states = 1;
    e->region_states = &region;
    t->kind = 77;
    t->episode = 1;
    list_append(w->arena, &w->record->timers, &w->record->n_timers, t);
    struct view_subject of = mary(w);
    assert_string_equal(view_patient(&w->view, &of, 1, 0)->timers[0]->name, "?");
    e->pathway = 9;
    assert_string_equal(view_patient(&w->view, &of, 1, 0)->episodes[0]->state, "");
}

/* --- entries -------------------------------------------------------------------------------------------------- */
static const char *input_of(struct world *w, const Handoff__V1__TimerInput *firing, const Handoff__V1__Outcome *outcome)
{
    struct entry entry = {.kind = ENTRY_TIMER};
    struct view_entry *of = entry_of(w, &entry, outcome);
    of->firing = firing;
    return view_timeline_entry(&w->view, of, false)->input;
}

static void a_firing_says_which_timer_and_which_time(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    Handoff__V1__Timer timer = HANDOFF__V1__TIMER__INIT;
    firing.kind = HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER;
    firing.episode = timer.episode = 1;
    firing.timer = timer.kind = 1;
    timer.firings = 2;
    add_episode(w);
    assert_string_equal(input_of(w, &firing, &outcome), "timer call-back");
    list_append(w->arena, &w->record->timers, &w->record->n_timers, &timer);
    assert_string_equal(input_of(w, &firing, &outcome), "timer call-back (2nd)");
}

static void a_firing_that_ended_its_timer_is_known_by_its_rule(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    Handoff__V1__Applied applied = HANDOFF__V1__APPLIED__INIT, *list[] = {&applied};
    firing.kind = HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER;
    firing.episode = 1;
    firing.timer = 1;
    applied.kind = HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_FIRED;
    applied.rule = 2;
    applied.pathway = 1;
    outcome.applied = list;
    outcome.n_applied = 1;
    add_episode(w);
    assert_string_equal(input_of(w, &firing, &outcome), "timer call-back (2nd)");
}

static void overdue_work_and_climbing_are_told_in_words(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    Handoff__V1__Emission emission = HANDOFF__V1__EMISSION__INIT, *list[] = {&emission};
    Handoff__V1__EscalationEmission escalation = HANDOFF__V1__ESCALATION_EMISSION__INIT;
    firing.kind = HANDOFF__V1__DUE_KIND__DUE_KIND_TASK;
    firing.number = 4;
    assert_string_equal(input_of(w, &firing, &outcome), "task t4 overdue");
    add_task(w, 0);
    assert_string_equal(input_of(w, &firing, &outcome), "task t4 call-family overdue");
    firing.kind = HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION;
    firing.number = escalation.number = 1;
    escalation.change = HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_CLIMBED;
    emission.body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    emission.escalation = &escalation;
    outcome.emissions = list;
    outcome.n_emissions = 1;
    assert_string_equal(input_of(w, &firing, &outcome), "escalation e1 climbs");
}

static void an_emission_has_its_id_place_reason_and_person(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__Emission emission = HANDOFF__V1__EMISSION__INIT, *list[] = {&emission};
    Handoff__V1__TaskEmission task = HANDOFF__V1__TASK_EMISSION__INIT;
    struct entry entry = {.kind = ENTRY_EVENT};
    add_episode(w);
    task.number = 4;
    task.generation = 2;
    task.owner = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    emission.episode = 1;
    emission.body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    emission.task = &task;
    outcome.emissions = list;
    outcome.n_emissions = 1;
    Handoff__V1__Emission *shown = view_emission(&w->view, entry_of(w, &entry, &outcome), NULL, 0);
    assert_string_equal(shown->id, KEY "-t4.2");
    assert_string_equal(shown->task->task_id, KEY "-t4");
    assert_string_equal(shown->reason, "The family reached only a voicemail.");
    assert_string_equal(shown->person_id, "coordinator-1");
    assert_string_equal(shown->patient_id, "mary");
    assert_int_equal(shown->sequence, 7);
    assert_string_equal(emission.id, ""); /* the stored one is as it was */
    assert_int_equal(view_stream(&emission), HANDOFF__V1__STREAM__STREAM_TASK);
}

static void what_the_gate_withholds_is_shown_without_content(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__Emission emission = HANDOFF__V1__EMISSION__INIT, *list[] = {&emission};
    Handoff__V1__StatusEmission status = HANDOFF__V1__STATUS_EMISSION__INIT;
    Handoff__V1__Recipient agency = HANDOFF__V1__RECIPIENT__INIT;
    struct entry entry = {.kind = ENTRY_EVENT};
    agency.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
    agency.id = (char *)(uintptr_t) "agency-1";
    status.recipient = &agency;
    status.notice_number = 3;
    emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    emission.status = &status;
    outcome.emissions = list;
    outcome.n_emissions = 1;
    struct view_entry *of = entry_of(w, &entry, &outcome);
    Handoff__V1__Emission *shown = view_emission(&w->view, of, w->record, 0);
    assert_int_equal(shown->body_case, HANDOFF__V1__EMISSION__BODY__NOT_SET);
    assert_string_equal(shown->id, KEY "-n3");
    assert_int_equal(strncmp(shown->reason, "withheld: ", 10), 0);
    shown = view_timeline_entry(&w->view, of, false)->emissions[0]; /* as history it is told */
    assert_int_equal(shown->body_case, HANDOFF__V1__EMISSION__BODY_STATUS);
}

/* 42 CFR 2.32: the scope of the consent is explained, and the recipient told not to pass it on. */
static void a_disclosure_carries_its_consent_its_scope_and_the_notice(void **state)
{
    struct world *w = *state;
    Handoff__V1__Outcome outcome = HANDOFF__V1__OUTCOME__INIT;
    Handoff__V1__Emission emission = HANDOFF__V1__EMISSION__INIT, *list[] = {&emission};
    Handoff__V1__StatusEmission status = HANDOFF__V1__STATUS_EMISSION__INIT;
    Handoff__V1__Recipient agency = HANDOFF__V1__RECIPIENT__INIT, *recipients[] = {&agency};
    Handoff__V1__Consent consent = HANDOFF__V1__CONSENT__INIT, *consents[] = {&consent};
    struct entry entry = {.kind = ENTRY_EVENT};
    agency.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
    agency.id = (char *)(uintptr_t) "agency-1";
    consent.id = (char *)(uintptr_t) "roi-1";
    consent.signer = HANDOFF__V1__PARTY__PARTY_PATIENT;
    consent.recipients = recipients;
    consent.n_recipients = 1;
    consent.direction = HANDOFF__V1__DIRECTION__DIRECTION_BOTH;
    consent.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_DRUG_AND_ALCOHOL;
    consent.treatment_from = 20000101;
    consent.treatment_to = 20990101;
    consent.expires_at_ms = INT64_MAX;
    w->record->consents = consents;
    w->record->n_consents = 1;
    status.recipient = &agency;
    status.category = consent.category;
    emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    emission.status = &status;
    outcome.emissions = list;
    outcome.n_emissions = 1;
    w->view.now_ms = INT64_C(1767618000000);
    Handoff__V1__Emission *shown = view_emission(&w->view, entry_of(w, &entry, &outcome), w->record, 0);
    assert_int_equal(shown->body_case, HANDOFF__V1__EMISSION__BODY_STATUS);
    assert_string_equal(shown->status->consent_id, "roi-1");
    assert_string_equal(shown->status->notice, "Disclosed under consent roi-1, scope drug-and-alcohol, treatment from 2000-01-01 to 2099-01-01. "
                                               "42 CFR part 2 prohibits unauthorized use or disclosure of these records.");
}

static void an_entry_that_does_not_unpack_is_not_shown(void **state)
{
    struct world *w = *state;
    struct entry entry = {.kind = ENTRY_EVENT, .input = {(const uint8_t *)"\xff\xff", 2}};
    assert_null(view_open_entry(&w->view, &entry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_enum_value_reads_as_a_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_enum_of_the_schema_loses_its_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ordinals_read_as_people_say_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_shows_its_rules_reason_its_person_and_its_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_past_its_due_time_shows_as_overdue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rule_without_words_leaves_the_policys_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_without_any_reason_shows_its_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_review_says_which_events_came_and_of_a_source_for_whom, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reason_of_a_closed_episodes_task_is_still_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_escalation_for_a_task_says_which_task_nobody_did, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_of_another_patient_id_is_asked_about_by_its_number_here, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_because_of_a_message_that_did_not_arrive_says_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_episode_shows_names_for_all_its_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_that_no_pathway_knows_do_not_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_firing_says_which_timer_and_which_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_firing_that_ended_its_timer_is_known_by_its_rule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overdue_work_and_climbing_are_told_in_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_emission_has_its_id_place_reason_and_person, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_gate_withholds_is_shown_without_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disclosure_carries_its_consent_its_scope_and_the_notice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_entry_that_does_not_unpack_is_not_shown, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
