/* See ruleset.h: folding and building. One arena for the journal's life: what is superseded stays, since a journaled
 * episode may still be on it. */
#include "pathway/ruleset_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pathway/delay_bounds.h"
#include "pathway/policy.h"
#include "pathway/site_compile.h"

/* Address space, not memory: the pages are paid for when written. */
static const size_t arena_bytes = (size_t)1024 * 1024 * 1024;

struct ruleset *ruleset_new(void)
{
    struct ruleset *rs = calloc(1, sizeof *rs);
    if (!rs) return NULL;
    rs->arena = arena_new(arena_bytes);
    if (rs->arena) return rs;
    free(rs);
    return NULL;
}

void ruleset_free(struct ruleset *rs)
{
    if (!rs) return;
    arena_free(rs->arena);
    free(rs);
}

const struct version *ruleset_current(const struct ruleset *rs, const char *name)
{
    for (uint32_t i = rs->version_count; i-- > 0;)
        if (rs->versions[i].source && !rs->versions[i].is_retired && strcmp(rs->versions[i].source->pathway->name, name) == 0)
            return &rs->versions[i];
    return NULL;
}

int ruleset_site(const struct ruleset *rs, const char *name)
{
    for (size_t i = 0; i < rs->site_count; i++)
        if (strcmp(rs->site_messages[i]->name, name) == 0) return (int)i;
    return -1;
}

int ruleset_refuse(struct yaml_errors *errors, const char *format, ...)
{
    char sentence[300];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    yaml_error_at(errors, "journal", 0, 0, "%s", sentence);
    return -EINVAL;
}

/* --- pathways -------------------------------------------------------------------------------------------------- */

static int apply_pathway(struct ruleset *rs, const Handoff__V1__PathwayText *message, struct yaml_errors *errors)
{
    struct bytes text = {message->text.data, message->text.len};
    struct pathway_source *source;
    if (message->number != rs->version_count + 1)
        return ruleset_refuse(errors, "pathway version %u does not follow %u", message->number, rs->version_count);
    if (rs->version_count == RULESET_VERSIONS_MAX)
        return ruleset_refuse(errors, "there are %d versions of pathways; no more can be introduced", RULESET_VERSIONS_MAX);
    if (pathway_read(rs->arena, message->file, text, errors, &source)) return -EINVAL;
    source->pathway->number = message->number;
    text.data = arena_copy(rs->arena, text.data, text.len);
    rs->versions[rs->version_count++] = (struct version){source, source->pathway, text, false};
    rs->is_measured = false;
    return 0;
}

/* Rules built before go on seeing the pathway as it was. */
static int apply_retired(struct ruleset *rs, const Handoff__V1__PathwayRetired *message, struct yaml_errors *errors)
{
    if (message->number == 0 || message->number > rs->version_count)
        return ruleset_refuse(errors, "pathway version %u is retired but was never introduced", message->number);
    struct version *version = &rs->versions[message->number - 1];
    version->is_retired = true;
    if (!version->source) return 0;
    struct pathway *copy = arena_copy(rs->arena, version->source->pathway, sizeof *copy);
    copy->is_retired = true;
    version->built = copy;
    return 0;
}

int ruleset_skip(struct ruleset *rs, const Handoff__V1__PathwayText *pathway, uint64_t sequence)
{
    if (pathway->number != rs->version_count + 1 || rs->version_count == RULESET_VERSIONS_MAX) return -EINVAL;
    rs->versions[rs->version_count++] = (struct version){NULL, NULL, {NULL, 0}, true};
    rs->sequence = sequence;
    rs->rules = NULL;
    return 0;
}

/* --- policy and sites ------------------------------------------------------------------------------------------ */

void *ruleset_copy(struct ruleset *rs, const void *of)
{
    const ProtobufCMessage *message = of;
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_try_alloc(rs->arena, bytes);
    if (!packed) return NULL;
    protobuf_c_message_pack(message, packed);
    return protobuf_c_message_unpack(message->descriptor, arena_protobuf(rs->arena), bytes, packed);
}

static int apply_policy(struct ruleset *rs, const Handoff__V1__Policy *message, struct yaml_errors *errors)
{
    struct policy compiled;
    const Handoff__V1__Policy *copy = ruleset_copy(rs, message);
    if (!copy) return ruleset_refuse(errors, "there is not enough memory for the policy");
    if (policy_compile(copy, rs->arena, &compiled, errors)) return -EINVAL;
    rs->policy = copy;
    rs->compiled = compiled;
    rs->is_measured = false;
    return 0;
}

static void remove_site(struct ruleset *rs, size_t at)
{
    rs->site_count--;
    memmove(&rs->sites[at], &rs->sites[at + 1], (rs->site_count - at) * sizeof rs->sites[0]);
    memmove(&rs->site_messages[at], &rs->site_messages[at + 1], (rs->site_count - at) * sizeof rs->site_messages[0]);
}

static void insert_site(struct ruleset *rs, size_t at, const Handoff__V1__Site *message, const struct site *site)
{
    memmove(&rs->sites[at + 1], &rs->sites[at], (rs->site_count - at) * sizeof rs->sites[0]);
    memmove(&rs->site_messages[at + 1], &rs->site_messages[at], (rs->site_count - at) * sizeof rs->site_messages[0]);
    rs->sites[at] = *site;
    rs->site_messages[at] = message;
    rs->site_count++;
}

static int apply_site(struct ruleset *rs, const Handoff__V1__Site *message, struct yaml_errors *errors)
{
    struct site site;
    int at = ruleset_site(rs, message->name);
    if (at < 0 && rs->site_count == RULESET_SITES_MAX)
        return ruleset_refuse(errors, "there are %d sites; no more fit", RULESET_SITES_MAX);
    const Handoff__V1__Site *copy = ruleset_copy(rs, message);
    if (!copy) return ruleset_refuse(errors, "there is not enough memory for another site");
    if (site_compile(copy, rs->arena, &site, errors)) return -EINVAL;
    if (at >= 0) remove_site(rs, (size_t)at);
    size_t place = copy->is_default ? 0 : at >= 0 ? (size_t)at : rs->site_count;
    insert_site(rs, place, copy, &site);
    rs->is_measured = false;
    return 0;
}

static int apply_site_removed(struct ruleset *rs, const Handoff__V1__SiteRemoved *message, struct yaml_errors *errors)
{
    int at = ruleset_site(rs, message->name);
    if (at < 0) return ruleset_refuse(errors, "the site \"%.64s\" is removed but was never introduced", message->name);
    remove_site(rs, (size_t)at);
    rs->is_measured = false;
    return 0;
}

static int apply_body(struct ruleset *rs, const Handoff__V1__RulesChange *change, uint64_t sequence,
                      struct yaml_errors *errors)
{
    switch (change->body_case) {
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY: return apply_pathway(rs, change->pathway, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED: return apply_retired(rs, change->pathway_retired, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_POLICY: return apply_policy(rs, change->policy, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE: return apply_site(rs, change->site, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE_REMOVED: return apply_site_removed(rs, change->site_removed, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE: return apply_absence(rs, change->absence, sequence, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_LISTING: return apply_listing(rs, change->listing, sequence, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_DELISTING: return apply_delisting(rs, change->delisting, sequence, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_DOUBT: return apply_doubt(rs, change->doubt, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY_TAKEN_BACK: return apply_taken_back(rs, change->taken_back, errors);
    case HANDOFF__V1__RULES_CHANGE__BODY__NOT_SET:
    case _HANDOFF__V1__RULES_CHANGE__BODY__CASE_IS_INT_SIZE: break;
    }
    return ruleset_refuse(errors, "a change of rules says nothing that this version understands");
}

int ruleset_apply(struct ruleset *rs, const Handoff__V1__RulesChange *change, uint64_t sequence,
                  struct yaml_errors *errors)
{
    int error = apply_body(rs, change, sequence, errors);
    if (error) return error;
    rs->sequence = sequence;
    rs->rules = NULL;
    return 0;
}

/* --- building -------------------------------------------------------------------------------------------------- */

static void measure(struct ruleset *rs)
{
    const struct calendar *calendars[RULESET_SITES_MAX];
    for (size_t i = 0; i < rs->site_count; i++) calendars[i] = &rs->sites[i].calendar;
    rs->memo = (struct delay_memo){0};
    struct verify_options options = {calendars, rs->site_count, &rs->compiled, &rs->memo};
    for (uint32_t i = 0; i < rs->version_count; i++)
        if (rs->versions[i].source) pathway_measure(rs->versions[i].source, &options);
    rs->is_measured = true;
}

const struct rules *ruleset_build(struct ruleset *rs)
{
    if (rs->rules || !rs->policy || rs->site_count == 0) return rs->rules;
    if (!rs->is_measured) measure(rs);
    struct rules *rules = ARENA_NEW(rs->arena, struct rules);
    const struct pathway **pathways = ARENA_ARRAY(rs->arena, const struct pathway *, rs->version_count + 1);
    for (uint32_t i = 0; i < rs->version_count; i++) pathways[i] = rs->versions[i].built;
    rules->sequence = rs->sequence;
    rules->pathways = pathways;
    rules->pathway_count = rs->version_count;
    rules->policy = rs->compiled;
    rules->sites = arena_copy(rs->arena, rs->sites, rs->site_count * sizeof rs->sites[0]);
    rules->site_count = (uint32_t)rs->site_count;
    ruleset_share(rs, rules);
    return rs->rules = rules;
}
