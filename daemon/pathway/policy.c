/* See policy.h: the file to the message. policy_compile.c goes on from there. */
#include "pathway/policy.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include "pathway/delay_parse.h"
#include "pathway/guard_parse.h"

enum { REASON_MAX = 300, DIGEST_BYTES = 16, AGENCIES_MAX = 256 };

struct reader {
    struct arena *arena;
    const char *file;
    struct yaml_errors *errors;
    Handoff__V1__Policy *policy;
};

/* --- values --------------------------------------------------------------------------------------------------- */

static bool read_word(struct reader *r, struct yaml_node node, const char *what, const ProtobufCEnumDescriptor *type,
                      enum word_case kind, int *ret_value)
{
    char nearest[WORD_BYTES];
    struct parse_error error;
    if (!yaml_expect_kind(node, YAML_SCALAR, r->errors)) return false;
    if (word_find(type, kind, yaml_text(node), ret_value) && *ret_value) return true;
    word_explain(&error, 0, word_nearest(type, kind, yaml_text(node), nearest), "unknown %s \"%.64s\"", what,
                 yaml_text(node));
    yaml_error_add(r->errors, node, "%s", error.sentence);
    return false;
}

/* A delay is kept as its text; that it can be read is seen here, where its place is known. */
static char *read_delay(struct reader *r, struct yaml_node node)
{
    struct parse_error error;
    const struct delay *delay;
    if (!yaml_expect_kind(node, YAML_SCALAR, r->errors)) return NULL;
    if (delay_parse(r->arena, yaml_text(node), &delay, &error) == 0) return arena_string(r->arena, yaml_text(node));
    yaml_error_at(r->errors, r->file, yaml_line(node), yaml_column(node) + (int)error.offset + yaml_is_quoted(node),
                  "%s", error.sentence);
    return NULL;
}

static const char *const severities[] = {"routine", "urgent", "emergent", NULL};

/* One delay for all severities, or {routine, urgent, emergent}: what is left out there is the ladder's. */
static void read_delays(struct reader *r, struct yaml_node node, char **const ret[3])
{
    bool is_one = yaml_kind(node) != YAML_MAPPING;
    if (!is_one && !yaml_expect_keys(node, severities, r->errors)) return;
    for (int i = 0; i < (is_one ? 1 : 3); i++) {
        struct yaml_node one = is_one ? node : yaml_get(node, severities[i]);
        char *text = yaml_is_present(one) ? read_delay(r, one) : NULL;
        if (text) *ret[i] = text;
    }
}

static char *read_reason(struct reader *r, struct yaml_node node)
{
    const char *text = NULL;
    return yaml_is_present(node) && yaml_read_string(node, REASON_MAX, &text, r->errors) ? arena_string(r->arena, text)
                                                                                         : NULL;
}

static void read_number(struct reader *r, struct yaml_node root, const char *key, int64_t max, uint32_t *ret)
{
    struct yaml_node node = yaml_require(root, key, r->errors);
    int64_t number = 0;
    if (yaml_is_present(node) && yaml_read_int(node, 1, max, &number, r->errors)) *ret = (uint32_t)number;
}

/* --- rows ------------------------------------------------------------------------------------------------------ */

static Handoff__V1__TaskRule *read_task(struct reader *r, struct yaml_node key, struct yaml_node row)
{
    static const char *const keys[] = {"owner", "due", "severity", "reason", "attempts", "again", "undelivered", NULL};
    Handoff__V1__TaskRule *task = ARENA_NEW(r->arena, Handoff__V1__TaskRule);
    handoff__v1__task_rule__init(task);
    int value = 0;
    int64_t attempts = 0;
    if (!read_word(r, key, "task", &handoff__v1__task_kind__descriptor, WORD_KEBAB, &value)) return task;
    task->kind = (Handoff__V1__TaskKind)value;
    if (!yaml_expect_keys(row, keys, r->errors)) return task;
    struct yaml_node owner = yaml_require(row, "owner", r->errors), reason = yaml_require(row, "reason", r->errors);
    struct yaml_node due = yaml_get(row, "due"), severity = yaml_get(row, "severity"), again = yaml_get(row, "again"),
                     times = yaml_get(row, "attempts");
    if (yaml_is_present(owner) && read_word(r, owner, "role", &handoff__v1__role__descriptor, WORD_KEBAB, &value))
        task->owner = (Handoff__V1__Role)value;
    if (yaml_is_present(severity) &&
        read_word(r, severity, "severity", &handoff__v1__severity__descriptor, WORD_KEBAB, &value))
        task->severity = (Handoff__V1__Severity)value;
    char *text;
    if (yaml_is_present(due)) read_delays(r, due, (char **const[]){&task->due, &task->due_urgent, &task->due_emergent});
    if (yaml_is_present(again))
        read_delays(r, again,
                    (char **const[]){&task->attempt_again, &task->attempt_again_urgent, &task->attempt_again_emergent});
    if ((text = read_reason(r, reason))) task->reason = text;
    if ((text = read_reason(r, yaml_get(row, "undelivered")))) task->undelivered = text;
    if (yaml_is_present(times) && yaml_read_int(times, 1, 20, &attempts, r->errors))
        task->max_attempts = (uint32_t)attempts;
    return task;
}

static void expect_all_tasks(struct reader *r, struct yaml_node at)
{
    const ProtobufCEnumDescriptor *kinds = &handoff__v1__task_kind__descriptor;
    char name[WORD_BYTES];
    for (unsigned i = 0; i < kinds->n_values; i++) {
        int value = kinds->values[i].value;
        if (value && !yaml_is_present(yaml_get(at, word_of(kinds, WORD_KEBAB, value, name))))
            yaml_error_add(r->errors, at, "the task %s has no row here, so nobody would own it", name);
    }
}

static void read_tasks(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at) || !yaml_expect_kind(at, YAML_MAPPING, r->errors)) return;
    Handoff__V1__TaskRule **rows = ARENA_ARRAY(r->arena, Handoff__V1__TaskRule *, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++) rows[i] = read_task(r, yaml_key(at, i), yaml_value(at, i));
    r->policy->tasks = rows;
    r->policy->n_tasks = yaml_size(at);
    expect_all_tasks(r, at);
}

/* A list of words as enum values, which protobuf-c keeps as ints. */
static int *read_words(struct reader *r, struct yaml_node at, const char *what, const ProtobufCEnumDescriptor *type,
                       enum word_case kind, size_t *ret_count)
{
    *ret_count = 0;
    if (!yaml_expect_kind(at, YAML_SEQUENCE, r->errors)) return NULL;
    int *values = ARENA_ARRAY(r->arena, int, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++)
        if (read_word(r, yaml_item(at, i), what, type, kind, &values[*ret_count])) ++*ret_count;
    return values;
}

static_assert(sizeof(Handoff__V1__Role) == sizeof(int) && sizeof(Handoff__V1__Party) == sizeof(int), "enums are ints");

static Handoff__V1__Role *read_rungs(struct reader *r, struct yaml_node at, size_t *ret_count)
{
    int *roles = read_words(r, at, "role", &handoff__v1__role__descriptor, WORD_KEBAB, ret_count);
    if (yaml_kind(at) == YAML_SEQUENCE && (yaml_size(at) == 0 || yaml_size(at) > RULES_RUNGS))
        yaml_error_add(r->errors, at, "a ladder has 1 to 8 rungs");
    return (Handoff__V1__Role *)(void *)roles;
}

static Handoff__V1__LadderRule *read_rung(struct reader *r, struct yaml_node key, struct yaml_node row)
{
    static const char *const keys[] = {"due", "rung", "repeat", "remind", "safety", "rungs", NULL};
    enum { REQUIRED = 3, DELAYS = 5 };
    Handoff__V1__LadderRule *ladder = ARENA_NEW(r->arena, Handoff__V1__LadderRule);
    handoff__v1__ladder_rule__init(ladder);
    char **const texts[] = {&ladder->due, &ladder->rung, &ladder->repeat, &ladder->remind, &ladder->safety};
    int value = 0;
    if (read_word(r, key, "severity", &handoff__v1__severity__descriptor, WORD_KEBAB, &value))
        ladder->severity = (Handoff__V1__Severity)value;
    if (!yaml_expect_keys(row, keys, r->errors)) return ladder;
    for (int i = 0; i < DELAYS; i++) {
        struct yaml_node node = i < REQUIRED ? yaml_require(row, keys[i], r->errors) : yaml_get(row, keys[i]);
        char *text = yaml_is_present(node) ? read_delay(r, node) : NULL;
        if (text) *texts[i] = text;
    }
    struct yaml_node rungs = yaml_get(row, "rungs");
    if (yaml_is_present(rungs)) ladder->rungs = read_rungs(r, rungs, &ladder->n_rungs);
    return ladder;
}

static void read_ladder(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at) || !yaml_expect_kind(at, YAML_MAPPING, r->errors)) return;
    Handoff__V1__LadderRule **rows = ARENA_ARRAY(r->arena, Handoff__V1__LadderRule *, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++) rows[i] = read_rung(r, yaml_key(at, i), yaml_value(at, i));
    r->policy->ladder = rows;
    r->policy->n_ladder = yaml_size(at);
    for (int i = 0; severities[i]; i++) yaml_require(at, severities[i], r->errors);
}

static void read_overdue(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at)) return;
    r->policy->overdue_rungs = read_rungs(r, at, &r->policy->n_overdue_rungs);
}

static void read_authority(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at) || !yaml_expect_kind(at, YAML_MAPPING, r->errors)) return;
    Handoff__V1__AuthorityRule **rows = ARENA_ARRAY(r->arena, Handoff__V1__AuthorityRule *, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++) {
        int level = 0;
        rows[i] = ARENA_NEW(r->arena, Handoff__V1__AuthorityRule);
        handoff__v1__authority_rule__init(rows[i]);
        if (read_word(r, yaml_key(at, i), "level of care", &handoff__v1__level_of_care__descriptor, WORD_KEBAB, &level))
            rows[i]->level_of_care = (Handoff__V1__LevelOfCare)level;
        int *parties = read_words(r, yaml_value(at, i), "party", &handoff__v1__party__descriptor, WORD_UPPER,
                                  &rows[i]->n_referrers);
        rows[i]->referrers = (Handoff__V1__Party *)(void *)parties;
    }
    r->policy->authority = rows;
    r->policy->n_authority = yaml_size(at);
    const ProtobufCEnumDescriptor *levels = &handoff__v1__level_of_care__descriptor;
    char name[WORD_BYTES];
    for (unsigned i = 0; i < levels->n_values; i++)
        if (levels->values[i].value &&
            !yaml_is_present(yaml_get(at, word_of(levels, WORD_KEBAB, levels->values[i].value, name))))
            yaml_error_add(r->errors, at, "the level of care %s has no row here; write %s: [] if it needs no referral",
                           name, name);
}

/* A row of figures; what a row leaves out is not said of that instrument. */
static Handoff__V1__InstrumentRule *read_instrument(struct reader *r, struct yaml_node key, struct yaml_node row)
{
    static const char *const keys[] = {"total", "item", "items", "youngest", "oldest", "cut_off", "severe", "worse_by",
                                       NULL};
    Handoff__V1__InstrumentRule *rule = ARENA_NEW(r->arena, Handoff__V1__InstrumentRule);
    handoff__v1__instrument_rule__init(rule);
    uint32_t *const figures[] = {&rule->total_max, &rule->item_max, &rule->item_count, &rule->youngest,
                                 &rule->oldest,    &rule->cut_off,  &rule->severe,     &rule->worse_by};
    int value = 0;
    if (read_word(r, key, "instrument", &handoff__v1__instrument__descriptor, WORD_KEBAB, &value))
        rule->instrument = (Handoff__V1__Instrument)value;
    if (yaml_is_null(row) || !yaml_expect_keys(row, keys, r->errors)) return rule;
    for (int i = 0; keys[i]; i++) {
        struct yaml_node node = yaml_get(row, keys[i]);
        int64_t number = 0;
        if (yaml_is_present(node) && yaml_read_int(node, 1, 1000, &number, r->errors)) *figures[i] = (uint32_t)number;
    }
    return rule;
}

static void read_instruments(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at) || !yaml_expect_kind(at, YAML_MAPPING, r->errors)) return;
    Handoff__V1__InstrumentRule **rows = ARENA_ARRAY(r->arena, Handoff__V1__InstrumentRule *, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++) rows[i] = read_instrument(r, yaml_key(at, i), yaml_value(at, i));
    r->policy->instruments = rows;
    r->policy->n_instruments = yaml_size(at);
}

static void read_agencies(struct reader *r, struct yaml_node at)
{
    if (yaml_is_null(at) || !yaml_expect_kind(at, YAML_SEQUENCE, r->errors)) return;
    if (yaml_size(at) > AGENCIES_MAX) {
        yaml_error_add(r->errors, at, "at most %d agencies can belong to the workforce", AGENCIES_MAX);
        return;
    }
    char **names = ARENA_ARRAY(r->arena, char *, yaml_size(at) + 1);
    for (size_t i = 0; i < yaml_size(at); i++) {
        const char *text = "";
        yaml_read_string(yaml_item(at, i), 128, &text, r->errors);
        names[i] = arena_string(r->arena, text);
    }
    r->policy->workforce_agencies = names;
    r->policy->n_workforce_agencies = yaml_size(at);
}

/* Off unless given. */
static bool read_switch(struct reader *r, struct yaml_node root, const char *key)
{
    struct yaml_node node = yaml_get(root, key);
    bool is_on = false;
    if (yaml_is_present(node)) yaml_read_bool(node, &is_on, r->errors);
    return is_on;
}

static void read_medical(struct reader *r, struct yaml_node at)
{
    if (!yaml_is_present(at)) return;
    int *parties = read_words(r, at, "party", &handoff__v1__party__descriptor, WORD_UPPER,
                              &r->policy->n_medical_personnel);
    r->policy->medical_personnel = (Handoff__V1__Party *)(void *)parties;
}

/* --- the file -------------------------------------------------------------------------------------------------- */

static void read_root(struct reader *r, struct yaml_node root)
{
    static const char *const keys[] = {
        "tasks",          "ladder",    "overdue",          "authority",          "roi_days", "roi_max_days",
        "bh_signing_age", "adult_age", "pcp_is_workforce", "workforce_agencies", "guardian_signature_too",
        "da_guardian_too", "medical_personnel", "hand_over_after", "instruments", NULL};
    bool is_pcp = false;
    if (!yaml_expect_keys(root, keys, r->errors)) return;
    read_tasks(r, yaml_require(root, "tasks", r->errors));
    read_ladder(r, yaml_require(root, "ladder", r->errors));
    read_overdue(r, yaml_require(root, "overdue", r->errors));
    read_authority(r, yaml_require(root, "authority", r->errors));
    read_number(r, root, "roi_days", 3650, &r->policy->roi_days);
    read_number(r, root, "roi_max_days", 3650, &r->policy->roi_max_days);
    read_number(r, root, "bh_signing_age", 30, &r->policy->bh_signing_age);
    read_number(r, root, "adult_age", 30, &r->policy->adult_age);
    struct yaml_node pcp = yaml_require(root, "pcp_is_workforce", r->errors);
    if (yaml_is_present(pcp)) yaml_read_bool(pcp, &is_pcp, r->errors);
    r->policy->is_pcp_workforce = is_pcp;
    read_agencies(r, yaml_get(root, "workforce_agencies"));
    read_instruments(r, yaml_get(root, "instruments"));
    r->policy->is_guardian_asked_too = read_switch(r, root, "guardian_signature_too");
    r->policy->is_guardian_needed_for_da = read_switch(r, root, "da_guardian_too");
    read_medical(r, yaml_get(root, "medical_personnel"));
    char *after = yaml_is_present(yaml_get(root, "hand_over_after")) ? read_delay(r, yaml_get(root, "hand_over_after")) : NULL;
    if (after) r->policy->hand_over_after = after;
    if (r->policy->roi_days > r->policy->roi_max_days)
        yaml_error_add(r->errors, yaml_get(root, "roi_days"), "a release cannot be valid for longer than roi_max_days");
}

static char *digest_of(struct arena *arena, struct bytes text)
{
    unsigned char digest[DIGEST_BYTES];
    char hex[2 * DIGEST_BYTES + 1];
    crypto_generichash(digest, sizeof digest, text.data, text.len, NULL, 0);
    return arena_string(arena, sodium_bin2hex(hex, sizeof hex, digest, sizeof digest));
}

static bool is_readable(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors)
{
    const char *sentence = text.len > 256 * 1024                    ? "the policy's file has at most 256 KiB"
                           : arena_left(arena) < POLICY_ARENA_BYTES ? "there is not enough memory left for the policy"
                                                                    : NULL;
    if (sentence) yaml_error_at(errors, file_name, 0, 0, "%s", sentence);
    return !sentence;
}

int policy_read(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                Handoff__V1__Policy **ret_policy)
{
    size_t errors_before = errors->count;
    struct policy compiled;
    struct yaml *yaml =
        is_readable(arena, file_name, text, errors) ? yaml_load_memory(file_name, text.data, text.len, errors) : NULL;
    if (!yaml) return -EINVAL;
    struct reader r = {arena, file_name, errors, ARENA_NEW(arena, Handoff__V1__Policy)};
    handoff__v1__policy__init(r.policy);
    read_root(&r, yaml_root(yaml));
    yaml_close(yaml);
    if (errors->count > errors_before || policy_compile(r.policy, arena, &compiled, errors)) return -EINVAL;
    r.policy->text_digest = digest_of(arena, text);
    *ret_policy = r.policy;
    return 0;
}
