/* See calendar.h. Everything is derived from two lookups, the offset in force at an instant and the stretches of
 * working hours of a local day, both as intervals of instants: a stretch that begins before a change of the clock
 * and ends after it is as long as it really was.
 *
 *     instant  --offset_at-->  local ms  --floor-->  day, ms of the day
 *     day, minute  --instant_of_local-->  instant (gap: moved forward; twice: the first)
 */
#include "core/calendar.h"

enum {
    HORIZON_DAYS = 36600,     /* no search looks further than a hundred years */
    OFFSET_MAX_S = 24 * 3600, /* no zone is further from UTC */
};

/* Year 9999. Later instants are read as this one, so that no arithmetic on days overflows. */
static const int64_t instant_max_ms = INT64_C(253402300799999);

static int64_t clamp(int64_t at_ms)
{
    if (at_ms > instant_max_ms) return instant_max_ms;
    return at_ms < -instant_max_ms ? -instant_max_ms : at_ms;
}

static int64_t floor_div(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

/* --- zone ------------------------------------------------------------------------------------------------ */

/* How many transitions are at or before this instant. */
static size_t transitions_until(const struct calendar *c, int64_t at_ms)
{
    size_t low = 0, high = c->transition_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->transitions[middle].at_ms <= at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The offset after the first n transitions. */
static int64_t offset_ms_after(const struct calendar *c, size_t n)
{
    return (int64_t)(n ? c->transitions[n - 1].offset_s : c->first_offset_s) * 1000;
}

static int64_t local_of(const struct calendar *c, int64_t at_ms)
{
    at_ms = clamp(at_ms);
    return at_ms + offset_ms_after(c, transitions_until(c, at_ms));
}

/* Walks the periods of constant offset around the local time. The first in which it exists is the answer; when a
 * period ends before it and the next begins after it, it lies in the gap, and the offset before the gap moves it
 * forward by the gap's length. */
static int64_t instant_of_local(const struct calendar *c, int64_t local_ms)
{
    size_t n = transitions_until(c, local_ms - OFFSET_MAX_S * INT64_C(1000));
    int64_t at_ms = local_ms - offset_ms_after(c, n);
    for (; n < c->transition_count && at_ms >= c->transitions[n].at_ms; n++) {
        int64_t later_ms = local_ms - offset_ms_after(c, n + 1);
        if (later_ms < c->transitions[n].at_ms) return at_ms;
        at_ms = later_ms;
    }
    return at_ms;
}

static int64_t local_midnight(int64_t day)
{
    return day * MS_PER_DAY;
}

int32_t calendar_local_day(const struct calendar *c, int64_t at_ms)
{
    return (int32_t)floor_div(local_of(c, at_ms), MS_PER_DAY);
}

static int64_t local_ms_of_day(const struct calendar *c, int64_t at_ms)
{
    int64_t local_ms = local_of(c, at_ms);
    return local_ms - floor_div(local_ms, MS_PER_DAY) * MS_PER_DAY;
}

int32_t calendar_local_minute(const struct calendar *c, int64_t at_ms)
{
    return (int32_t)(local_ms_of_day(c, at_ms) / MS_PER_MINUTE);
}

int64_t calendar_instant(const struct calendar *c, int32_t day, int32_t minute)
{
    return instant_of_local(c, local_midnight(day) + minute * MS_PER_MINUTE);
}

int64_t calendar_add_days(const struct calendar *c, int64_t at_ms, int32_t days)
{
    if (days == 0) return at_ms; /* also in the second of two equal hours */
    return instant_of_local(c, local_of(c, at_ms) + local_midnight(days));
}

/* --- validity -------------------------------------------------------------------------------------------- */

static bool is_unused(struct opening o)
{
    return o.open_minute == 0 && o.close_minute == 0;
}

static size_t openings_of(const struct opening day[CALENDAR_OPENINGS_PER_DAY])
{
    size_t count = 0;
    while (count < CALENDAR_OPENINGS_PER_DAY && !is_unused(day[count])) count++;
    return count;
}

static bool is_valid_day(const struct opening day[CALENDAR_OPENINGS_PER_DAY])
{
    size_t count = openings_of(day);
    for (size_t i = 0; i < CALENDAR_OPENINGS_PER_DAY; i++) {
        if (i >= count && !is_unused(day[i])) return false;
        if (i < count && (day[i].open_minute >= day[i].close_minute || day[i].close_minute > 1440)) return false;
        if (i > 0 && i < count && day[i].open_minute < day[i - 1].close_minute) return false;
    }
    return true;
}

static bool is_valid_zone(const struct calendar *c)
{
    bool is_valid = c->first_offset_s >= -OFFSET_MAX_S && c->first_offset_s <= OFFSET_MAX_S;
    for (size_t i = 0; i < c->transition_count; i++) {
        struct zone_transition t = c->transitions[i];
        is_valid &= t.offset_s >= -OFFSET_MAX_S && t.offset_s <= OFFSET_MAX_S;
        is_valid &= i == 0 || c->transitions[i - 1].at_ms < t.at_ms;
    }
    return is_valid;
}

bool calendar_is_valid(const struct calendar *c)
{
    size_t openings = 0;
    for (size_t weekday = 0; weekday < 7; weekday++) {
        if (!is_valid_day(c->week[weekday])) return false;
        openings += openings_of(c->week[weekday]);
    }
    for (size_t i = 1; i < c->holiday_count; i++)
        if (c->holidays[i - 1] >= c->holidays[i]) return false;
    return openings > 0 && is_valid_zone(c);
}

/* --- working hours --------------------------------------------------------------------------------------- */

static bool is_holiday(const struct calendar *c, int32_t day)
{
    size_t low = 0, high = c->holiday_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->holidays[middle] == day) return true;
        if (c->holidays[middle] < day)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool calendar_is_working_day(const struct calendar *c, int32_t day)
{
    return !is_unused(c->week[date_weekday(day)][0]) && !is_holiday(c, day);
}

static size_t stretches_of_day(const struct calendar *c, int32_t day)
{
    return calendar_is_working_day(c, day) ? openings_of(c->week[date_weekday(day)]) : 0;
}

struct stretch { /* of working hours: [from, to) */
    int64_t from_ms, to_ms;
    int32_t day, open_minute;
};

static struct stretch stretch_at(const struct calendar *c, int32_t day, size_t i)
{
    struct opening o = c->week[date_weekday(day)][i];
    return (struct stretch){calendar_instant(c, day, o.open_minute), calendar_instant(c, day, o.close_minute), day,
                            o.open_minute};
}

/* The first stretch that ends after at_ms. It starts a day early, since a change of the clock at midnight can
 * move the end of yesterday into today. Without one within the horizon: empty, at at_ms. */
static struct stretch next_stretch(const struct calendar *c, int64_t at_ms)
{
    int32_t today = calendar_local_day(c, at_ms);
    for (int32_t day = today - 1; day < today + HORIZON_DAYS; day++) {
        size_t count = stretches_of_day(c, day);
        for (size_t i = 0; i < count; i++) {
            struct stretch s = stretch_at(c, day, i);
            if (s.to_ms > at_ms && s.from_ms < s.to_ms) return s;
        }
    }
    return (struct stretch){at_ms, at_ms, today, calendar_local_minute(c, at_ms)};
}

bool calendar_is_open(const struct calendar *c, int64_t at_ms)
{
    struct stretch s = next_stretch(c, at_ms);
    return s.from_ms <= at_ms && at_ms < s.to_ms;
}

int64_t calendar_next_opening(const struct calendar *c, int64_t at_ms)
{
    struct stretch s = next_stretch(c, at_ms);
    return s.from_ms > at_ms ? s.from_ms : at_ms;
}

int64_t calendar_closing(const struct calendar *c, int64_t at_ms)
{
    int32_t today = calendar_local_day(c, at_ms);
    for (int32_t day = today; day < today + HORIZON_DAYS; day++) {
        size_t count = stretches_of_day(c, day);
        if (!count) continue;
        int64_t closing_ms = stretch_at(c, day, count - 1).to_ms;
        if (closing_ms > at_ms) return closing_ms;
    }
    return at_ms;
}

static int32_t add_working_days(const struct calendar *c, int32_t day, int32_t days)
{
    int32_t horizon = day + HORIZON_DAYS;
    while (days > 0 && day < horizon) days -= calendar_is_working_day(c, ++day);
    return day;
}

static int32_t take_working_days(const struct calendar *c, int32_t day, int32_t days)
{
    int32_t horizon = day - HORIZON_DAYS;
    while (days > 0 && day > horizon) days -= calendar_is_working_day(c, --day);
    return day;
}

/* The last day whose working hours have begun before at_ms. */
static int32_t last_opened_day(const struct calendar *c, int64_t at_ms)
{
    int32_t today = calendar_local_day(c, at_ms);
    bool has_opened = calendar_is_working_day(c, today) && stretch_at(c, today, 0).from_ms < at_ms;
    return has_opened ? today : take_working_days(c, today, 1);
}

static int64_t take_business_days(const struct calendar *c, int64_t at_ms, int32_t days)
{
    if (calendar_is_open(c, at_ms)) {
        int32_t day = take_working_days(c, calendar_local_day(c, at_ms), days);
        return instant_of_local(c, local_midnight(day) + local_ms_of_day(c, at_ms));
    }
    int32_t day = take_working_days(c, last_opened_day(c, at_ms), days - 1);
    return stretches_of_day(c, day) ? stretch_at(c, day, 0).from_ms : at_ms;
}

int64_t calendar_add_business_days(const struct calendar *c, int64_t at_ms, int32_t days)
{
    if (days < 0) return take_business_days(c, at_ms, days < -HORIZON_DAYS ? HORIZON_DAYS : -days);
    struct stretch s = next_stretch(c, at_ms);
    if (s.from_ms <= at_ms) {
        if (days <= 0) return at_ms;
        int32_t day = add_working_days(c, calendar_local_day(c, at_ms), days);
        return instant_of_local(c, local_midnight(day) + local_ms_of_day(c, at_ms));
    }
    return calendar_instant(c, add_working_days(c, s.day, days), s.open_minute);
}

int64_t calendar_add_business_minutes(const struct calendar *c, int64_t at_ms, int64_t minutes)
{
    const int64_t most = HORIZON_DAYS * INT64_C(1440);
    int64_t left_ms = (minutes > most ? most : minutes < 0 ? 0 : minutes) * MS_PER_MINUTE;
    for (int32_t i = 0; i < HORIZON_DAYS; i++) { /* a stretch a round */
        struct stretch s = next_stretch(c, at_ms);
        int64_t from_ms = s.from_ms > at_ms ? s.from_ms : at_ms;
        if (s.from_ms == s.to_ms) break; /* the horizon */
        if (left_ms <= s.to_ms - from_ms) return from_ms + left_ms;
        left_ms -= s.to_ms - from_ms;
        at_ms = s.to_ms;
    }
    return at_ms;
}

int64_t calendar_business_minutes(const struct calendar *c, int64_t from_ms, int64_t to_ms)
{
    int64_t open_ms = 0;
    for (int32_t i = 0; i < HORIZON_DAYS && from_ms < to_ms; i++) { /* a stretch a round */
        struct stretch s = next_stretch(c, from_ms);
        int64_t begin_ms = s.from_ms > from_ms ? s.from_ms : from_ms, end_ms = s.to_ms < to_ms ? s.to_ms : to_ms;
        if (s.from_ms == s.to_ms || begin_ms >= to_ms) break; /* the horizon, or after */
        open_ms += end_ms - begin_ms;
        from_ms = s.to_ms;
    }
    return open_ms / MS_PER_MINUTE;
}

/* --- dates ----------------------------------------------------------------------------------------------- */

static bool is_leap_year(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool date_is_valid(uint32_t yyyymmdd)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year = yyyymmdd / 10000, month = yyyymmdd / 100 % 100, day = yyyymmdd % 100;
    if (year < 1 || year > 9999 || month < 1 || month > 12) return false;
    return day >= 1 && day <= days[month - 1] + (uint32_t)(month == 2 && is_leap_year(year));
}

/* The year is taken to begin in March, so that the leap day is its last: then a month's first day is a linear
 * function of the month, and 400 years are 146,097 days. */
enum { DAYS_PER_400_YEARS = 146097, EPOCH_AFTER_0000_03_01 = 719468 };

int32_t date_to_day(uint32_t yyyymmdd)
{
    int32_t month = (int32_t)(yyyymmdd / 100 % 100), day = (int32_t)(yyyymmdd % 100);
    int32_t year = (int32_t)(yyyymmdd / 10000) - (month <= 2);
    int32_t month_from_march = (month + 9) % 12;
    int32_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - EPOCH_AFTER_0000_03_01;
}

uint32_t date_from_day(int32_t day)
{
    int64_t since = (int64_t)day + EPOCH_AFTER_0000_03_01;
    int64_t era = floor_div(since, DAYS_PER_400_YEARS);
    int64_t day_of_era = since - era * DAYS_PER_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_PER_400_YEARS - 1)) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    int64_t day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    return (uint32_t)(year * 10000 + month * 100 + day_of_month);
}

int32_t date_weekday(int32_t day)
{
    return (int32_t)((day % 7 + 10) % 7); /* day 0 was a Thursday */
}

int32_t date_age(uint32_t born_yyyymmdd, int32_t day)
{
    uint32_t today = date_from_day(day);
    int32_t years = (int32_t)(today / 10000) - (int32_t)(born_yyyymmdd / 10000);
    return years - (today % 10000 < born_yyyymmdd % 10000);
}
