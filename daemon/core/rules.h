/* Everything that decides besides the record, as one immutable value: pathways, policy, sites. Built outside of core
 * (pathway/ruleset.c) from journaled changes; replaced as a whole, never modified. */
#ifndef HANDOFF_CORE_RULES_H
#define HANDOFF_CORE_RULES_H

#include "core/calendar.h"
#include "core/pathway.h"
#include "handoff/v1/rules.pb-c.h"

struct site {
    const char *name;
    struct calendar calendar;
    const Handoff__V1__Site *roster; /* people */
};

/* The policy's rows with their delays parsed, by enum value for a direct look-up. */
enum { RULES_RUNGS = 8, RULES_TASK_KINDS = 64, RULES_SEVERITIES = 4, RULES_LEVELS = 16, RULES_PARTIES = 32 };
struct task_rule {
    bool is_set;
    Handoff__V1__Role owner;
    Handoff__V1__Severity severity;   /* UNSPECIFIED: routine, urgent while the episode is */
    const struct delay *due[RULES_SEVERITIES];           /* by Severity, [0] unused; NULL: the ladder's */
    const struct delay *attempt_again[RULES_SEVERITIES]; /* likewise; NULL: 1 business day */
    uint32_t max_attempts;
    const char *reason;
};
struct ladder_rule {
    const struct delay *due, *rung, *repeat; /* never NULL */
    const struct delay *remind;              /* on the way up, until acknowledged; NULL: only when it climbs */
    Handoff__V1__Role rungs[RULES_RUNGS];    /* from the bottom: coordinator, supervisor, director */
    uint32_t rung_count;
};

struct policy {
    struct task_rule tasks[RULES_TASK_KINDS];
    struct ladder_rule ladder[RULES_SEVERITIES]; /* by Severity; [0] unused */
    uint32_t authority[RULES_LEVELS];            /* bit set 1 << Party; 0: needs no referral */
    uint32_t roi_days, roi_max_days, bh_signing_age, adult_age;
    bool is_pcp_workforce;
    const char *const *workforce_agencies;
    uint32_t workforce_agency_count;
};

struct rules {
    uint64_t sequence;                      /* of the newest change in it */
    const struct pathway *const *pathways;  /* by journal number - 1; never NULL up to pathway_count */
    uint32_t pathway_count;
    struct policy policy;
    const struct site *sites;               /* the first is the default */
    uint32_t site_count;
};

/* The site of that name, or the default. */
const struct site *rules_site(const struct rules *rules, const char *name);
const struct pathway *rules_pathway(const struct rules *rules, uint32_t number);
/* The newest version that is not retired; NULL: none of that name. */
const struct pathway *rules_pathway_by_name(const struct rules *rules, const char *name);

#endif
