/* Scenarios: what must come out of the rules, as data (tests/scenarios/README.md has the format).
 *
 * Runs one file through core/step alone: no socket, no disk, no clock but the file's. A site tests its own pathways
 * this way before it loads them. */
#ifndef HANDOFF_PATHWAY_SCENARIO_H
#define HANDOFF_PATHWAY_SCENARIO_H

#include <stdio.h>
#include "base/arena.h"
#include "base/yaml.h"
#include "core/rules.h"

struct scenario_report {
    FILE *tap;        /* one line an expectation; never NULL */
    FILE *transcript; /* everything that came out, one line each, for comparison with another run; may be NULL */
    unsigned passed, failed;
};

/* Runs a file. 0, or -EINVAL when it cannot be read (reasons in errors); failed expectations are counted in report. */
int scenario_run(const char *path, const struct rules *rules, struct scenario_report *report, struct yaml_errors *errors);

/* --- the parts, for scenario.c -------------------------------------------------------------------------------- */
/* The event of a step; NULL with a reason in errors. Times are read in the calendar's zone. */
Handoff__V1__Event *scenario_event(struct yaml_node step, const struct calendar *calendar, struct arena *arena, struct yaml_errors *errors);
/* "2026-03-05 16:40" in the calendar's zone. */
bool scenario_time(const char *text, const struct calendar *calendar, int64_t *ret_ms);

#endif
