/* Delays from text, and how long they may turn out. */
#include "unit/pathways/pathway_testing.h"
#include "core/delay.h"
#include "pathway/delay_bounds.h"
#include "pathway/delay_parse.h"

static struct arena *arena;

static const struct delay *parsed(const char *text)
{
    struct parse_error error = {0};
    const struct delay *delay = NULL;
    if (delay_parse(arena, text, &delay, &error)) fail_msg("%s: %zu: %s", text, error.offset, error.sentence);
    return delay;
}

static void refused(const char *text, size_t offset, const char *part)
{
    struct parse_error error = {0};
    const struct delay *delay = NULL;
    assert_int_not_equal(delay_parse(arena, text, &delay, &error), 0);
    assert_null(delay);
    if (error.offset != offset || !strstr(error.sentence, part)) fail_msg("%s: %zu: %s", text, error.offset, error.sentence);
}

static void every_unit_has_its_meaning(void **state)
{
    (void)state;
    static const struct { const char *text; enum delay_op op; int64_t amount; } rows[] = {
        {"30min", DELAY_CLOCK, 30 * MS_PER_MINUTE}, {"72h", DELAY_CLOCK, 72 * MS_PER_HOUR}, {"-24h", DELAY_CLOCK, -24 * MS_PER_HOUR},
        {"3d", DELAY_DAYS, 3}, {" 2bd ", DELAY_BUSINESS_DAYS, 2}, {"4bh", DELAY_BUSINESS_MINUTES, 240}, {"0h", DELAY_CLOCK, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parsed(rows[i].text)->op, rows[i].op);
        assert_int_equal(parsed(rows[i].text)->amount, rows[i].amount);
    }
}

static void a_time_before_a_visit_counts_clock_calendar_or_business_days(void **state)
{
    (void)state;
    assert_int_equal(parsed("-48h")->amount, -48 * MS_PER_HOUR);
    assert_int_equal(parsed("-14d")->op, DELAY_DAYS);
    assert_int_equal(parsed("-14d")->amount, -14);
    assert_int_equal(parsed("-3bd")->op, DELAY_BUSINESS_DAYS);
    assert_int_equal(parsed("-3bd")->amount, -3);
}

static void functions_nest(void **state)
{
    (void)state;
    const struct delay *d = parsed("earliest(at(1d, 08:00), 23h)");
    assert_int_equal(d->op, DELAY_EARLIEST);
    assert_int_equal(d->a->op, DELAY_AT);
    assert_int_equal(d->a->amount, 480);
    assert_int_equal(d->a->a->op, DELAY_DAYS);
    assert_int_equal(d->b->amount, 23 * MS_PER_HOUR);
    assert_int_equal(parsed("opening(3d)")->op, DELAY_OPENING);
    assert_int_equal(parsed("closing(1bd)")->op, DELAY_CLOSING);
    assert_int_equal(parsed("latest(1h, 2h)")->op, DELAY_LATEST);
    assert_int_equal(parsed("midnight(7d)")->op, DELAY_MIDNIGHT);
    d = parsed("compressed(1bd, 4, effective_at_ms)");
    assert_int_equal(d->op, DELAY_COMPRESSED);
    assert_int_equal(d->amount, 4);
    assert_string_equal(d->field->name, "effective_at_ms");
}

static void a_mistake_is_named_where_it_stands(void **state)
{
    (void)state;
    refused("", 0, "here must be a delay");
    refused("soon", 0, "not a way to say a delay");
    refused("2 weeks", 2, "is not a unit of time");
    refused("2w", 1, "is not a unit of time");
    refused("-4bh", 0, "not in business hours");
    refused("999999999h", 0, "here must be a delay");
    refused("99999h", 0, "too long");
    refused("2bd or so", 4, "ends before");
    refused("earlyest(1h, 2h)", 0, "did you mean \"earliest\"?");
    refused("earliest(1h)", 11, "here must be ','");
    refused("earliest(1h, 2h", 15, "here must be ')'");
    refused("at(1d, 8:00)", 7, "time of day");
    refused("at(1d, 24:00)", 7, "time of day");
    refused("compressed(1bd, 0, effective_at_ms)", 16, "number of shares");
    refused("compressed(1bd, 2, agency_id)", 19, "not a time of the episode");
    refused("opening(opening(opening(opening(opening(opening(opening(opening(1h))))))))", 64, "nested too deeply");
}

static void a_bound_is_clock_time(void **state)
{
    (void)state;
    struct parse_error error;
    int64_t ms = 0;
    assert_int_equal(delay_parse_length("35d", &ms, &error), 0);
    assert_int_equal(ms, 35 * MS_PER_DAY);
    assert_int_equal(delay_parse_length("90min", &ms, &error), 0);
    assert_int_equal(ms, 90 * MS_PER_MINUTE);
    assert_int_not_equal(delay_parse_length("2bd", &ms, &error), 0);
    assert_int_not_equal(delay_parse_length("0h", &ms, &error), 0);
    assert_int_not_equal(delay_parse_length("-1h", &ms, &error), 0);
}

static void the_worst_case_of_business_days_is_a_closing(void **state)
{
    (void)state;
    /* Friday 17:00 to Wednesday 08:00, and one hour more where the clock goes back */
    assert_int_equal(delay_bounds(parsed("2bd"), calendar_for_checks()).most_ms, 4 * MS_PER_DAY + 16 * MS_PER_HOUR);
    assert_int_equal(delay_bounds(parsed("2bd"), calendar_for_checks()).least_ms, 48 * MS_PER_HOUR);
    assert_int_equal(delay_bounds(parsed("4bh"), calendar_for_checks()).least_ms, 4 * MS_PER_HOUR);
    assert_int_equal(delay_bounds(parsed("3d"), calendar_for_checks()).most_ms, 3 * MS_PER_DAY + MS_PER_HOUR);
    assert_int_equal(delay_bounds(parsed("opening(0h)"), calendar_for_checks()).least_ms, 0);
    assert_int_equal(delay_bounds(parsed("compressed(2h, 9, effective_at_ms)"), calendar_for_checks()).most_ms, 2 * MS_PER_HOUR);
}

static void holidays_make_the_worst_case_longer(void **state)
{
    (void)state;
    const int32_t holidays[] = {date_to_day(20261224), date_to_day(20261225)}; /* Thursday, Friday */
    struct calendar calendar = *calendar_for_checks();
    calendar.holidays = holidays;
    calendar.holiday_count = 2;
    /* Wednesday 17:00 to Tuesday 08:00 */
    assert_int_equal(delay_bounds(parsed("1bd"), &calendar).most_ms, 5 * MS_PER_DAY + 15 * MS_PER_HOUR);
}

/* Open at noon on Saturdays, closed at noon on other days, and two days off. */
static struct calendar awkward(const int32_t *holidays)
{
    struct calendar calendar = *calendar_for_checks();
    for (int weekday = 0; weekday < 5; weekday++) {
        calendar.week[weekday][0] = (struct opening){510, 720};
        calendar.week[weekday][1] = (struct opening){765, 1020};
    }
    calendar.week[5][0] = (struct opening){540, 780};
    calendar.holidays = holidays;
    calendar.holiday_count = 2;
    return calendar;
}

static void no_moment_of_fourteen_months_is_beyond_the_bounds(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1bd", "3bd", "-2bd", "4bh", "11bh", "2d", "-14d", "opening(3d)", "opening(23h)", "closing(0h)", "closing(1bd)", "midnight(7d)",
        "at(0h, 08:00)", "latest(closing(0h), 4h)", "earliest(at(1d, 08:00), 23h)", "opening(4bh)", "latest(2bd, 3d)",
    };
    enum { APART = 7 }; /* minutes: every one of the hour has its turn */
    const int32_t holidays[] = {date_to_day(20261224), date_to_day(20261225)};
    struct calendar calendar = awkward(holidays);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct delay *delay = parsed(texts[i]);
        struct delay_bounds bounds = delay_bounds(delay, &calendar), seen = {INT64_MAX, INT64_MIN};
        int64_t from_ms = calendar_instant(&calendar, holidays[0] - 7, 0);
        for (int64_t base_ms = from_ms; base_ms < from_ms + 424 * MS_PER_DAY; base_ms += APART * MS_PER_MINUTE) {
            int64_t ms = delay_resolve(delay, &calendar, NULL, base_ms) - base_ms;
            if (ms < seen.least_ms) seen.least_ms = ms;
            if (ms > seen.most_ms) seen.most_ms = ms;
        }
        if (seen.least_ms < bounds.least_ms || seen.most_ms > bounds.most_ms)
            fail_msg("%s: %lld to %lld min, measured as %lld to %lld", texts[i], (long long)(seen.least_ms / MS_PER_MINUTE),
                     (long long)(seen.most_ms / MS_PER_MINUTE), (long long)(bounds.least_ms / MS_PER_MINUTE),
                     (long long)(bounds.most_ms / MS_PER_MINUTE));
        assert_in_range(seen.least_ms - bounds.least_ms, 0, APART * MS_PER_MINUTE);
        assert_in_range(bounds.most_ms - seen.most_ms, 0, APART * MS_PER_MINUTE);
    }
}

static void looking_back_and_nothing_are_seen_without_measuring(void **state)
{
    (void)state;
    const struct calendar *calendar = calendar_for_checks();
    static const struct { const char *text; bool looks_back, is_nothing; } rows[] = {
        {"1h", false, false}, {"0h", false, true}, {"-1h", true, true}, {"2bd", false, false}, {"-1bd", true, true},
        {"opening(0h)", false, true}, {"closing(0h)", false, false}, {"at(0h, 08:00)", false, true}, {"midnight(0h)", false, false},
        {"latest(0h, 2bd)", false, false}, {"earliest(0h, 2bd)", false, true}, {"latest(-1h, 1h)", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct delay *delay = parsed(rows[i].text);
        if (delay_may_look_back(delay, calendar) != rows[i].looks_back) fail_msg("%s looks back", rows[i].text);
        if (delay_may_be_nothing(delay, calendar) != rows[i].is_nothing) fail_msg("%s is nothing", rows[i].text);
        assert_int_equal(delay_bounds(delay, calendar).least_ms < 0, rows[i].looks_back);
        assert_int_equal(delay_bounds(delay, calendar).least_ms <= 0, rows[i].is_nothing);
    }
}

static void lengths_are_said_in_two_units(void **state)
{
    (void)state;
    char text[WORD_BYTES];
    assert_string_equal(delay_length_in_words(3 * MS_PER_DAY + 16 * MS_PER_HOUR, text), "3d 16h");
    assert_string_equal(delay_length_in_words(3 * MS_PER_DAY, text), "3d");
    assert_string_equal(delay_length_in_words(90 * MS_PER_MINUTE, text), "1h 30min");
    assert_string_equal(delay_length_in_words(2 * MS_PER_HOUR, text), "2h");
    assert_string_equal(delay_length_in_words(5 * MS_PER_MINUTE, text), "5min");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_has_its_meaning),
        cmocka_unit_test(a_time_before_a_visit_counts_clock_calendar_or_business_days),
        cmocka_unit_test(functions_nest),
        cmocka_unit_test(a_mistake_is_named_where_it_stands),
        cmocka_unit_test(a_bound_is_clock_time),
        cmocka_unit_test(the_worst_case_of_business_days_is_a_closing),
        cmocka_unit_test(holidays_make_the_worst_case_longer),
        cmocka_unit_test(no_moment_of_fourteen_months_is_beyond_the_bounds),
        cmocka_unit_test(looking_back_and_nothing_are_seen_without_measuring),
        cmocka_unit_test(lengths_are_said_in_two_units),
    };
    arena = arena_new(1024 * 1024);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
