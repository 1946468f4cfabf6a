/* Configured files to journaled rules: see run_rules.h. */
#include "run_rules.h"

#include "engine/view.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"

#include "base/banned.h"

#define ARENA_BYTES ((size_t)1024 * 1024 * 1024) /* of address space: each pathway is loaded into it to be checked */

/* --- changes -------------------------------------------------------------------------------------------------- */
static const char *retirement_sentence(const struct pathway *old, struct arena *arena)
{
    if (old == NULL) return "a version that nothing runs on is gone";
    return view_format(arena, "pathway %s: on version %u no new episodes begin, running ones go on", old->name, old->version);
}

static const char *change_sentence(const struct rules *rules, const Handoff__V1__RulesChange *change, struct arena *arena)
{
    switch (change->body_case) {
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY:
        return view_format(arena, "pathway %s: a new version from %s", change->pathway->name, change->pathway->file);
    case HANDOFF__V1__RULES_CHANGE__BODY_POLICY: return "policy: changed";
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE: return view_format(arena, "site %s: changed", change->site->name);
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE_REMOVED:
        return view_format(arena, "site %s: removed", change->site_removed->name);
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED:
        return retirement_sentence(rules_pathway(rules, change->pathway_retired->number), arena);
    case HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE: /* these come by events, never from files */
    case HANDOFF__V1__RULES_CHANGE__BODY_LISTING:
    case HANDOFF__V1__RULES_CHANGE__BODY_DELISTING:
    case HANDOFF__V1__RULES_CHANGE__BODY_DOUBT:
    case HANDOFF__V1__RULES_CHANGE__BODY_TAKEN_BACK:
    case HANDOFF__V1__RULES_CHANGE__BODY__NOT_SET:
    case _HANDOFF__V1__RULES_CHANGE__BODY__CASE_IS_INT_SIZE: break;
    }
    return "a change";
}

static int journal_changes(struct engine *engine, const struct rules_changes *changes, struct arena *report,
                           char ***ret_sentences, const char **ret_why)
{
    struct engine_state state;
    if (changes->count > 0 && engine_change_rules(engine, changes->list, changes->count) != 0) {
        engine_state(engine, &state);
        *ret_why = arena_string(report, state.sentence[0] ? state.sentence : "the journal did not take the change");
        return -1;
    }
    *ret_sentences = ARENA_ARRAY(report, char *, changes->count + 1);
    for (size_t i = 0; i < changes->count; i++)
        (*ret_sentences)[i] = arena_string(report, change_sentence(engine_rules(engine), changes->list[i], report));
    return (int)changes->count;
}

/* --- what runs on them ---------------------------------------------------------------------------------------- */
struct in_use {
    struct engine *engine;
    uint64_t counts[RULESET_VERSIONS_MAX + 1];
    bool is_counted;
};

/* When they cannot be counted, something may run on it. */
static uint64_t open_episodes(void *context, uint32_t number)
{
    struct in_use *use = context;
    if (!use->is_counted && engine_count_episodes(use->engine, use->counts, RULESET_VERSIONS_MAX + 1) != 0) return UINT64_MAX;
    use->is_counted = true;
    return number <= RULESET_VERSIONS_MAX ? use->counts[number] : 0;
}

static int check_use(struct engine *engine, const struct config *config, const struct rules_changes *changes,
                     struct arena *arena, struct yaml_errors *errors)
{
    struct in_use *in_use = ARENA_NEW(arena, struct in_use);
    in_use->engine = engine;
    struct rules_use use = {in_use, open_episodes, config->retired_pathways};
    return ruleset_check_use(engine_ruleset(engine), changes, &use, arena, errors);
}

int run_rules_update(struct engine *engine, const struct config *config, struct arena *report,
                     struct yaml_errors *errors, char ***ret_sentences, const char **ret_why)
{
    struct rules_folder folder;
    struct rules_changes changes;
    int count = -1;
    *ret_why = "";
    struct arena *arena = arena_new(ARENA_BYTES);
    if (arena == NULL) {
        *ret_why = "out of memory";
        return -1;
    }
    const Handoff__V1__Site *const *sites = (const Handoff__V1__Site *const *)site_messages(config, arena);
    if (ruleset_read_folder(config->pathways, arena, &folder, errors) == 0 &&
        ruleset_diff(engine_ruleset(engine), &folder, sites, config->site_count, arena, errors, &changes) == 0 &&
        check_use(engine, config, &changes, arena, errors) == 0)
        count = journal_changes(engine, &changes, report, ret_sentences, ret_why);
    arena_free(arena);
    return count;
}
