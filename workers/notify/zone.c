/* See zone.h. */
#include "notify/zone.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHANGES_MAX = 512, DAY_S = 24 * 3600 };
static const int64_t first_s = 946684800, last_s = 4102444800; /* 2000 and 2100 */

struct zone {
    size_t count;
    struct change {
        int64_t from_s;
        long offset_s;
    } changes[CHANGES_MAX];
};

static bool is_known(const char *name)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    char path[300];
    size_t len = strlen(name);
    if (!len || strspn(name, legal) != len || name[0] == '/') return false;
    int bytes = snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    struct stat found;
    return bytes < (int)sizeof path && !stat(path, &found) && S_ISREG(found.st_mode);
}

static long offset_at(int64_t at_s)
{
    time_t seconds = (time_t)at_s;
    struct tm tm;
    return localtime_r(&seconds, &tm) ? tm.tm_gmtoff : 0;
}

/* The first second of the new offset, between one that has the old and one that has it not. */
static int64_t change_between(int64_t before_s, int64_t after_s)
{
    long old = offset_at(before_s);
    while (after_s - before_s > 1) {
        int64_t middle_s = before_s + (after_s - before_s) / 2;
        if (offset_at(middle_s) == old) {
            before_s = middle_s;
        } else {
            after_s = middle_s;
        }
    }
    return after_s;
}

static void read_changes(struct zone *zone)
{
    zone->changes[zone->count++] = (struct change){first_s, offset_at(first_s)};
    for (int64_t day_s = first_s; day_s < last_s && zone->count < CHANGES_MAX; day_s += DAY_S) {
        long offset_s = offset_at(day_s + DAY_S);
        if (offset_s == offset_at(day_s)) continue;
        zone->changes[zone->count++] = (struct change){change_between(day_s, day_s + DAY_S), offset_s};
    }
}

int zone_load(const char *name, struct zone **ret_zone)
{
    if (!is_known(name)) return -1;
    struct zone *zone = calloc(1, sizeof *zone);
    const char *tz = getenv("TZ");
    char *before = tz ? strdup(tz) : NULL;
    if (!zone || (tz && !before) || setenv("TZ", name, 1)) {
        free(zone);
        free(before);
        return -1;
    }
    tzset();
    read_changes(zone);
    if (before) {
        setenv("TZ", before, 1);
    } else {
        unsetenv("TZ");
    }
    tzset();
    free(before);
    *ret_zone = zone;
    return 0;
}

void zone_free(struct zone **zone)
{
    free(*zone);
    *zone = NULL;
}

struct tm zone_local(const struct zone *zone, int64_t at_ms)
{
    int64_t at_s = at_ms >= 0 ? at_ms / 1000 : (at_ms - 999) / 1000;
    size_t at = zone->count - 1;
    while (at && zone->changes[at].from_s > at_s) at--;
    time_t local_s = (time_t)(at_s + zone->changes[at].offset_s);
    struct tm tm = {0};
    gmtime_r(&local_s, &tm);
    return tm;
}
