/* The text that Prometheus reads. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ops/metrics.h"

static const char *const refusals[] = {NULL, "BAD_ID", "TOO_LARGE"};

static int make_metrics(void **state)
{
    *state = metrics_new("1.0", refusals, 3);
    return *state ? 0 : -1;
}

static int free_metrics(void **state)
{
    metrics_free(*state);
    return 0;
}

static void assert_shows(struct metrics *m, const char *line)
{
    size_t bytes;
    char *text = metrics_render(m, &bytes);
    assert_int_equal(strlen(text), bytes);
    if (!strstr(text, line)) fail_msg("no \"%s\" in:\n%s", line, text);
    free(text);
}

static void counters_are_shown_by_label(void **state)
{
    metrics_add(*state, METRIC_EVENTS, METRIC_ACCEPTED, 5);
    metrics_add(*state, METRIC_EVENTS, METRIC_PARKED, 1);
    metrics_add(*state, METRIC_REFUSED, 2, 3);
    assert_shows(*state, "\nhandoff_events_total{verdict=\"accepted\"} 5\n");
    assert_shows(*state, "\nhandoff_events_total{verdict=\"duplicate_differs\"} 0\n");
    assert_shows(*state, "\nhandoff_events_total{verdict=\"parked\"} 1\n");
    assert_shows(*state, "\nhandoff_refused_total{code=\"BAD_ID\"} 0\nhandoff_refused_total{code=\"TOO_LARGE\"} 3\n");
}

static void gauges_are_shown_and_durations_in_seconds(void **state)
{
    metrics_set(*state, METRIC_JOURNAL_SEQUENCE, INT64_C(12345678901234));
    metrics_set(*state, METRIC_OLDEST_OVERDUE_TIMER_MS, 61500);
    metrics_set(*state, METRIC_READY, 1);
    assert_shows(*state, "\nhandoff_journal_sequence 12345678901234\n");
    assert_shows(*state, "\nhandoff_oldest_overdue_timer_seconds 61.500\n");
    assert_shows(*state, "\nhandoff_ready 1\n");
    assert_shows(*state, "\nhandoff_build_info{version=\"1.0\"} 1\n");
}

static void a_commit_is_counted_in_every_bucket_that_holds_it(void **state)
{
    metrics_observe_commit(*state, 1000000, 64);
    metrics_observe_commit(*state, 1000001, 65);
    metrics_observe_commit(*state, UINT64_C(9000000000), 5000);
    assert_shows(*state, "\nhandoff_commit_seconds_bucket{le=\"0.0005\"} 0\n"
                         "handoff_commit_seconds_bucket{le=\"0.001\"} 1\n"
                         "handoff_commit_seconds_bucket{le=\"0.0025\"} 2\n");
    assert_shows(*state, "\nhandoff_commit_seconds_bucket{le=\"1\"} 2\n"
                         "handoff_commit_seconds_bucket{le=\"+Inf\"} 3\n"
                         "handoff_commit_seconds_sum 9.002000001\nhandoff_commit_seconds_count 3\n");
    assert_shows(*state, "\nhandoff_commit_events_bucket{le=\"64\"} 1\nhandoff_commit_events_bucket{le=\"128\"} 2\n");
    assert_shows(*state, "\nhandoff_commit_events_sum 5129\nhandoff_commit_events_count 3\n");
}

static void every_line_is_help_type_or_a_value(void **state)
{
    size_t bytes, helps = 0, types = 0;
    char *text = metrics_render(*state, &bytes);
    for (char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        helps += strncmp(line, "# HELP handoff_", 15) == 0;
        types += strncmp(line, "# TYPE handoff_", 15) == 0;
        assert_true(line[0] == '#' || strncmp(line, "handoff_", 8) == 0);
    }
    assert_int_equal(helps, METRIC_COUNT + 3 - 2); /* of a heartbeat nothing is known yet */
    assert_int_equal(types, helps);
    free(text);
}

static void a_label_beyond_all_is_kept_under_the_last(void **state)
{
    metrics_add(*state, METRIC_REFUSED, 100000, 1);
    assert_shows(*state, "handoff_refused_total{code=\"TOO_LARGE\"} 0\n");
}

static void assert_does_not_show(struct metrics *m, const char *part)
{
    size_t bytes;
    char *text = metrics_render(m, &bytes);
    assert_null(strstr(text, part));
    free(text);
}

static void what_is_not_known_is_not_shown(void **state)
{
    assert_does_not_show(*state, "handoff_heartbeat_delay_seconds");
    metrics_set(*state, METRIC_HEARTBEAT_DELAY_MS, 1500);
    assert_shows(*state, "# TYPE handoff_heartbeat_delay_seconds gauge\nhandoff_heartbeat_delay_seconds 1.500\n");
    metrics_unset(*state, METRIC_HEARTBEAT_DELAY_MS);
    assert_does_not_show(*state, "handoff_heartbeat_delay_seconds");
}

static Handoff__V1__SubscriptionView view(const char *name)
{
    Handoff__V1__SubscriptionView v = HANDOFF__V1__SUBSCRIPTION_VIEW__INIT;
    v.name = (char *)(uintptr_t)name;
    return v;
}

static void each_subscription_has_a_line_of_each_row(void **state)
{
    Handoff__V1__SubscriptionView a = view("board"), b = view("notify");
    Handoff__V1__SubscriptionView *const both[] = {&a, &b};
    a.waiting = 12;
    a.in_flight = 3;
    a.workers = 2;
    a.acknowledged = UINT64_C(5000000000);
    b.withheld = 4;
    b.dead = 1;
    b.oldest_waiting_ms = 90500;
    b.is_unserved = true;
    metrics_set_subscriptions(*state, both, 2);
    assert_shows(*state, "# TYPE handoff_subscription_waiting gauge\nhandoff_subscription_waiting{name=\"board\"} 12\n"
                         "handoff_subscription_waiting{name=\"notify\"} 0\n");
    assert_shows(*state, "\nhandoff_subscription_in_flight{name=\"board\"} 3\n");
    assert_shows(*state, "\nhandoff_subscription_workers{name=\"board\"} 2\n");
    assert_shows(*state, "\nhandoff_subscription_acknowledged_total{name=\"board\"} 5000000000\n");
    assert_shows(*state, "\nhandoff_subscription_withheld{name=\"notify\"} 4\n");
    assert_shows(*state, "\nhandoff_subscription_dead{name=\"notify\"} 1\n");
    assert_shows(*state, "\nhandoff_subscription_oldest_waiting_seconds{name=\"notify\"} 90.5\n");
    assert_shows(*state, "\nhandoff_subscription_unserved{name=\"board\"} 0\n"
                         "handoff_subscription_unserved{name=\"notify\"} 1\n");
}

static void a_subscription_that_is_gone_is_not_shown(void **state)
{
    Handoff__V1__SubscriptionView a = view("board");
    Handoff__V1__SubscriptionView *const one[] = {&a};
    metrics_set_subscriptions(*state, one, 1);
    assert_shows(*state, "{name=\"board\"}");
    metrics_set_subscriptions(*state, NULL, 0);
    assert_does_not_show(*state, "handoff_subscription_");
}

static void a_name_cannot_break_out_of_its_label(void **state)
{
    Handoff__V1__SubscriptionView a = view("a\"} 9\nb\\");
    Handoff__V1__SubscriptionView *const one[] = {&a};
    metrics_set_subscriptions(*state, one, 1);
    assert_shows(*state, "\nhandoff_subscription_waiting{name=\"a\\\"} 9\\nb\\\\\"} 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counters_are_shown_by_label, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(gauges_are_shown_and_durations_in_seconds, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(a_commit_is_counted_in_every_bucket_that_holds_it, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(every_line_is_help_type_or_a_value, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(a_label_beyond_all_is_kept_under_the_last, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_not_shown, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(each_subscription_has_a_line_of_each_row, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(a_subscription_that_is_gone_is_not_shown, make_metrics, free_metrics),
        cmocka_unit_test_setup_teardown(a_name_cannot_break_out_of_its_label, make_metrics, free_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
