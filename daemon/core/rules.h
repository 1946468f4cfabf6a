/* Everything that decides besides the record, as one immutable value: pathways, policy, sites, who is away, and the
 * resource directory. Built outside of core (pathway/ruleset.c) from journaled changes; replaced as a whole, never
 * modified. */
#ifndef HANDOFF_CORE_RULES_H
#define HANDOFF_CORE_RULES_H

#include "core/calendar.h"
#include "core/pathway.h"
#include "handoff/v1/rules.pb-c.h"

/* A system whose silence is noticed. */
struct source {
    const char *name;
    const struct delay *silence; /* the longest that is normal */
    const Handoff__V1__Source *message;
};

struct site {
    const char *name;
    struct calendar calendar;
    const Handoff__V1__Site *roster; /* people */
    const struct source *sources;
    uint32_t source_count;
};

/* The policy's rows with their delays parsed, by enum value for a direct look-up. */
enum { RULES_TASK_KINDS = 64, RULES_SEVERITIES = 4, RULES_LEVELS = 16, RULES_PARTIES = 32, RULES_INSTRUMENTS = 16, RULES_RUNGS = 8 };
struct task_rule {
    bool is_set;
    Handoff__V1__Role owner;
    Handoff__V1__Severity severity;   /* UNSPECIFIED: routine, urgent while the episode is */
    const struct delay *due[RULES_SEVERITIES];           /* by Severity, [0] unused; NULL: the ladder's */
    const struct delay *attempt_again[RULES_SEVERITIES]; /* likewise; NULL: the next working day, at another time of day */
    uint32_t max_attempts;
    const char *reason;
    const char *undelivered; /* the reason where a message did not arrive; "": as reason */
};
struct ladder_rule {
    const struct delay *due, *rung, *repeat; /* never NULL */
    const struct delay *remind;              /* on the way up, until acknowledged; NULL: only when it climbs */
    const struct delay *safety;              /* rung of what a safety finding asks for; NULL: as of anything else */
    Handoff__V1__Role rungs[RULES_RUNGS];    /* from the bottom: coordinator, supervisor, director */
    uint32_t rung_count;
};

/* 0: nothing is said. */
struct instrument_rule {
    uint32_t total_max, item_max, item_count; /* what lies above is no score of this instrument */
    uint32_t youngest, oldest;                /* in years: outside, a score is kept and not judged */
    uint32_t cut_off, severe, worse_by;       /* an instrument with a cut-off measures how care works */
};

struct policy {
    struct task_rule tasks[RULES_TASK_KINDS];
    struct ladder_rule ladder[RULES_SEVERITIES]; /* by Severity; [0] unused */
    uint32_t authority[RULES_LEVELS];            /* bit set 1 << Party; 0: needs no referral */
    uint32_t roi_days, roi_max_days, bh_signing_age, adult_age;
    bool is_pcp_workforce;
    bool is_guardian_needed_for_da, is_guardian_asked_too;
    uint32_t medical_personnel;                  /* bit set 1 << Party: in an emergency they may hear of drugs too */
    const struct delay *hand_over_after;         /* never NULL */
    const char *const *workforce_agencies;
    uint32_t workforce_agency_count;
    struct instrument_rule instruments[RULES_INSTRUMENTS];
};

/* A row of the resource directory. */
struct agency_row {
    const Handoff__V1__AgencyListed *agency;
    bool is_delisted;       /* no longer offered to anybody */
    int64_t effective_at_ms; /* when its services end */
    uint64_t delisted_by;    /* the entry of the newest event that says so */
    bool is_doubtful;       /* its intake number: somebody who called found it wrong */
};

struct rules {
    uint64_t sequence;                      /* of the newest change in it */
    const struct pathway *const *pathways;  /* by journal number - 1; NULL: a version that nothing runs on */
    uint32_t pathway_count;
    struct policy policy;
    const struct site *sites;               /* the first is the default */
    uint32_t site_count;
    const Handoff__V1__Absence *const *absences; /* of all sites, in the order of their coming */
    uint32_t absence_count;
    const struct agency_row *directory;        /* by agency id, ascending as strcmp has it */
    uint32_t directory_count;
};

/* The site of that name, or the default. */
const struct site *rules_site(const struct rules *rules, const char *name);
const struct pathway *rules_pathway(const struct rules *rules, uint32_t number);
/* The newest version that is not retired; NULL: none of that name. */
const struct pathway *rules_pathway_by_name(const struct rules *rules, const char *name);
/* NULL: nobody waits for this source. With the site that does, unless ret_site is NULL. */
const struct source *rules_source(const struct rules *rules, const char *name, const struct site **ret_site);
/* Something of the pathway begins with, moves by or knows an event that the source feeds. */
bool rules_is_fed(const struct pathway *pathway, const struct source *source);
/* NULL: the directory does not know it. Delisted agencies are found too. */
const struct agency_row *rules_agency(const struct rules *rules, const char *agency_id);

#endif
