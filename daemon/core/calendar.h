/* The business calendar: a site's time zone, weekly hours and holidays as one immutable value.
 *
 * Pure: it reads no clock and no zone file. The transitions of the zone are given (they are journaled with the
 * rules), so a time computed today is computed the same tomorrow on another machine.
 *
 * Times are UTC milliseconds since 1970 (`_ms`). Local dates are days since 1970-01-01 (`_day`), local times of
 * day minutes since midnight (`_minute`). Daylight saving: a local time that does not exist is moved forward by
 * the gap; one that exists twice means the first.
 *
 * Business time: n business days from a moment inside working hours is the same local
 * minute n working days later; from outside hours it is n working days after the next opening. Back, n business days
 * before a moment inside working hours is the same local minute n working days earlier; from outside hours it is the
 * opening of the n-th working day back, counting the one that closed last as the first. Business hours count open
 * minutes only. A due time is never rounded to a day. */
#ifndef HANDOFF_CORE_CALENDAR_H
#define HANDOFF_CORE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY INT64_C(86400000)

struct zone_transition {
    int64_t at_ms;      /* from this instant on ... */
    int32_t offset_s;   /* ... local = UTC + offset */
};

struct opening { /* one stretch of working hours within a day; close may be 1440 */
    uint16_t open_minute, close_minute;
};

enum { CALENDAR_OPENINGS_PER_DAY = 4 };

struct calendar {
    const struct zone_transition *transitions; /* ascending; before the first, first_offset_s holds */
    size_t transition_count;
    int32_t first_offset_s;
    struct opening week[7][CALENDAR_OPENINGS_PER_DAY]; /* 0 = Monday; unused: open == close == 0; ascending */
    const int32_t *holidays; /* local days, ascending */
    size_t holiday_count;
};

/* At least one opening in the week, stretches ascending and inside the day. Everything below requires it. */
bool calendar_is_valid(const struct calendar *c);

int32_t calendar_local_day(const struct calendar *c, int64_t at_ms);
int32_t calendar_local_minute(const struct calendar *c, int64_t at_ms);
/* The instant at which this local day and minute begin (minute may be 1440: the next midnight). */
int64_t calendar_instant(const struct calendar *c, int32_t day, int32_t minute);

bool calendar_is_working_day(const struct calendar *c, int32_t day);
bool calendar_is_open(const struct calendar *c, int64_t at_ms);
/* at_ms itself when open then, else the next opening. */
int64_t calendar_next_opening(const struct calendar *c, int64_t at_ms);
/* The end of working hours of the day of at_ms if that is a working day not yet over, else of the next working day. */
int64_t calendar_closing(const struct calendar *c, int64_t at_ms);

/* Negative: back. */
int64_t calendar_add_business_days(const struct calendar *c, int64_t at_ms, int32_t days);
int64_t calendar_add_business_minutes(const struct calendar *c, int64_t at_ms, int64_t minutes);
/* How many open minutes lie between the two; 0 when they are not in order. */
int64_t calendar_business_minutes(const struct calendar *c, int64_t from_ms, int64_t to_ms);
/* The same local time of day n calendar days later. */
int64_t calendar_add_days(const struct calendar *c, int64_t at_ms, int32_t days);

/* Proleptic Gregorian, for dates without a zone. yyyymmdd as in 20260228. */
bool date_is_valid(uint32_t yyyymmdd);
int32_t date_to_day(uint32_t yyyymmdd);
uint32_t date_from_day(int32_t day);
/* 0 = Monday */
int32_t date_weekday(int32_t day);
/* Full years of someone born on that date, on that local day. Born on 29 February: a year older on 1 March
 * of a common year. Negative when not yet born. */
int32_t date_age(uint32_t born_yyyymmdd, int32_t day);

#endif
