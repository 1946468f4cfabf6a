/* See delay_bounds.h. The months are those of the calendar's holidays, so that a long weekend counts; a calendar
 * without any is measured from January 2026. */
#include "pathway/delay_bounds.h"

#include "core/delay.h"

enum { SAMPLE_DAYS = 425, SAMPLE_FROM = 20260101 };

static void sample(const struct delay *delay, const struct calendar *calendar, int64_t base_ms,
                   struct delay_bounds *bounds)
{
    int64_t ms = delay_resolve(delay, calendar, NULL, base_ms) - base_ms;
    if (ms < bounds->least_ms) bounds->least_ms = ms;
    if (ms > bounds->most_ms) bounds->most_ms = ms;
}

static void sample_day(const struct delay *delay, const struct calendar *calendar, int32_t day,
                       struct delay_bounds *bounds)
{
    int64_t midnight_ms = calendar_instant(calendar, day, 0);
    for (int hour = 0; hour < 24; hour++) sample(delay, calendar, midnight_ms + hour * MS_PER_HOUR, bounds);
    for (int i = 0; i < CALENDAR_OPENINGS_PER_DAY && calendar_is_working_day(calendar, day); i++) {
        struct opening opening = calendar->week[date_weekday(day)][i];
        if (opening.open_minute == opening.close_minute) break;
        int64_t close_ms = calendar_instant(calendar, day, opening.close_minute);
        sample(delay, calendar, calendar_instant(calendar, day, opening.open_minute), bounds);
        sample(delay, calendar, close_ms - MS_PER_MINUTE, bounds);
        sample(delay, calendar, close_ms, bounds);
    }
}

struct delay_bounds delay_bounds(const struct delay *delay, const struct calendar *calendar)
{
    if (delay->op == DELAY_CLOCK) return (struct delay_bounds){delay->amount, delay->amount};
    struct delay_bounds bounds = {INT64_MAX, INT64_MIN};
    int32_t from = calendar->holiday_count ? calendar->holidays[0] - 7 : date_to_day(SAMPLE_FROM);
    for (int32_t day = from; day < from + SAMPLE_DAYS; day++) sample_day(delay, calendar, day, &bounds);
    return bounds;
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
