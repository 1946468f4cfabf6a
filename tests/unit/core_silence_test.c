/* Deceased, or opted out: nobody is asked to speak with the family. Staff decide what they do instead. */
#include "unit/core_world.h"
#include "pathway/history.h"

#define DECLINE "with: {by: GUARDIAN, scope: ALL_CONTACT}"
#define OPT_OUT "with: {person: PATIENT, is_opted_out: true}"

static void an_opted_out_family_is_not_called_after_a_discharge_and_staff_decide_in_the_same_time(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("preference.updated", OPT_OUT);
    forget();
    tell("encounter.discharged", "with: {encounter_class: INPATIENT, disposition: HOME, facility_id: memorial}");
    assert_null(task_of(TASK(POST_DISCHARGE_CONTACT)));
    assert_non_null(task_of(TASK(MEDICATION_RECONCILE))); /* staff among themselves */
    const Handoff__V1__Task *t = task_of(TASK(REVIEW_NEEDS));
    assert_int_equal(t->severity, SEVERITY(URGENT));
    assert_true(t->due_at_ms <= w->now_ms + 24 * MS_PER_HOUR);
}

static void what_staff_decide_says_what_it_stands_for(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("service.declined", DECLINE);
    request("ref-1", "");
    assert_int_equal(open_tasks(TASK(SHARE_RESOURCES)) + open_tasks(TASK(OBTAIN_ROI)), 0);
    assert_int_equal(open_tasks(TASK(REVIEW_NEEDS)), 1); /* one, for all that would have been asked */
    assert_int_equal(task_of(TASK(REVIEW_NEEDS))->instead_of, TASK(OBTAIN_ROI));
    assert_null(task_of(TASK(REVIEW_NEEDS))->subject);
}

static void an_older_word_on_how_to_reach_the_family_does_not_take_a_decline_back(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    go("2026-03-03 09:00");
    tell("service.declined", DECLINE);
    go("2026-03-04 09:00");
    tell("preference.updated", "occurred: 2026-03-02 09:30, with: {person: PATIENT, language: es}");
    assert_true(w->record->is_opted_out);
    tell("preference.updated", "with: {person: PATIENT, permitted: [PHONE]}");
    assert_false(w->record->is_opted_out); /* a newer one does */
}

static void the_family_of_the_deceased_is_asked_nothing_whatever_comes_in(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    tell("patient.deceased", "with: {reported_by: mom}");
    forget();
    tell("referral.waitlisted", "referral: ref-1");
    tell("question.asked", "with: {by: GUARDIAN, topic: LEVEL_OF_CARE, text: why}");
    assert_int_equal(told_tasks(TASK(BRIDGE_CHECK), CHANGE(OPENED)), 0);
    assert_int_equal(told_tasks(TASK(OFFER_ALTERNATES), CHANGE(OPENED)), 0);
    assert_int_equal(told_tasks(TASK(EXPLAIN_LEVEL), CHANGE(OPENED)), 0);
    assert_non_null(task_of(TASK(CONFIRM_DEATH)));
}

static void a_decline_that_was_taken_back_asks_again_what_it_withdrew_in_every_course(void **state)
{
    (void)state;
    begin(SHIPPED);
    struct history history = {0};
    refer();
    tell("question.asked", "with: {by: GUARDIAN, topic: SCHEDULING, text: when}");
    assert_non_null(task_of(TASK(EXPLAIN_SCHEDULING)));
    Handoff__V1__Event *e = core_event("service.declined", DECLINE);
    struct step_input input = {.kind = STEP_EVENT, .event = e, .seen_hash = w->hash, .sequence = w->sequence + 1};
    const Handoff__V1__PatientRecord *before = w->record;
    core_step(input);
    history_note(&history, w->arena, &input, before, &w->out);
    unsigned long long number = w->hash;
    assert_null(task_of(TASK(EXPLAIN_SCHEDULING)));
    char rest[128];
    snprintf(rest, sizeof rest, "with: {retracted_source: test, retracted_id: event-%llu, reason: wrong}", number);
    e = core_event("event.retracted", rest);
    core_step((struct step_input){.kind = STEP_EVENT,
                                  .event = e,
                                  .seen_hash = w->hash,
                                  .retracted_hash = number,
                                  .retraction = history_retraction(&history, w->arena, e->event_retracted)});
    assert_false(w->record->is_opted_out);
    assert_non_null(task_of(TASK(EXPLAIN_SCHEDULING)));
}

static void a_guardian_without_a_say_or_who_opted_out_is_not_the_one_who_is_called(void **state)
{
    (void)state;
    begin(SHIPPED);
    tell("patient.registered", "with: {birth_date: 2016-05-01, category: BEHAVIORAL_HEALTH, care_team: ["
                               "{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}, {party: GUARDIAN, id: dad, custody: LEGAL_AUTHORITY}, "
                               "{party: GUARDIAN, id: uncle, custody: NONE}]}");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: dad, is_opted_out: true}");
    tell("episode.opened", "with: {pathway: monitoring, by: coordinator-1}");
    go("2026-03-05 12:00");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_string_equal(task_of(TASK(CALL_FAMILY))->subject->id, "mom");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(an_opted_out_family_is_not_called_after_a_discharge_and_staff_decide_in_the_same_time),
        SENTENCE(what_staff_decide_says_what_it_stands_for),
        SENTENCE(an_older_word_on_how_to_reach_the_family_does_not_take_a_decline_back),
        SENTENCE(the_family_of_the_deceased_is_asked_nothing_whatever_comes_in),
        SENTENCE(a_decline_that_was_taken_back_asks_again_what_it_withdrew_in_every_course),
        SENTENCE(a_guardian_without_a_say_or_who_opted_out_is_not_the_one_who_is_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
