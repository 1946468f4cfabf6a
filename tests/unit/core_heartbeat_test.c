/* The synthetic patient: its timer travels the way of anybody's, and what breaks on it is told. */
#include "unit/core_world.h"

#define MINUTES(N) ((int64_t)(N) * 60 * 1000)

static void set(int64_t every_ms)
{
    Handoff__V1__HeartbeatSet *s = MESSAGE_NEW(w->arena, Handoff__V1__HeartbeatSet, heartbeat_set);
    Handoff__V1__CommandInput *c = MESSAGE_NEW(w->arena, Handoff__V1__CommandInput, command_input);
    s->every_ms = every_ms;
    c->body_case = HANDOFF__V1__COMMAND_INPUT__BODY_HEARTBEAT_SET;
    c->heartbeat_set = s;
    core_step((struct step_input){.kind = STEP_COMMAND, .subject_name = HEARTBEAT_PATIENT, .command = c});
}

static void answer(const char *name, const char *rest)
{
    Handoff__V1__Event *e = core_event(name, rest);
    e->patient_id = arena_string(w->arena, HEARTBEAT_PATIENT);
    core_step((struct step_input){.kind = STEP_EVENT, .subject_name = HEARTBEAT_PATIENT, .event = e, .seen_hash = w->hash});
}

static size_t beats(void)
{
    size_t count = 0;
    for (size_t i = 0; i < w->told_count; i++)
        count += w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS &&
                 w->told[i]->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
    return count;
}

static const Handoff__V1__Emission *newest_beat(void)
{
    const Handoff__V1__Emission *newest = NULL;
    for (size_t i = 0; i < w->told_count; i++)
        if (w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) newest = w->told[i];
    assert_non_null(newest);
    return newest;
}

static void deliver(const Handoff__V1__Emission *beat)
{
    char rest[128];
    snprintf(rest, sizeof rest, "with: {emission_id: 0123456789abcdef0123456789abcdef-n%u}", beat->status->notice_number);
    answer("message.sent", rest);
}

static void begin_beating(void)
{
    begin(SHIPPED);
    set(MINUTES(5));
}

static void it_beats_once_a_period_and_says_when_that_was_due(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:04");
    assert_int_equal(beats(), 0);
    go("2026-03-02 09:05");
    assert_int_equal(beats(), 1);
    assert_when(newest_beat()->status->due_at_ms, "2026-03-02 09:05");
    assert_null(newest_beat()->status->recipient);
    deliver(newest_beat());
    go("2026-03-02 09:10");
    assert_int_equal(beats(), 2);
    assert_int_equal(w->record->parked, 0);
}

static void what_a_worker_reports_gives_the_delay_of_the_path(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:05");
    w->now_ms += 1500;
    deliver(newest_beat());
    assert_when(w->record->heartbeat->delivered_due_at_ms, "2026-03-02 09:05");
    assert_int_equal(w->record->heartbeat->delivered_at_ms - w->record->heartbeat->delivered_due_at_ms, 1500);
    assert_int_equal(w->record->heartbeat->n_beats, 0);
}

static void two_beats_that_nobody_delivered_are_on_calls(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:14");
    assert_int_equal(w->record->n_escalations, 0); /* the second may still be on its way */
    go("2026-03-02 09:15");
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_UNSERVED), 1);
    go("2026-03-02 11:00");
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 1); /* one matter */
}

static void a_beat_that_comes_through_resolves_it(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:20");
    assert_int_equal(w->record->n_escalations, 1);
    deliver(newest_beat());
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(told_escalations(0, CLIMB(RESOLVED)), 1);
    for (int minute = 25; minute < 60; minute += 5) {
        char time[32];
        snprintf(time, sizeof time, "2026-03-02 09:%02d", minute);
        go(time);
        deliver(newest_beat());
    }
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 1);
}

static void whoever_resolves_it_by_hand_has_two_periods(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:15");
    answer("escalation.resolved", "escalation: e1, with: {by: on-call-1}");
    forget();
    go("2026-03-02 09:25");
    assert_int_equal(told_escalations(0, CLIMB(RAISED)), 0);
    go("2026-03-02 09:30");
    assert_int_equal(told_escalations(ROLE(ON_CALL), CLIMB(RAISED)), 1);
}

static void after_a_standstill_it_beats_once_and_late(void **state)
{
    (void)state;
    begin_beating();
    sleep_until("2026-03-02 13:02");
    wake();
    assert_int_equal(beats(), 1);
    assert_true(newest_beat()->is_late);
    assert_when(newest_beat()->status->due_at_ms, "2026-03-02 09:05");
    forget();
    go("2026-03-02 13:05"); /* in time with those before */
    assert_int_equal(beats(), 1);
    assert_false(newest_beat()->is_late);
}

static void turned_off_it_is_still(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:15");
    set(0);
    assert_int_equal(w->record->n_escalations, 0);
    forget();
    go("2026-03-03 09:00");
    assert_int_equal(w->told_count, 0);
}

static void set_as_it_is_nothing_is_said(void **state)
{
    (void)state;
    begin(SHIPPED);
    set(0);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    set(MINUTES(5));
    go("2026-03-02 09:03");
    set(MINUTES(5));
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    go("2026-03-02 09:05"); /* a restart does not move it */
    assert_int_equal(beats(), 1);
    set(MINUTES(1));
    go("2026-03-02 09:06");
    assert_int_equal(beats(), 2);
}

static void the_gate_lets_the_newest_out_and_no_older_one(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:05");
    const Handoff__V1__Emission *first = newest_beat();
    assert_int_equal(gate(w->rules, w->record, first, NULL, w->now_ms).answer, GATE_DELIVER);
    deliver(first); /* another subscription may carry it too */
    assert_int_equal(gate(w->rules, w->record, first, NULL, w->now_ms).answer, GATE_DELIVER);
    go("2026-03-02 09:10");
    assert_int_equal(gate(w->rules, w->record, first, NULL, w->now_ms).answer, GATE_DROP);
    assert_int_equal(gate(w->rules, w->record, newest_beat(), NULL, w->now_ms).answer, GATE_DELIVER);
    set(0);
    assert_int_equal(gate(w->rules, w->record, newest_beat(), NULL, w->now_ms).answer, GATE_DROP);
}

static void a_failure_is_kept_and_asks_nobody(void **state)
{
    (void)state;
    begin_beating();
    go("2026-03-02 09:05");
    answer("message.failed", "with: {emission_id: k-n1, channel: WEBHOOK, is_permanent: true}");
    assert_int_equal(w->record->n_tasks, 0);
    assert_int_equal(w->record->heartbeat->n_beats, 1);
}

static void who_was_called_so_before_stays_a_patient(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    set(MINUTES(5));
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(it_beats_once_a_period_and_says_when_that_was_due),
        SENTENCE(what_a_worker_reports_gives_the_delay_of_the_path),
        SENTENCE(two_beats_that_nobody_delivered_are_on_calls),
        SENTENCE(a_beat_that_comes_through_resolves_it),
        SENTENCE(whoever_resolves_it_by_hand_has_two_periods),
        SENTENCE(after_a_standstill_it_beats_once_and_late),
        SENTENCE(turned_off_it_is_still),
        SENTENCE(set_as_it_is_nothing_is_said),
        SENTENCE(the_gate_lets_the_newest_out_and_no_older_one),
        SENTENCE(a_failure_is_kept_and_asks_nobody),
        SENTENCE(who_was_called_so_before_stays_a_patient),
    };
    return cmocka_run_group_tests_name("core: the synthetic patient", tests, NULL, NULL);
}
