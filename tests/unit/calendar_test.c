/* The business calendar: the cases that people argue about, then every function against an oracle that walks
 * minute by minute and shares no code with the calendar but the weekday. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/calendar.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int64_t utc(uint32_t yyyymmdd, int hour, int minute)
{
    return date_to_day(yyyymmdd) * MS_PER_DAY + hour * MS_PER_HOUR + minute * MS_PER_MINUTE;
}

/* America/New_York in 2026 and 2027: forward at 02:00 to 03:00, back at 02:00 to 01:00. */
static struct zone_transition new_york[4];
static int32_t holidays[] = {20260525, 20260703, 20261126, 20261127, 20261225};

static struct calendar site(void)
{
    struct calendar c = {.transitions = new_york, .transition_count = 4, .first_offset_s = -5 * 3600};
    for (int weekday = 0; weekday < 5; weekday++) c.week[weekday][0] = (struct opening){8 * 60, 17 * 60};
    c.holidays = holidays;
    c.holiday_count = COUNT(holidays);
    return c;
}

static int set_up(void **state)
{
    (void)state;
    new_york[0] = (struct zone_transition){utc(20260308, 7, 0), -4 * 3600};
    new_york[1] = (struct zone_transition){utc(20261101, 6, 0), -5 * 3600};
    new_york[2] = (struct zone_transition){utc(20270314, 7, 0), -4 * 3600};
    new_york[3] = (struct zone_transition){utc(20271107, 6, 0), -5 * 3600};
    for (size_t i = 0; i < COUNT(holidays); i++) holidays[i] = date_to_day((uint32_t)holidays[i]);
    return 0;
}

static int64_t local(const struct calendar *c, uint32_t yyyymmdd, int hour, int minute)
{
    return calendar_instant(c, date_to_day(yyyymmdd), hour * 60 + minute);
}

static void assert_local(const struct calendar *c, int64_t at_ms, uint32_t yyyymmdd, int hour, int minute)
{
    uint32_t date = date_from_day(calendar_local_day(c, at_ms));
    int32_t got = calendar_local_minute(c, at_ms);
    if (date != yyyymmdd || got != hour * 60 + minute)
        fail_msg("%u %02d:%02d, expected %u %02d:%02d", date, got / 60, got % 60, yyyymmdd, hour, minute);
}

/* --- business days --------------------------------------------------------------------------------------- */

static void two_business_days_after_thursday_1640_is_monday_1640(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t voicemail_ms = local(&c, 20260611, 16, 40);
    assert_local(&c, calendar_add_business_days(&c, voicemail_ms, 2), 20260615, 16, 40);
    assert_int_equal(calendar_add_business_days(&c, voicemail_ms + 12345, 2),
                     local(&c, 20260615, 16, 40) + 12345);
}

static void a_moment_outside_working_hours_counts_from_the_next_opening(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t friday_evening_ms = local(&c, 20260612, 19, 30);
    assert_local(&c, calendar_add_business_days(&c, friday_evening_ms, 1), 20260616, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, friday_evening_ms, 0), 20260615, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260613, 12, 0), 1), 20260616, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260611, 7, 59), 1), 20260612, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260611, 17, 0), 1), 20260615, 8, 0);
}

static void zero_business_days_inside_working_hours_is_now(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t at_ms = local(&c, 20260611, 16, 40) + 7;
    assert_int_equal(calendar_add_business_days(&c, at_ms, 0), at_ms);
    assert_int_equal(calendar_add_business_minutes(&c, at_ms, 0), at_ms);
}

static void holidays_are_skipped_also_several_in_a_row_and_next_to_a_weekend(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_false(calendar_is_working_day(&c, date_to_day(20261126)));
    /* Wednesday before Thanksgiving: Thursday, Friday and the weekend are closed. */
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20261125, 10, 0), 1), 20261130, 10, 0);
    assert_local(&c, calendar_next_opening(&c, local(&c, 20261125, 17, 0)), 20261130, 8, 0);
    assert_local(&c, calendar_closing(&c, local(&c, 20261126, 10, 0)), 20261130, 17, 0);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20261125, 16, 0), 120), 20261130, 9, 0);
}

static void a_business_day_keeps_its_local_minute_when_the_clock_changes(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t friday_ms = local(&c, 20260306, 16, 40), monday_ms = calendar_add_business_days(&c, friday_ms, 1);
    assert_local(&c, monday_ms, 20260309, 16, 40);
    assert_int_equal(monday_ms - friday_ms, 3 * MS_PER_DAY - MS_PER_HOUR);
    friday_ms = local(&c, 20261030, 16, 40);
    monday_ms = calendar_add_business_days(&c, friday_ms, 1);
    assert_local(&c, monday_ms, 20261102, 16, 40);
    assert_int_equal(monday_ms - friday_ms, 3 * MS_PER_DAY + MS_PER_HOUR);
}

static void three_business_days_before_a_visit_keep_its_minute_and_skip_what_is_closed(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260612, 10, 15), -3), 20260609, 10, 15);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260615, 10, 15), -1), 20260612, 10, 15);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20261130, 9, 0), -1), 20261125, 9, 0); /* holidays */
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260309, 9, 0), -1), 20260306, 9, 0); /* the clock */
}

static void business_days_before_a_visit_outside_hours_are_whole_working_days(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260613, 10, 0), -1), 20260612, 8, 0); /* a Saturday */
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260613, 10, 0), -3), 20260610, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260615, 7, 0), -1), 20260612, 8, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260615, 18, 30), -1), 20260615, 8, 0);
    (void)calendar_add_business_days(&c, INT64_MAX, INT32_MIN);
}

static void a_business_day_may_end_on_the_leap_day(void **state)
{
    (void)state;
    struct calendar c = site();
    c.holiday_count = 0;
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20280228, 9, 15), 1), 20280229, 9, 15);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20280228, 9, 15), 2), 20280301, 9, 15);
}

/* --- business hours -------------------------------------------------------------------------------------- */

static void four_business_hours_over_a_weekend_count_open_minutes_only(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260612, 15, 30), 240), 20260615, 10, 30);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260613, 3, 0), 240), 20260615, 12, 0);
}

static void business_hours_that_end_with_the_day_are_due_at_its_closing(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260611, 13, 0), 240), 20260611, 17, 0);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260611, 13, 1), 240), 20260612, 8, 1);
}

static void a_lunch_break_is_not_counted(void **state)
{
    (void)state;
    struct calendar c = site();
    for (int weekday = 0; weekday < 5; weekday++) {
        c.week[weekday][0] = (struct opening){8 * 60, 12 * 60};
        c.week[weekday][1] = (struct opening){13 * 60, 17 * 60};
    }
    assert_true(calendar_is_valid(&c));
    assert_false(calendar_is_open(&c, local(&c, 20260611, 12, 0)));
    assert_true(calendar_is_open(&c, local(&c, 20260611, 13, 0)));
    assert_local(&c, calendar_next_opening(&c, local(&c, 20260611, 12, 30)), 20260611, 13, 0);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260611, 11, 0), 240), 20260611, 16, 0);
    assert_local(&c, calendar_closing(&c, local(&c, 20260611, 11, 0)), 20260611, 17, 0);
    assert_local(&c, calendar_add_business_days(&c, local(&c, 20260611, 12, 30), 1), 20260612, 13, 0);
}

static void open_minutes_between_two_moments_are_those_that_adding_them_would_take(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t thursday = local(&c, 20260305, 16, 40), monday = local(&c, 20260309, 16, 40);
    assert_int_equal(calendar_business_minutes(&c, thursday, monday), 2 * 540);
    assert_int_equal(calendar_business_minutes(&c, local(&c, 20260307, 9, 0), local(&c, 20260308, 21, 0)), 0);
    assert_int_equal(calendar_business_minutes(&c, monday, thursday), 0);
    for (int64_t minutes = 0; minutes < 20000; minutes += 77) {
        int64_t later = calendar_add_business_minutes(&c, thursday, minutes);
        assert_int_equal(calendar_business_minutes(&c, thursday, later), minutes);
    }
}

static void a_night_shift_is_as_long_as_it_was_when_the_clock_changed(void **state)
{
    (void)state;
    struct calendar c = site();
    for (int weekday = 0; weekday < 7; weekday++) c.week[weekday][0] = (struct opening){0, 6 * 60};
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260308, 0, 0), 5 * 60), 20260308, 6, 0);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20261101, 0, 0), 7 * 60), 20261101, 6, 0);
    assert_local(&c, calendar_add_business_minutes(&c, local(&c, 20260308, 0, 0), 150), 20260308, 3, 30);
}

static void the_closing_of_a_day_that_is_over_is_that_of_the_next_working_day(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, calendar_closing(&c, local(&c, 20260612, 6, 0)), 20260612, 17, 0);
    assert_local(&c, calendar_closing(&c, local(&c, 20260612, 16, 59)), 20260612, 17, 0);
    assert_local(&c, calendar_closing(&c, local(&c, 20260612, 17, 0)), 20260615, 17, 0);
    assert_local(&c, calendar_closing(&c, local(&c, 20260613, 12, 0)), 20260615, 17, 0);
}

static void a_site_that_never_closes_is_always_open(void **state)
{
    (void)state;
    struct calendar c = site();
    c.holiday_count = 0;
    for (int weekday = 0; weekday < 7; weekday++) c.week[weekday][0] = (struct opening){0, 1440};
    int64_t at_ms = local(&c, 20261031, 23, 59);
    assert_true(calendar_is_open(&c, at_ms));
    assert_int_equal(calendar_add_business_minutes(&c, at_ms, 3000), at_ms + 3000 * MS_PER_MINUTE);
    assert_int_equal(calendar_closing(&c, at_ms), at_ms + MS_PER_MINUTE);
}

/* --- local time ------------------------------------------------------------------------------------------ */

static void calendar_days_keep_the_local_time_across_both_changes(void **state)
{
    (void)state;
    struct calendar c = site();
    int64_t at_ms = local(&c, 20260307, 9, 30) + 1234;
    assert_int_equal(calendar_add_days(&c, at_ms, 1) - at_ms, MS_PER_DAY - MS_PER_HOUR);
    assert_int_equal(calendar_add_days(&c, at_ms, 3) - at_ms, 3 * MS_PER_DAY - MS_PER_HOUR);
    at_ms = local(&c, 20261031, 9, 30);
    assert_int_equal(calendar_add_days(&c, at_ms, 1) - at_ms, MS_PER_DAY + MS_PER_HOUR);
    assert_int_equal(calendar_add_days(&c, calendar_add_days(&c, at_ms, 1), -1), at_ms);
}

static void a_local_time_in_the_gap_is_moved_forward_by_the_gap(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_local(&c, local(&c, 20260308, 2, 0), 20260308, 3, 0);
    assert_local(&c, local(&c, 20260308, 2, 30), 20260308, 3, 30);
    assert_int_equal(local(&c, 20260308, 2, 30), utc(20260308, 7, 30));
    assert_local(&c, local(&c, 20260308, 1, 59), 20260308, 1, 59);
    assert_local(&c, calendar_add_days(&c, local(&c, 20260307, 2, 30), 1), 20260308, 3, 30);
}

static void a_local_time_that_exists_twice_means_the_first(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_int_equal(local(&c, 20261101, 1, 30), utc(20261101, 5, 30));
    assert_int_equal(local(&c, 20261101, 2, 0), utc(20261101, 7, 0));
    assert_int_equal(calendar_local_minute(&c, utc(20261101, 6, 30)), 90);
    assert_int_equal(calendar_add_days(&c, utc(20261101, 6, 30), 0), utc(20261101, 6, 30));
}

static void midnight_can_be_named_from_both_sides(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_int_equal(local(&c, 20261101, 24, 0), local(&c, 20261102, 0, 0));
    assert_local(&c, local(&c, 20261101, 24, 0), 20261102, 0, 0);
}

static void without_transitions_the_first_offset_holds_for_ever(void **state)
{
    (void)state;
    struct calendar c = site();
    c.transition_count = 0;
    c.first_offset_s = 5 * 3600 + 1800;
    assert_int_equal(local(&c, 20260611, 5, 30), utc(20260611, 0, 0));
    assert_local(&c, utc(19691231, 23, 59), 19700101, 5, 29);
}

static void instants_beyond_all_dates_harm_nothing(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_int_equal(date_from_day(calendar_local_day(&c, INT64_MAX)), 99991231);
    (void)calendar_add_business_days(&c, INT64_MIN, INT32_MAX);
    (void)calendar_add_business_minutes(&c, INT64_MAX, INT64_MAX);
    (void)calendar_add_days(&c, INT64_MAX, INT32_MIN);
    (void)calendar_closing(&c, INT64_MAX);
}

static void a_calendar_without_hours_or_with_disordered_ones_is_not_valid(void **state)
{
    (void)state;
    struct calendar c = site();
    assert_true(calendar_is_valid(&c));
    c.week[0][1] = (struct opening){16 * 60, 18 * 60};
    assert_false(calendar_is_valid(&c));
    c.week[0][1] = (struct opening){18 * 60, 1441};
    assert_false(calendar_is_valid(&c));
    c.week[0][1] = (struct opening){18 * 60, 18 * 60};
    assert_false(calendar_is_valid(&c));
    c = site();
    c.week[0][2] = (struct opening){18 * 60, 19 * 60};
    assert_false(calendar_is_valid(&c));
    c = site();
    memset(c.week, 0, sizeof c.week);
    assert_false(calendar_is_valid(&c));
    c = site();
    c.holidays = (const int32_t[]){5, 5};
    c.holiday_count = 2;
    assert_false(calendar_is_valid(&c));
    c = site();
    c.transitions = (const struct zone_transition[]){{10, 0}, {10, 3600}};
    c.transition_count = 2;
    assert_false(calendar_is_valid(&c));
}

/* --- dates ----------------------------------------------------------------------------------------------- */

static void dates_and_days_convert_both_ways_for_every_day(void **state)
{
    (void)state;
    assert_int_equal(date_to_day(19700101), 0);
    assert_int_equal(date_to_day(20000229), 11016);
    assert_int_equal(date_weekday(0), 3);
    assert_int_equal(date_weekday(date_to_day(20260611)), 3);
    assert_int_equal(date_weekday(-4), 6);
    uint32_t before = 0;
    for (int32_t day = date_to_day(10101); day <= date_to_day(99991231); day++) {
        uint32_t date = date_from_day(day);
        if (!date_is_valid(date) || date <= before || date_to_day(date) != day) fail_msg("day %d, date %u", day, date);
        before = date;
    }
}

static void dates_that_do_not_exist_are_not_valid(void **state)
{
    (void)state;
    assert_true(date_is_valid(20240229));
    assert_true(date_is_valid(20000229));
    static const uint32_t wrong[] = {0, 20250229, 21000229, 20260431, 20261301, 20260010, 20260100, 100000101, 20260132};
    for (size_t i = 0; i < COUNT(wrong); i++) assert_false(date_is_valid(wrong[i]));
}

static void the_fourteenth_birthday_begins_at_local_midnight(void **state)
{
    (void)state;
    assert_int_equal(date_age(20120615, date_to_day(20260614)), 13);
    assert_int_equal(date_age(20120615, date_to_day(20260615)), 14);
    struct calendar c = site();
    int64_t midnight_ms = local(&c, 20260615, 0, 0);
    assert_int_equal(date_age(20120615, calendar_local_day(&c, midnight_ms - 1)), 13);
    assert_int_equal(date_age(20120615, calendar_local_day(&c, midnight_ms)), 14);
}

static void someone_born_on_the_leap_day_is_older_on_1_march_of_a_common_year(void **state)
{
    (void)state;
    assert_int_equal(date_age(20120229, date_to_day(20260228)), 13);
    assert_int_equal(date_age(20120229, date_to_day(20260301)), 14);
    assert_int_equal(date_age(20120229, date_to_day(20280228)), 15);
    assert_int_equal(date_age(20120229, date_to_day(20280229)), 16);
    assert_int_equal(date_age(20260615, date_to_day(20260615)), 0);
    assert_true(date_age(20260615, date_to_day(20260614)) < 0);
}

/* --- the oracle ------------------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint64_t next_random(void) /* xorshift64* */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static int64_t random_in(int64_t low, int64_t high)
{
    return low + (int64_t)(next_random() % (uint64_t)(high - low + 1));
}

static int64_t slow_local_minutes(const struct calendar *c, int64_t minute)
{
    int64_t offset_s = c->first_offset_s;
    for (size_t i = 0; i < c->transition_count; i++)
        if (c->transitions[i].at_ms <= minute * MS_PER_MINUTE) offset_s = c->transitions[i].offset_s;
    return minute + offset_s / 60;
}

/* The first minute whose local time is this one; in a gap, the first one's that is later, and on by what was
 * already over of the gap: what a clock that was not changed would show. */
static int64_t slow_instant(const struct calendar *c, int64_t local_minutes)
{
    for (int64_t minute = local_minutes - 1440;; minute++) {
        int64_t there = slow_local_minutes(c, minute);
        if (there == local_minutes) return minute;
        bool is_gap = there > local_minutes && slow_local_minutes(c, minute - 1) < local_minutes;
        if (!is_gap) continue;
        for (int64_t later = minute + 1; later < minute + 600; later++) /* it may yet come, after an overlap */
            if (slow_local_minutes(c, later) == local_minutes) return later;
        return minute + local_minutes - slow_local_minutes(c, minute - 1) - 1;
    }
}

enum { WINDOW_DAYS = 24, WINDOW_MINUTES = WINDOW_DAYS * 1440 };

static bool slow_is_working_day(const struct calendar *c, int32_t day)
{
    for (size_t i = 0; i < c->holiday_count; i++)
        if (c->holidays[i] == day) return false;
    return c->week[date_weekday(day)][0].close_minute != 0;
}

/* Marks each open minute of a window with the local minute (counted from 1970) at which its stretch opened. */
static void slow_paint(const struct calendar *c, int64_t first, int64_t opened[WINDOW_MINUTES])
{
    int32_t day = (int32_t)(first / 1440) - 2;
    for (int i = 0; i < WINDOW_MINUTES; i++) opened[i] = -1;
    for (int32_t end = day + WINDOW_DAYS + 4; day < end; day++)
        for (int i = 0; slow_is_working_day(c, day) && i < CALENDAR_OPENINGS_PER_DAY; i++) {
            struct opening o = c->week[date_weekday(day)][i];
            if (!o.close_minute) continue;
            int64_t to = slow_instant(c, day * 1440 + o.close_minute);
            for (int64_t m = slow_instant(c, day * 1440 + o.open_minute); m < to; m++)
                if (m >= first && m < first + WINDOW_MINUTES) opened[m - first] = day * 1440 + o.open_minute;
        }
}

static int64_t slow_next_opening(const int64_t *opened, int64_t at)
{
    while (opened[at] < 0) at++;
    return at;
}

static int64_t slow_business_minutes(const int64_t *opened, int64_t at, int64_t minutes)
{
    at = slow_next_opening(opened, at);
    for (; minutes > 0; at++) minutes -= opened[at] >= 0;
    return at;
}

static int64_t slow_business_days(const struct calendar *c, const int64_t *opened, int64_t first, int64_t at, int days)
{
    bool is_open = opened[at] >= 0;
    if (is_open && days == 0) return first + at;
    int64_t start = is_open ? slow_local_minutes(c, first + at) : opened[slow_next_opening(opened, at)];
    int32_t day = (int32_t)(start / 1440);
    while (days > 0) days -= slow_is_working_day(c, ++day);
    return slow_instant(c, day * 1440 + start % 1440);
}

/* Half-hour steps, changes at midnight and at noon, as real zones have had them. */
static void random_zone(struct zone_transition transitions[8], struct calendar *c)
{
    static const int32_t offsets[] = {-18000, -14400, 0, 3600, 37800, 39600, 19800, -12600, -16200};
    static const int32_t steps[] = {3600, 1800, -3600, 7200};
    int32_t offset_s = offsets[random_in(0, COUNT(offsets) - 1)];
    int64_t at = random_in(date_to_day(20260101), date_to_day(20260110)) * 1440;
    c->first_offset_s = offset_s;
    for (size_t i = 0; i < 8; i++) {
        int32_t step_s = steps[random_in(0, COUNT(steps) - 1)];
        int64_t local_change = at + random_in(0, 3) * random_in(0, 6) * 60;
        transitions[i].at_ms = (local_change - offset_s / 60) * MS_PER_MINUTE;
        transitions[i].offset_s = offset_s = i % 2 ? c->first_offset_s : c->first_offset_s + step_s;
        at += random_in(4, 30) * 1440;
    }
    c->transitions = transitions;
    c->transition_count = 8;
}

static void random_week(struct calendar *c)
{
    do {
        memset(c->week, 0, sizeof c->week);
        for (int weekday = 0; weekday < 7; weekday++) {
            int64_t from = random_in(0, 3) * random_in(0, 240);
            for (int i = 0; i < random_in(0, 3) && from < 1300; i++) {
                int64_t to = random_in(0, 5) ? from + random_in(90, 600) : 1440;
                to = to > 1440 ? 1440 : to;
                c->week[weekday][i] = (struct opening){(uint16_t)from, (uint16_t)to};
                from = to + random_in(150, 300); /* two stretches never share one gap of the clock */
            }
        }
    } while (!calendar_is_valid(c));
}

static void random_holidays(int32_t days[12], struct calendar *c)
{
    int32_t day = date_to_day(20260101);
    for (size_t i = 0; i < 12; i++) days[i] = day += (int32_t)(random_in(0, 1) ? 1 : random_in(2, 20));
    c->holidays = days;
    c->holiday_count = 12;
}

static void assert_same(uint64_t seed, const char *what, int64_t got_ms, int64_t expected_minute)
{
    if (got_ms != expected_minute * MS_PER_MINUTE)
        fail_msg("seed %llu: %s is off by %lld minutes", (unsigned long long)seed, what,
                 (long long)(got_ms / MS_PER_MINUTE - expected_minute));
}

static void compare(uint64_t seed, const struct calendar *c, const int64_t *opened, int64_t first)
{
    int64_t at = random_in(2880, 5 * 1440), at_ms = (first + at) * MS_PER_MINUTE, here = slow_local_minutes(c, first + at);
    int64_t minutes = random_in(0, 600);
    int days = (int)random_in(0, 4);
    assert_same(seed, "the next opening", calendar_next_opening(c, at_ms), first + slow_next_opening(opened, at));
    assert_same(seed, "business minutes", calendar_add_business_minutes(c, at_ms, minutes),
                first + slow_business_minutes(opened, at, minutes));
    assert_same(seed, "business days", calendar_add_business_days(c, at_ms, days),
                slow_business_days(c, opened, first, at, days));
    assert_same(seed, "calendar days", calendar_add_days(c, at_ms, days),
                days ? slow_instant(c, here + days * 1440) : first + at);
    assert_int_equal(calendar_is_open(c, at_ms), opened[at] >= 0);
    assert_int_equal(calendar_local_minute(c, at_ms), here % 1440);
}

static void every_answer_is_that_of_a_walk_minute_by_minute(void **state)
{
    (void)state;
    static int64_t opened[WINDOW_MINUTES];
    for (uint64_t seed = 1; seed <= 400; seed++) {
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
        struct zone_transition transitions[8];
        int32_t days[12];
        struct calendar c = {0};
        random_zone(transitions, &c);
        random_week(&c);
        random_holidays(days, &c);
        assert_true(calendar_is_valid(&c));
        int64_t first = random_in(date_to_day(20260101), date_to_day(20260401)) * 1440;
        slow_paint(&c, first, opened);
        for (int i = 0; i < 40; i++) compare(seed, &c, opened, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_business_days_after_thursday_1640_is_monday_1640),
        cmocka_unit_test(a_moment_outside_working_hours_counts_from_the_next_opening),
        cmocka_unit_test(zero_business_days_inside_working_hours_is_now),
        cmocka_unit_test(holidays_are_skipped_also_several_in_a_row_and_next_to_a_weekend),
        cmocka_unit_test(a_business_day_keeps_its_local_minute_when_the_clock_changes),
        cmocka_unit_test(three_business_days_before_a_visit_keep_its_minute_and_skip_what_is_closed),
        cmocka_unit_test(business_days_before_a_visit_outside_hours_are_whole_working_days),
        cmocka_unit_test(a_business_day_may_end_on_the_leap_day),
        cmocka_unit_test(four_business_hours_over_a_weekend_count_open_minutes_only),
        cmocka_unit_test(business_hours_that_end_with_the_day_are_due_at_its_closing),
        cmocka_unit_test(a_lunch_break_is_not_counted),
        cmocka_unit_test(open_minutes_between_two_moments_are_those_that_adding_them_would_take),
        cmocka_unit_test(a_night_shift_is_as_long_as_it_was_when_the_clock_changed),
        cmocka_unit_test(the_closing_of_a_day_that_is_over_is_that_of_the_next_working_day),
        cmocka_unit_test(a_site_that_never_closes_is_always_open),
        cmocka_unit_test(calendar_days_keep_the_local_time_across_both_changes),
        cmocka_unit_test(a_local_time_in_the_gap_is_moved_forward_by_the_gap),
        cmocka_unit_test(a_local_time_that_exists_twice_means_the_first),
        cmocka_unit_test(midnight_can_be_named_from_both_sides),
        cmocka_unit_test(without_transitions_the_first_offset_holds_for_ever),
        cmocka_unit_test(instants_beyond_all_dates_harm_nothing),
        cmocka_unit_test(a_calendar_without_hours_or_with_disordered_ones_is_not_valid),
        cmocka_unit_test(dates_and_days_convert_both_ways_for_every_day),
        cmocka_unit_test(dates_that_do_not_exist_are_not_valid),
        cmocka_unit_test(the_fourteenth_birthday_begins_at_local_midnight),
        cmocka_unit_test(someone_born_on_the_leap_day_is_older_on_1_march_of_a_common_year),
        cmocka_unit_test(every_answer_is_that_of_a_walk_minute_by_minute),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
