/* Scenarios: what must come out of the rules, as data (tests/scenarios/README.md has the format).
 *
 * Runs files through core/step alone: no socket, no disk, no clock but the file's. A site tests its own pathways
 * this way before it loads them. */
#ifndef HANDOFF_PATHWAY_SCENARIO_H
#define HANDOFF_PATHWAY_SCENARIO_H

#include <stdio.h>
#include "base/arena.h"
#include "base/yaml.h"
#include "core/rules.h"

struct scenario_report {
    FILE *tap;          /* one line an expectation; never NULL */
    FILE *transcript;   /* everything that came out, one line each, for comparison with another run; may be NULL */
    uint64_t *sequence; /* of the newest entry; one for all scenarios that share it */
    bool is_twice;      /* every event is delivered twice */
    bool is_brief;      /* stop at the first expectation that is not met */
    /* What the daemon would refuse of an event when it is taken in: a sentence in the arena, or NULL when nothing is.
     * May be NULL: whatever can be written is taken. */
    const char *(*refusal)(const Handoff__V1__Event *event, int64_t now_ms, struct arena *arena);
    unsigned passed, failed;
};

/* Runs a file. 0, or -EINVAL when it cannot be read (reasons in errors); failed expectations are counted in report. */
int scenario_run(const char *path, const struct rules *rules, struct scenario_report *report,
                 struct yaml_errors *errors);

/* Step by step, so that several can be interleaved: the one with the earliest next step first. */
struct scenario;
struct scenario *scenario_open(const char *path, const struct rules *rules, struct scenario_report *report,
                               struct yaml_errors *errors); /* NULL: it cannot be read */
int64_t scenario_next_ms(const struct scenario *scenario);  /* of its next step; INT64_MAX after the last */
bool scenario_step(struct scenario *scenario, struct yaml_errors *errors); /* false: there is none, or errors */
void scenario_close(struct scenario *scenario);

/* --- the parts, for scenario.c -------------------------------------------------------------------------------- */
/* The event of a step; NULL with a reason in errors. Times are read in the calendar's zone. */
Handoff__V1__Event *scenario_event(struct yaml_node step, const struct calendar *calendar, struct arena *arena,
                                   struct yaml_errors *errors);
/* "2026-03-05 16:40" in the calendar's zone. */
bool scenario_time(const char *text, const struct calendar *calendar, int64_t *ret_ms);

#endif
