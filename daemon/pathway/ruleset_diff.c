/* See ruleset.h: the configured files against the journaled rules. */
#include "pathway/ruleset_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pathway/delay_bounds.h"
#include "pathway/policy.h"
#include "pathway/site_compile.h"

/* --- reading a folder ------------------------------------------------------------------------------------------ */

static bool is_yaml(const char *name)
{
    size_t bytes = strlen(name);
    return name[0] != '.' && bytes > 5 && strcmp(name + bytes - 5, ".yaml") == 0;
}

static int by_name(const void *a, const void *b)
{
    const struct rules_file *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static bool read_file(const char *folder, const char *name, struct arena *arena, struct bytes *ret_text,
                      struct yaml_errors *errors)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    uint8_t *data = file && arena_left(arena) > PATHWAY_TEXT_MAX + 64 ? arena_alloc(arena, PATHWAY_TEXT_MAX + 1) : NULL;
    size_t bytes = data ? fread(data, 1, PATHWAY_TEXT_MAX + 1, file) : 0;
    bool is_read = data && !ferror(file);
    if (!is_read)
        yaml_error_at(errors, name, 0, 0, "it cannot be read: %s",
                      file && !data ? "not enough memory" : strerror(errno));
    if (file) fclose(file);
    if (is_read) *ret_text = (struct bytes){data, bytes};
    return is_read;
}

/* Names of the folder's files into a list of RULESET_FILES_MAX; the policy too. */
static size_t list_files(const char *path, struct arena *arena, struct rules_file *files, struct yaml_errors *errors)
{
    DIR *folder = opendir(path);
    size_t count = 0;
    if (!folder) yaml_error_at(errors, path, 0, 0, "the folder cannot be read: %s", strerror(errno));
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!is_yaml(entry->d_name)) continue;
        if (count == RULESET_FILES_MAX) {
            yaml_error_at(errors, path, 0, 0, "the folder has more than %d pathways", RULESET_FILES_MAX - 1);
            break;
        }
        files[count++].name = arena_string(arena, entry->d_name);
    }
    if (folder) closedir(folder);
    qsort(files, count, sizeof *files, by_name);
    return count;
}

int ruleset_read_folder(const char *path, struct arena *arena, struct rules_folder *ret_folder,
                        struct yaml_errors *errors)
{
    size_t errors_before = errors->count, pathway_count = 0;
    struct rules_file *files = ARENA_ARRAY(arena, struct rules_file, RULESET_FILES_MAX);
    struct rules_folder folder = {.pathways = files};
    size_t count = list_files(path, arena, files, errors);
    for (size_t i = 0; i < count; i++) {
        struct rules_file file = files[i];
        if (!read_file(path, file.name, arena, &file.text, errors)) continue;
        if (strcmp(file.name, "policy.yaml") == 0)
            folder.policy = file;
        else
            files[pathway_count++] = file;
    }
    folder.pathway_count = pathway_count;
    if (errors->count > errors_before) return -EINVAL;
    *ret_folder = folder;
    return 0;
}

/* --- the candidate --------------------------------------------------------------------------------------------- */

struct candidate {
    const struct ruleset *rs;
    const struct rules_folder *folder;
    const Handoff__V1__Site *const *sites;
    size_t site_count;
    struct arena *arena;
    struct yaml_errors *errors;
    Handoff__V1__Policy *policy;
    struct policy compiled;
    const struct calendar *calendars[RULESET_SITES_MAX];
    const struct pathway_source *sources[RULESET_FILES_MAX];
};

static bool is_same_message(struct arena *arena, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t bytes = protobuf_c_message_get_packed_size(a);
    if (bytes != protobuf_c_message_get_packed_size(b)) return false;
    uint8_t *packed_a = arena_alloc(arena, bytes), *packed_b = arena_alloc(arena, bytes);
    protobuf_c_message_pack(a, packed_a);
    protobuf_c_message_pack(b, packed_b);
    return memcmp(packed_a, packed_b, bytes) == 0;
}

/* Position in the ruleset of a site that stays as it is; -1: it is new or another. */
static int kept_site(const struct candidate *c, size_t i)
{
    int at = ruleset_site(c->rs, c->sites[i]->name);
    bool is_kept = at >= 0 && is_same_message(c->arena, &c->rs->site_messages[at]->base, &c->sites[i]->base);
    return is_kept ? at : -1;
}

static void check_sites(struct candidate *c)
{
    size_t defaults = 0;
    if (c->site_count == 0 || c->site_count > RULESET_SITES_MAX) {
        yaml_error_at(c->errors, "site", 0, 0, "1 to %d sites are needed", RULESET_SITES_MAX);
        c->site_count = 0;
    }
    for (size_t i = 0; i < c->site_count; i++) {
        struct site *site = ARENA_NEW(c->arena, struct site);
        defaults += c->sites[i]->is_default;
        site_compile(c->sites[i], c->arena, site, c->errors);
        int kept = kept_site(c, i); /* of which was measured before */
        c->calendars[i] = kept >= 0 ? &c->rs->sites[kept].calendar : &site->calendar;
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->sites[i]->name, c->sites[j]->name) == 0)
                yaml_error_at(c->errors, "site", 0, 0, "there are two sites \"%.64s\"", c->sites[i]->name);
    }
    if (defaults > 1) yaml_error_at(c->errors, "site", 0, 0, "only one site can be the default");
}

static void check_policy(struct candidate *c)
{
    const struct rules_file *file = &c->folder->policy;
    if (!file->name)
        yaml_error_at(c->errors, "policy.yaml", 0, 0, "it is missing from the folder of pathways");
    else if (policy_read(c->arena, file->name, file->text, c->errors, &c->policy) == 0)
        policy_compile(c->policy, c->arena, &c->compiled, c->errors);
}

static void check_pathways(struct candidate *c)
{
    struct delay_memo memo = c->rs->is_measured ? c->rs->memo : (struct delay_memo){0};
    struct verify_options options = {c->calendars, c->site_count, &c->compiled, &memo};
    size_t errors_before = c->errors->count;
    for (size_t i = 0; i < c->folder->pathway_count; i++) {
        struct pathway_source *source;
        if (pathway_read(c->arena, c->folder->pathways[i].name, c->folder->pathways[i].text, c->errors, &source))
            continue;
        pathway_verify(source, &options, c->errors);
        c->sources[i] = source;
    }
    if (c->errors->count == errors_before)
        pathway_verify_set(c->sources, c->folder->pathway_count, c->folder->pathway_count, c->errors);
}

/* --- what differs ---------------------------------------------------------------------------------------------- */

struct change_list {
    struct arena *arena;
    const Handoff__V1__RulesChange **items;
    size_t count;
};

static Handoff__V1__RulesChange *add(struct change_list *list, Handoff__V1__RulesChange__BodyCase body)
{
    Handoff__V1__RulesChange *change = ARENA_NEW(list->arena, Handoff__V1__RulesChange);
    handoff__v1__rules_change__init(change);
    change->body_case = body;
    list->items[list->count++] = change;
    return change;
}

/* Comments and order of words in the file are nobody's business but the digest's. */
static bool is_same_policy(struct arena *arena, const Handoff__V1__Policy *journaled, const Handoff__V1__Policy *wanted)
{
    if (!journaled) return false;
    Handoff__V1__Policy a = *journaled, b = *wanted;
    a.text_digest = b.text_digest;
    return is_same_message(arena, &a.base, &b.base);
}

static void diff_sites(struct candidate *c, struct change_list *list)
{
    for (size_t i = 0; i < c->site_count; i++) {
        if (kept_site(c, i) >= 0) continue;
        Handoff__V1__Site *copy = arena_copy(c->arena, c->sites[i], sizeof *copy);
        add(list, HANDOFF__V1__RULES_CHANGE__BODY_SITE)->site = copy;
    }
}

static bool is_wanted_site(const struct candidate *c, const char *name)
{
    for (size_t i = 0; i < c->site_count; i++)
        if (strcmp(c->sites[i]->name, name) == 0) return true;
    return false;
}

static void diff_removed_sites(struct candidate *c, struct change_list *list)
{
    for (size_t i = 0; i < c->rs->site_count; i++) {
        if (is_wanted_site(c, c->rs->site_messages[i]->name)) continue;
        Handoff__V1__SiteRemoved *removed = ARENA_NEW(c->arena, Handoff__V1__SiteRemoved);
        handoff__v1__site_removed__init(removed);
        removed->name = arena_string(c->arena, c->rs->site_messages[i]->name);
        add(list, HANDOFF__V1__RULES_CHANGE__BODY_SITE_REMOVED)->site_removed = removed;
    }
}

static void retire(struct candidate *c, struct change_list *list, uint32_t number)
{
    Handoff__V1__PathwayRetired *retired = ARENA_NEW(c->arena, Handoff__V1__PathwayRetired);
    handoff__v1__pathway_retired__init(retired);
    retired->number = number;
    add(list, HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED)->pathway_retired = retired;
}

static void introduce(struct candidate *c, struct change_list *list, size_t i, uint32_t number)
{
    Handoff__V1__PathwayText *text = ARENA_NEW(c->arena, Handoff__V1__PathwayText);
    handoff__v1__pathway_text__init(text);
    text->number = number;
    text->name = arena_string(c->arena, c->sources[i]->pathway->name);
    text->file = arena_string(c->arena, c->folder->pathways[i].name);
    text->text.len = c->folder->pathways[i].text.len;
    text->text.data = (uint8_t *)(uintptr_t)c->folder->pathways[i].text.data; /* only ever read */
    add(list, HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY)->pathway = text;
}

static bool is_same_text(struct bytes a, struct bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void diff_pathways(struct candidate *c, struct change_list *list)
{
    uint32_t number = c->rs->version_count;
    for (size_t i = 0; i < c->folder->pathway_count; i++) {
        const struct version *current = ruleset_current(c->rs, c->sources[i]->pathway->name);
        if (current && is_same_text(current->text, c->folder->pathways[i].text)) continue;
        if (current) retire(c, list, current->source->pathway->number);
        introduce(c, list, i, ++number);
    }
}

static bool is_wanted_pathway(const struct candidate *c, const char *name)
{
    for (size_t i = 0; i < c->folder->pathway_count; i++)
        if (strcmp(c->sources[i]->pathway->name, name) == 0) return true;
    return false;
}

static void diff_removed_pathways(struct candidate *c, struct change_list *list)
{
    for (uint32_t i = 0; i < c->rs->version_count; i++)
        if (c->rs->versions[i].source && !c->rs->versions[i].is_retired && !is_wanted_pathway(c, c->rs->versions[i].source->pathway->name))
            retire(c, list, i + 1);
}

static void diff_all(struct candidate *c, struct rules_changes *ret_changes)
{
    size_t most = c->site_count + c->rs->site_count + 1 + 2 * c->folder->pathway_count + c->rs->version_count;
    struct change_list list = {c->arena, ARENA_ARRAY(c->arena, const Handoff__V1__RulesChange *, most), 0};
    diff_sites(c, &list);
    diff_removed_sites(c, &list);
    if (!is_same_policy(c->arena, c->rs->policy, c->policy))
        add(&list, HANDOFF__V1__RULES_CHANGE__BODY_POLICY)->policy = c->policy;
    diff_pathways(c, &list);
    diff_removed_pathways(c, &list);
    *ret_changes = (struct rules_changes){list.items, list.count};
}

int ruleset_diff(const struct ruleset *rs, const struct rules_folder *folder, const Handoff__V1__Site *const *sites,
                 size_t site_count, struct arena *arena, struct yaml_errors *errors, struct rules_changes *ret_changes)
{
    size_t errors_before = errors->count;
    struct candidate *c = ARENA_NEW(arena, struct candidate);
    *c = (struct candidate){
        .rs = rs, .folder = folder, .sites = sites, .site_count = site_count, .arena = arena, .errors = errors};
    check_sites(c);
    check_policy(c);
    if (errors->count == errors_before) check_pathways(c);
    if (errors->count > errors_before) return -EINVAL;
    diff_all(c, ret_changes);
    return 0;
}
