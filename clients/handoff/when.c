/* Times as people write and read them. The zone is the process's (TZ), set once at the start: nothing here
 * keeps state. Refuses what does not exist: February 30th, or 02:30 in the night that clocks go forward. */
#include "when.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEAST_MS_DIGITS 11 /* fewer are a date or a slip, not milliseconds of this century */

bool when_set_zone(const char *name)
{
    char path[PATH_MAX];
    const char *folder = getenv("TZDIR") ? getenv("TZDIR") : "/usr/share/zoneinfo";
    if (!*name || *name == '/' || strstr(name, "..")) return false;
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof path || access(path, R_OK)) return false;
    if (setenv("TZ", name, 1)) return false;
    tzset();
    return true;
}

/* Exactly `count` digits at *at, which moves on. */
static bool take_digits(const char **at, int count, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!isdigit((unsigned char)**at)) return false;
        value = value * 10 + (**at - '0');
    }
    *ret_value = value;
    return true;
}

static bool take(const char **at, char c)
{
    if (**at != c) return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, struct tm *tm)
{
    int year = 0, month = 0, day = 0;
    bool is_date = take_digits(at, 4, &year) && take(at, '-') && take_digits(at, 2, &month) &&
                   take(at, '-') && take_digits(at, 2, &day);
    if (!is_date || year < 1900 || month < 1 || month > 12 || day < 1) return false;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
    tm->tm_mday = day;
    struct tm whole = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = day};
    timegm(&whole);
    return whole.tm_mday == day; /* otherwise it ran over into the next month */
}

static bool take_time(const char **at, struct tm *tm, int *ret_ms)
{
    if (!take_digits(at, 2, &tm->tm_hour) || !take(at, ':') || !take_digits(at, 2, &tm->tm_min)) return false;
    if (take(at, ':') && !take_digits(at, 2, &tm->tm_sec)) return false;
    int ms = 0, scale = 100;
    if (take(at, '.')) {
        if (!isdigit((unsigned char)**at)) return false;
        for (; isdigit((unsigned char)**at); (*at)++, scale /= 10) ms += (**at - '0') * scale;
    }
    *ret_ms = ms;
    return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/* "Z" or "+05:30"; false if there is none. */
static bool take_offset(const char **at, int *ret_seconds)
{
    int hours = 0, minutes = 0;
    if (take(at, 'Z') || take(at, 'z')) {
        *ret_seconds = 0;
        return true;
    }
    bool is_west = **at == '-';
    if (!take(at, '+') && !take(at, '-')) return false;
    if (!take_digits(at, 2, &hours)) return false;
    take(at, ':');
    if (!take_digits(at, 2, &minutes) || hours > 23 || minutes > 59) return false;
    *ret_seconds = (is_west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool local_seconds(const struct tm *wanted, time_t *ret_seconds)
{
    struct tm tm = *wanted, back;
    tm.tm_isdst = -1;
    time_t seconds = mktime(&tm);
    if (!localtime_r(&seconds, &back)) return false;
    if (back.tm_hour != wanted->tm_hour || back.tm_min != wanted->tm_min || back.tm_mday != wanted->tm_mday)
        return false;
    *ret_seconds = seconds;
    return true;
}

static bool parse_ms(const char *text, int64_t *ret_ms)
{
    size_t len = strlen(text);
    if (len < LEAST_MS_DIGITS || strspn(text, "0123456789") != len) return false;
    errno = 0;
    long long ms = strtoll(text, NULL, 10);
    if (errno) return false;
    *ret_ms = ms;
    return true;
}

bool when_parse(const char *text, int64_t *ret_ms)
{
    if (parse_ms(text, ret_ms)) return true;
    struct tm tm = {0};
    int ms = 0, offset_s = 0;
    bool is_offset = false;
    const char *at = text;
    if (!take_date(&at, &tm)) return false;
    if (*at) {
        if (!take(&at, 'T') && !take(&at, 't') && !take(&at, ' ')) return false;
        if (!take_time(&at, &tm, &ms)) return false;
        if (*at) {
            is_offset = take_offset(&at, &offset_s);
            if (!is_offset || *at) return false;
        }
    }
    time_t seconds = 0;
    if (is_offset) {
        seconds = timegm(&tm) - offset_s;
    } else if (!local_seconds(&tm, &seconds)) {
        return false;
    }
    *ret_ms = (int64_t)seconds * 1000 + ms;
    return true;
}

static bool local_time(int64_t ms, struct tm *ret_tm)
{
    time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
    return ms && localtime_r(&seconds, ret_tm);
}

const char *when_format(int64_t ms, char text[WHEN_TEXT_BYTES])
{
    struct tm tm;
    text[0] = 0;
    if (local_time(ms, &tm)) strftime(text, WHEN_TEXT_BYTES, "%a %Y-%m-%d %H:%M", &tm);
    return text;
}

const char *when_format_zone(int64_t ms, char text[WHEN_TEXT_BYTES])
{
    struct tm tm;
    text[0] = 0;
    if (local_time(ms, &tm)) strftime(text, WHEN_TEXT_BYTES, "%a %Y-%m-%d %H:%M %Z", &tm);
    return text;
}

bool when_parse_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},      {"min", 60000},      {"s", 1000},
                 {"h", 3600000}, {"d", 24 * 3600000}, {"w", 7 * 24 * 3600000LL}};
    int64_t total_ms = 0;
    if (!*text) return false;
    while (*text) {
        char *end;
        errno = 0;
        long long count = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
        if (errno || count < 0 || count > 1000000000) return false;
        size_t i = 0, unit_count = sizeof units / sizeof *units;
        while (i < unit_count && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0) i++;
        if (i == unit_count) return false;
        total_ms += count * units[i].ms;
        if (total_ms > 1000LL * 366 * 24 * 3600000) return false; /* a thousand years */
        text = end + strlen(units[i].unit);
    }
    *ret_ms = total_ms;
    return true;
}

bool when_parse_date(const char *text, uint32_t *ret_date)
{
    char dashed[11];
    if (strlen(text) == 8 && strspn(text, "0123456789") == 8) {
        snprintf(dashed, sizeof dashed, "%.4s-%.2s-%.2s", text, text + 4, text + 6);
        text = dashed;
    }
    struct tm tm = {0};
    const char *at = text;
    if (!take_date(&at, &tm) || *at) return false;
    *ret_date = (uint32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday);
    return true;
}

bool when_parse_minute(const char *text, uint32_t *ret_minute)
{
    const char *at = text;
    int hours = 0, minutes = 0;
    if (take_digits(&at, 2, &hours) && take(&at, ':') && take_digits(&at, 2, &minutes) && !*at) {
        if (minutes > 59 || hours * 60 + minutes > 24 * 60) return false;
        *ret_minute = (uint32_t)(hours * 60 + minutes);
        return true;
    }
    size_t len = strlen(text);
    if (!len || len > 4 || strspn(text, "0123456789") != len) return false;
    *ret_minute = (uint32_t)atoi(text);
    return *ret_minute <= 24 * 60;
}

const char *when_format_duration(int64_t ms, char text[WHEN_TEXT_BYTES])
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    *text = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units && !*text; i++) {
        if (ms >= units[i].ms) snprintf(text, WHEN_TEXT_BYTES, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
    }
    return text;
}
