/* The loader: a pathway of middle size in memory, and what it says about mistakes in a file. */
#include "unit/pathways/pathway_testing.h"
#include <stdlib.h>
#include "pathway/diagram.h"
#include "pathway/load.h"
#include "core/calendar.h"
#include "pathway/verify.h"

static struct arena *arena;
static struct yaml_errors errors;

static const struct pathway *load(const char *text)
{
    struct pathway *pathway = NULL;
    errors.count = 0;
    pathway_load(arena, "test.yaml", (struct bytes){(const uint8_t *)text, strlen(text)}, &errors, &pathway);
    return pathway;
}

static void refuse(const char *text, int line, int column, const char *part)
{
    assert_null(load(text));
    testing_expect(&errors, line, column, part);
}

static const struct pathway *load_small(void)
{
    struct bytes text = testing_file(arena, "tests/unit/pathways/referral-small.yaml");
    struct pathway_source *source = NULL;
    struct verify_options options = {0};
    errors.count = 0;
    if (pathway_read(arena, "referral-small.yaml", text, &errors, &source) || pathway_verify(source, &options, &errors)) {
        yaml_errors_print(stderr, &errors);
        fail();
    }
    return source->pathway;
}

static const struct state *state_named(const struct machine *m, const char *name)
{
    for (uint32_t i = 0; i < m->state_count; i++)
        if (strcmp(m->states[i].name, name) == 0) return &m->states[i];
    fail_msg("no state %s", name);
    return NULL;
}

static void the_head_is_read(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    assert_string_equal(p->name, "referral-small");
    assert_int_equal(p->version, 2);
    assert_int_equal(p->subject, SUBJECT_REFERRAL);
    assert_int_equal(p->max_silence_ms, 16 * MS_PER_DAY);
    assert_int_equal(p->variable_count, 1);
    assert_string_equal(p->variables[0], "misses_in_row");
    assert_string_equal(p->rules[0].text, p->about); /* rule 0 is the pathway itself */
    assert_int_equal(p->main.initial, 0);
    assert_int_equal(p->main.state_count, 6);
    assert_true(p->main.states[4].is_final);
}

static void timers_keep_their_firings(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    const struct timer_kind *acknowledge = &p->timers[0], *reminder = &p->timers[4];
    assert_string_equal(acknowledge->name, "acknowledge");
    assert_int_equal(acknowledge->firing_count, 2);
    assert_int_equal(acknowledge->firings[0].wait.routine->op, DELAY_BUSINESS_DAYS);
    assert_int_equal(acknowledge->firings[0].wait.urgent->amount, 240);
    assert_int_equal(acknowledge->firings[0].target, -1);
    const struct action *task = &acknowledge->firings[0].actions[0], *raise = &acknowledge->firings[1].actions[0];
    assert_int_equal(task->op, ACTION_TASK);
    assert_int_equal(task->task, HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_AGENCY);
    assert_int_equal(task->role, HANDOFF__V1__ROLE__ROLE_COORDINATOR);
    assert_int_equal(task->party, HANDOFF__V1__PARTY__PARTY_AGENCY);
    assert_string_equal(p->rules[task->rule].text, "The agency has not answered.");
    assert_int_equal(p->rules[task->rule].line, 14);
    assert_int_equal(raise->roles, 1 << HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
    assert_int_equal(raise->severity, HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    assert_string_equal(p->rules[raise->rule].text, "timer acknowledge, firing 2");
    assert_int_equal(p->timers[1].from, TIMER_FROM_OPENED);
    assert_int_equal(reminder->from, TIMER_FROM_VISIT);
    assert_true(reminder->is_per_appointment && reminder->is_once && reminder->is_reminder);
    assert_int_equal(reminder->firings[0].actions[0].op, ACTION_REMIND);
}

static void holds_and_concerns_are_read(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    assert_int_equal(p->holds[0].aspects, ASPECT_SENDING);
    assert_int_equal(p->holds[0].pause_count, 1);
    assert_int_equal(p->holds[0].pauses[0], 0);
    assert_int_equal(p->holds[0].timers[0], 2);
    assert_true(p->holds[0].is_per_recipient);
    assert_int_equal(p->holds[1].aspects, ASPECT_REMINDERS | ASPECT_MISSES);
    assert_int_equal(p->concerns[0].timer_count, 1);
    assert_int_equal(p->concerns[0].actions[0].due.routine->op, DELAY_BUSINESS_DAYS);
}

static void openings_keep_their_order_and_actions_their_fields(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    assert_int_equal(p->open_count, 2);
    assert_int_equal(p->opens[0].event, HANDOFF__V1__EVENT__BODY_REFERRAL_REQUESTED);
    assert_non_null(p->opens[0].when);
    assert_string_equal(p->rules[p->opens[0].rule].text, "referral.requested when event.priority == STAT");
    assert_int_equal(p->opens[1].action_count, 3);
    const struct action *condition = &p->opens[1].actions[0];
    assert_int_equal(condition->op, ACTION_IF);
    assert_int_equal(condition->then[0].op, ACTION_HOLD);
    assert_int_equal(condition->then[0].party, HANDOFF__V1__PARTY__PARTY_AGENCY);
    assert_int_equal(condition->otherwise[0].op, ACTION_NOTE);
    assert_string_equal(p->opens[1].actions[1].from->name, "agency_id");
    assert_ptr_equal(p->opens[1].actions[1].to, protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__episode__descriptor, "agency_id"));
    assert_string_equal(p->opens[1].actions[2].to->name, "priority");
}

static void states_keep_transitions_in_order(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    const struct state *draft = state_named(&p->main, "draft"), *accepted = state_named(&p->main, "accepted");
    assert_int_equal(draft->on_count, 3);
    assert_non_null(draft->on[0].when);
    assert_null(draft->on[1].when);
    assert_int_equal(draft->on[0].target, -1);
    assert_true(draft->on[2].is_ignore);
    assert_int_equal(draft->always_count, 1);
    assert_int_equal(draft->always[0].event, 0);
    assert_string_equal(p->rules[draft->always[0].rule].text, "Nothing holds the referral back.");
    assert_int_equal(state_named(&p->main, "requested")->max_silence_ms, 10 * MS_PER_DAY);
    /* one transition for each event of a key */
    assert_int_equal(accepted->on[0].event, HANDOFF__V1__EVENT__BODY_APPOINTMENT_BOOKED);
    assert_int_equal(accepted->on[1].event, HANDOFF__V1__EVENT__BODY_APPOINTMENT_RESCHEDULED);
    assert_int_equal(accepted->on[0].actions[1].op, ACTION_SET);
    assert_int_equal(accepted->on[3].action_count, 3); /* one resolve, two withdrawals */
    assert_int_equal(accepted->on[3].actions[2].task, HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_AGENCY);
}

static void signals_and_custom_events_have_names(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    const struct transition *signal = &p->main.any[5], *custom = &p->main.any[6];
    assert_true(signal->is_signal);
    assert_int_equal(signal->event, 0);
    assert_string_equal(signal->name, "taken-over");
    assert_int_equal(custom->event, HANDOFF__V1__EVENT__BODY_CUSTOM);
    assert_string_equal(custom->name, "bed-offered");
    assert_string_equal(p->rules[custom->rule].text, "custom.bed-offered");
}

static void regions_are_machines_of_their_own(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    assert_int_equal(p->region_count, 1);
    const struct state *idle = state_named(&p->regions[0], "idle");
    assert_int_equal(idle->on[0].target, 1);
    assert_string_equal(p->rules[idle->on[0].rule].text, "contact.attempted when event.callee == AGENCY and event.purpose == INTAKE and "
                                                         "event.outcome in [VOICEMAIL, VOICEMAIL_FULL]");
    assert_int_equal(state_named(&p->regions[0], "waiting")->timers[0], 3);
}

static void a_task_without_a_reason_leaves_it_to_the_policy(void **state)
{
    (void)state;
    const struct pathway *p = load_small();
    assert_string_equal(p->rules[p->timers[2].firings[0].actions[0].rule].text, "");
    assert_int_equal(p->rules[p->timers[2].firings[0].actions[0].rule].line, p->timers[2].line + 1);
}

static void a_diagram_has_states_timers_and_what_leads_on(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    pathway_draw(to, load_small());
    fclose(to);
    assert_non_null(strstr(text, "\"referral-small.accepted\" [label=\"accepted\\nfirst-visit\"];"));
    assert_non_null(strstr(text, "\"referral-small.completed\" [label=\"completed\" peripheries=2];"));
    assert_non_null(strstr(text, "\"referral-small.requested\" -> \"referral-small.received\" [label=\"referral.received\"];"));
    assert_non_null(strstr(text, "\"referral-small.any\" -> \"referral-small.cancelled\" [label=\"referral.cancelled\"];"));
    assert_non_null(strstr(text, "\"call.waiting\" -> \"call.idle\""));
    free(text);
}

#define HEAD "pathway: test\nsubject: patient\nmax_silence: 10d\ninitial: open\n"
#define IN_OPEN(text) HEAD "states:\n  open:\n" text

static void keys_and_names_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    refuse("", 0, 0, "empty");
    refuse("- a\n", 1, 1, "here must be a mapping");
    refuse("pathway: test\n", 1, 1, "the key \"states\" is missing");
    refuse(HEAD "stats: {}\n", 5, 1, "did you mean \"states\"?");
    refuse(IN_OPEN("    afer: [x]\n"), 7, 5, "did you mean \"after\"?");
    refuse(IN_OPEN("    after: [chek]\n") "timers: {check: {fires: [{wait: 2bd}]}}\n", 7, 13, "unknown timer \"chek\"; did you mean \"check\"?");
    refuse(IN_OPEN("    on: {referal.received: {target: open}}\n"), 7, 10, "unknown event \"referal.received\"; did you mean \"referral.received\"?");
    refuse(IN_OPEN("    on: {referral_received: {target: open}}\n"), 7, 10, "did you mean \"referral.received\"?");
    refuse(IN_OPEN("    on: {referral.received: {target: opn}}\n"), 7, 38, "unknown state \"opn\"; did you mean \"open\"?");
    refuse(IN_OPEN("    do: [{task: call-famly}]\n"), 7, 17, "did you mean \"call-family\"?");
    refuse(IN_OPEN("    do: [{task: {kind: call-family, owner: nurse}}]\n"), 7, 44, "unknown role \"nurse\"");
    refuse(IN_OPEN("    do: [{task: {kind: call-family, subject: agency}}]\n"), 7, 46, "unknown party \"agency\"");
    refuse(IN_OPEN("    do: [{task: {owner: coordinator}}]\n"), 7, 17, "the key \"kind\" is missing");
    refuse(IN_OPEN("    do: [{raise: boss}]\n"), 7, 18, "unknown role \"boss\"");
    refuse(IN_OPEN("    do: [{tsk: call-family}]\n"), 7, 11, "unknown action \"tsk\"; did you mean \"task\"?");
    refuse(IN_OPEN("    do: [{hold: consent}]\n"), 7, 17, "unknown hold");
    refuse(IN_OPEN("    do: [{concern: worry}]\n"), 7, 20, "unknown concern");
    refuse(IN_OPEN("    do: [{count: misses}]\n"), 7, 18, "unknown variable");
    refuse(IN_OPEN("    do: [{move: {visit: none}}]\n"), 7, 18, "unknown region");
    refuse(IN_OPEN("    do: [{status: {kind: sent, to: AGENCY}}]\n"), 7, 26, "unknown status");
    refuse(IN_OPEN("    do: [{status: {kind: heartbeat, to: AGENCY}}]\n"), 7, 26, "a heartbeat is the daemon's own");
    refuse(IN_OPEN("    do: [{resolve: some}]\n"), 7, 20, "unknown choice");
    refuse(IN_OPEN("    do: [remnd]\n"), 7, 10, "did you mean \"remind\"?");
    refuse(IN_OPEN("    do: [{task: call-family, raise: supervisor}]\n"), 7, 10, "begin each with its own dash");
}

static void a_mistake_in_a_guard_or_delay_is_named_at_its_letter(void **state)
{
    (void)state;
    refuse(IN_OPEN("    on: {contact.attempted: {when: event.outcom == REACHED, target: open}}\n"), 7, 42, "has no field \"outcom\"");
    refuse(IN_OPEN("    on: {contact.attempted: {when: \"event.outcome == REACHT\", target: open}}\n"), 7, 54, "is never REACHT; did you mean \"REACHED\"?");
    refuse(IN_OPEN("    on:\n      contact.attempted:\n        when: 'event.note == ''x'' and is_flaged'\n        target: open\n"), 9, 40, "did you mean \"is_flagged\"?");
    refuse(IN_OPEN("    on:\n      contact.attempted:\n        when: >\n          is_flagged and\n          is_flaged\n        target: open\n"), 11, 11, "did you mean \"is_flagged\"?");
    refuse(IN_OPEN("    on:\n      contact.attempted:\n        when: is_flagged and\n          is_flaged\n        target: open\n"), 10, 11, "did you mean \"is_flagged\"?");
    refuse(IN_OPEN("    after: [check]\n") "timers: {check: {fires: [{wait: {routine: 2bd, urgent: 4hb}}]}}\n", 8, 57, "is not a unit of time");
    refuse(HEAD "states: {open: {max_silence: 2bd}}\n", 5, 30, "a length of clock time");
}

static void where_there_is_no_event_nothing_can_speak_of_it(void **state)
{
    (void)state;
    refuse(IN_OPEN("    always: {when: event.priority == STAT, target: open}\n"), 7, 20, "there is no event here");
    refuse(IN_OPEN("    do: [{take: agency_id}]\n"), 7, 17, "there is no event here to take a field from");
    refuse(IN_OPEN("    do: [{refuse: no}]\n"), 7, 19, "there is no event here to refuse");
    refuse(IN_OPEN("    on: {signal.over: {when: event.priority == STAT, target: open}}\n"), 7, 30, "there is no event here");
    refuse(IN_OPEN("    on: {appointment.booked, appointment.arrived: {when: event.kind == INTAKE, target: open}}\n"), 7, 28, "quote a key that names several events");
    refuse(IN_OPEN("    on:\n      appointment.booked, appointment.arrived: {when: event.kind == INTAKE, target: open}\n"), 8, 61, "appointment.arrived has no field \"kind\"");
}

static void names_must_be_usable(void **state)
{
    (void)state;
    refuse(HEAD "states: {Open: {}}\n", 5, 10, "cannot be the name of a state");
    refuse(HEAD "variables: [age]\nstates: {open: {}}\n", 5, 13, "is a predicate; give the variable another name");
    refuse(HEAD "variables: [a, a]\nstates: {open: {}}\n", 5, 16, "stands twice");
    refuse(HEAD "timers: {sending: {fires: [{wait: 1d}]}}\nstates: {open: {}}\n", 5, 10, "is what a hold may pause");
    refuse(HEAD "states: {open: {}, open: {}}\n", 5, 20, "stands twice");
    refuse("pathway: Test\n", 1, 10, "cannot be the name of a pathway");
}

static void other_mistakes_are_refused(void **state)
{
    (void)state;
    refuse(IN_OPEN("    on: {referral.received: }\n"), 7, 29, "here must be a transition");
    refuse(IN_OPEN("    on: {referral.received: {}}\n"), 7, 29, "does nothing");
    refuse(IN_OPEN("    on: {custom: {target: open}}\n"), 7, 10, "a site's own event is named");
    refuse(IN_OPEN("    on: {custom.: {target: open}}\n"), 7, 10, "does not name anything");
    refuse(IN_OPEN("    always: {when: is_flagged, do: [{note: x}]}\n"), 7, 13, "taken again and again");
    refuse(HEAD "states: {open: {}}\nopens: [{on: custom.x, target: open}]\n", 6, 14, "cannot open by a custom event");
    refuse(HEAD "states: {open: {}}\nopens: [{on: intake.completed}]\n", 6, 9, "the key \"target\" is missing");
    refuse(HEAD "states: {open: {}}\ntimers: {check: {fires: []}}\n", 6, 25, "at least one firing");
    refuse(HEAD "states: {open: {}}\ntimers: {check: {fires: [{wait: 1d, target: open}]}}\n", 6, 45, "no state lists the timer check");
    refuse(HEAD "states: {open: {on: {consent.granted: {do: [{take: recipients}]}}}}\n", 5, 52, "an episode has no field");
    refuse(HEAD "states: {open: {on: {agency.selected: {do: [{take: agencyid}]}}}}\n", 5, 52, "did you mean \"agency_id\"?");
    refuse(HEAD "states: {open: {do: [{task: {kind: call-family, subject: AGENCY, each: GUARDIAN}}]}}\n", 5, 72, "not both");
    refuse(HEAD "states: {open: {do: [{task: {kind: call-family, each: REFERRER}}]}}\n", 5, 55, "there is one referrer");
    refuse(HEAD "states: {open: {final: maybe}}\n", 5, 24, "neither true nor false");
}

static void every_mistake_is_told_at_once(void **state)
{
    (void)state;
    assert_null(load(IN_OPEN("    do: [{task: x}]\n    after: [y]\n    on: {z: {target: open}}\n")));
    assert_int_equal(errors.count, 3);
}

static void a_file_too_large_is_refused(void **state)
{
    (void)state;
    static char text[300 * 1024];
    memset(text, '#', sizeof text - 1);
    refuse(text, 0, 0, "at most 256 KiB");
    size_t at = (size_t)sprintf(text, HEAD "states: {open: {do: [");
    for (int i = 0; i < 9000; i++) at += (size_t)sprintf(text + at, "{note: a},");
    sprintf(text + at, "]}}\n");
    assert_null(load(text));
    assert_non_null(strstr(errors.list[0].sentence, "too large"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_is_read),
        cmocka_unit_test(timers_keep_their_firings),
        cmocka_unit_test(holds_and_concerns_are_read),
        cmocka_unit_test(openings_keep_their_order_and_actions_their_fields),
        cmocka_unit_test(states_keep_transitions_in_order),
        cmocka_unit_test(signals_and_custom_events_have_names),
        cmocka_unit_test(regions_are_machines_of_their_own),
        cmocka_unit_test(a_task_without_a_reason_leaves_it_to_the_policy),
        cmocka_unit_test(a_diagram_has_states_timers_and_what_leads_on),
        cmocka_unit_test(keys_and_names_that_do_not_exist_are_refused),
        cmocka_unit_test(a_mistake_in_a_guard_or_delay_is_named_at_its_letter),
        cmocka_unit_test(where_there_is_no_event_nothing_can_speak_of_it),
        cmocka_unit_test(names_must_be_usable),
        cmocka_unit_test(other_mistakes_are_refused),
        cmocka_unit_test(every_mistake_is_told_at_once),
        cmocka_unit_test(a_file_too_large_is_refused),
    };
    arena = arena_new((size_t)256 * 1024 * 1024);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
