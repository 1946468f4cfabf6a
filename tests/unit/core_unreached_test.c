/* What follows when a message did not arrive, and what deliveries say of messages: core/unreached.c, core/disclosed.c. */
#include "unit/core_world.h"

#define AUDIT(NAME) HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME

static void failed(const char *emission_id, const char *how)
{
    char rest[256];
    snprintf(rest, sizeof rest, "with: {emission_id: %s, %s}", emission_id, how);
    tell("message.failed", rest);
}

static void begin_visit(const char *starts_at)
{
    char rest[128];
    begin(SHIPPED);
    refer();
    snprintf(rest, sizeof rest, "appointment: v1, with: {starts_at: %s, agency_id: riverside}", starts_at);
    tell("appointment.booked", rest);
    forget();
}

static bool is_about(const Handoff__V1__Task *t, Handoff__V1__Party party, const char *id)
{
    return t && t->subject && t->subject->party == party && strcmp(t->subject->id, id) == 0;
}

/* --- reminders ---------------------------------------------------------------------------------------------------- */
static void a_reminder_that_failed_for_good_is_a_call_and_a_way_to_this_person_is_looked_for(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "channel: SMS, addressee: 'GUARDIAN:mom'"); /* it will be tried again */
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)) + open_tasks(TASK(FIND_CONTACT)), 0);
    failed("n1", "channel: SMS, is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_true(is_about(task_of(TASK(FIND_CONTACT)), PARTY(GUARDIAN), "mom"));
    assert_when(task_of(TASK(FIND_CONTACT))->due_at_ms, "2026-03-04 09:00");
    assert_true(is_about(task_of(TASK(CALL_FAMILY)), PARTY(GUARDIAN), "mom"));
    assert_int_equal(task_of(TASK(CALL_FAMILY))->severity, SEVERITY(ROUTINE));
    assert_true(w->told[w->told_count - 1]->task->is_undelivered);
}

static void with_an_open_flag_the_way_is_looked_for_today(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    failed("n1", "is_permanent: true, addressee: PATIENT");
    assert_when(task_of(TASK(FIND_CONTACT))->due_at_ms, "2026-03-02 23:59");
}

static void the_call_is_due_before_the_visit_and_urgent_when_that_is_soon(void **state)
{
    (void)state;
    begin_visit("2026-03-03 15:00");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_when(task_of(TASK(CALL_FAMILY))->due_at_ms, "2026-03-03 09:00"); /* an urgent call's own time is sooner */
    assert_int_equal(task_of(TASK(CALL_FAMILY))->severity, SEVERITY(URGENT));
    begin_visit("2026-03-02 10:30");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_when(task_of(TASK(CALL_FAMILY))->due_at_ms, "2026-03-02 10:30");
}

static void a_reminder_that_may_have_arrived_is_a_call_alone(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_unknown: true, addressee: 'GUARDIAN:mom'");
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 0);
    assert_true(is_about(task_of(TASK(CALL_FAMILY)), PARTY(GUARDIAN), "mom"));
}

static void one_person_and_visit_asks_once_and_another_person_by_themselves(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    forget();
    failed("n2", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_int_equal(w->told_count, 0);
    failed("n2", "is_permanent: true, addressee: 'GUARDIAN:dad'");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 2);
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 2);
}

static void a_publisher_that_names_nobody_asks_for_the_family(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_permanent: true");
    assert_null(task_of(TASK(FIND_CONTACT))->subject);
    assert_null(task_of(TASK(CALL_FAMILY))->subject);
}

static void nobody_calls_about_a_visit_that_is_over_or_off(void **state)
{
    (void)state;
    begin_visit("2026-03-02 10:00");
    go("2026-03-02 10:00");
    forget();
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 0);
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1);
    static const char *const ends[] = {"appointment.fulfilled", "appointment.cancelled", "appointment.retracted", "appointment.arrived"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        begin_visit("2026-03-04 10:00");
        failed("n1", "is_unknown: true, addressee: 'GUARDIAN:mom'");
        assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
        tell(ends[i], i == 1 ? "appointment: v1, with: {by: GUARDIAN}" : "appointment: v1");
        assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 0);
    }
}

static void nobody_calls_the_family_of_the_deceased_or_one_that_wants_no_contact(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    tell("patient.deceased", "with: {}");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)) + open_tasks(TASK(FIND_CONTACT)), 0);
    begin_visit("2026-03-20 15:00");
    tell("service.declined", "with: {by: GUARDIAN, scope: ALL_CONTACT}");
    failed("n1", "is_unknown: true, addressee: 'GUARDIAN:mom'");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 0);
}

static void a_reminder_that_arrives_after_all_makes_the_call_needless(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    failed("n1", "is_unknown: true, addressee: 'GUARDIAN:dad'");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 2);
    tell("message.sent", "occurred: 2026-03-01 10:00, with: {emission_id: n1, channel: EMAIL, addressee: 'GUARDIAN:mom'}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 2); /* it was sent before */
    tell("message.sent", "with: {emission_id: n1, channel: EMAIL, addressee: 'coordinator-1'}");
    tell("message.sent", "with: {emission_id: t1.1, channel: EMAIL, addressee: 'GUARDIAN:mom'}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 2);
    tell("message.sent", "with: {emission_id: n1, channel: EMAIL, addressee: 'GUARDIAN:mom'}");
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_true(is_about(task_of(TASK(CALL_FAMILY)), PARTY(GUARDIAN), "dad"));
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1); /* the next one may not arrive */
}

static void an_address_ends_the_search_for_one(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_permanent: true, addressee: 'GUARDIAN:mom'");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: dad, addresses: [{channel: SMS, address: '+15550143'}]}");
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1);
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, language: es}");
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1);
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 0);
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1); /* this reminder did not arrive all the same */
}

static void what_a_failed_status_asks_is_for_its_dead_letter(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    failed("n1", "is_permanent: true, addressee: riverside");
    assert_int_equal(w->told_count, 0);
}

static void what_names_no_message_of_ours_changes_nothing(void **state)
{
    (void)state;
    static const char *const ids[] = {"t99.1", "e99.1", "x1", "''", "t1.", "t1.x", "n", "-", "t.1", "99999999999999999999999"};
    begin_visit("2026-03-20 15:00");
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        failed(ids[i], "is_permanent: true, addressee: coordinator-1");
        assert_int_equal(w->told_count, 0);
        assert_int_not_equal(w->out.journaled.verdict, VERDICT(PARKED));
    }
    tell("message.sent", "with: {emission_id: n1, channel: SMS, addressee: 'GUARDIAN:mom'}");
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
}

/* --- notices to staff --------------------------------------------------------------------------------------------------- */
static const Handoff__V1__EscalationEmission *told_last(void)
{
    assert_true(w->told_count > 0);
    assert_int_equal(w->told[w->told_count - 1]->body_case, HANDOFF__V1__EMISSION__BODY_ESCALATION);
    return w->told[w->told_count - 1]->escalation;
}

static void a_notice_of_a_task_that_failed_is_told_to_whoever_is_above_at_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("question.asked", "with: {}");
    forget();
    failed("t1.1", "channel: EMAIL, addressee: coordinator-1");
    assert_int_equal(w->told_count, 0);
    failed("t1.1", "channel: EMAIL, is_permanent: true, addressee: coordinator-1");
    assert_int_equal(w->told_count, 1);
    assert_int_equal(told_last()->change, CLIMB(RAISED));
    assert_int_equal(told_last()->rung, ROLE(SUPERVISOR));
    assert_int_equal(told_last()->unreached, ROLE(COORDINATOR));
    const Handoff__V1__Task *t = task_of(TASK(ANSWER_QUESTION));
    assert_false(t->is_overdue);
    assert_int_equal(t->escalation, 1);
    failed("t1.1", "is_permanent: true, addressee: coordinator-1");
    assert_int_equal(w->told_count, 1); /* once for each notice */
    tell("escalation.resolved", "escalation: e1, with: {by: supervisor-1}");
    forget();
    failed("t1.1", "is_permanent: true, addressee: coordinator-1");
    assert_int_equal(w->told_count, 0);
}

static void its_due_time_stays_and_its_escalation_goes_on_climbing(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("question.asked", "with: {}");
    failed("t1.1", "is_permanent: true");
    assert_when(task_of(TASK(ANSWER_QUESTION))->due_at_ms, "2026-03-04 09:00");
    go("2026-03-04 08:59");
    assert_false(task_of(TASK(ANSWER_QUESTION))->is_overdue);
    go("2026-03-04 09:00");
    assert_true(task_of(TASK(ANSWER_QUESTION))->is_overdue);
    assert_int_equal(w->record->n_escalations, 1);
    assert_int_equal(w->record->escalations[0]->rung, ROLE(DIRECTOR));
    tell("task.completed", "task: t1, with: {outcome: DONE}");
    assert_int_equal(w->record->n_escalations, 0);
}

static void a_notice_that_a_newer_one_has_overtaken_makes_nobody_climb(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("safety.flag_raised", "with: {kind: SELF, severity: URGENT}");
    uint32_t number = task_of(TASK(SAFETY_CHECK))->number;
    char id[32];
    snprintf(id, sizeof id, "t%u.1", number);
    tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT}");
    forget();
    failed(id, "is_permanent: true");
    assert_int_equal(w->told_count, 0);
}

static void an_escalation_whose_notice_failed_climbs_at_once_and_once_for_a_role(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("medication.concern", "with: {kind: SIDE_EFFECT}"); /* to the prescriber */
    go("2026-03-03 09:00");                                    /* overdue */
    const Handoff__V1__Escalation *e = w->record->escalations[0];
    char id[32];
    Handoff__V1__Role first = e->rung;
    snprintf(id, sizeof id, "e%u.%u", e->number, e->generation);
    forget();
    failed(id, "is_permanent: true");
    assert_int_equal(told_last()->change, CLIMB(CLIMBED));
    assert_int_equal(told_last()->unreached, first);
    assert_int_not_equal(w->record->escalations[0]->rung, first);
    assert_when(w->record->escalations[0]->next_at_ms, "2026-03-04 09:00");
    size_t told = w->told_count;
    failed(id, "is_permanent: true");
    assert_int_equal(w->told_count, told);
}

static void what_is_acknowledged_does_not_climb(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("medication.concern", "with: {kind: SIDE_EFFECT}");
    go("2026-03-03 09:00");
    const Handoff__V1__Escalation *e = w->record->escalations[0];
    char id[32];
    snprintf(id, sizeof id, "e%u.%u", e->number, e->generation);
    tell("escalation.acknowledged", "escalation: e1, with: {by: clinician-1}");
    forget();
    failed(id, "is_permanent: true");
    assert_int_equal(w->told_count, 0);
}

/* From rung to rung, each found unreachable: in the end on-call, and then nobody is told in vain again. */
static void at_the_top_on_call_is_told_as_well(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    tell("medication.concern", "with: {kind: SIDE_EFFECT}");
    go("2026-03-03 09:00");
    forget();
    for (int i = 0; i < 10; i++) {
        char id[32];
        const Handoff__V1__Escalation *e = w->record->escalations[0];
        uint32_t generation = 0;
        for (size_t k = 0; k < e->n_told; k++)
            if (e->told[k]->role == e->rung) generation = e->told[k]->generation;
        snprintf(id, sizeof id, "e%u.%u", e->number, generation);
        failed(id, "is_permanent: true");
        if (w->out.journaled.verdict == VERDICT(RECORDED)) break;
    }
    assert_int_equal(w->record->escalations[0]->rung, ROLE(DIRECTOR));
    assert_true(told_escalations(ROLE(ON_CALL), CLIMB(REPEATED)) == 1);
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
}

static void of_several_told_together_one_who_was_not_reached_counts_when_it_is_emergent(void **state)
{
    (void)state;
    static const char *const severities[] = {"URGENT", "EMERGENT"};
    for (size_t i = 0; i < 2; i++) {
        char rest[64], id[32] = "";
        begin(SHIPPED);
        go("2026-03-06 20:00");
        register_child();
        snprintf(rest, sizeof rest, "with: {kind: SELF, severity: %s}", severities[i]);
        tell("safety.flag_raised", rest);
        const Handoff__V1__Escalation *e = w->record->escalations[0];
        assert_true(e->roles >> ROLE(ON_CALL) & 1);
        for (size_t k = 0; k < e->n_told; k++)
            if (e->told[k]->role == ROLE(ON_CALL) && e->rung != ROLE(ON_CALL)) snprintf(id, sizeof id, "e%u.%u", e->number, e->told[k]->generation);
        assert_true(id[0]);
        forget();
        failed(id, "is_permanent: true, addressee: on-call-1");
        assert_int_equal(told_escalations(ROLE(UNSPECIFIED), CLIMB(CLIMBED)), i);
    }
}

/* --- what deliveries say ---------------------------------------------------------------------------------------------- */
static Handoff__V1__CommandInput command;
static void say(Handoff__V1__CommandInput__BodyCase body, void *message)
{
    handoff__v1__command_input__init(&command);
    command.body_case = body;
    command.message_dead = message; /* any of them: a union of pointers */
    forget();
    core_step((struct step_input){.kind = STEP_COMMAND, .command = message_copy(&command, w->arena)});
}

static const Handoff__V1__AuditEmission *audited(void)
{
    assert_true(w->told_count >= 1);
    assert_int_equal(w->told[0]->body_case, HANDOFF__V1__EMISSION__BODY_AUDIT);
    return w->told[0]->audit;
}

#define COMMAND(NAME) HANDOFF__V1__COMMAND_INPUT__BODY_##NAME
static char *letters(const char *text) { return (char *)(uintptr_t)text; }

static void a_disclosure_is_audited_with_its_ground_and_its_notice(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    Handoff__V1__Recipient to = HANDOFF__V1__RECIPIENT__INIT;
    to.party = PARTY(AGENCY);
    to.id = letters("riverside");
    Handoff__V1__DisclosureAuthorised a = HANDOFF__V1__DISCLOSURE_AUTHORISED__INIT;
    a.emission_id = letters("k-n4");
    a.subscription = letters("fax");
    a.recipient = &to;
    a.consent_id = letters("roi-1");
    a.also_consent_id = letters("roi-2");
    a.notice = letters("scope behavioral-health; no redisclosure.");
    say(COMMAND(DISCLOSURE_AUTHORISED), &a);
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
    assert_int_equal(audited()->kind, AUDIT(AUTHORISED));
    assert_string_equal(audited()->recipient->id, "riverside");
    assert_string_equal(audited()->text, "k-n4 through fax: consent roi-1 and roi-2; notice: scope behavioral-health; no redisclosure.");
    a.consent_id = a.also_consent_id = letters("");
    a.exception = letters("emergency");
    a.notice = letters("");
    say(COMMAND(DISCLOSURE_AUTHORISED), &a);
    assert_string_equal(audited()->text, "k-n4 through fax: exception emergency; notice: without a notice that forbids redisclosure");
    Handoff__V1__Disclosed d = HANDOFF__V1__DISCLOSED__INIT;
    d.emission_id = letters("k-n4");
    d.subscription = letters("fax");
    d.recipient = &to;
    d.authorised_sequence = 1234567890123;
    say(COMMAND(DISCLOSED), &d);
    assert_int_equal(audited()->kind, AUDIT(DISCLOSED));
    assert_string_equal(audited()->text, "k-n4 through fax: taken; authorised in entry 1234567890123");
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
    assert_int_equal(w->out.journaled.n_applied, 0);
}

static void a_message_that_does_not_go_out_any_more_is_audited(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    Handoff__V1__MessageDropped d = HANDOFF__V1__MESSAGE_DROPPED__INIT;
    d.emission_id = letters("k-n2");
    d.subscription = letters("notify");
    d.addressee = letters("GUARDIAN:mom");
    d.reason = letters("the visit was moved");
    say(COMMAND(MESSAGE_DROPPED), &d);
    assert_int_equal(audited()->kind, AUDIT(DROPPED));
    assert_string_equal(audited()->text, "k-n2 through notify for GUARDIAN:mom: the visit was moved");
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
    assert_int_equal(w->record->n_tasks, 0);
}

static void a_dead_letter_is_audited_and_of_a_message_to_a_person_counts_as_failed(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    Handoff__V1__MessageDead d = HANDOFF__V1__MESSAGE_DEAD__INIT;
    d.emission_id = letters("k-n2");
    d.subscription = letters("feed");
    d.addressee = letters("GUARDIAN:mom");
    d.reason = letters("refused");
    d.attempts = 10;
    say(COMMAND(MESSAGE_DEAD), &d);
    assert_int_equal(audited()->kind, AUDIT(DEAD_LETTER));
    assert_string_equal(audited()->text, "k-n2 through feed for GUARDIAN:mom: given up at attempt 10: refused");
    assert_int_equal(w->out.journaled.verdict, VERDICT(RECORDED));
    assert_int_equal(w->record->n_tasks, 0); /* a feed is nobody who was to hear */
    d.is_addressed = true;
    say(COMMAND(MESSAGE_DEAD), &d);
    assert_int_equal(w->out.journaled.verdict, VERDICT(APPLIED));
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1);
}

static void a_dead_letter_of_a_status_asks_nobody_to_call(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    Handoff__V1__MessageDead d = HANDOFF__V1__MESSAGE_DEAD__INIT;
    d.emission_id = letters("k-n2");
    d.subscription = letters("fax");
    d.is_addressed = true;
    say(COMMAND(MESSAGE_DEAD), &d);
    assert_int_equal(w->record->n_tasks, 0);
}

static void a_reminder_without_an_address_asks_once_for_a_call_and_a_way(void **state)
{
    (void)state;
    begin_visit("2026-03-20 15:00");
    Handoff__V1__MessageUnreachable u = HANDOFF__V1__MESSAGE_UNREACHABLE__INIT;
    u.emission_id = letters("k-n2");
    u.subscription = letters("notify");
    u.addressee = letters("GUARDIAN:mom");
    say(COMMAND(MESSAGE_UNREACHABLE), &u);
    assert_int_equal(open_tasks(TASK(CALL_FAMILY)), 1);
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 1);
    assert_null(task_of(TASK(FIND_CONTACT))->subject);
    say(COMMAND(MESSAGE_UNREACHABLE), &u);
    assert_int_equal(w->out.journaled.verdict, VERDICT(NO_OP));
    assert_int_equal(w->told_count, 0);
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, addresses: [{channel: SMS, address: '+15550142'}]}");
    assert_int_equal(open_tasks(TASK(FIND_CONTACT)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_reminder_that_failed_for_good_is_a_call_and_a_way_to_this_person_is_looked_for),
        SENTENCE(with_an_open_flag_the_way_is_looked_for_today),
        SENTENCE(the_call_is_due_before_the_visit_and_urgent_when_that_is_soon),
        SENTENCE(a_reminder_that_may_have_arrived_is_a_call_alone),
        SENTENCE(one_person_and_visit_asks_once_and_another_person_by_themselves),
        SENTENCE(a_publisher_that_names_nobody_asks_for_the_family),
        SENTENCE(nobody_calls_about_a_visit_that_is_over_or_off),
        SENTENCE(nobody_calls_the_family_of_the_deceased_or_one_that_wants_no_contact),
        SENTENCE(a_reminder_that_arrives_after_all_makes_the_call_needless),
        SENTENCE(an_address_ends_the_search_for_one),
        SENTENCE(what_a_failed_status_asks_is_for_its_dead_letter),
        SENTENCE(what_names_no_message_of_ours_changes_nothing),
        SENTENCE(a_notice_of_a_task_that_failed_is_told_to_whoever_is_above_at_once),
        SENTENCE(its_due_time_stays_and_its_escalation_goes_on_climbing),
        SENTENCE(a_notice_that_a_newer_one_has_overtaken_makes_nobody_climb),
        SENTENCE(an_escalation_whose_notice_failed_climbs_at_once_and_once_for_a_role),
        SENTENCE(what_is_acknowledged_does_not_climb),
        SENTENCE(at_the_top_on_call_is_told_as_well),
        SENTENCE(of_several_told_together_one_who_was_not_reached_counts_when_it_is_emergent),
        SENTENCE(a_disclosure_is_audited_with_its_ground_and_its_notice),
        SENTENCE(a_message_that_does_not_go_out_any_more_is_audited),
        SENTENCE(a_dead_letter_is_audited_and_of_a_message_to_a_person_counts_as_failed),
        SENTENCE(a_dead_letter_of_a_status_asks_nobody_to_call),
        SENTENCE(a_reminder_without_an_address_asks_once_for_a_call_and_a_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
