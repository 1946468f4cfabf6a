/* Reads a time zone from the system's database (TZif, version 2 or later) into the transitions that core/calendar
 * works on. They are journaled with the rules, so the database is read when a configuration is, never after.
 *
 * The result covers ZONE_FIRST_YEAR through ZONE_LAST_YEAR: what the file lists, and beyond that what its POSIX
 * footer says, whether the file was made fat (listed until 2037) or slim (listed until the rule became stable). */
#ifndef HANDOFF_OPS_ZONE_H
#define HANDOFF_OPS_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "core/calendar.h"

enum { ZONE_FIRST_YEAR = 2000, ZONE_LAST_YEAR = 2100 };

#define ZONE_DIRECTORY "/usr/share/zoneinfo"

struct zone {
    struct zone_transition *transitions; /* ascending; each changes the offset */
    size_t transition_count;
    int32_t first_offset_s;
};

enum {
    ZONE_E_NAME = -121,    /* not a name like America/New_York */
    ZONE_E_UNKNOWN = -122, /* no such file in the database */
    ZONE_E_FORMAT = -123,  /* the file is damaged or of version 1 */
    ZONE_E_MEMORY = -124,
};
const char *zone_error(int code); /* a phrase: "there is no such time zone" */

/* directory NULL: the system's. The name is checked: it never leads out of the directory. */
int zone_load(const char *directory, const char *name, struct zone *ret_zone);
/* From the content of a TZif file. */
int zone_parse(struct bytes file, struct zone *ret_zone);
void zone_free(struct zone *zone); /* its content, not itself; {0} is legal */

#endif
