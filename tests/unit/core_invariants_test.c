/* Each invariant that step asks of itself, broken on purpose and seen: where a pathway, a policy or a roster can break it,
 * through step; where only a defect of core could, in a record or an outcome that was made wrong by hand. */
#include "core/invariants.h"
#include "unit/core_world.h"

#define AUDITED(NAME) HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME

/* --- a step, to be spoiled ---------------------------------------------------------------------------------------- */
static Handoff__V1__PatientRecord *record_before;
static struct step_input input;

static struct invariants_step newest(void)
{
    return (struct invariants_step){w->rules, w->site, &input, record_before, w->record, &w->out.journaled};
}
static uint32_t broken(void)
{
    struct invariants_step s = newest();
    return invariants_of_step(&s);
}
static uint32_t broken_in_record(void) { return invariants_of_record(w->rules, w->record); }

/* As tell() and fire(), with what went before and in kept. */
static void hear(const char *name, const char *rest)
{
    input = (struct step_input){.kind = STEP_EVENT, .event = core_event(name, rest), .seen_hash = w->hash, .now_ms = w->now_ms};
    record_before = w->record;
    core_step(input);
    assert_int_equal(w->out.journaled.verdict == VERDICT(PARKED), false);
    assert_int_equal(broken(), 0);
}
static void fire_next(void)
{
    Handoff__V1__TimerInput *firing = MESSAGE_NEW(w->arena, Handoff__V1__TimerInput, timer_input);
    w->now_ms = step_next_due(w->record, firing);
    input = (struct step_input){.kind = STEP_FIRING, .firing = firing, .now_ms = w->now_ms};
    record_before = w->record;
    core_step(input);
    assert_int_equal(broken(), 0);
}
/* The clock moves and things fire until the newest was of this kind. */
static void fire_until(Handoff__V1__DueKind kind)
{
    do fire_next();
    while (input.firing->kind != kind);
}

static void begin_referred(void)
{
    begin(SHIPPED);
    refer();
}

static void begin_sound(void)
{
    begin_referred();
    hear("referral.received", "referral: ref-1");
    assert_int_equal(broken_in_record(), 0);
    assert_true(w->record->n_episodes && w->record->n_timers);
}

static Handoff__V1__Emission *emitted(Handoff__V1__Emission__BodyCase body)
{
    for (size_t i = 0; i < w->out.journaled.n_emissions; i++)
        if (w->out.journaled.emissions[i]->body_case == body) return w->out.journaled.emissions[i];
    fail();
    return NULL;
}

/* --- 1 ------------------------------------------------------------------------------------------------------------ */
static void an_open_episode_whose_timers_are_gone_or_all_pause_is_seen(void **state)
{
    (void)state;
    begin_sound();
    for (size_t i = 0; i < w->record->n_timers; i++) w->record->timers[i]->is_paused = true;
    assert_int_equal(broken_in_record(), INVARIANT(PENDING));
    begin_sound();
    w->record->n_timers = 0;
    assert_int_equal(broken_in_record(), INVARIANT(PENDING));
    begin_sound();
    for (size_t i = 0; i < w->record->n_timers; i++) w->record->timers[i]->due_at_ms = 0; /* never */
    assert_int_equal(broken_in_record(), INVARIANT(PENDING));
}

static void one_of_several_episodes_without_a_timer_is_seen(void **state)
{
    (void)state;
    begin_sound();
    assert_true(w->record->n_episodes > 1);
    uint32_t last = w->record->episodes[w->record->n_episodes - 1]->number;
    for (size_t i = w->record->n_timers; i-- > 0;)
        if (w->record->timers[i]->episode == last) list_remove(&w->record->timers, &w->record->n_timers, i);
    assert_int_equal(broken_in_record(), INVARIANT(PENDING));
}

static void more_episodes_than_a_record_holds_are_seen(void **state)
{
    (void)state;
    begin_sound();
    while (w->record->n_episodes <= LIMIT_RECORD_EPISODES) {
        assert_int_equal(broken_in_record(), 0);
        Handoff__V1__Episode *e = message_copy(w->record->episodes[0], w->arena);
        Handoff__V1__Timer *t = message_copy(w->record->timers[0], w->arena);
        e->number = t->episode = ++w->record->last_episode;
        t->generation = ++w->record->last_generation;
        list_append(w->arena, &w->record->episodes, &w->record->n_episodes, e);
        list_append(w->arena, &w->record->timers, &w->record->n_timers, t);
    }
    assert_true(broken_in_record() & INVARIANT(PENDING));
}

static void the_due_time_of_an_open_task_is_pending_too(void **state)
{
    (void)state;
    begin_referred();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER);
    const Handoff__V1__Task *t = w->record->tasks[w->record->n_tasks - 1];
    uint32_t episode = t->causes[0]->episode;
    for (size_t i = w->record->n_timers; i-- > 0;)
        if (w->record->timers[i]->episode == episode) list_remove(&w->record->timers, &w->record->n_timers, i);
    assert_int_equal(broken_in_record(), 0);
}

/* --- 2 ------------------------------------------------------------------------------------------------------------ */
static Handoff__V1__Task *begin_with_task(void)
{
    begin(SHIPPED);
    register_child();
    hear("question.asked", "with: {by: GUARDIAN, text: 'when?'}");
    return w->record->tasks[0];
}

static void a_task_without_owner_severity_due_time_or_cause_is_seen(void **state)
{
    (void)state;
    begin_with_task()->owner = ROLE(UNSPECIFIED);
    assert_int_equal(broken_in_record(), INVARIANT(OWNED));
    begin_with_task()->severity = SEVERITY(UNSPECIFIED);
    assert_int_equal(broken_in_record(), INVARIANT(OWNED));
    begin_with_task()->due_at_ms = 0;
    assert_true(broken_in_record() & INVARIANT(OWNED));
    begin_with_task()->n_causes = 0;
    assert_true(broken_in_record() & INVARIANT(OWNED));
}

static void an_overdue_task_whose_ladder_is_gone_is_seen(void **state)
{
    (void)state;
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TASK);
    w->record->n_escalations = 0;
    assert_true(broken_in_record() & INVARIANT(OWNED));
}

static void an_escalation_that_does_not_climb_is_seen(void **state)
{
    (void)state;
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TASK);
    Handoff__V1__Escalation *e = w->record->escalations[0], was = *e;
    e->next_at_ms = 0;
    assert_int_equal(broken_in_record(), INVARIANT(OWNED));
    *e = was;
    e->rung = ROLE(UNSPECIFIED);
    assert_int_equal(broken_in_record(), INVARIANT(OWNED));
    *e = was;
    e->severity = SEVERITY(UNSPECIFIED);
    assert_int_equal(broken_in_record(), INVARIANT(OWNED));
}

static void a_task_kind_without_an_owner_parks_what_asks_for_it(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    struct rules without = *w->rules;
    without.policy.tasks[TASK(ANSWER_QUESTION)].owner = ROLE(UNSPECIFIED);
    w->rules = &without;
    assert_int_equal(tell("question.asked", "with: {by: GUARDIAN, text: 'when?'}"), VERDICT(PARKED));
    assert_int_equal(open_tasks(TASK(ANSWER_QUESTION)), 0);
    assert_int_equal(open_tasks(TASK(REVIEW_DEFECT)), 1);
    assert_int_equal(told_audits(AUDITED(PARKED)), 1);
}

/* --- 3 ------------------------------------------------------------------------------------------------------------ */
static Handoff__V1__StatusEmission *begin_with_disclosure(void)
{
    begin(SHIPPED);
    register_child();
    grant_to("riverside");
    hear("disclosure.requested", "with: {recipient: {party: AGENCY, id: riverside}, category: BEHAVIORAL_HEALTH}");
    Handoff__V1__StatusEmission *s = emitted(HANDOFF__V1__EMISSION__BODY_STATUS)->status;
    assert_string_equal(s->consent_id, w->record->consents[0]->id);
    return s;
}

static void a_disclosure_without_a_ground_is_seen(void **state)
{
    (void)state;
    begin_with_disclosure()->consent_id = (char *)"";
    assert_int_equal(broken(), INVARIANT(GROUNDED));
    begin_with_disclosure()->consent_id = (char *)"roi-that-nobody-signed";
    assert_int_equal(broken(), INVARIANT(GROUNDED));
    begin_with_disclosure()->recipient = NULL;
    assert_int_equal(broken(), INVARIANT(GROUNDED));
}

static void an_exception_that_no_human_invoked_is_no_ground(void **state)
{
    (void)state;
    Handoff__V1__StatusEmission *s = begin_with_disclosure();
    s->consent_id = (char *)"";
    s->exception = (char *)"medical emergency";
    assert_int_equal(broken(), INVARIANT(GROUNDED));
    Handoff__V1__DisclosureRequested *asked = input.event->disclosure_requested;
    asked->is_emergency = true;
    assert_int_equal(broken(), INVARIANT(GROUNDED));
    asked->invoked_by = (char *)"clinician-1";
    assert_int_equal(broken(), 0);
}

/* --- 4 ------------------------------------------------------------------------------------------------------------ */
static void two_live_timers_of_one_subject_and_kind_are_seen(void **state)
{
    (void)state;
    begin_sound();
    Handoff__V1__Timer *twin = message_copy(w->record->timers[0], w->arena);
    twin->generation = w->record->last_generation + 1;
    list_append(w->arena, &w->record->timers, &w->record->n_timers, twin);
    assert_int_equal(broken_in_record(), INVARIANT(ONE_TIMER));
    for (twin->appointment = 1; twin->appointment <= 64; twin->appointment++) /* another visit's is another subject */
        assert_int_equal(broken_in_record(), 0);
}

static void two_timers_that_one_firing_would_name_are_seen(void **state)
{
    (void)state;
    begin_sound();
    assert_true(w->record->n_timers > 1);
    w->record->timers[1]->generation = w->record->timers[0]->generation;
    assert_int_equal(broken_in_record(), INVARIANT(ONE_TIMER));
}

/* --- 5 ------------------------------------------------------------------------------------------------------------ */
static void what_would_fire_again_is_seen_of_each_kind(void **state)
{
    (void)state;
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TASK);
    w->record->tasks[0]->is_overdue = false;
    assert_int_equal(broken(), INVARIANT(ONCE));
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION);
    w->record->escalations[0]->next_at_ms = input.firing->due_at_ms;
    assert_int_equal(broken(), INVARIANT(ONCE));
    begin_sound();
    fire_until(DUE_TIMER);
    for (size_t i = 0; i < w->record->n_timers; i++)
        if (w->record->timers[i]->kind == input.firing->timer && w->record->timers[i]->episode == input.firing->episode) {
            w->record->timers[i]->generation = input.firing->generation;
            w->record->timers[i]->due_at_ms = input.firing->due_at_ms;
        }
    assert_int_equal(broken(), INVARIANT(ONCE));
}

static void a_ladder_that_waits_for_nothing_parks_instead_of_firing_for_ever(void **state)
{
    (void)state;
    static const struct delay at_once = {.op = DELAY_CLOCK};
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TASK);
    struct rules hasty = *w->rules;
    for (int i = 0; i < RULES_SEVERITIES; i++) hasty.policy.ladder[i].rung = hasty.policy.ladder[i].repeat = &at_once;
    w->rules = &hasty;
    Handoff__V1__TimerInput firing;
    w->now_ms = step_next_due(w->record, &firing);
    Handoff__V1__Role rung = w->record->escalations[0]->rung;
    fire(firing);
    assert_int_equal(w->out.journaled.verdict, VERDICT(PARKED));
    assert_int_equal(w->record->escalations[0]->rung, rung);
    assert_int_equal(w->record->escalations[0]->next_at_ms, w->now_ms + MS_PER_DAY);
}

static void an_id_that_was_told_before_is_seen(void **state)
{
    (void)state;
    begin_with_task();
    hear("question.asked", "with: {by: GUARDIAN, text: 'where?'}");
    emitted(HANDOFF__V1__EMISSION__BODY_TASK)->task->generation = record_before->tasks[0]->generation;
    assert_int_equal(broken(), INVARIANT(ONCE));
    begin_with_disclosure()->notice_number = record_before->last_notice;
    assert_int_equal(broken(), INVARIANT(ONCE));
    Handoff__V1__StatusEmission *s = begin_with_disclosure();
    Handoff__V1__Emission *twice[2] = {emitted(HANDOFF__V1__EMISSION__BODY_STATUS), emitted(HANDOFF__V1__EMISSION__BODY_STATUS)};
    w->out.journaled.emissions = twice;
    w->out.journaled.n_emissions = 2;
    assert_int_equal(broken(), INVARIANT(ONCE));
    s->notice_number = 0;
    assert_int_equal(broken(), INVARIANT(ONCE));
}

/* --- 6 ------------------------------------------------------------------------------------------------------------ */
static void a_timer_a_task_or_an_escalation_of_an_ended_episode_is_seen(void **state)
{
    (void)state;
    begin_sound();
    w->record->timers[0]->episode = 99;
    assert_int_equal(broken_in_record() & INVARIANT(IDLE_END), INVARIANT(IDLE_END));
    begin_with_task()->causes[0]->episode = 99;
    assert_int_equal(broken_in_record() & INVARIANT(IDLE_END), INVARIANT(IDLE_END));
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_TASK);
    w->record->escalations[0]->cause->episode = 99;
    assert_int_equal(broken_in_record(), INVARIANT(IDLE_END));
}

static void an_open_episode_in_a_final_state_is_seen(void **state)
{
    (void)state;
    begin_sound();
    Handoff__V1__Episode *e = w->record->episodes[0];
    const struct machine *main = &rules_pathway(w->rules, e->pathway)->main;
    for (uint32_t i = 0; i < main->state_count; i++)
        if (main->states[i].is_final) e->state = i;
    assert_int_equal(broken_in_record(), INVARIANT(IDLE_END));
}

/* --- 7 ------------------------------------------------------------------------------------------------------------ */
static void a_finding_that_nobody_hears_of_is_seen(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    w->out.journaled.n_emissions = 0;
    assert_int_equal(broken(), INVARIANT(ALERTED));
}

static void a_flag_that_a_timer_clears_is_seen(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    hear("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}");
    fire_next();
    w->record->n_flags = 0;
    assert_int_equal(broken(), INVARIANT(ALERTED));
}

/* --- 9 ------------------------------------------------------------------------------------------------------------ */
static void a_word_to_a_family_that_is_to_be_left_alone_is_seen(void **state)
{
    (void)state;
    Handoff__V1__StatusEmission *s = begin_with_disclosure();
    s->recipient->party = PARTY(GUARDIAN);
    s->recipient->id = (char *)"mom";
    uint32_t while_in_care = broken();
    w->record->is_deceased = true;
    assert_int_equal(broken(), while_in_care | INVARIANT(LEFT_ALONE));
    begin_referred();
    hear("appointment.booked", "referral: ref-1, appointment: visit-1, with: {starts_at: '2026-03-10 10:00', agency_id: riverside}");
    do fire_next();
    while (!w->out.journaled.n_emissions || w->out.journaled.emissions[0]->body_case != HANDOFF__V1__EMISSION__BODY_REMINDER);
    w->record->is_opted_out = true;
    assert_int_equal(broken(), INVARIANT(LEFT_ALONE));
    emitted(HANDOFF__V1__EMISSION__BODY_REMINDER)->reminder->is_dropped = true;
    assert_int_equal(broken(), 0);
}

static void not_even_an_emergency_reaches_a_family_that_is_to_be_left_alone(void **state)
{
    (void)state;
    static const char asked[] = "with: {recipient: {party: GUARDIAN, id: mom}, category: BEHAVIORAL_HEALTH, is_emergency: true, "
                                "invoked_by: clinician-1, nature: 'imminent harm'}";
    begin(SHIPPED);
    hear("patient.registered", "with: {birth_date: 2010-05-01, category: BEHAVIORAL_HEALTH, care_team: [{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}]}");
    hear("disclosure.requested", asked);
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 1); /* at fifteen a guardian is an outside recipient */
    hear("service.declined", "with: {by: PATIENT, scope: ALL_CONTACT}");
    assert_true(w->record->is_opted_out);
    forget();
    hear("disclosure.requested", asked);
    assert_int_equal(told_kind(HANDOFF__V1__EMISSION__BODY_STATUS), 0);
    assert_int_equal(told_audits(AUDITED(REFUSED_ACTION)), 1);
    assert_int_equal(open_tasks(TASK(ASK_COMPLIANCE)), 1);
}

/* --- 10 ----------------------------------------------------------------------------------------------------------- */
static void begin_climbed(void)
{
    begin_with_task();
    fire_until(HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION); /* the supervisor's now */
    assert_int_equal(w->record->escalations[0]->rung, ROLE(SUPERVISOR));
    hear("question.asked", "with: {by: GUARDIAN, text: 'where?'}");
}

static void a_ladder_that_falls_by_rung_or_severity_is_seen(void **state)
{
    (void)state;
    begin_climbed();
    w->record->escalations[0]->rung = ROLE(COORDINATOR);
    assert_int_equal(broken(), INVARIANT(CLIMBING));
    begin_climbed();
    record_before->escalations[0]->severity = SEVERITY(EMERGENT);
    assert_int_equal(broken(), INVARIANT(CLIMBING));
    begin_climbed();
    w->record->escalations[0]->rung = ROLE(DIRECTOR);
    assert_int_equal(broken(), 0);
}

static void a_ladder_that_ends_untold_is_seen(void **state)
{
    (void)state;
    begin_climbed();
    w->record->n_escalations = 0;
    w->record->tasks[0]->is_overdue = false;
    assert_int_equal(broken(), INVARIANT(CLIMBING));
    begin_climbed();
    hear("escalation.resolved", "escalation: e1, with: {by: supervisor-1}");
    assert_int_equal(w->record->n_escalations, 0);
    assert_int_equal(broken(), 0);
}

/* --- 11 ----------------------------------------------------------------------------------------------------------- */
static void an_end_that_a_timer_would_reach_is_parked_and_the_episode_stays_open(void **state)
{
    (void)state;
    begin(SHIPPED);
    core_load_unverified("pathway: hasty\n"
                         "subject: patient\n"
                         "max_silence: 60d\n"
                         "timers: {tick: {fires: [{wait: 1d, do: [{task: call-family}], target: closed}]}}\n"
                         "initial: open\n"
                         "states:\n"
                         "  open: {after: [tick], on: {episode.closed: {target: closed}}}\n"
                         "  closed: {final: true}\n");
    register_child();
    tell("episode.opened", "with: {pathway: hasty, by: coordinator-1}");
    go("2026-03-03 09:00");
    assert_int_equal(w->out.journaled.verdict, VERDICT(PARKED));
    assert_string_equal(w->out.journaled.sentence, "an end that a timer reached");
    assert_string_equal(state_of("hasty"), "open");
    assert_int_equal(open_tasks(TASK(REVIEW_DEFECT)), 1);
    tell("episode.closed", "with: {reason: OTHER, by: coordinator-1}");
    assert_int_equal(episodes_on("hasty"), 0); /* a human may */
}

static void a_release_may_run_out_by_itself(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    grant_to("riverside");
    assert_int_equal(episodes_on("release-of-information"), 1);
    go("2026-08-03 09:00");
    assert_int_equal(episodes_on("release-of-information"), 0);
    assert_int_equal(w->record->parked, 0);
}

/* --- 14 ----------------------------------------------------------------------------------------------------------- */
static void an_alert_that_reaches_nobody_stands_and_says_so_once(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    Handoff__V1__Site *roster = message_copy(w->site->roster, w->arena);
    struct site site = *w->site;
    struct rules rules = *w->rules;
    for (size_t i = 0; i < roster->n_people; i++) roster->people[i]->n_addresses = 0;
    site.roster = roster;
    rules.sites = &site;
    rules.site_count = 1;
    w->rules = &rules;
    forget();
    assert_int_equal(tell("safety.flag_raised", "with: {kind: SELF, severity: EMERGENT, raised_by: a-nurse}"), VERDICT(APPLIED));
    assert_int_equal(told_audits(AUDITED(DEFECT)), 1);
    assert_int_equal(open_tasks(TASK(REVIEW_DEFECT)), 1);
    assert_int_equal(open_tasks(TASK(SAFETY_CHECK)), 1);
    assert_true(w->record->n_escalations > 0);
    go("2026-03-03 09:00");
    assert_int_equal(told_audits(AUDITED(DEFECT)), 1);
    assert_int_equal(w->record->parked, 0);
}

/* --- what was broken before --------------------------------------------------------------------------------------- */
static void what_was_broken_before_does_not_hold_up_the_patient(void **state)
{
    (void)state;
    begin_sound();
    w->record->n_timers = 0; /* as an older version might have left it */
    forget();
    assert_int_equal(tell("referral.accepted", "referral: ref-1"), VERDICT(APPLIED));
    assert_string_equal(state_of("referral"), "accepted"); /* and has timers again */
    assert_int_equal(w->record->parked, 0);
    assert_int_equal(told_audits(AUDITED(DEFECT)), 1); /* the release has none yet */
    assert_int_equal(open_tasks(TASK(REVIEW_DEFECT)), 1);
    tell("patient.updated", "with: {county: perry}");
    assert_int_equal(told_audits(AUDITED(DEFECT)), 1); /* somebody looks already */
}

static void another_break_beside_an_old_one_still_parks(void **state)
{
    (void)state;
    begin_sound();
    w->record->n_timers = 0;
    struct rules without = *w->rules;
    without.policy.tasks[TASK(ANSWER_QUESTION)].owner = ROLE(UNSPECIFIED);
    w->rules = &without;
    assert_int_equal(tell("question.asked", "with: {by: GUARDIAN, text: 'when?'}"), VERDICT(PARKED));
}

static void each_invariant_has_its_sentence(void **state)
{
    (void)state;
    static const enum invariant all[] = {INVARIANT_PENDING, INVARIANT_OWNED, INVARIANT_GROUNDED, INVARIANT_ONE_TIMER, INVARIANT_ONCE, INVARIANT_IDLE_END,
                                         INVARIANT_ALERTED, INVARIANT_LEFT_ALONE, INVARIANT_CLIMBING, INVARIANT_HUMAN_END, INVARIANT_REACHABLE};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(invariants_sentence(UINT32_C(1) << all[i]), invariants_sentence(UINT32_C(1) << all[k]));
    assert_null(invariants_sentence(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(an_open_episode_whose_timers_are_gone_or_all_pause_is_seen),
        SENTENCE(one_of_several_episodes_without_a_timer_is_seen),
        SENTENCE(more_episodes_than_a_record_holds_are_seen),
        SENTENCE(the_due_time_of_an_open_task_is_pending_too),
        SENTENCE(a_task_without_owner_severity_due_time_or_cause_is_seen),
        SENTENCE(an_overdue_task_whose_ladder_is_gone_is_seen),
        SENTENCE(an_escalation_that_does_not_climb_is_seen),
        SENTENCE(a_task_kind_without_an_owner_parks_what_asks_for_it),
        SENTENCE(a_disclosure_without_a_ground_is_seen),
        SENTENCE(an_exception_that_no_human_invoked_is_no_ground),
        SENTENCE(two_live_timers_of_one_subject_and_kind_are_seen),
        SENTENCE(two_timers_that_one_firing_would_name_are_seen),
        SENTENCE(what_would_fire_again_is_seen_of_each_kind),
        SENTENCE(a_ladder_that_waits_for_nothing_parks_instead_of_firing_for_ever),
        SENTENCE(an_id_that_was_told_before_is_seen),
        SENTENCE(a_timer_a_task_or_an_escalation_of_an_ended_episode_is_seen),
        SENTENCE(an_open_episode_in_a_final_state_is_seen),
        SENTENCE(a_finding_that_nobody_hears_of_is_seen),
        SENTENCE(a_flag_that_a_timer_clears_is_seen),
        SENTENCE(a_word_to_a_family_that_is_to_be_left_alone_is_seen),
        SENTENCE(not_even_an_emergency_reaches_a_family_that_is_to_be_left_alone),
        SENTENCE(a_ladder_that_falls_by_rung_or_severity_is_seen),
        SENTENCE(a_ladder_that_ends_untold_is_seen),
        SENTENCE(an_end_that_a_timer_would_reach_is_parked_and_the_episode_stays_open),
        SENTENCE(a_release_may_run_out_by_itself),
        SENTENCE(an_alert_that_reaches_nobody_stands_and_says_so_once),
        SENTENCE(what_was_broken_before_does_not_hold_up_the_patient),
        SENTENCE(another_break_beside_an_old_one_still_parks),
        SENTENCE(each_invariant_has_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
