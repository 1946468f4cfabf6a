/* Time zones: instants that are known, every zone against the C library, files made slim, files damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <time.h>
#include <cmocka.h>

#include "ops/zone.h"

static int64_t utc(uint32_t yyyymmdd, int hour, int minute)
{
    return date_to_day(yyyymmdd) * MS_PER_DAY + hour * MS_PER_HOUR + minute * MS_PER_MINUTE;
}

static int32_t offset_at(const struct zone *zone, int64_t at_ms)
{
    int32_t offset_s = zone->first_offset_s;
    for (size_t i = 0; i < zone->transition_count && zone->transitions[i].at_ms <= at_ms; i++)
        offset_s = zone->transitions[i].offset_s;
    return offset_s;
}

static void assert_changes(const struct zone *zone, int64_t at_ms, int32_t before_s, int32_t after_s)
{
    assert_int_equal(offset_at(zone, at_ms - 1), before_s);
    assert_int_equal(offset_at(zone, at_ms), after_s);
}

static void new_york_changes_when_it_is_known_to(void **state)
{
    (void)state;
    struct zone zone = {0};
    assert_int_equal(zone_load(NULL, "America/New_York", &zone), 0);
    assert_int_equal(zone.first_offset_s, -5 * 3600);
    assert_changes(&zone, utc(20000402, 7, 0), -5 * 3600, -4 * 3600);
    assert_changes(&zone, utc(20070311, 7, 0), -5 * 3600, -4 * 3600);
    assert_changes(&zone, utc(20260308, 7, 0), -5 * 3600, -4 * 3600);
    assert_changes(&zone, utc(20261101, 6, 0), -4 * 3600, -5 * 3600);
    assert_changes(&zone, utc(20380314, 7, 0), -5 * 3600, -4 * 3600);
    assert_changes(&zone, utc(21001107, 6, 0), -4 * 3600, -5 * 3600);
    assert_int_equal(zone.transition_count, 2 * 101);
    zone_free(&zone);
}

static void berlin_phoenix_and_lord_howe_keep_their_own_rules(void **state)
{
    (void)state;
    struct zone zone = {0};
    assert_int_equal(zone_load(NULL, "Europe/Berlin", &zone), 0);
    assert_changes(&zone, utc(20260329, 1, 0), 3600, 7200);
    assert_changes(&zone, utc(20501030, 1, 0), 7200, 3600);
    zone_free(&zone);
    assert_int_equal(zone_load(ZONE_DIRECTORY, "America/Phoenix", &zone), 0);
    assert_int_equal(zone.transition_count, 0);
    assert_int_equal(zone.first_offset_s, -7 * 3600);
    zone_free(&zone);
    assert_int_equal(zone_load(NULL, "Australia/Lord_Howe", &zone), 0);
    assert_changes(&zone, utc(20260404, 15, 0), 11 * 3600, 10 * 3600 + 1800);
    assert_changes(&zone, utc(20261003, 15, 30), 10 * 3600 + 1800, 11 * 3600);
    zone_free(&zone);
}

/* Every 11 days and some hours, through the century, and right before and at each transition. */
static void compare_with_c_library(const char *name)
{
    struct zone zone = {0};
    assert_int_equal(zone_load(NULL, name, &zone), 0);
    setenv("TZ", name, 1);
    tzset();
    for (int64_t at_ms = utc(20000101, 0, 0); at_ms < utc(21001231, 0, 0); at_ms += 11 * MS_PER_DAY + 5 * MS_PER_HOUR) {
        struct tm local;
        time_t at_s = (time_t)(at_ms / 1000);
        localtime_r(&at_s, &local);
        if (local.tm_gmtoff != offset_at(&zone, at_ms)) fail_msg("%s differs at %lld", name, (long long)at_s);
    }
    for (size_t i = 0; i < zone.transition_count; i++) {
        struct tm before, after;
        time_t at_s = (time_t)(zone.transitions[i].at_ms / 1000), earlier_s = at_s - 1;
        localtime_r(&earlier_s, &before);
        localtime_r(&at_s, &after);
        if (before.tm_gmtoff == after.tm_gmtoff || after.tm_gmtoff != zone.transitions[i].offset_s)
            fail_msg("%s: the transition at %lld is not the library's", name, (long long)at_s);
    }
    struct calendar calendar = {zone.transitions, zone.transition_count, zone.first_offset_s, {{{0, 1}}}, NULL, 0};
    assert_true(calendar_is_valid(&calendar));
    zone_free(&zone);
}

static void offsets_are_those_of_the_c_library_for_a_century(void **state)
{
    (void)state;
    static const char *const names[] = {
        "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage",
        "Pacific/Honolulu", "America/Puerto_Rico", "America/Phoenix", "America/St_Johns", "America/Havana",
        "America/Sao_Paulo", "America/Santiago", "America/Godthab", "Europe/Berlin", "Europe/Dublin", "Europe/Lisbon",
        "Atlantic/Azores", "Africa/Casablanca", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem", "Asia/Kolkata",
        "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "UTC",
        "Etc/GMT+5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) compare_with_c_library(names[i]);
}

static void a_name_that_leads_out_of_the_database_is_refused(void **state)
{
    (void)state;
    struct zone zone = {.first_offset_s = 77};
    static const char *const names[] = {"",  "/etc/passwd", "../passwd", "America/../UTC", "America//New_York",
                                        "UTC/", "America/New York", "a.b", "UTC\n"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(zone_load(NULL, names[i], &zone), ZONE_E_NAME);
    char large[200];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    assert_int_equal(zone_load(NULL, large, &zone), ZONE_E_NAME);
    assert_int_equal(zone_load(NULL, "America/Atlantis", &zone), ZONE_E_UNKNOWN);
    assert_int_equal(zone_load(NULL, "America", &zone), ZONE_E_UNKNOWN);
    assert_int_equal(zone_load("/nowhere", "UTC", &zone), ZONE_E_UNKNOWN);
    assert_int_equal(zone.first_offset_s, 77);
}

/* A slim file: one type, perhaps one transition into a second, and a footer. */
static size_t make_file(uint8_t *to, int32_t offset_s, const int64_t *change_s, int32_t later_s, const char *footer)
{
    size_t len = 0;
    memset(to, 0, 512);
    memcpy(to, "TZif2", 5);
    memcpy(to + 44, "TZif2", 5);
    uint8_t *header = to + 44;
    header[35] = change_s ? 1 : 0;
    header[39] = change_s ? 2 : 1;
    header[43] = 4;
    len = 88;
    if (change_s) {
        store_be64(to + len, (uint64_t)*change_s);
        to[len + 8] = 1;
        len += 9;
    }
    store_u32(to + len, __builtin_bswap32((uint32_t)offset_s));
    len += 6;
    if (change_s) store_u32(to + len, __builtin_bswap32((uint32_t)later_s));
    len += change_s ? 6 : 0;
    len += 4;
    len += (size_t)snprintf((char *)to + len, 512 - len, "\n%s\n", footer);
    return len;
}

static void a_slim_file_is_expanded_from_its_footer(void **state)
{
    (void)state;
    uint8_t file[512];
    struct zone slim = {0}, fat = {0};
    size_t len = make_file(file, -18000, NULL, 0, "EST5EDT,M3.2.0,M11.1.0");
    assert_int_equal(zone_parse((struct bytes){file, len}, &slim), 0);
    assert_int_equal(zone_load(NULL, "America/New_York", &fat), 0);
    assert_int_equal(slim.first_offset_s, fat.first_offset_s);
    assert_int_equal(slim.transition_count, fat.transition_count);
    size_t from = 2 * 7; /* the rule of today holds since 2007 */
    assert_memory_equal(slim.transitions + from, fat.transitions + from,
                        (fat.transition_count - from) * sizeof *fat.transitions);
    zone_free(&slim);
    zone_free(&fat);
}

static void what_a_file_lists_goes_before_its_footer(void **state)
{
    (void)state;
    uint8_t file[512];
    struct zone zone = {0};
    int64_t change_s = utc(20260601, 0, 0) / 1000;
    size_t len = make_file(file, -21600, &change_s, -14400, "EST5EDT,M3.2.0,M11.1.0");
    assert_int_equal(zone_parse((struct bytes){file, len}, &zone), 0);
    assert_int_equal(zone.first_offset_s, -21600);
    assert_changes(&zone, utc(20260601, 0, 0), -21600, -14400);
    assert_changes(&zone, utc(20261101, 6, 0), -14400, -18000);
    assert_int_equal(zone.transitions[0].at_ms, utc(20260601, 0, 0));
    zone_free(&zone);
}

static void footers_of_every_form_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *footer;
        int64_t day;
        int32_t offset_s;
    } rows[] = {
        {"<+1030>-10:30", 20260101, 37800},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 20260101, 0},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 20260701, 3600},
        {"AAA3BBB,J60/0,J300/0", 20280228, -3 * 3600}, /* J60 is 1 March also in a leap year */
        {"AAA3BBB,J60/0,J300/0", 20280302, -2 * 3600},
        {"AAA3BBB,59/0,300/0", 20280301, -2 * 3600}, /* day 59 is 29 February in one */
        {"QQQ3EDT4,0/0,J365/23", 20260701, -4 * 3600}, /* daylight saving all year */
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 20260701, -3600},
    };
    uint8_t file[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zone zone = {0};
        size_t len = make_file(file, rows[i].offset_s, NULL, 0, rows[i].footer);
        assert_int_equal(zone_parse((struct bytes){file, len}, &zone), 0);
        assert_int_equal(offset_at(&zone, utc((uint32_t)rows[i].day, 12, 0)), rows[i].offset_s);
        zone_free(&zone);
    }
    static const char *const wrong[] = {"5", "EST", "EST5EDT", "EST25", "EST5EDT,M13.1.0,M11.1.0", "EST5EDT,M3.2.0",
                                        "EST5EDT,M3.2.0,M11.1.0x", "<EST5", "EST5EDT,M3.2.7,M11.1.0", "EST5:60"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct zone zone = {0};
        size_t len = make_file(file, 0, NULL, 0, wrong[i]);
        assert_int_equal(zone_parse((struct bytes){file, len}, &zone), ZONE_E_FORMAT);
    }
}

static size_t read_file(const char *path, uint8_t *to, size_t capacity)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(to, 1, capacity, file);
    fclose(file);
    return bytes;
}

static void a_truncated_file_is_refused_at_every_length(void **state)
{
    (void)state;
    static uint8_t whole[8192];
    size_t bytes = read_file(ZONE_DIRECTORY "/America/New_York", whole, sizeof whole);
    for (size_t len = 0; len < bytes; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that a checker sees a read past the end */
        struct zone zone = {0};
        memcpy(exact, whole, len);
        assert_int_equal(zone_parse((struct bytes){exact, len}, &zone), ZONE_E_FORMAT);
        free(exact);
    }
}

static void a_flipped_byte_is_refused_or_gives_an_orderly_zone(void **state)
{
    (void)state;
    static uint8_t whole[8192];
    size_t bytes = read_file(ZONE_DIRECTORY "/America/New_York", whole, sizeof whole);
    for (size_t i = 0; i < bytes; i++) {
        struct zone zone = {0};
        whole[i] ^= 0xff;
        int result = zone_parse((struct bytes){whole, bytes}, &zone);
        assert_true(result == 0 || result == ZONE_E_FORMAT);
        struct calendar calendar = {zone.transitions, zone.transition_count, zone.first_offset_s, {{{0, 1}}}, NULL, 0};
        assert_true(calendar_is_valid(&calendar));
        zone_free(&zone);
        whole[i] ^= 0xff;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_york_changes_when_it_is_known_to),
        cmocka_unit_test(berlin_phoenix_and_lord_howe_keep_their_own_rules),
        cmocka_unit_test(offsets_are_those_of_the_c_library_for_a_century),
        cmocka_unit_test(a_name_that_leads_out_of_the_database_is_refused),
        cmocka_unit_test(a_slim_file_is_expanded_from_its_footer),
        cmocka_unit_test(what_a_file_lists_goes_before_its_footer),
        cmocka_unit_test(footers_of_every_form_are_understood),
        cmocka_unit_test(a_truncated_file_is_refused_at_every_length),
        cmocka_unit_test(a_flipped_byte_is_refused_or_gives_an_orderly_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
