/* See delay_bounds.h. The months are those of the calendar's holidays, so that a long weekend counts; a calendar
 * without any is measured from January 2026.
 *
 * From one bend to the next a delay is either as long as before or shorter by what has passed, so it is longest at a
 * bend and shortest just before one. It bends where something opens, closes, or changes to the next day; opening(23h)
 * also an hour after an opening, and then every hour is looked at. */
#include "pathway/delay_bounds.h"

#include "core/delay.h"

enum { SAMPLE_DAYS = 425, SAMPLE_FROM = 20260101, MINUTES_PER_DAY = 1440, MARKS_MAX = 192 };

struct marks { /* minutes of a day to look from */
    uint16_t minutes[MARKS_MAX];
    size_t count;
};

static void mark(struct marks *marks, int minute)
{
    for (size_t i = 0; i < marks->count; i++)
        if (marks->minutes[i] == minute) return;
    if (marks->count < MARKS_MAX) marks->minutes[marks->count++] = (uint16_t)minute;
}

/* And the last moment before it. */
static void mark_bend(struct marks *marks, int minute)
{
    mark(marks, minute % MINUTES_PER_DAY);
    mark(marks, (minute + MINUTES_PER_DAY - 1) % MINUTES_PER_DAY);
}

static void mark_week(struct marks *marks, const struct calendar *calendar)
{
    for (int weekday = 0; weekday < 7; weekday++)
        for (int i = 0; i < CALENDAR_OPENINGS_PER_DAY; i++) {
            struct opening opening = calendar->week[weekday][i];
            if (opening.open_minute == opening.close_minute) break;
            mark_bend(marks, opening.open_minute);
            mark_bend(marks, opening.close_minute);
        }
}

static void mark_parts(struct marks *marks, const struct delay *delay, bool is_part)
{
    if (!delay) return;
    bool is_hours = delay->op == DELAY_BUSINESS_MINUTES || (delay->op == DELAY_CLOCK && delay->amount % MS_PER_DAY);
    if (delay->op == DELAY_AT) mark_bend(marks, (int)delay->amount + 1); /* at that minute it is over at once */
    for (int hour = 0; hour < 24 && is_part && is_hours; hour++) mark(marks, hour * 60);
    mark_parts(marks, delay->a, true);
    mark_parts(marks, delay->b, true);
}

struct delay_bounds delay_bounds(const struct delay *delay, const struct calendar *calendar)
{
    if (delay->op == DELAY_CLOCK) return (struct delay_bounds){delay->amount, delay->amount};
    struct delay_bounds bounds = {INT64_MAX, INT64_MIN};
    struct marks marks = {.count = 0};
    mark_bend(&marks, 0);
    mark_week(&marks, calendar);
    mark_parts(&marks, delay, false);
    int32_t from = calendar->holiday_count ? calendar->holidays[0] - 7 : date_to_day(SAMPLE_FROM);
    for (int32_t day = from; day < from + SAMPLE_DAYS; day++)
        for (size_t i = 0; i < marks.count; i++) {
            int64_t base_ms = calendar_instant(calendar, day, marks.minutes[i]);
            int64_t ms = delay_resolve(delay, calendar, NULL, base_ms) - base_ms;
            if (ms < bounds.least_ms) bounds.least_ms = ms;
            if (ms > bounds.most_ms) bounds.most_ms = ms;
        }
    return bounds;
}

static bool looks_back(const struct delay *delay)
{
    if (!delay) return false;
    return (!delay->a && delay->amount < 0) || looks_back(delay->a) || looks_back(delay->b);
}

/* Of a delay no part of which looks back. */
static bool is_ahead(const struct delay *delay)
{
    switch (delay->op) {
    case DELAY_CLOCK:
    case DELAY_DAYS:
    case DELAY_BUSINESS_DAYS:
    case DELAY_BUSINESS_MINUTES: return delay->amount > 0;
    case DELAY_EARLIEST: return is_ahead(delay->a) && is_ahead(delay->b);
    case DELAY_LATEST: return is_ahead(delay->a) || is_ahead(delay->b);
    case DELAY_CLOSING:
    case DELAY_MIDNIGHT: return true;
    case DELAY_OPENING:
    case DELAY_AT:
    case DELAY_COMPRESSED: return is_ahead(delay->a);
    }
    return false;
}

bool delay_may_look_back(const struct delay *delay, const struct calendar *calendar)
{
    return looks_back(delay) && delay_bounds(delay, calendar).least_ms < 0;
}

bool delay_may_be_nothing(const struct delay *delay, const struct calendar *calendar)
{
    return (looks_back(delay) || !is_ahead(delay)) && delay_bounds(delay, calendar).least_ms <= 0;
}

bool delay_is_same(const struct delay *a, const struct delay *b)
{
    if (!a || !b || a == b) return a == b;
    return a->op == b->op && a->amount == b->amount && a->field == b->field && delay_is_same(a->a, b->a) &&
           delay_is_same(a->b, b->b);
}

bool delay_has(const struct delay *delay, enum delay_op op)
{
    return delay && (delay->op == op || delay_has(delay->a, op) || delay_has(delay->b, op));
}

struct delay_bounds delay_memo_bounds(struct delay_memo *memo, const struct delay *delay,
                                      const struct calendar *calendar)
{
    for (size_t i = 0; i < memo->count; i++)
        if (memo->rows[i].calendar == calendar && delay_is_same(memo->rows[i].delay, delay))
            return memo->rows[i].bounds;
    struct delay_bounds bounds = delay_bounds(delay, calendar);
    if (memo->count == DELAY_MEMO_ROWS) return bounds;
    memo->rows[memo->count].delay = delay;
    memo->rows[memo->count].calendar = calendar;
    memo->rows[memo->count].bounds = bounds;
    memo->count++;
    return bounds;
}

const struct calendar *calendar_for_checks(void)
{
    static const struct zone_transition transitions[] = {
        {INT64_C(1762063200000), -18000}, /* 2025-11-02 06:00 UTC */
        {INT64_C(1772953200000), -14400}, /* 2026-03-08 07:00 UTC */
        {INT64_C(1793512800000), -18000}, /* 2026-11-01 06:00 UTC */
        {INT64_C(1805007600000), -14400}, /* 2027-03-14 07:00 UTC */
        {INT64_C(1825567200000), -18000}, /* 2027-11-07 06:00 UTC */
    };
    static const struct calendar calendar = {
        .transitions = transitions,
        .transition_count = sizeof transitions / sizeof *transitions,
        .first_offset_s = -14400,
        .week = {{{480, 1020}}, {{480, 1020}}, {{480, 1020}}, {{480, 1020}}, {{480, 1020}}},
    };
    return &calendar;
}
