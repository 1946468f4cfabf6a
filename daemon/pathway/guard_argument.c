/* See guard_argument.h. */
#include "pathway/guard_argument.h"

#include <stdio.h>
#include <string.h>
#include "base/yaml.h"
#include "core/consent.h"

struct search {
    const struct guard_scope *scope;
    struct parse_error *error;
};

#define FAIL(p, offset, ...) (word_explain((p)->error, (offset), NULL, __VA_ARGS__), false)

int name_find(const char *const names[], const char *text)
{
    for (int i = 0; names && names[i]; i++)
        if (strcmp(names[i], text) == 0) return i;
    return -1;
}

bool party_find(const char *text, Handoff__V1__Party *ret_party, enum party_from *ret_from)
{
    int value = 0;
    bool is_referrer = strcmp(text, "REFERRER") == 0;
    if (!is_referrer && (!word_find(&handoff__v1__party__descriptor, WORD_UPPER, text, &value) || !value)) return false;
    *ret_party = (Handoff__V1__Party)value;
    *ret_from = is_referrer ? PARTY_FROM_REFERRER : PARTY_FROM_PARTY;
    return true;
}

const char *const aspect_names[] = {"sending", "reminders", "misses", "family", NULL};

uint32_t aspect_find(const char *text)
{
    int i = name_find(aspect_names, text);
    return i < 0 ? 0 : UINT32_C(1) << i;
}

static bool find_listed(struct search *p, const struct token *t, const char *what, const char *const names[],
                        int64_t *ret)
{
    int i = name_find(names, t->text);
    if (i >= 0) return *ret = i, true;
    word_explain(p->error, t->offset, names ? yaml_nearest(t->text, names) : NULL, "this pathway has no %s \"%s\"",
                 what, t->text);
    return false;
}

static bool find_enum(struct search *p, const struct token *t, const char *what, const ProtobufCEnumDescriptor *type,
                      enum word_case kind, int64_t *ret)
{
    int value = 0;
    char buffer[WORD_BYTES];
    if (word_find(type, kind, t->text, &value) && value) return *ret = value, true;
    word_explain(p->error, t->offset, word_nearest(type, kind, t->text, buffer), "unknown %s \"%s\"", what, t->text);
    return false;
}

static bool find_party(struct search *p, const struct token *t, struct guard *call)
{
    if (strcmp(t->text, "REFERRER") == 0)
        return FAIL(p, t->offset, "REFERRER may be anybody; compare episode.referrer instead");
    return find_enum(p, t, "party", &handoff__v1__party__descriptor, WORD_UPPER, &call->argument[0]);
}

static bool find_region_state(struct search *p, const struct token *t, struct guard *call)
{
    char region[TOKEN_BYTES];
    size_t dot = strcspn(t->text, ".");
    struct token part = *t;
    snprintf(region, sizeof region, "%.*s", (int)dot, t->text);
    if (!t->text[dot]) return FAIL(p, t->offset, "here must be a region and its state, such as visit.booked");
    memcpy(part.text, region, sizeof part.text);
    if (!find_listed(p, &part, "region", p->scope->names->regions, &call->argument[0])) return false;
    snprintf(part.text, sizeof part.text, "%s", t->text + dot + 1);
    part.offset += dot + 1;
    return find_listed(p, &part, "state of that region", p->scope->names->region_states[call->argument[0]],
                       &call->argument[1]);
}

static bool find_aspect(struct search *p, const struct token *t, struct guard *call)
{
    call->argument[0] = aspect_find(t->text);
    if (call->argument[0]) return true;
    word_explain(p->error, t->offset, yaml_nearest(t->text, aspect_names),
                 "unknown aspect \"%s\"; there are sending, "
                 "reminders, misses and family",
                 t->text);
    return false;
}

static bool find_gap(struct search *p, const struct token *t, struct guard *call)
{
    const char *names[32] = {NULL};
    for (size_t i = 0; i < 31 && consent_gap_name(i); i++) names[i] = consent_gap_name(i);
    int i = name_find(names, t->text);
    if (i >= 0) return call->argument[0] = INT64_C(1) << i, true;
    word_explain(p->error, t->offset, yaml_nearest(t->text, names), "a release cannot lack \"%s\"", t->text);
    return false;
}

static bool find_argument(struct search *p, const struct token *t, struct guard *call)
{
    const struct pathway_names *names = p->scope->names;
    switch (call->predicate->argument) {
    case ARGUMENT_NONE: return FAIL(p, t->offset, "%s takes nothing in parentheses", call->predicate->name);
    case ARGUMENT_PARTY: return find_party(p, t, call);
    case ARGUMENT_HOLD: return find_listed(p, t, "hold", names->holds, &call->argument[0]);
    case ARGUMENT_CONCERN: return find_listed(p, t, "concern", names->concerns, &call->argument[0]);
    case ARGUMENT_TIMER: return find_listed(p, t, "timer", names->timers, &call->argument[0]);
    case ARGUMENT_STATE: return find_listed(p, t, "state", names->states, &call->argument[0]);
    case ARGUMENT_REGION_STATE: return find_region_state(p, t, call);
    case ARGUMENT_ASPECT: return find_aspect(p, t, call);
    case ARGUMENT_TASK_KIND:
        return find_enum(p, t, "task", &handoff__v1__task_kind__descriptor, WORD_KEBAB, &call->argument[0]);
    case ARGUMENT_PATHWAY: return true; /* whether there is one is asked of the whole set of pathways */
    case ARGUMENT_BARRIER:
        return find_enum(p, t, "barrier", &handoff__v1__barrier_kind__descriptor, WORD_UPPER, &call->argument[0]);
    case ARGUMENT_DAYS: return FAIL(p, t->offset, "here must be two days, such as %s(1, 7)", call->predicate->name);
    case ARGUMENT_GAP: return find_gap(p, t, call);
    case ARGUMENT_COVERAGE:
        return find_enum(p, t, "coverage", &handoff__v1__coverage_kind__descriptor, WORD_UPPER, &call->argument[0]);
    }
    return false;
}

bool guard_argument(const struct guard_scope *scope, const struct token *token, struct guard *call,
                    struct parse_error *error)
{
    struct search search = {scope, error};
    return find_argument(&search, token, call);
}
