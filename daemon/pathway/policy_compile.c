/* See policy.h: the message to what core reads. It trusts nothing of the message, which may be years old. */
#include "pathway/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "pathway/delay_bounds.h"
#include "pathway/delay_parse.h"

static_assert((int)HANDOFF__V1__TASK_KIND__TASK_KIND_TAKE_OVER < (int)RULES_TASK_KINDS,
              "every task has a place in the table");
static_assert((int)HANDOFF__V1__PARTY__PARTY_OTHER < (int)RULES_PARTIES, "every party has a bit");

struct compiler {
    struct arena *arena;
    struct policy *policy;
    struct yaml_errors *errors;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct compiler *c, const char *format, ...)
{
    char sentence[300];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    yaml_error_at(c->errors, "policy", 0, 0, "%s", sentence);
}

static const struct delay *compile_delay(struct compiler *c, const char *text, const char *what)
{
    struct parse_error error;
    const struct delay *delay = NULL;
    if (delay_parse(c->arena, text, &delay, &error))
        refuse(c, "%s: %s", what, error.sentence);
    else if (delay_has(delay, DELAY_COMPRESSED))
        refuse(c, "%s: compressed(...) belongs to a pathway, which knows the time to keep", what);
    else if (delay_may_look_back(delay, calendar_for_checks()))
        refuse(c, "%s: a due time cannot lie in the past", what);
    return delay;
}

/* What repeats must not repeat at once. */
static const struct delay *compile_repeat(struct compiler *c, const char *text, const char *what)
{
    const struct delay *delay = compile_delay(c, text, what);
    if (delay && delay_may_be_nothing(delay, calendar_for_checks()))
        refuse(c, "%s may be zero; it would never end", what);
    return delay;
}

/* Given once it holds for all severities; given for some, the others are the ladder's. */
static void compile_by_severity(struct compiler *c, const char *const texts[3],
                                const struct delay *compile(struct compiler *, const char *, const char *),
                                const char *what, const struct delay *ret[RULES_SEVERITIES])
{
    bool is_for_all = !texts[1][0] && !texts[2][0];
    for (int i = 0; i < 3; i++) {
        const char *text = is_for_all ? texts[0] : texts[i];
        ret[i + 1] = text[0] ? compile(c, text, what) : NULL;
    }
}

static bool is_value(const ProtobufCEnumDescriptor *type, int value)
{
    return value != 0 && protobuf_c_enum_descriptor_get_value(type, value) != NULL;
}

static void compile_task(struct compiler *c, const Handoff__V1__TaskRule *row)
{
    char name[WORD_BYTES];
    if (!is_value(&handoff__v1__task_kind__descriptor, (int)row->kind))
        return refuse(c, "task %d is unknown", (int)row->kind);
    word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, (int)row->kind, name);
    if (!is_value(&handoff__v1__role__descriptor, (int)row->owner)) return refuse(c, "the task %s has no owner", name);
    if ((unsigned)row->severity >= RULES_SEVERITIES) return refuse(c, "the severity of the task %s is unknown", name);
    struct task_rule *rule = &c->policy->tasks[row->kind];
    if (rule->is_set) return refuse(c, "the task %s has two rows", name);
    rule->is_set = true;
    rule->owner = row->owner;
    rule->severity = row->severity;
    const char *dues[] = {row->due, row->due_urgent, row->due_emergent},
               *again[] = {row->attempt_again, row->attempt_again_urgent, row->attempt_again_emergent};
    compile_by_severity(c, dues, compile_delay, name, rule->due);
    compile_by_severity(c, again, compile_repeat, name, rule->attempt_again);
    rule->max_attempts = row->max_attempts ? row->max_attempts : 3;
    rule->reason = arena_string(c->arena, row->reason);
    rule->undelivered = arena_string(c->arena, row->undelivered);
}

static void compile_rungs(struct compiler *c, const Handoff__V1__Role *roles, size_t count, struct ladder_rule *rule)
{
    if (count > RULES_RUNGS) return refuse(c, "a ladder has 1 to 8 rungs");
    for (size_t i = 0; i < count; i++) {
        if (!is_value(&handoff__v1__role__descriptor, (int)roles[i])) refuse(c, "rung %zu is no role", i + 1);
        rule->rungs[i] = roles[i];
    }
    rule->rung_count = (uint32_t)count;
}

/* What names no rungs of its own climbs those of overdue work. */
static void compile_overdue(struct compiler *c, const Handoff__V1__Policy *message)
{
    if (message->n_overdue_rungs == 0) return refuse(c, "overdue work climbs 1 to 8 rungs");
    for (int i = 1; i < RULES_SEVERITIES; i++)
        if (!c->policy->ladder[i].rung_count)
            compile_rungs(c, message->overdue_rungs, message->n_overdue_rungs, &c->policy->ladder[i]);
}

static void compile_ladder(struct compiler *c, const Handoff__V1__LadderRule *row)
{
    if (!row->severity || (unsigned)row->severity >= RULES_SEVERITIES) return refuse(c, "a ladder has no severity");
    struct ladder_rule *rule = &c->policy->ladder[row->severity];
    rule->due = compile_delay(c, row->due, "ladder, due");
    rule->rung = compile_repeat(c, row->rung, "ladder, rung");
    rule->repeat = compile_repeat(c, row->repeat, "ladder, repeat");
    rule->remind = row->remind[0] ? compile_repeat(c, row->remind, "ladder, remind") : NULL;
    rule->safety = row->safety[0] ? compile_repeat(c, row->safety, "ladder, safety") : NULL;
    compile_rungs(c, row->rungs, row->n_rungs, rule);
}

static void compile_authority(struct compiler *c, const Handoff__V1__AuthorityRule *row)
{
    if (!row->level_of_care || (unsigned)row->level_of_care >= RULES_LEVELS)
        return refuse(c, "a row of the authority matrix has no level of care");
    for (size_t i = 0; i < row->n_referrers; i++) {
        if (!is_value(&handoff__v1__party__descriptor, (int)row->referrers[i]))
            return refuse(c, "a referrer of the authority matrix is unknown");
        c->policy->authority[row->level_of_care] |= UINT32_C(1) << row->referrers[i];
    }
}

static void compile_instrument(struct compiler *c, const Handoff__V1__InstrumentRule *row)
{
    if (!row->instrument || (unsigned)row->instrument >= RULES_INSTRUMENTS)
        return refuse(c, "a row of the instruments has no instrument");
    if (row->oldest && row->oldest < row->youngest)
        refuse(c, "the oldest age of an instrument cannot be below its youngest");
    if (row->total_max && (row->cut_off > row->total_max || row->severe > row->total_max))
        refuse(c, "cut_off and severe of an instrument cannot lie above its total");
    c->policy->instruments[row->instrument] = (struct instrument_rule){
        .total_max = row->total_max, .item_max = row->item_max, .item_count = row->item_count,
        .youngest = row->youngest,   .oldest = row->oldest,     .cut_off = row->cut_off,
        .severe = row->severe,       .worse_by = row->worse_by,
    };
}

/* Absent in a policy that was journaled before there were such lists. */
static const char hand_over_default[] = "15min";

static void compile_figures(struct compiler *c, const Handoff__V1__Policy *message)
{
    c->policy->roi_days = message->roi_days;
    c->policy->roi_max_days = message->roi_max_days;
    c->policy->bh_signing_age = message->bh_signing_age;
    c->policy->adult_age = message->adult_age;
    c->policy->is_pcp_workforce = message->is_pcp_workforce;
    c->policy->is_guardian_needed_for_da = message->is_guardian_needed_for_da;
    c->policy->is_guardian_asked_too = message->is_guardian_asked_too;
    for (size_t i = 0; i < message->n_medical_personnel; i++) {
        if (!is_value(&handoff__v1__party__descriptor, (int)message->medical_personnel[i]))
            return refuse(c, "a party of the medical personnel is unknown");
        c->policy->medical_personnel |= UINT32_C(1) << message->medical_personnel[i];
    }
    const char *after = message->hand_over_after[0] ? message->hand_over_after : hand_over_default;
    c->policy->hand_over_after = compile_delay(c, after, "hand_over_after");
    if (!message->roi_days || message->roi_days > message->roi_max_days)
        refuse(c, "roi_days must be 1 to roi_max_days");
    if (!message->bh_signing_age || !message->adult_age) refuse(c, "bh_signing_age and adult_age must be given");
    const char **agencies = ARENA_ARRAY(c->arena, const char *, message->n_workforce_agencies + 1);
    for (size_t i = 0; i < message->n_workforce_agencies; i++)
        agencies[i] = arena_string(c->arena, message->workforce_agencies[i]);
    c->policy->workforce_agencies = agencies;
    c->policy->workforce_agency_count = (uint32_t)message->n_workforce_agencies;
}

int policy_compile(const Handoff__V1__Policy *message, struct arena *arena, struct policy *ret_policy,
                   struct yaml_errors *errors)
{
    static const char *const severities[] = {"", "routine", "urgent", "emergent"};
    struct policy policy = {0};
    struct compiler c = {arena, &policy, errors};
    size_t errors_before = errors->count;
    for (size_t i = 0; i < message->n_tasks; i++) compile_task(&c, message->tasks[i]);
    for (size_t i = 0; i < message->n_ladder; i++) compile_ladder(&c, message->ladder[i]);
    for (int i = 1; i < RULES_SEVERITIES; i++)
        if (!policy.ladder[i].due) refuse(&c, "the ladder has no row for %s", severities[i]);
    compile_overdue(&c, message);
    for (size_t i = 0; i < message->n_authority; i++) compile_authority(&c, message->authority[i]);
    for (size_t i = 0; i < message->n_instruments; i++) compile_instrument(&c, message->instruments[i]);
    compile_figures(&c, message);
    if (errors->count > errors_before) return -EINVAL;
    *ret_policy = policy;
    return 0;
}
