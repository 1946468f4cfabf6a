/* Shared by ruleset.c (folding and building) and ruleset_diff.c (comparing). */
#ifndef HANDOFF_PATHWAY_RULESET_PARTS_H
#define HANDOFF_PATHWAY_RULESET_PARTS_H

#include "pathway/load.h"
#include "pathway/ruleset.h"
#include "pathway/verify.h"

struct version { /* of a pathway */
    const struct pathway_source *source; /* NULL: it cannot be understood, and nothing runs on it */
    const struct pathway *built; /* the same, or a copy that says it is retired */
    struct bytes text;
    bool is_retired;
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
    uint64_t sequence;
    const struct rules *rules; /* NULL: to be built */
    bool is_measured;          /* with this policy and these sites */
};

/* The version that new episodes of this pathway begin on; NULL: none. */
const struct version *ruleset_current(const struct ruleset *rs, const char *name);
/* Position of a site; -1: none of that name. */
int ruleset_site(const struct ruleset *rs, const char *name);

#endif
