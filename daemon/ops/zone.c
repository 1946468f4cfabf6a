/* See zone.h, RFC 8536 (TZif) and POSIX 8.3 (TZ). A file is input: every length is checked before it is used. */
#include "ops/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

enum {
    FILE_MAX_BYTES = 64 * 1024, /* the largest in the database has 4 KiB */
    NAME_MAX_BYTES = 64,
    FOOTER_MAX_BYTES = 128,
    HEADER_BYTES = 44,
    OFFSET_MAX_S = 24 * 3600,
};

const char *zone_error(int code)
{
    switch (code) {
    case ZONE_E_NAME: return "this is not the name of a time zone, such as America/New_York";
    case ZONE_E_UNKNOWN: return "there is no such time zone in the system's database";
    case ZONE_E_FORMAT: return "the file of this time zone is damaged or of version 1";
    case ZONE_E_MEMORY: return "there is not enough memory";
    default: return "the time zone cannot be read";
    }
}

void zone_free(struct zone *zone)
{
    free(zone->transitions);
    *zone = (struct zone){0};
}

/* --- the POSIX footer: EST5EDT,M3.2.0,M11.1.0 ------------------------------------------------------------ */

struct rule_date { /* when within a year, and at which local second of that day (may be outside it) */
    enum { JULIAN_NO_LEAP_DAY, DAY_OF_YEAR, MONTH_WEEK_DAY } kind;
    int month, week, day;
    int32_t at_s;
};

struct footer {
    int32_t standard_s, daylight_s;
    bool has_daylight;
    struct rule_date start, end; /* of daylight saving */
};

static bool take(const char **at, char expected)
{
    if (**at != expected) return false;
    (*at)++;
    return true;
}

static bool take_number(const char **at, int min, int max, int *ret)
{
    int value = 0, digits = 0;
    for (; isdigit((unsigned char)**at) && digits < 4; digits++) value = value * 10 + *(*at)++ - '0';
    if (!digits || value < min || value > max) return false;
    *ret = value;
    return true;
}

static bool take_name(const char **at)
{
    const char *from = *at;
    if (take(at, '<')) {
        *at += strcspn(*at, ">");
        return take(at, '>');
    }
    while (isalpha((unsigned char)**at)) (*at)++;
    return *at - from >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int max_hours, int32_t *ret_s)
{
    bool is_negative = take(at, '-');
    if (!is_negative) take(at, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(at, 0, max_hours, &hours)) return false;
    if (take(at, ':') && !take_number(at, 0, 59, &minutes)) return false;
    if (take(at, ':') && !take_number(at, 0, 59, &seconds)) return false;
    int32_t value = hours * 3600 + minutes * 60 + seconds;
    *ret_s = is_negative ? -value : value;
    return true;
}

static bool take_month_week_day(const char **at, struct rule_date *date)
{
    date->kind = MONTH_WEEK_DAY;
    return take_number(at, 1, 12, &date->month) && take(at, '.') && take_number(at, 1, 5, &date->week) &&
           take(at, '.') && take_number(at, 0, 6, &date->day);
}

static bool take_rule_date(const char **at, struct rule_date *date)
{
    bool is_read;
    if (!take(at, ',')) return false;
    if (take(at, 'M')) {
        is_read = take_month_week_day(at, date);
    } else {
        date->kind = take(at, 'J') ? JULIAN_NO_LEAP_DAY : DAY_OF_YEAR;
        is_read = take_number(at, date->kind == JULIAN_NO_LEAP_DAY, 365, &date->day);
    }
    date->at_s = 2 * 3600;
    return is_read && (!take(at, '/') || take_time(at, 167, &date->at_s));
}

/* POSIX writes offsets as what to add to local time, the rest of the world the other way round. */
static bool take_offset(const char **at, int32_t *ret_offset_s)
{
    int32_t west_s;
    if (!take_time(at, 24, &west_s)) return false;
    *ret_offset_s = -west_s;
    return true;
}

static bool parse_footer(const char *at, struct footer *footer)
{
    *footer = (struct footer){0};
    if (!take_name(&at) || !take_offset(&at, &footer->standard_s)) return false;
    if (!*at) return true;
    footer->has_daylight = true;
    footer->daylight_s = footer->standard_s + 3600;
    if (!take_name(&at)) return false;
    if (*at != ',' && !take_offset(&at, &footer->daylight_s)) return false;
    return take_rule_date(&at, &footer->start) && take_rule_date(&at, &footer->end) && !*at;
}

static int32_t first_of(int year, int month)
{
    return date_to_day((uint32_t)(year * 10000 + month * 100 + 1));
}

/* day 0 is a Sunday here; week 5 means the last. */
static int32_t day_of_month_week(int year, const struct rule_date *date)
{
    int32_t first = first_of(year, date->month);
    int32_t next = date->month == 12 ? first_of(year + 1, 1) : first_of(year, date->month + 1);
    int32_t weekday_of_first = (date_weekday(first) + 1) % 7;
    int32_t day = first + (date->day - weekday_of_first + 7) % 7 + (date->week - 1) * 7;
    return day < next ? day : day - 7;
}

static int32_t day_of_rule(int year, const struct rule_date *date)
{
    int32_t january = first_of(year, 1);
    bool is_leap = first_of(year + 1, 1) - january == 366;
    if (date->kind == MONTH_WEEK_DAY) return day_of_month_week(year, date);
    if (date->kind == DAY_OF_YEAR) return january + date->day;
    return january + date->day - 1 + (is_leap && date->day >= 60);
}

static int64_t instant_of_rule(int year, const struct rule_date *date, int32_t offset_before_s)
{
    return day_of_rule(year, date) * MS_PER_DAY + (int64_t)(date->at_s - offset_before_s) * 1000;
}

/* --- collecting ------------------------------------------------------------------------------------------ */

/* Transitions in their order; the array has room for all that the file lists and all that a footer can add. */
struct collection {
    struct zone_transition *list;
    size_t count, capacity;
};

static void collect(struct collection *c, int64_t at_ms, int32_t offset_s)
{
    bool is_same_moment = c->count && c->list[c->count - 1].at_ms >= at_ms;
    if (is_same_moment)
        c->list[c->count - 1].offset_s = offset_s;
    else if (c->count < c->capacity)
        c->list[c->count++] = (struct zone_transition){at_ms, offset_s};
}

static int year_of(int64_t at_ms)
{
    return (int)(date_from_day((int32_t)(at_ms / MS_PER_DAY)) / 10000);
}

static void collect_year(struct collection *c, const struct footer *f, int year, int64_t after_ms)
{
    struct zone_transition start = {instant_of_rule(year, &f->start, f->standard_s), f->daylight_s};
    struct zone_transition end = {instant_of_rule(year, &f->end, f->daylight_s), f->standard_s};
    bool is_northern = start.at_ms < end.at_ms;
    struct zone_transition pair[] = {is_northern ? start : end, is_northern ? end : start};
    for (size_t i = 0; i < 2; i++)
        if (pair[i].at_ms > after_ms) collect(c, pair[i].at_ms, pair[i].offset_s);
}

/* From the year of the last listed transition on; but no earlier than needed to know how 2000 began. */
static void collect_footer(struct collection *c, const struct footer *f)
{
    int64_t last_ms = c->count ? c->list[c->count - 1].at_ms : INT64_MIN;
    int year = c->count && last_ms > 0 ? year_of(last_ms) : 0;
    if (!f->has_daylight) return;
    if (year < ZONE_FIRST_YEAR - 1) year = ZONE_FIRST_YEAR - 1;
    for (; year <= ZONE_LAST_YEAR; year++) collect_year(c, f, year, last_ms);
}

/* Cuts to the years promised and leaves out what changes nothing but a name. */
static void trim(struct collection *c, struct zone *zone)
{
    int64_t from_ms = first_of(ZONE_FIRST_YEAR, 1) * MS_PER_DAY, to_ms = first_of(ZONE_LAST_YEAR + 1, 1) * MS_PER_DAY;
    int32_t offset_s = zone->first_offset_s;
    size_t kept = 0;
    for (size_t i = 0; i < c->count && c->list[i].at_ms < to_ms; i++) {
        struct zone_transition t = c->list[i];
        if (t.at_ms >= from_ms && t.offset_s != offset_s) c->list[kept++] = t;
        offset_s = t.offset_s;
        if (t.at_ms < from_ms) zone->first_offset_s = offset_s;
    }
    zone->transitions = c->list;
    zone->transition_count = kept;
}

/* --- the file -------------------------------------------------------------------------------------------- */

struct header {
    uint32_t is_ut_count, is_standard_count, leap_count, time_count, type_count, name_bytes;
};

static uint32_t load_be32(const uint8_t *at)
{
    return __builtin_bswap32(load_u32(at));
}

static bool take_bytes(struct bytes *rest, size_t bytes, const uint8_t **ret)
{
    if (rest->len < bytes) return false;
    *ret = rest->data;
    rest->data += bytes;
    rest->len -= bytes;
    return true;
}

static bool take_header(struct bytes *rest, struct header *h)
{
    const uint8_t *at;
    if (!take_bytes(rest, HEADER_BYTES, &at) || memcmp(at, "TZif", 4) != 0 || at[4] < '2') return false;
    *h = (struct header){load_be32(at + 20), load_be32(at + 24), load_be32(at + 28),
                         load_be32(at + 32), load_be32(at + 36), load_be32(at + 40)};
    const uint32_t counts[] = {h->is_ut_count, h->is_standard_count, h->leap_count,
                               h->time_count,  h->type_count,        h->name_bytes};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] > FILE_MAX_BYTES) return false;
    return true;
}

static bool skip_version_1(struct bytes *rest)
{
    struct header h;
    const uint8_t *skipped;
    if (!take_header(rest, &h)) return false;
    size_t bytes = h.time_count * 5 + h.type_count * 6 + h.name_bytes + h.leap_count * 8 + h.is_standard_count +
                   h.is_ut_count;
    return take_bytes(rest, bytes, &skipped);
}

struct body { /* of version 2 */
    struct header header;
    const uint8_t *times, *type_of_time, *types;
    char footer[FOOTER_MAX_BYTES];
};

static bool take_footer(struct bytes *rest, char footer[FOOTER_MAX_BYTES])
{
    const uint8_t *end = rest->len > 1 && rest->data[0] == '\n' ? memchr(rest->data + 1, '\n', rest->len - 1) : NULL;
    size_t bytes = end ? (size_t)(end - rest->data - 1) : FOOTER_MAX_BYTES;
    if (bytes >= FOOTER_MAX_BYTES) return false;
    memcpy(footer, rest->data + 1, bytes);
    footer[bytes] = 0;
    return true;
}

static bool take_body(struct bytes *rest, struct body *body)
{
    const uint8_t *skipped;
    struct header *h = &body->header;
    return take_header(rest, h) && h->type_count > 0 && take_bytes(rest, h->time_count * 8, &body->times) &&
           take_bytes(rest, h->time_count, &body->type_of_time) && take_bytes(rest, h->type_count * 6, &body->types) &&
           take_bytes(rest, h->name_bytes + h->leap_count * 12 + h->is_standard_count + h->is_ut_count, &skipped) &&
           take_footer(rest, body->footer);
}

static bool read_offset(const struct body *body, size_t type, int32_t *ret_offset_s)
{
    if (type >= body->header.type_count) return false;
    int32_t offset_s = (int32_t)load_be32(body->types + type * 6);
    if (offset_s < -OFFSET_MAX_S || offset_s > OFFSET_MAX_S) return false;
    *ret_offset_s = offset_s;
    return true;
}

static bool collect_listed(struct collection *c, const struct body *body)
{
    int64_t before_s = INT64_MIN;
    for (size_t i = 0; i < body->header.time_count; i++) {
        int64_t at_s = (int64_t)load_be64(body->times + i * 8);
        int32_t offset_s;
        if ((i && at_s <= before_s) || !read_offset(body, body->type_of_time[i], &offset_s)) return false;
        before_s = at_s;
        if (at_s < -(INT64_C(1) << 36)) at_s = -(INT64_C(1) << 36); /* 'the beginning of time' in some files */
        if (at_s < (INT64_C(1) << 36)) collect(c, at_s * 1000, offset_s);
    }
    return true;
}

static bool collect_all(struct collection *c, const struct body *body, struct zone *zone)
{
    struct footer footer = {0};
    if (!read_offset(body, 0, &zone->first_offset_s) || !collect_listed(c, body)) return false;
    if (body->footer[0] && !parse_footer(body->footer, &footer)) return false;
    collect_footer(c, &footer);
    trim(c, zone);
    return true;
}

int zone_parse(struct bytes file, struct zone *ret_zone)
{
    struct body body;
    struct zone zone = {0};
    if (!skip_version_1(&file) || !take_body(&file, &body)) return ZONE_E_FORMAT;
    struct collection c = {.capacity = body.header.time_count + 2 * (ZONE_LAST_YEAR - ZONE_FIRST_YEAR + 2)};
    c.list = calloc(c.capacity, sizeof *c.list);
    if (!c.list) return ZONE_E_MEMORY;
    if (!collect_all(&c, &body, &zone)) {
        free(c.list);
        return ZONE_E_FORMAT;
    }
    *ret_zone = zone;
    return 0;
}

/* Parts of letters, digits, _, + and -, joined by single slashes: no dot, so no way up. */
static bool is_name(const char *name)
{
    char before = '/';
    size_t i = 0;
    for (; name[i] && i <= NAME_MAX_BYTES; i++) {
        bool is_letter = isalnum((unsigned char)name[i]) || strchr("_+-", name[i]);
        if (!is_letter && (name[i] != '/' || before == '/')) return false;
        before = name[i];
    }
    return i > 0 && i <= NAME_MAX_BYTES && before != '/';
}

int zone_load(const char *directory, const char *name, struct zone *ret_zone)
{
    char path[4096];
    if (!is_name(name)) return ZONE_E_NAME;
    int len = snprintf(path, sizeof path, "%s/%s", directory ? directory : ZONE_DIRECTORY, name);
    FILE *file = len < (int)sizeof path ? fopen(path, "re") : NULL;
    if (!file) return ZONE_E_UNKNOWN;
    uint8_t *data = malloc(FILE_MAX_BYTES);
    size_t bytes = data ? fread(data, 1, FILE_MAX_BYTES, file) : 0;
    bool is_folder = ferror(file) && errno == EISDIR;
    fclose(file);
    int result = !data ? ZONE_E_MEMORY : is_folder ? ZONE_E_UNKNOWN : zone_parse((struct bytes){data, bytes}, ret_zone);
    free(data);
    return result;
}
