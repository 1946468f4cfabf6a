/* See candidate.h. Numbers of versions are the candidate's own: what is introduced besides moves those behind it. A
 * journaled text that is replaced is introduced all the same, and retired at once: episodes that come from the journal
 * go on with the text that they began with. */
#include "pathway/candidate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pathway/policy.h"
#include "pathway/ruleset_parts.h"

struct given { /* a pathway's file */
    const char *file;
    struct bytes text;
    const struct pathway_source *source;
};

struct candidate {
    struct arena *arena;
    struct ruleset *rules;
    struct given pathways[RULESET_FILES_MAX];
    size_t count;
    const Handoff__V1__Policy *policy; /* NULL: not given */
    struct policy compiled;
    bool is_in_force;
    uint32_t numbers[RULESET_VERSIONS_MAX + 1];   /* journal's to own: what stands in its place */
    uint32_t journaled[RULESET_VERSIONS_MAX + 1]; /* journal's to own: the same text */
};

#define ARENA_BYTES ((size_t)1024 * 1024 * 1024) /* of address space */

struct candidate *candidate_new(void)
{
    struct candidate *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->arena = arena_new(ARENA_BYTES);
    c->rules = ruleset_new();
    if (c->arena && c->rules) return c;
    candidate_free(c);
    return NULL;
}

void candidate_free(struct candidate *c)
{
    if (!c) return;
    ruleset_free(c->rules);
    if (c->arena) arena_free(c->arena);
    free(c);
}

size_t candidate_count(const struct candidate *c)
{
    return c->count;
}
const char *candidate_name(const struct candidate *c, size_t i)
{
    return c->pathways[i].source->pathway->name;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool read_file(struct candidate *c, const char *path, struct bytes *ret_text, struct yaml_errors *errors)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        yaml_error_at(errors, path, 0, 0, "it cannot be read: %s", strerror(errno));
        return false;
    }
    uint8_t *data = arena_alloc(c->arena, PATHWAY_TEXT_MAX + 1);
    size_t bytes = fread(data, 1, PATHWAY_TEXT_MAX + 1, file);
    bool is_read = !ferror(file);
    if (!is_read) yaml_error_at(errors, path, 0, 0, "it cannot be read");
    fclose(file);
    *ret_text = (struct bytes){data, bytes};
    return is_read;
}

static const struct given *find_given(const struct candidate *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(candidate_name(c, i), name) == 0) return &c->pathways[i];
    return NULL;
}

static void read_pathway(struct candidate *c, const char *path, struct yaml_errors *errors)
{
    struct given given = {.file = path};
    struct pathway_source *source;
    if (!read_file(c, path, &given.text, errors) || pathway_read(c->arena, path, given.text, errors, &source)) return;
    const struct given *other = find_given(c, source->pathway->name);
    if (other) {
        yaml_error_at(errors, path, 0, 0, "%s has a pathway of the same name", other->file);
        return;
    }
    given.source = source;
    c->pathways[c->count++] = given;
}

static void read_policy(struct candidate *c, const char *path, struct yaml_errors *errors)
{
    struct bytes text;
    Handoff__V1__Policy *policy;
    if (!read_file(c, path, &text, errors) || policy_read(c->arena, path, text, errors, &policy)) return;
    if (policy_compile(policy, c->arena, &c->compiled, errors) == 0) c->policy = policy;
}

int candidate_read(struct candidate *c, const char *const *pathway_files, size_t count, const char *policy_file,
                   struct yaml_errors *errors)
{
    size_t errors_before = errors->count;
    if (count > RULESET_FILES_MAX)
        yaml_error_at(errors, pathway_files[0], 0, 0, "more than %d pathways are given", RULESET_FILES_MAX);
    for (size_t i = 0; i < count && errors->count == errors_before; i++) read_pathway(c, pathway_files[i], errors);
    if (policy_file && errors->count == errors_before) read_policy(c, policy_file, errors);
    return errors->count > errors_before ? -EINVAL : 0;
}

/* --- verifying ---------------------------------------------------------------------------------------------------- */

/* The given pathways, then those in force beside them. */
static size_t list_sources(const struct candidate *c, const struct ruleset *now,
                           const struct pathway_source *sources[RULESET_FILES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) sources[count++] = c->pathways[i].source;
    for (uint32_t i = 0; i < now->version_count && count < RULESET_FILES_MAX; i++)
        if (!now->versions[i].is_retired && !find_given(c, now->versions[i].source->pathway->name))
            sources[count++] = now->versions[i].source;
    return count;
}

int candidate_verify(struct candidate *c, const struct ruleset *now, struct yaml_errors *errors)
{
    const struct pathway_source *sources[RULESET_FILES_MAX];
    const struct calendar *calendars[RULESET_SITES_MAX];
    size_t errors_before = errors->count;
    for (size_t i = 0; i < now->site_count; i++) calendars[i] = &now->sites[i].calendar;
    struct verify_options options = {calendars, now->site_count, c->policy ? &c->compiled : &now->compiled, NULL};
    size_t count = list_sources(c, now, sources);
    /* With another policy, a task of any pathway may have lost its owner. */
    for (size_t i = 0; i < (c->policy ? count : c->count); i++) pathway_verify(sources[i], &options, errors);
    if (errors->count == errors_before) pathway_verify_set(sources, count, c->count, errors);
    return errors->count > errors_before ? -EINVAL : 0;
}

/* --- over time ---------------------------------------------------------------------------------------------------- */

static int introduce(struct candidate *c, const struct given *given, uint64_t sequence, struct yaml_errors *errors)
{
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    Handoff__V1__PathwayText text = HANDOFF__V1__PATHWAY_TEXT__INIT;
    text.number = c->rules->version_count + 1;
    text.name = (char *)given->source->pathway->name;
    text.file = (char *)given->file;
    text.text = (ProtobufCBinaryData){given->text.len, (uint8_t *)(uintptr_t)given->text.data}; /* only ever read */
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY;
    change.pathway = &text;
    return ruleset_apply(c->rules, &change, sequence, errors);
}

static int retire(struct candidate *c, uint32_t number, uint64_t sequence, struct yaml_errors *errors)
{
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    Handoff__V1__PathwayRetired retired = HANDOFF__V1__PATHWAY_RETIRED__INIT;
    retired.number = number;
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED;
    change.pathway_retired = &retired;
    return ruleset_apply(c->rules, &change, sequence, errors);
}

static int apply_policy(struct candidate *c, uint64_t sequence, struct yaml_errors *errors)
{
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_POLICY;
    change.policy = (Handoff__V1__Policy *)(uintptr_t)c->policy; /* only ever read */
    return ruleset_apply(c->rules, &change, sequence, errors);
}

static int apply_text(struct candidate *c, const Handoff__V1__RulesChange *change, uint64_t sequence,
                      struct yaml_errors *errors)
{
    Handoff__V1__RulesChange renumbered = *change;
    Handoff__V1__PathwayText text = *change->pathway;
    renumbered.pathway = &text;
    text.number = c->rules->version_count + 1;
    return ruleset_apply(c->rules, &renumbered, sequence, errors);
}

static int apply_pathway(struct candidate *c, const Handoff__V1__RulesChange *change, uint64_t sequence,
                         struct yaml_errors *errors)
{
    const struct given *given = c->is_in_force ? find_given(c, change->pathway->name) : NULL;
    uint32_t number = change->pathway->number, own = c->rules->version_count + 1;
    int error = apply_text(c, change, sequence, errors);
    if (error || number > RULESET_VERSIONS_MAX) return error;
    c->numbers[number] = c->journaled[number] = own;
    if (!given) return 0;
    c->numbers[number] = own + 1;
    error = retire(c, own, sequence, errors);
    return error ? error : introduce(c, given, sequence, errors);
}

/* When the day begins, the version in force was retired already. */
static int apply_retired(struct candidate *c, uint32_t journaled, uint64_t sequence, struct yaml_errors *errors)
{
    uint32_t number = journaled <= RULESET_VERSIONS_MAX ? c->numbers[journaled] : 0;
    const struct version *version =
        number && number <= c->rules->version_count ? &c->rules->versions[number - 1] : NULL;
    if (!version) return retire(c, 0, sequence, errors); /* refused, in its own words */
    const struct version *current = ruleset_current(c->rules, version->source->pathway->name);
    if (version->is_retired && current) number = current->source->pathway->number;
    return version->is_retired && !current ? 0 : retire(c, number, sequence, errors);
}

int candidate_apply(struct candidate *c, const Handoff__V1__RulesChange *change, uint64_t sequence,
                    struct yaml_errors *errors)
{
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY) return apply_pathway(c, change, sequence, errors);
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED)
        return apply_retired(c, change->pathway_retired->number, sequence, errors);
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_POLICY && c->is_in_force && c->policy)
        return apply_policy(c, sequence, errors);
    return ruleset_apply(c->rules, change, sequence, errors);
}

void candidate_replace_all(struct candidate *c)
{
    c->is_in_force = true;
}

static bool was_ever(const struct ruleset *journaled, const char *name)
{
    for (uint32_t i = 0; i < journaled->version_count; i++)
        if (strcmp(journaled->versions[i].source->pathway->name, name) == 0) return true;
    return false;
}

/* A pathway that the journal introduces later begins then. */
static int begin_pathway(struct candidate *c, const struct given *given, const struct ruleset *journaled,
                         uint64_t sequence, struct yaml_errors *errors)
{
    const char *name = given->source->pathway->name;
    const struct version *current = ruleset_current(c->rules, name);
    if (!current && was_ever(journaled, name)) return 0;
    if (current && c->is_in_force) return 0;
    int error = current ? retire(c, current->source->pathway->number, sequence, errors) : 0;
    return error ? error : introduce(c, given, sequence, errors);
}

int candidate_begin(struct candidate *c, const struct ruleset *journaled, uint64_t sequence, struct yaml_errors *errors)
{
    int error = 0;
    for (size_t i = 0; i < c->count && !error; i++)
        error = begin_pathway(c, &c->pathways[i], journaled, sequence, errors);
    if (!error && c->policy && !c->is_in_force) error = apply_policy(c, sequence, errors);
    c->is_in_force = true;
    return error;
}

uint32_t candidate_number(const struct candidate *c, uint32_t journaled)
{
    return journaled <= RULESET_VERSIONS_MAX ? c->journaled[journaled] : 0;
}

const struct rules *candidate_build(struct candidate *c)
{
    return ruleset_build(c->rules);
}
