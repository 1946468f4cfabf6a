/* Each refusal of the verifier, with the place it names, and the longest silence it computes. */
#include "unit/pathways/pathway_testing.h"
#include "pathway/delay_bounds.h"
#include "pathway/policy.h"
#include "pathway/silence.h"
#include "pathway/verify.h"

static struct arena *arena;
static struct policy policy;
static struct yaml_errors errors;
static const struct pathway_source *source;

/* Loads and verifies; what is refused at load already is an error like any other. */
static int verify(const char *text)
{
    struct verify_options options = {.policy = &policy};
    struct pathway_source *loaded;
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    errors.count = 0;
    source = NULL;
    int error = pathway_read(arena, "test.yaml", bytes, &errors, &loaded);
    if (error) return error;
    source = loaded;
    return pathway_verify(source, &options, &errors);
}

static void accept(const char *text)
{
    if (verify(text)) {
        yaml_errors_print(stderr, &errors);
        fail();
    }
}

static void refuse(const char *text, int line, int column, const char *part)
{
    assert_int_not_equal(verify(text), 0);
    testing_expect(&errors, line, column, part);
}

/* Lines 1 to 4 of every pathway below; line 5 is free. */
#define HEAD                                                                                                           \
    "pathway: test\n"                                                                                                  \
    "subject: patient\n"                                                                                               \
    "max_silence: 10d\n"                                                                                               \
    "initial: open\n"
#define CHECK "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}}\n"
#define CLOSED "  closed: {final: true}\n"
#define ENDS "on: {episode.closed: {target: closed}}"

static const char *const sound = HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n" CLOSED;

static void a_sound_pathway_passes_and_is_measured(void **state)
{
    (void)state;
    accept(sound);
    assert_int_equal(source->pathway->main.states[0].longest_silence_ms, 4 * MS_PER_DAY + 16 * MS_PER_HOUR);
    assert_int_equal(source->pathway->longest_silence_ms, 4 * MS_PER_DAY + 16 * MS_PER_HOUR);
    assert_int_equal(source->silences[0].roles, 1 << HANDOFF__V1__ROLE__ROLE_COORDINATOR);
    assert_int_equal(source->silences[0].timer, 0);
}

/* --- silence -------------------------------------------------------------------------------------------------- */

static void an_open_state_needs_a_timer(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], on: {episode.closed: {target: closing}}}\n"
                      "  closing: {" ENDS "}\n" CLOSED, 8, 3, "in the state \"closing\" no timer runs that bounds silence");
}

static void no_set_of_holds_may_leave_a_state_without_a_timer(void **state)
{
    (void)state;
    refuse(HEAD CHECK "holds: {away: {pauses: [check]}}\n"
                      "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, encounter.admitted: {do: [{hold: away}]}}}\n" CLOSED,
           8, 3, "in the state \"open\", while held by away, no timer runs");
}

static void a_hold_may_pause_a_timer_when_it_brings_its_own(void **state)
{
    (void)state;
    accept(HEAD "timers:\n  check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\n"
                "  stay: {fires: [{wait: 7d, do: [{raise: supervisor}]}]}\n"
                "holds: {away: {pauses: [check], after: [stay]}}\n"
                "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, encounter.admitted: {do: [{hold: away}]}}}\n" CLOSED);
    assert_int_equal(source->silences[0].ms, 7 * MS_PER_DAY + MS_PER_HOUR);
    assert_int_equal(source->silences[0].holds, 1);
    assert_int_equal(source->silences[0].roles, 1 << HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
}

static void two_holds_may_silence_each_other(void **state)
{
    (void)state;
    refuse(HEAD "timers:\n  check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\n"
                "  stay: {fires: [{wait: 7d, do: [{raise: supervisor}]}]}\n  wish: {fires: [{wait: 7d, do: [{raise: supervisor}]}]}\n"
                "holds:\n  away: {pauses: [check, wish], after: [stay]}\n  declined: {pauses: [check, stay], after: [wish]}\n"
                "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, encounter.admitted: {do: [{hold: away}]}, "
                "service.declined: {do: [{hold: declined}]}}}\n" CLOSED,
           13, 3, "while held by away and declined, no timer runs");
}

static void a_silence_longer_than_max_silence_is_refused(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: 30d, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           7, 3, "everybody may stay untold for 30d 1h (timer \"check\"), longer than max_silence 10d");
    accept(HEAD "timers: {check: {fires: [{wait: 30d, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], max_silence: 31d, " ENDS "}\n" CLOSED);
    refuse(HEAD CHECK "states:\n  open: {after: [check], max_silence: 24h, " ENDS "}\n" CLOSED, 7, 3, "longer than max_silence 1d");
}

static void the_slowest_firing_and_the_slower_rate_count(void **state)
{
    (void)state;
    accept(HEAD "timers: {check: {fires: [{wait: 1h, do: [{task: call-family}]}, {wait: {routine: 4h, urgent: 5h}, do: [{raise: supervisor}]}, {wait: 3h, do: [{task: call-family}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED);
    assert_int_equal(source->silences[0].ms, 5 * MS_PER_HOUR);
}

static void a_firing_that_does_not_tell_adds_its_wait_to_the_next(void **state)
{
    (void)state;
    accept(HEAD "timers: {check: {fires: [{wait: 3h, do: [{note: x}]}, {wait: 4h, do: [{task: call-family}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED);
    assert_int_equal(source->silences[0].ms, 7 * MS_PER_HOUR);
}

static void a_timer_whose_last_firing_does_not_tell_bounds_nothing(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: 3h, do: [{task: call-family}]}, {wait: 4h, do: [{note: x}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED, 7, 3, "no timer ever surely tells a human");
}

static void an_if_tells_only_when_both_sides_do(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: 3h, do: [{when: is_flagged, do: [{task: call-family}]}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED, 7, 3, "no timer ever surely tells a human");
    accept(HEAD "timers: {check: {fires: [{wait: 3h, do: [{when: is_flagged, do: [{task: call-family}], else: [{raise: director}]}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED);
    assert_int_equal(source->silences[0].roles, 1 << HANDOFF__V1__ROLE__ROLE_COORDINATOR | 1 << HANDOFF__V1__ROLE__ROLE_DIRECTOR);
}

static void a_task_for_each_of_a_party_may_be_for_nobody(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: 3h, do: [{task: {kind: call-family, each: GUARDIAN}}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n" CLOSED, 7, 3, "no timer ever surely tells a human");
}

static void a_target_whose_entry_tells_counts(void **state)
{
    (void)state;
    accept(HEAD "timers: {check: {fires: [{wait: 3h, target: late}]}, watch: {fires: [{wait: 9h, do: [{task: call-family}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n  late: {after: [watch], do: [{raise: supervisor}], " ENDS "}\n" CLOSED);
    assert_int_equal(source->silences[0].ms, 3 * MS_PER_HOUR);
    assert_int_equal(source->silences[1].ms, 9 * MS_PER_HOUR);
    refuse(HEAD "timers: {check: {fires: [{wait: 3h, target: late}]}, watch: {fires: [{wait: 9h, do: [{task: call-family}]}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n  late: {after: [watch], " ENDS "}\n" CLOSED, 7, 3, "no timer ever surely tells a human");
}

static void once_per_appointment_and_field_timers_bound_nothing(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {once: true, fires: [{wait: 3h, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           7, 3, "no timer runs that bounds silence");
    refuse(HEAD "timers: {check: {from: appeal_by_at_ms, fires: [{wait: 3h, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           7, 3, "no timer runs that bounds silence");
    accept(HEAD "timers: {check: {from: discharged_at_ms, fires: [{wait: 3h, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED);
    accept(HEAD "timers: {check: {from: opened, fires: [{wait: 3h, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED);
}

static void a_region_may_be_silent(void **state)
{
    (void)state;
    accept(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n" CLOSED
                      "regions: {visit: {initial: none, states: {none: {on: {appointment.booked: {target: booked}}}, booked: {}}}}\n");
}

/* --- states --------------------------------------------------------------------------------------------------- */

static void a_state_that_nothing_leads_to_is_refused(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n  lost: {after: [check]}\n" CLOSED, 8, 3, "nothing leads to the state \"lost\"");
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n" CLOSED
                      "regions:\n  visit:\n    initial: none\n    states:\n      none: {}\n      lost: {}\n", 14, 7, "nothing leads to the state \"lost\"");
    accept(HEAD CHECK "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, intake.completed: {do: [{move: {visit: lost}}]}}}\n" CLOSED
                      "regions:\n  visit:\n    initial: none\n    states:\n      none: {}\n      lost: {}\n");
}

static void an_end_reached_by_a_timer_is_refused(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}], target: closed}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 26, "a timer leads to the end \"closed\"");
}

static void an_end_reached_by_always_is_refused_unless_events_alone_decide(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], always: [{when: age > 90, target: closed}]}\n" CLOSED, 7, 35, "a timer could lead through this `always`");
    accept(HEAD CHECK "variables: [done]\nstates:\n  open:\n    after: [check]\n    on: {intake.completed: {do: [{set: {done: 1}}]}}\n"
                      "    always: {when: done == 1, target: closed}\n" CLOSED);
    refuse(HEAD "variables: [done]\ntimers: {check: {fires: [{wait: 2bd, do: [{task: call-family}, {count: done}]}]}}\nstates:\n"
                "  open: {after: [check], always: {when: done == 1, target: closed}}\n" CLOSED, 8, 34, "a timer could lead through this `always`");
    refuse(HEAD "variables: [done]\ntimers: {check: {fires: [{wait: 2bd, target: late, do: [{task: call-family}]}]}}\nstates:\n"
                "  open: {after: [check], on: {intake.completed: {do: [{set: {done: 1}}]}}}\n"
                "  late: {after: [check], always: {when: done == 1, target: closed}}\n" CLOSED, 9, 34, "a timer could lead through this `always`");
}

static void an_end_may_be_passed_to_on_an_event_through_a_state_that_is_never_rested_in(void **state)
{
    (void)state;
    accept(HEAD CHECK "states:\n  open: {after: [check], on: {task.completed: {target: looking}}}\n"
                      "  looking: {always: [{when: has_tasks, target: open}, {target: closed}]}\n" CLOSED);
    refuse(HEAD "timers: {check: {fires: [{wait: 2bd, do: [{task: call-family}], target: looking}]}}\n"
                "states:\n  open: {after: [check], " ENDS "}\n"
                "  looking: {always: [{when: has_tasks, target: open}, {target: closed}]}\n" CLOSED,
           8, 55, "a timer could lead through this `always`");
    refuse(HEAD CHECK "states:\n  open: {after: [check], on: {signal.over: {target: looking}}}\n"
                      "  looking: {always: [{when: has_tasks, target: open}, {target: closed}]}\n" CLOSED,
           8, 55, "a timer could lead through this `always`");
}

static void always_that_goes_in_a_circle_is_refused(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], always: {when: is_flagged, target: other}, " ENDS "}\n"
                      "  other: {after: [check], always: {when: not is_flagged, target: open}}\n" CLOSED, 7, 34, "`always` goes in a circle and comes back to \"open\"");
}

static void an_end_is_idle_and_nothing_begins_there(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n  closed: {final: true, after: [check]}\n", 8, 3, "an end has no timers");
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n  closed: {final: true, on: {intake.completed: {target: open}}}\n", 8, 3, "an end has no transitions");
    refuse("pathway: test\nsubject: patient\nmax_silence: 10d\ninitial: closed\n" CHECK "states:\n  open: {after: [check], " ENDS "}\n" CLOSED, 8, 3, "cannot begin at its end");
    refuse(HEAD CHECK "opens: [{on: intake.completed, target: closed}]\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED, 6, 9, "cannot begin at its end");
}

static void a_transition_after_an_unguarded_one_is_refused(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open:\n    after: [check]\n    on:\n      episode.closed:\n        - {target: closed}\n        - {when: is_flagged, target: open}\n" CLOSED,
           12, 11, "never tried, because the one on line 11 holds always");
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS ", ignore: [episode.closed]}\n" CLOSED, 7, 75, "never tried");
    refuse(HEAD CHECK "opens:\n  - {on: intake.completed, target: open}\n  - {on: intake.completed, target: open}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           8, 5, "never tried, because the one on line 7 holds always");
    accept(HEAD CHECK "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, custom.a: {do: [{note: a}]}, custom.b: {do: [{note: b}]}}}\n" CLOSED);
}

/* --- timers, holds, tasks --------------------------------------------------------------------------------------- */

static void a_firing_that_does_nothing_is_refused(void **state)
{
    (void)state;
    refuse(HEAD "timers:\n  check:\n    fires:\n      - wait: 2bd\n      - {wait: 2bd, do: [{task: call-family}]}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           8, 9, "this firing of check tells nobody and does nothing");
}

static void a_delay_of_zero_that_repeats_is_refused(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: opening(0h), do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 26, "the last firing repeats, and this wait may be zero");
    accept(HEAD "timers: {check: {fires: [{wait: 0h, do: [{task: call-family}]}, {wait: 1bd, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED);
    refuse(HEAD "timers: {check: {fires: [{wait: 'compressed(1bd, 2, effective_at_ms)', do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 26, "compressed(...) would shrink to nothing");
}

static void only_a_visit_or_a_known_time_can_be_looked_back_from(void **state)
{
    (void)state;
    refuse(HEAD "timers: {check: {fires: [{wait: -24h, do: [{task: call-family}]}, {wait: 1bd, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 26, "this wait may be negative");
    refuse(HEAD "timers: {check: {from: visit, fires: [{wait: 24h, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 24, "needs per: appointment");
}

static void a_timer_belongs_to_one_part(void **state)
{
    (void)state;
    refuse(HEAD CHECK "holds: {away: {after: [check]}}\nstates:\n  open: {after: [check], on: {episode.closed: {target: closed}, encounter.admitted: {do: [{hold: away}]}}}\n" CLOSED,
           5, 10, "more than one part");
    refuse(HEAD "timers:\n  check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\n  spare: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           7, 3, "nothing lists or starts the timer spare");
    refuse(HEAD "timers: {check: {per: appointment, fires: [{wait: 2bd, do: [{task: call-family}]}]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           5, 10, "is per: appointment; start it by an action");
}

static void the_timer_that_bounds_silence_cannot_be_stopped(void **state)
{
    (void)state;
    refuse(HEAD CHECK "states:\n  open: {after: [check], on: {episode.closed: {target: closed}, intake.completed: {do: [{stop: check}]}}}\n" CLOSED,
           7, 96, "this would stop the timer check");
    refuse(HEAD CHECK "states:\n  open: {after: [check], " ENDS "}\n" CLOSED "any: {on: {intake.completed: {do: [{stop: check}]}}}\n", 9, 43, "this would stop the timer check");
    accept(HEAD "timers:\n  check: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\n  other: {fires: [{wait: 2bd, do: [{task: call-family}]}]}\nstates:\n"
                "  open: {after: [check], on: {episode.closed: {target: closing}}}\n"
                "  closing: {after: [other], do: [{stop: check}], on: {intake.completed: {target: closed}}}\n" CLOSED);
    refuse(HEAD "timers:\n  check: {fires: [{wait: 2bd, do: [{task: call-family}, {start: check}]}]}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED,
           6, 65, "a firing cannot start the timer check anew");
}

static void holds_and_concerns_that_nothing_begins_are_refused(void **state)
{
    (void)state;
    refuse(HEAD CHECK "holds: {away: {pauses: [sending]}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED, 6, 9, "nothing begins the hold away");
    refuse(HEAD CHECK "concerns: {worry: {}}\nstates:\n  open: {after: [check], " ENDS "}\n" CLOSED, 6, 12, "nothing begins the concern worry");
    refuse(HEAD CHECK "holds: {consent: {per: recipient}}\nstates:\n  open: {after: [check], on: {episode.closed: {target: closed}, consent.revoked: {do: [{hold: consent}]}}}\n" CLOSED,
           8, 95, "say for whom");
}

static void a_task_without_an_owner_is_refused(void **state)
{
    (void)state;
    struct task_rule row = policy.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY];
    policy.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY] = (struct task_rule){0};
    refuse(sound, 5, 50, "the task call-family has no owner");
    policy.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY] = row;
}

static void the_slowest_of_the_sites_counts(void **state)
{
    (void)state;
    accept(sound);
    struct calendar sundays = {.week = {[6] = {{600, 660}}}};
    const struct calendar *const calendars[] = {calendar_for_checks(), &sundays};
    struct verify_options options = {.calendars = calendars, .calendar_count = 2, .policy = &policy};
    pathway_measure(source, &options);
    assert_int_equal(source->silences[0].ms, 21 * MS_PER_DAY - MS_PER_HOUR); /* from the close to the third opening after it */
}

/* --- documents ---------------------------------------------------------------------------------------------------- */
#define DOCUMENT "pathway: test\nsubject: consent\nmax_silence: 10d\ninitial: open\n"
#define RUNS_OUT(FROM, DO) "timers: {end: {from: " FROM ", once: true, fires: [{wait: 0h, do: [" DO "], target: over}]}}\n"
#define LAPSING "states:\n  open: {after: [end]}\n  over: {final: true, lapse: true}\n"
#define TELLS "{signal: {name: release-ended, to: all}}"

static void a_document_may_run_out_on_a_date_and_lie_still_until_then(void **state)
{
    (void)state;
    accept(DOCUMENT RUNS_OUT("expires_at_ms", TELLS) LAPSING);
    assert_true(source->silences[0].is_lapsing);
    assert_int_equal(source->pathway->longest_silence_ms, 0);
}

static void a_lapse_is_a_documents_end_on_a_date_that_the_others_hear_of(void **state)
{
    (void)state;
    refuse(HEAD RUNS_OUT("expires_at_ms", TELLS) LAPSING, 8, 3, "only a document may lapse");
    refuse(DOCUMENT RUNS_OUT("opened", TELLS) LAPSING, 5, 50, "a lapse is reached on a date of the document");
    refuse(DOCUMENT RUNS_OUT("expires_at_ms", "{note: gone}") LAPSING, 5, 57, "send them a signal");
    refuse(DOCUMENT RUNS_OUT("expires_at_ms", TELLS) "states:\n  open: {after: [end]}\n  over: {lapse: true, after: [end]}\n", 8, 3, "is no end");
    refuse(DOCUMENT RUNS_OUT("expires_at_ms", TELLS) "states:\n  open: {after: [end]}\n  over: {final: true}\n", 5, 57, "a timer leads to the end");
}

static void a_document_that_a_hold_keeps_from_running_out_may_not_lie_still(void **state)
{
    (void)state;
    refuse(DOCUMENT RUNS_OUT("expires_at_ms", TELLS) "holds: {away: {pauses: [end]}}\nstates:\n"
           "  open: {after: [end], on: {consent.revoked: {do: [{hold: away}]}}}\n  over: {final: true, lapse: true}\n", 8, 3, "no timer runs that bounds silence");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_pathway_passes_and_is_measured),
        cmocka_unit_test(an_open_state_needs_a_timer),
        cmocka_unit_test(no_set_of_holds_may_leave_a_state_without_a_timer),
        cmocka_unit_test(a_hold_may_pause_a_timer_when_it_brings_its_own),
        cmocka_unit_test(two_holds_may_silence_each_other),
        cmocka_unit_test(a_silence_longer_than_max_silence_is_refused),
        cmocka_unit_test(the_slowest_firing_and_the_slower_rate_count),
        cmocka_unit_test(a_firing_that_does_not_tell_adds_its_wait_to_the_next),
        cmocka_unit_test(a_timer_whose_last_firing_does_not_tell_bounds_nothing),
        cmocka_unit_test(an_if_tells_only_when_both_sides_do),
        cmocka_unit_test(a_task_for_each_of_a_party_may_be_for_nobody),
        cmocka_unit_test(a_target_whose_entry_tells_counts),
        cmocka_unit_test(once_per_appointment_and_field_timers_bound_nothing),
        cmocka_unit_test(a_region_may_be_silent),
        cmocka_unit_test(a_state_that_nothing_leads_to_is_refused),
        cmocka_unit_test(an_end_reached_by_a_timer_is_refused),
        cmocka_unit_test(an_end_reached_by_always_is_refused_unless_events_alone_decide),
        cmocka_unit_test(an_end_may_be_passed_to_on_an_event_through_a_state_that_is_never_rested_in),
        cmocka_unit_test(always_that_goes_in_a_circle_is_refused),
        cmocka_unit_test(an_end_is_idle_and_nothing_begins_there),
        cmocka_unit_test(a_transition_after_an_unguarded_one_is_refused),
        cmocka_unit_test(a_firing_that_does_nothing_is_refused),
        cmocka_unit_test(a_delay_of_zero_that_repeats_is_refused),
        cmocka_unit_test(only_a_visit_or_a_known_time_can_be_looked_back_from),
        cmocka_unit_test(a_timer_belongs_to_one_part),
        cmocka_unit_test(the_timer_that_bounds_silence_cannot_be_stopped),
        cmocka_unit_test(holds_and_concerns_that_nothing_begins_are_refused),
        cmocka_unit_test(a_task_without_an_owner_is_refused),
        cmocka_unit_test(the_slowest_of_the_sites_counts),
        cmocka_unit_test(a_document_may_run_out_on_a_date_and_lie_still_until_then),
        cmocka_unit_test(a_lapse_is_a_documents_end_on_a_date_that_the_others_hear_of),
        cmocka_unit_test(a_document_that_a_hold_keeps_from_running_out_may_not_lie_still),
    };
    Handoff__V1__Policy *message;
    arena = arena_new(256 * 1024 * 1024);
    if (policy_read(arena, "policy.yaml", testing_file(arena, "daemon/pathways/policy.yaml"), &errors, &message) ||
        policy_compile(message, arena, &policy, &errors)) {
        yaml_errors_print(stderr, &errors);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
