/* Nobody serves a subscription, and it shows: on the site's record, one matter each. */
#include "unit/core_world.h"

static void say(const char *subscription, bool is_served, bool is_escalation)
{
    Handoff__V1__DeliveryServed *d = MESSAGE_NEW(w->arena, Handoff__V1__DeliveryServed, delivery_served);
    Handoff__V1__CommandInput *c = MESSAGE_NEW(w->arena, Handoff__V1__CommandInput, command_input);
    d->subscription = arena_string(w->arena, subscription);
    d->is_served = is_served;
    d->is_escalation = is_escalation;
    if (!is_served) d->reason = arena_string(w->arena, "no worker for 2 minutes");
    c->body_case = HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED;
    c->delivery_served = d;
    core_step(
        (struct step_input){.kind = STEP_COMMAND, .subject = SUBJECT_IS_SITE, .subject_name = "main", .command = c});
}

static void answer(const char *name, const char *rest)
{
    Handoff__V1__Event *e = core_event(name, rest);
    e->patient_id = arena_string(w->arena, "");
    core_step((struct step_input){.kind = STEP_EVENT,
                                  .subject = SUBJECT_IS_SITE,
                                  .subject_name = "main",
                                  .event = e,
                                  .seen_hash = w->hash});
}

static const Handoff__V1__Escalation *only(void)
{
    assert_int_equal(w->record->n_escalations, 1);
    return w->record->escalations[0];
}

static void escalations_that_nobody_carries_are_on_calls_at_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_UNSERVED), 1);
    assert_string_equal(w->told[0]->audit->text, "notify-emergent: no worker for 2 minutes");
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_int_equal(only()->severity, SEVERITY(EMERGENT));
    assert_string_equal(only()->subscription, "notify-emergent");
    go("2026-03-02 09:31");
    assert_true(told_escalations(ROLE(SUPERVISOR), CLIMB(CLIMBED)) == 1); /* and it climbs like any other */
}

static void what_carries_no_escalation_is_the_supervisors_in_working_hours(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("board", false, false);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RAISED)), 1);
    assert_int_equal(only()->severity, SEVERITY(URGENT));
}

static void said_again_it_is_nothing_new(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    forget();
    say("notify-emergent", false, true);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    say("board", true, false);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    assert_int_equal(w->told_count, 0);
    only();
}

static void served_again_it_is_resolved_and_recorded(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    forget();
    say("notify-emergent", true, true);
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 1);
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_UNSERVED), 1);
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(w->record->n_unserved, 0);
    go("2026-03-04 09:00");
    assert_int_equal(w->firings, 0);
}

static void each_subscription_is_a_matter_of_its_own(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    say("board", false, false);
    assert_int_equal(w->record->n_escalations, 2);
    say("notify-emergent", true, true);
    assert_string_equal(only()->subscription, "board");
}

static void what_a_human_resolves_before_it_is_served_comes_again(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    answer("escalation.resolved", "escalation: e1, with: {by: on-call-1}");
    assert_int_equal(w->record->n_escalations, 0);
    forget();
    go("2026-03-02 09:29");
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 0);
    go("2026-03-02 09:30");
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_int_equal(only()->number, 2);
}

static void what_a_human_resolved_and_is_served_does_not_come_again(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    answer("escalation.resolved", "escalation: e1, with: {by: on-call-1}");
    say("notify-emergent", true, true);
    forget();
    go("2026-03-04 09:00");
    assert_int_equal(w->told_count, 0);
}

static void an_acknowledgement_gives_a_rungs_time_as_ever(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify-emergent", false, true);
    answer("escalation.acknowledged", "escalation: e1, with: {by: on-call-1}");
    forget();
    go("2026-03-02 09:29");
    assert_int_equal(w->told_count, 0);
    go("2026-03-02 09:30");
    assert_int_equal(told_escalations(0, CLIMB(RESUMED)), 1);
}

static void what_has_become_graver_is_raised_anew(void **state)
{
    (void)state;
    begin(SHIPPED);
    say("notify", false, false);
    say("notify", false, true);
    assert_int_equal(told_escalations(ROLE(SUPERVISOR), CLIMB(RESOLVED)), 1);
    assert_int_equal(only()->severity, SEVERITY(EMERGENT));
    say("notify", false, false); /* and never falls */
    assert_int_equal(only()->severity, SEVERITY(EMERGENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(escalations_that_nobody_carries_are_on_calls_at_once),
        SENTENCE(what_carries_no_escalation_is_the_supervisors_in_working_hours),
        SENTENCE(said_again_it_is_nothing_new),
        SENTENCE(served_again_it_is_resolved_and_recorded),
        SENTENCE(each_subscription_is_a_matter_of_its_own),
        SENTENCE(what_a_human_resolves_before_it_is_served_comes_again),
        SENTENCE(what_a_human_resolved_and_is_served_does_not_come_again),
        SENTENCE(an_acknowledgement_gives_a_rungs_time_as_ever),
        SENTENCE(what_has_become_graver_is_raised_anew),
    };
    return cmocka_run_group_tests_name("core: subscriptions that nobody serves", tests, NULL, NULL);
}
