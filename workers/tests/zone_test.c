/* Local time in several zones at once, against dates that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "notify/zone.h"

static void is_at(const char *name, int64_t at_ms, const char *expected)
{
    struct zone *zone = NULL;
    char text[40];
    assert_int_equal(zone_load(name, &zone), 0);
    struct tm tm = zone_local(zone, at_ms);
    assert_true(strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S", &tm));
    assert_string_equal(text, expected);
    zone_free(&zone);
    assert_null(zone);
}

static void a_moment_is_told_in_the_sites_own_time(void **state)
{
    (void)state;
    is_at("America/New_York", 1772746800000, "Thu 2026-03-05 16:40:00");
    is_at("America/Los_Angeles", 1772746800000, "Thu 2026-03-05 13:40:00");
    is_at("Asia/Kolkata", 1772746800000, "Fri 2026-03-06 03:10:00");
    is_at("UTC", 1772746800000, "Thu 2026-03-05 21:40:00");
    is_at("America/Argentina/Buenos_Aires", 1772746800000, "Thu 2026-03-05 18:40:00");
}

static void summer_time_begins_and_ends_to_the_second(void **state)
{
    (void)state;
    is_at("America/New_York", 1772953199000, "Sun 2026-03-08 01:59:59");
    is_at("America/New_York", 1772953200000, "Sun 2026-03-08 03:00:00");
    is_at("America/New_York", 1793512799000, "Sun 2026-11-01 01:59:59");
    is_at("America/New_York", 1793512800000, "Sun 2026-11-01 01:00:00");
    is_at("America/New_York", 3392866800000,
          "Wed 2077-07-07 03:00:00"); /* by the rule that the zone's file ends with */
}

static void a_fraction_of_a_second_is_of_that_second(void **state)
{
    (void)state;
    is_at("UTC", -1, "Wed 1969-12-31 23:59:59");
    is_at("UTC", 999, "Thu 1970-01-01 00:00:00");
}

static void the_programs_own_zone_stays(void **state)
{
    (void)state;
    struct zone *zone = NULL;
    setenv("TZ", "Asia/Tokyo", 1);
    assert_int_equal(zone_load("America/New_York", &zone), 0);
    assert_string_equal(getenv("TZ"), "Asia/Tokyo");
    unsetenv("TZ");
    zone_free(&zone);
    assert_int_equal(zone_load("America/New_York", &zone), 0);
    assert_null(getenv("TZ"));
    zone_free(&zone);
}

static void what_is_no_zone_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "America",
                                        "America/",
                                        "Nowhere/Town",
                                        "../../etc/passwd",
                                        "/etc/localtime",
                                        "EST5EDT,M3.2.0",
                                        "America/New_York\n",
                                        "America/New York"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zone *zone = NULL;
        assert_int_equal(zone_load(names[i], &zone), -1);
        assert_null(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_told_in_the_sites_own_time),
        cmocka_unit_test(summer_time_begins_and_ends_to_the_second),
        cmocka_unit_test(a_fraction_of_a_second_is_of_that_second),
        cmocka_unit_test(the_programs_own_zone_stays),
        cmocka_unit_test(what_is_no_zone_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
