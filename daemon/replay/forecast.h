/* The work of the coming days: every patient's newest record goes on, timers fire, and people do as they usually do
 * (usual.h), or nothing at all. Nothing comes from outside. Deterministic. */
#ifndef HANDOFF_REPLAY_FORECAST_H
#define HANDOFF_REPLAY_FORECAST_H

#include "base/yaml.h"
#include "replay/usual.h"
#include "store/journal.h"

enum { FORECAST_DAYS_MAX = 366, FORECAST_ROLES = 32 };

/* One role on one day of the first site's calendar. */
struct forecast_cell {
    uint64_t opened, due, done;    /* that day; due: whether or not it is done by then */
    uint64_t open, overdue;        /* at the end of the day */
    uint64_t escalations, repeats; /* that reach this rung that day, and what it is told once more */
};

struct forecast_options {
    struct journal *journal; /* opened read-only */
    uint32_t days;           /* 1 to FORECAST_DAYS_MAX */
    bool is_nobody;          /* nobody acts at all */
    uint32_t places_max;     /* replay/share.h; 0: the usual */
    void *context;
    void (*on_progress)(void *context, uint64_t done, uint64_t total); /* NULL: none */
};

struct forecast_result {
    struct forecast_cell (*cells)[FORECAST_ROLES]; /* by day, from the day of from_ms on: days + 1 of them */
    uint32_t days, first_date;                     /* yyyymmdd */
    struct usual *usual;
    int64_t from_ms, until_ms;
    uint64_t last_sequence, patients, patients_with_work;
};

/* 0; -1: ret_sentence says why; -2: errors do. */
int forecast_run(const struct forecast_options *options, struct forecast_result *ret_result, struct yaml_errors *errors,
                 const char **ret_sentence);
void forecast_free(struct forecast_result *result);

#endif
