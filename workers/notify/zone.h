/* A site's time zone: its offsets from UTC as one unchanging value, so that threads may read it while nobody touches
 * TZ. The system's database is read through the C library, which knows it best. */
#ifndef HANDOFF_NOTIFY_ZONE_H
#define HANDOFF_NOTIFY_ZONE_H

#include <stdint.h>
#include <time.h>

struct zone;

/* Sets TZ for a moment: call it before there are threads. -1: no such zone, or no memory. */
int zone_load(const char *name, struct zone **ret_zone);
void zone_free(struct zone **zone);
/* The local time there, from 2000 to 2100; before and after with the first and the last offset. */
struct tm zone_local(const struct zone *zone, int64_t at_ms);

#endif
