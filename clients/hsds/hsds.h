/* Reads a resource directory in the Open Referral Human Services Data Specification (HSDS 3.0, and 2.0.1 where its
 * names differ) and says what its organizations are for handoffd: one agency.listed each.
 *
 * A row that cannot be read is reported with its file and line, and the rest is read on. What a text means (which term
 * is which level of care) is said by a table of data, map.h. Nothing here talks to a daemon. */
#ifndef HANDOFF_HSDS_H
#define HANDOFF_HSDS_H

#include "hsds/map.h"
#include "handoff/v1/event.pb-c.h"

enum {
    HSDS_SENTENCE_BYTES = 256,
    HSDS_LIST_MOST = 64,  /* elements of a list in an event (PROTOCOL.md) */
    HSDS_TEXT_MOST = 4096 /* bytes of a text there */
};

/* FAULT: this row is not used. NOTE: it is, but something of it could not be told. */
enum hsds_gravity { HSDS_NOTE, HSDS_FAULT };
struct hsds_report {
    enum hsds_gravity gravity;
    const char *where; /* "services.csv:17"; "directory.json: services 4"; or the path */
    const char *sentence;
};
struct hsds_listener {
    void *context;
    void (*on_report)(void *context, const struct hsds_report *report);
    void (*on_progress)(void *context, const char *file); /* a file is begun; may be NULL */
};

struct hsds_directory {
    Handoff__V1__AgencyListed **agencies; /* by id; no id twice */
    size_t count;
    size_t rows; /* read, over all files */
};

/* A folder, a zip archive of CSV files, or a file of JSON. 0; -1: nothing could be read, and a report says why. */
int hsds_read(const char *path, const struct hsds_map *map, const struct hsds_listener *listener,
              struct hsds_directory **ret_directory);
void hsds_free(struct hsds_directory **directory);

#endif
