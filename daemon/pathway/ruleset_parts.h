/* Shared by ruleset.c (folding and building), ruleset_common.c (absences and the directory) and ruleset_diff.c
 * (comparing). */
#ifndef HANDOFF_PATHWAY_RULESET_PARTS_H
#define HANDOFF_PATHWAY_RULESET_PARTS_H

#include "pathway/delay_bounds.h"
#include "pathway/load.h"
#include "pathway/ruleset.h"
#include "pathway/verify.h"

struct version { /* of a pathway */
    const struct pathway_source *source; /* NULL: it cannot be understood, and nothing runs on it */
    const struct pathway *built; /* the same, or a copy that says it is retired */
    struct bytes text;
    bool is_retired;
};

/* Of an absence or agency: what an event, or a patient's step, made known. What is taken back leaves the rest as if it had
 * never been said, so all of it is kept. */
struct said_absence {
    const Handoff__V1__Absence *absence;
    uint64_t event; /* 0: it was taken back, and this is what had passed of it by then */
    bool was_in_force; /* before the newest that was taken back */
};
struct said_agency {
    struct said_agency *before; /* what was said of it before */
    uint64_t event;             /* 0: a doubt's, which nobody takes back */
    const Handoff__V1__AgencyListed *listed; /* NULL: delisted, or doubted */
    bool is_delisted;
    int64_t effective_at_ms;
};
struct known_agency {
    struct agency_row row; /* what it comes to */
    struct said_agency *newest;
};

struct ruleset {
    struct arena *arena; /* everything of the journal's life */
    struct version versions[RULESET_VERSIONS_MAX];
    uint32_t version_count;
    const Handoff__V1__Policy *policy; /* NULL: none yet */
    struct policy compiled;
    const Handoff__V1__Site *site_messages[RULESET_SITES_MAX]; /* the default first */
    struct site sites[RULESET_SITES_MAX];
    size_t site_count;
    const Handoff__V1__Absence **absences; /* in the order of their coming */
    uint32_t absence_count;
    struct said_absence *said_absences; /* all of them, in the order of their coming */
    uint32_t said_count, said_max;      /* absences has room for as many as said_max */
    struct known_agency *directory;     /* by agency id */
    uint32_t directory_count, directory_max;
    /* What the newest rules have of these two; NULL: changed since. */
    const Handoff__V1__Absence *const *built_absences;
    const struct agency_row *built_directory;
    uint64_t sequence;
    const struct rules *rules; /* NULL: to be built */
    bool is_measured;          /* with this policy and these sites */
    struct delay_memo memo;    /* what that measured, with the calendars of `sites`; while is_measured */
};

/* The version that new episodes of this pathway begin on; NULL: none. */
const struct version *ruleset_current(const struct ruleset *rs, const char *name);
/* Position of a site; -1: none of that name. */
int ruleset_site(const struct ruleset *rs, const char *name);

/* ruleset.c: the message as the ruleset's own. NULL: no memory. */
void *ruleset_copy(struct ruleset *rs, const void *message);
int ruleset_refuse(struct yaml_errors *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ruleset_common.c */
/* sequence: of the entry of the change. */
int apply_absence(struct ruleset *rs, const Handoff__V1__Absence *message, uint64_t sequence, struct yaml_errors *errors);
int apply_listing(struct ruleset *rs, const Handoff__V1__Listing *message, uint64_t sequence, struct yaml_errors *errors);
int apply_delisting(struct ruleset *rs, const Handoff__V1__Delisting *message, uint64_t sequence,
                    struct yaml_errors *errors);
int apply_doubt(struct ruleset *rs, const Handoff__V1__Doubt *message, struct yaml_errors *errors);
int apply_taken_back(struct ruleset *rs, const Handoff__V1__TakenBack *message, struct yaml_errors *errors);
/* Gives new rules what is known to all; unchanged parts are those that the rules before have. */
void ruleset_share(struct ruleset *rs, struct rules *rules);

#endif
