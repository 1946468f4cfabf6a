/* What goes on when a human opens an episode again on its pathway's newest version (machine_continue): what was raised
 * and is not resolved, and the tasks that it keeps the time of. A ladder never falls because of a new text. All else is
 * asked for anew. */
#include "core/moment.h"

#include <string.h>

struct carry {
    const struct pathway *from, *to;
    uint32_t old_number, number;
};

/* --- the same thing in the other text ------------------------------------------------------------------------------ */
static uint32_t same_timer(const struct carry *c, uint32_t kind)
{
    for (uint32_t i = 0; i < c->to->timer_count; i++)
        if (strcmp(c->to->timers[i].name, c->from->timers[kind].name) == 0) return SCOPE_TIMER + i;
    return SCOPE_NONE;
}

static uint32_t same_hold(const struct carry *c, uint32_t hold)
{
    for (uint32_t i = 0; i < c->to->hold_count; i++)
        if (strcmp(c->to->holds[i].name, c->from->holds[hold].name) == 0) return SCOPE_HOLD + i;
    return SCOPE_NONE;
}

static uint32_t same_concern(const struct carry *c, uint32_t concern)
{
    for (uint32_t i = 0; i < c->to->concern_count; i++)
        if (strcmp(c->to->concerns[i].name, c->from->concerns[concern].name) == 0) return SCOPE_CONCERN + i;
    return SCOPE_NONE;
}

/* Of what the newest text does not have, only a human or the episode's end is the end. */
static uint32_t same_scope(const struct carry *c, uint32_t scope)
{
    if (scope >= SCOPE_CONCERN) return same_concern(c, scope - SCOPE_CONCERN);
    if (scope >= SCOPE_HOLD) return same_hold(c, scope - SCOPE_HOLD);
    return scope >= SCOPE_TIMER ? same_timer(c, scope - SCOPE_TIMER) : SCOPE_NONE;
}

/* The rule that gives the same reason; 0: none does, and the policy's reason stands. */
static uint32_t same_rule(const struct carry *c, uint32_t rule)
{
    const char *text = rule < c->from->rule_count ? c->from->rules[rule].text : NULL;
    if (c->from == c->to) return rule;
    for (uint32_t i = 1; text && text[0] && i < c->to->rule_count; i++)
        if (c->to->rules[i].text && strcmp(c->to->rules[i].text, text) == 0) return i;
    return 0;
}

/* --- carrying ------------------------------------------------------------------------------------------------------ */
static void carry_cause(const struct carry *c, Handoff__V1__Cause *cause)
{
    if (!cause || cause->episode != c->old_number) return;
    cause->episode = c->number;
    cause->scope = same_scope(c, cause->scope);
    cause->rule = same_rule(c, cause->rule);
}

void carry_raised(struct moment *m, const struct pathway *to, uint32_t number)
{
    struct carry c = {m->pathway, to, m->episode->number, number};
    for (size_t i = 0; i < m->record->n_escalations; i++) carry_cause(&c, m->record->escalations[i]->cause);
    for (size_t i = 0; i < m->record->n_tasks; i++) {
        Handoff__V1__Task *t = m->record->tasks[i];
        if (!work_find_escalation(m->record, t->escalation)) continue;
        for (size_t k = 0; k < t->n_causes; k++) carry_cause(&c, t->causes[k]);
    }
}
