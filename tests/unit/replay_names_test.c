/* What people did in one course of events, found in another where everything has other numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "core/message.h"
#include "replay/translate.h"

#define KIND(NAME)   HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME)  HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME
#define ROLE(NAME)   HANDOFF__V1__ROLE__ROLE_##NAME
enum { REFERRAL = 1, SAFETY = 2 };

static struct arena *arena;
static struct pathway referral = {.name = "referral"}, safety = {.name = "safety"};
static const struct pathway *pathways[] = {&referral, &safety};
static struct rules rules = {.pathways = pathways, .pathway_count = 2};
static struct names journal, other;

static int begin(void **state)
{
    (void)state;
    arena = arena_new(LIMIT_ARENA_BYTES);
    names_begin(&journal, arena, &rules, NULL);
    names_begin(&other, arena, &rules, NULL);
    return arena == NULL;
}
static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* --- what happened -------------------------------------------------------------------------------------------------
 */

static void opened(struct names *n, uint32_t number, uint32_t pathway, const char *referral_id)
{
    Handoff__V1__PatientRecord *after = MESSAGE_NEW(arena, Handoff__V1__PatientRecord, patient_record);
    Handoff__V1__Outcome *outcome = MESSAGE_NEW(arena, Handoff__V1__Outcome, outcome);
    Handoff__V1__Episode *e = MESSAGE_NEW(arena, Handoff__V1__Episode, episode);
    Handoff__V1__Applied *applied = MESSAGE_NEW(arena, Handoff__V1__Applied, applied);
    e->number = number;
    e->pathway = pathway;
    e->referral_id = arena_string(arena, referral_id);
    applied->kind = HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED;
    list_append(arena, &after->episodes, &after->n_episodes, e);
    list_append(arena, &outcome->applied, &outcome->n_applied, applied);
    names_take(n, &rules, outcome, after);
}

static void task_is(struct names *n, uint32_t number, uint32_t episode, Handoff__V1__TaskKind kind, const char *agency,
                    Handoff__V1__TaskChange change)
{
    Handoff__V1__Outcome *outcome = MESSAGE_NEW(arena, Handoff__V1__Outcome, outcome);
    Handoff__V1__Emission *e = MESSAGE_NEW(arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    e->episode = episode;
    e->task = MESSAGE_NEW(arena, Handoff__V1__TaskEmission, task_emission);
    e->task->number = number;
    e->task->kind = kind;
    e->task->change = change;
    if (agency) {
        e->task->subject = MESSAGE_NEW(arena, Handoff__V1__Recipient, recipient);
        e->task->subject->party = HANDOFF__V1__PARTY__PARTY_AGENCY;
        e->task->subject->id = arena_string(arena, agency);
    }
    list_append(arena, &outcome->emissions, &outcome->n_emissions, e);
    names_take(n, &rules, outcome, NULL);
}

static void escalation_is(struct names *n, uint32_t number, uint32_t episode, Handoff__V1__Role rung,
                          Handoff__V1__EscalationChange change)
{
    Handoff__V1__Outcome *outcome = MESSAGE_NEW(arena, Handoff__V1__Outcome, outcome);
    Handoff__V1__Emission *e = MESSAGE_NEW(arena, Handoff__V1__Emission, emission);
    e->body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    e->episode = episode;
    e->escalation = MESSAGE_NEW(arena, Handoff__V1__EscalationEmission, escalation_emission);
    e->escalation->number = number;
    e->escalation->rung = rung;
    e->escalation->change = change;
    list_append(arena, &outcome->emissions, &outcome->n_emissions, e);
    names_take(n, &rules, outcome, NULL);
}

static Handoff__V1__Event *completed(const char *task_id)
{
    Handoff__V1__Event *event = MESSAGE_NEW(arena, Handoff__V1__Event, event);
    event->body_case = HANDOFF__V1__EVENT__BODY_TASK_COMPLETED;
    event->task_completed = MESSAGE_NEW(arena, Handoff__V1__TaskCompleted, task_completed);
    event->task_id = arena_string(arena, task_id);
    return event;
}

/* --- tasks -----------------------------------------------------------------------------------------------------------
 */

static void the_same_task_under_another_number_is_found(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 4, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&other, 7, 4, KIND(CALL_AGENCY), NULL, CHANGE(OPENED));
    task_is(&other, 8, 4, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    assert_int_equal(names_match_task(&journal, 1, &other, &number), MATCH_EXACT);
    assert_int_equal(number, 8);
}

static void the_same_call_to_another_agency_is_another_task(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_AGENCY), "riverside", CHANGE(OPENED));
    task_is(&other, 1, 1, KIND(CALL_AGENCY), "hillside", CHANGE(OPENED));
    assert_int_equal(names_match_task(&journal, 1, &other, &number), MATCH_NOT_ASKED);
}

static void the_second_of_a_kind_is_not_the_first_but_whoever_called_would_have_called(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(WITHDRAWN));
    task_is(&journal, 2, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&other, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    assert_int_equal(names_match_task(&journal, 2, &other, &number), MATCH_BY_KIND);
    assert_int_equal(number, 1);
}

static void a_task_that_ended_before_is_told_from_one_that_never_was(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&journal, 2, 1, KIND(OBTAIN_ROI), NULL, CHANGE(OPENED));
    task_is(&other, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&other, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(COMPLETED));
    assert_int_equal(names_match_task(&journal, 1, &other, &number), MATCH_ENDED);
    assert_int_equal(names_match_task(&journal, 2, &other, &number), MATCH_NOT_ASKED);
}

static void what_was_not_open_in_the_journal_either_is_idle(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(EXHAUSTED));
    assert_int_equal(names_match_task(&journal, 1, &other, &number), MATCH_IDLE);
    assert_int_equal(names_match_task(&journal, 9, &other, &number), MATCH_IDLE);
}

static void two_referrals_are_told_apart_by_their_ids_and_by_their_order(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&journal, 2, REFERRAL, "r-2");
    opened(&journal, 3, REFERRAL, "r-1"); /* asked for again after its end */
    opened(&other, 1, SAFETY, "");
    opened(&other, 2, REFERRAL, "r-2");
    opened(&other, 3, REFERRAL, "r-1");
    opened(&other, 4, REFERRAL, "r-1");
    assert_int_equal(names_match_episode(&journal, 3, &other, &number), MATCH_EXACT);
    assert_int_equal(number, 4);
}

/* --- escalations
 * ------------------------------------------------------------------------------------------------------ */

static void an_escalation_is_found_by_the_rung_on_which_it_was_raised(void **state)
{
    (void)state;
    uint32_t number = 0;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, REFERRAL, "r-1");
    escalation_is(&journal, 1, 1, ROLE(SUPERVISOR), CLIMB(RAISED));
    escalation_is(&other, 1, 1, ROLE(COORDINATOR), CLIMB(RAISED));
    escalation_is(&other, 2, 1, ROLE(SUPERVISOR), CLIMB(RAISED));
    escalation_is(&other, 2, 1, ROLE(DIRECTOR), CLIMB(CLIMBED));
    assert_int_equal(names_match_escalation(&journal, 1, &other, &number), MATCH_EXACT);
    assert_int_equal(number, 2);
    escalation_is(&other, 2, 1, ROLE(DIRECTOR), CLIMB(RESOLVED));
    assert_int_equal(names_match_escalation(&journal, 1, &other, &number), MATCH_BY_KIND);
    assert_int_equal(number, 1);
}

/* --- events
 * ------------------------------------------------------------------------------------------------------------ */

static void a_whole_id_becomes_the_short_one_of_the_other_course(void **state)
{
    (void)state;
    struct translation t;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    task_is(&other, 5, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    Handoff__V1__Event *event = completed("00112233445566778899aabbccddeeff-t1");
    assert_int_equal(translate_event(event, &journal, &other, arena, &t), TRANSLATED);
    assert_string_equal(event->task_id, "t5");
    assert_true(t.is_work);
}

static void work_on_what_is_not_there_is_not_translated_and_says_what_it_was(void **state)
{
    (void)state;
    struct translation t;
    opened(&journal, 1, REFERRAL, "r-1");
    task_is(&journal, 1, 1, KIND(CALL_FAMILY), NULL, CHANGE(OPENED));
    assert_int_equal(translate_event(completed("t1"), &journal, &other, arena, &t), UNTRANSLATABLE);
    assert_int_equal(t.why, MATCH_NOT_ASKED);
    assert_int_equal(t.task->kind, KIND(CALL_FAMILY));
    assert_int_equal(translate_event(completed("t2"), &journal, &other, arena, &t), TRANSLATED_IDLE);
}

static void an_event_that_only_mentions_a_task_counts_without_it(void **state)
{
    (void)state;
    struct translation t;
    Handoff__V1__Event *event = completed("t1");
    event->body_case = HANDOFF__V1__EVENT__BODY_CONTACT_ATTEMPTED;
    assert_int_equal(translate_event(event, &journal, &other, arena, &t), TRANSLATED);
    assert_string_equal(event->task_id, "");
    assert_false(t.is_work);
}

static void a_referral_named_after_its_episode_is_found_under_its_other_name(void **state)
{
    (void)state;
    struct translation t;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&journal, 2, REFERRAL, "r-1-ep2");
    opened(&other, 1, REFERRAL, "r-1");
    opened(&other, 2, SAFETY, "");
    opened(&other, 3, REFERRAL, "r-1-ep3");
    Handoff__V1__Event *event = completed("");
    event->body_case = HANDOFF__V1__EVENT__BODY_REFERRAL_ACCEPTED;
    event->referral_id = arena_string(arena, "r-1-ep2");
    assert_int_equal(translate_event(event, &journal, &other, arena, &t), TRANSLATED);
    assert_string_equal(event->referral_id, "r-1-ep3");
}

static void an_end_of_an_episode_that_is_not_there_ends_no_other(void **state)
{
    (void)state;
    struct translation t;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, SAFETY, "");
    Handoff__V1__Event *event = completed("");
    event->body_case = HANDOFF__V1__EVENT__BODY_EPISODE_CLOSED;
    event->episode_id = arena_string(arena, "ep1");
    assert_int_equal(translate_event(event, &journal, &other, arena, &t), UNTRANSLATABLE);
    assert_int_equal(t.why, MATCH_NOT_ASKED);
}

static Handoff__V1__Event *reopening(const char *episode_id)
{
    Handoff__V1__Event *event = completed("");
    event->body_case = HANDOFF__V1__EVENT__BODY_EPISODE_OPENED;
    event->episode_opened = ARENA_NEW(arena, Handoff__V1__EpisodeOpened);
    handoff__v1__episode_opened__init(event->episode_opened);
    event->episode_opened->reopens = arena_string(arena, episode_id);
    return event;
}

static void an_episode_that_is_begun_again_is_found_under_its_other_number(void **state)
{
    (void)state;
    struct translation t;
    opened(&journal, 1, REFERRAL, "r-1");
    opened(&other, 1, SAFETY, "");
    opened(&other, 2, REFERRAL, "r-1");
    Handoff__V1__Event *event = reopening("ep1");
    assert_int_equal(translate_event(event, &journal, &other, arena, &t), TRANSLATED);
    assert_string_equal(event->episode_opened->reopens, "ep2");
    assert_true(t.is_work);
    opened(&journal, 2, REFERRAL, "r-2");
    assert_int_equal(translate_event(reopening("ep2"), &journal, &other, arena, &t), UNTRANSLATABLE);
    assert_string_equal(t.episode->about, "r-2");
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_task_under_another_number_is_found),
        TEST(the_same_call_to_another_agency_is_another_task),
        TEST(the_second_of_a_kind_is_not_the_first_but_whoever_called_would_have_called),
        TEST(a_task_that_ended_before_is_told_from_one_that_never_was),
        TEST(what_was_not_open_in_the_journal_either_is_idle),
        TEST(two_referrals_are_told_apart_by_their_ids_and_by_their_order),
        TEST(an_escalation_is_found_by_the_rung_on_which_it_was_raised),
        TEST(a_whole_id_becomes_the_short_one_of_the_other_course),
        TEST(work_on_what_is_not_there_is_not_translated_and_says_what_it_was),
        TEST(an_event_that_only_mentions_a_task_counts_without_it),
        TEST(a_referral_named_after_its_episode_is_found_under_its_other_name),
        TEST(an_end_of_an_episode_that_is_not_there_ends_no_other),
        TEST(an_episode_that_is_begun_again_is_found_under_its_other_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
