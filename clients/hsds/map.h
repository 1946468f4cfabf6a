/* What the texts of a directory mean: a table of rows (where one looks, what it says, what that means), read from CSV.
 * directory-map.csv beside this file is the one that is built in, and explains the rows. */
#ifndef HANDOFF_HSDS_MAP_H
#define HANDOFF_HSDS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hsds_place {
    PLACE_TERM, PLACE_SERVICE, PLACE_PAYMENT, PLACE_FEE, PLACE_WAIT, PLACE_STATUS, PLACE_AREA, PLACE_LANGUAGE,
    PLACE_PHONE, PLACE_CONTACT, PLACE_COUNT
};
enum hsds_meaning {
    MEANS_NOTHING,
    MEANS_LEVEL,        /* value: a LevelOfCare */
    MEANS_SUPPORT,      /* value: a SupportKind */
    MEANS_KIND,         /* value: an AgencyKind */
    MEANS_CAPACITY,     /* value: a Capacity */
    MEANS_INSURER,      /* text: its id */
    MEANS_LANGUAGE,     /* text: BCP 47 */
    MEANS_TRANSPORT, MEANS_HOME_VISITS, MEANS_TELEHEALTH, MEANS_INTERPRETERS, MEANS_CHILDCARE, MEANS_REDUCED_FEES,
    MEANS_EVERYWHERE,
    MEANS_INTAKE, MEANS_SUPERVISOR,
    MEANS_GONE,         /* a service that is no more; a number that is none to call */
};
struct hsds_map_row {
    enum hsds_place place;
    char *pattern;
    enum hsds_meaning meaning;
    int value;
    char *text;
    bool has_more; /* the next row of the map is another meaning of the same text */
};
struct hsds_map;

/* The built-in one. NULL: no memory. */
struct hsds_map *hsds_map_default(void);
const char *hsds_map_default_text(void);
/* NULL: `sentence` says why, with the line. */
struct hsds_map *hsds_map_parse(const char *name, const char *text, size_t bytes, char *sentence, size_t sentence_bytes);
struct hsds_map *hsds_map_load(const char *path, char *sentence, size_t sentence_bytes);
void hsds_map_free(struct hsds_map **map);

/* The first row that fits; NULL: none, or no text. */
const struct hsds_map_row *hsds_map_find(const struct hsds_map *map, enum hsds_place place, const char *text);

#endif
