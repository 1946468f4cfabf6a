/* See ruleset.h: what may not happen in silence to the versions that open episodes run on. */
#include "pathway/ruleset_parts.h"

#include <errno.h>
#include <string.h>

/* The text that takes the place of a version that goes; NULL: none does. */
static const Handoff__V1__PathwayText *successor(const struct rules_changes *changes, const char *name)
{
    for (size_t i = 0; i < changes->count; i++)
        if (changes->list[i]->body_case == HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY &&
            strcmp(changes->list[i]->pathway->name, name) == 0)
            return changes->list[i]->pathway;
    return NULL;
}

static bool is_separator(char letter) { return letter == ',' || letter == ' '; }

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at && *at;) {
        while (is_separator(*at)) at++;
        const char *end = at;
        while (*end && !is_separator(*end)) end++;
        if ((size_t)(end - at) == len && memcmp(at, name, len) == 0) return true;
        at = end;
    }
    return false;
}

/* Another text under the same number: whoever looks at an episode's version would read the wrong one. */
static void check_replaced(const struct pathway *old, const Handoff__V1__PathwayText *text, const struct rules_use *use,
                           struct arena *arena, struct yaml_errors *errors)
{
    struct pathway_source *source;
    struct yaml_errors ignored = {0};
    if (pathway_read(arena, text->file, (struct bytes){text->text.data, text->text.len}, &ignored, &source)) return;
    if (source->pathway->version != old->version) return;
    uint64_t count = use->open_episodes(use->context, old->number);
    if (count == 0) return;
    yaml_error_at(errors, text->file, 0, 0,
                  "version %u of pathway %.64s is another text than the one that %llu open episode%s on; give it a new "
                  "version number",
                  old->version, old->name, (unsigned long long)count, count == 1 ? " runs" : "s run");
}

/* All versions of it: none of them is in the folder any more, so no file is to be named. */
static void check_gone(const struct ruleset *rs, const struct pathway *old, const struct rules_use *use,
                       struct yaml_errors *errors)
{
    uint64_t count = 0;
    if (is_listed(use->retired, old->name)) return;
    for (uint32_t i = 0; i < rs->version_count; i++)
        if (rs->versions[i].source && strcmp(rs->versions[i].source->pathway->name, old->name) == 0)
            count += use->open_episodes(use->context, i + 1);
    if (count == 0) return;
    yaml_error_at(errors, "", 0, 0,
                  "pathway %.64s (version %u) is gone from the folder, but %llu open episode%s on it; put the file back, or "
                  "list the pathway under retired_pathways in the configuration",
                  old->name, old->version, (unsigned long long)count, count == 1 ? " runs" : "s run");
}

int ruleset_check_use(const struct ruleset *rs, const struct rules_changes *changes, const struct rules_use *use,
                      struct arena *arena, struct yaml_errors *errors)
{
    size_t errors_before = errors->count;
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->list[i]->body_case != HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED) continue;
        const struct version *version = &rs->versions[changes->list[i]->pathway_retired->number - 1];
        if (!version->source) continue;
        const struct pathway *old = version->source->pathway;
        const Handoff__V1__PathwayText *text = successor(changes, old->name);
        if (text) check_replaced(old, text, use, arena, errors);
        else check_gone(rs, old, use, errors);
    }
    return errors->count > errors_before ? -EINVAL : 0;
}
