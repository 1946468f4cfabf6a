/* The shipped pathways for the tests' site, as the daemon would load them: for benchmarks without a daemon. */
#ifndef HANDOFF_BENCH_RULES_H
#define HANDOFF_BENCH_RULES_H

#include "base/arena.h"
#include "base/yaml.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"

/* What a ruleset lacks to be these rules; in the arena. NULL: they do not load. Run it where the tree begins. */
static inline const struct rules_changes *bench_rules(struct ruleset *ruleset, struct arena *arena)
{
    static struct yaml_errors errors;
    struct rules_folder folder;
    struct rules_changes *changes = ARENA_NEW(arena, struct rules_changes);
    struct config *config = config_load("tests/site.yaml", &errors);
    if (!config) return NULL;
    const Handoff__V1__Site *const *sites = (const Handoff__V1__Site *const *)site_messages(config, arena);
    int code = ruleset_read_folder("daemon/pathways", arena, &folder, &errors);
    if (!code) code = ruleset_diff(ruleset, &folder, sites, config->site_count, arena, &errors, changes);
    config_free(config);
    return code ? NULL : changes;
}

#endif
