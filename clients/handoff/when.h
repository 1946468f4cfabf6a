/* Times as people write and read them, in the command line's time zone. */
#ifndef HANDOFF_WHEN_H
#define HANDOFF_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_TEXT_BYTES 48

/* Sets the process's time zone by its tz name; false if there is none of that name. */
bool when_set_zone(const char *name);
/* Reads "2026-03-05 16:40" (local), "2026-03-05" (local midnight), RFC 3339, or milliseconds since 1970. */
bool when_parse(const char *text, int64_t *ret_ms);
/* Writes "Thu 2026-03-05 16:40", local; nothing for 0. Returns `text`. */
const char *when_format(int64_t ms, char text[WHEN_TEXT_BYTES]);
/* The same with the zone, for a time that stands alone: "Thu 2026-03-05 16:40 EST". */
const char *when_format_zone(int64_t ms, char text[WHEN_TEXT_BYTES]);
/* Reads "3d", "4h", "30min", "2d4h", "90s", "1w"; a day is 24 hours. */
bool when_parse_duration(const char *text, int64_t *ret_ms);
/* Writes "45s", "3min", "2h", "4d": rounded down to its largest unit; nothing for 0. Returns `text`. */
const char *when_format_duration(int64_t ms, char text[WHEN_TEXT_BYTES]);
/* Reads "2018-04-30" or "20180430" as yyyymmdd. */
bool when_parse_date(const char *text, uint32_t *ret_date);
/* Reads "08:30" or "510" as minutes of the day. */
bool when_parse_minute(const char *text, uint32_t *ret_minute);

#endif
