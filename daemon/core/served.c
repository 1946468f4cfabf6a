/* Subscriptions that nobody serves as they should (no worker, or one that is too far behind): on the site's record, one
 * matter each. What no worker takes away reaches nobody, so silence is a fault here too.
 *
 *     served --not any more--> raised --served again--> resolved, served
 *                               ^  | a human resolves it, and nobody serves it yet
 *                               |  v
 *                               again, after one rung's time
 *
 * Where escalations are in it, a patient may fall through the cracks before anybody looks: on-call hears of it at once.
 * Else it is the supervisor's, in working hours. */
#include "core/moment.h"

#include <string.h>

#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME

enum { UNSERVED_MAX = 256 }; /* subscriptions of one daemon are far fewer */

static Handoff__V1__Severity severity_of(const Handoff__V1__Unserved *u)
{
    return u->is_escalation ? SEVERITY(EMERGENT) : SEVERITY(URGENT);
}

static Handoff__V1__Unserved *find(const struct moment *m, const char *subscription)
{
    for (size_t i = 0; i < m->record->n_unserved; i++)
        if (strcmp(m->record->unserved[i]->subscription, subscription) == 0) return m->record->unserved[i];
    return NULL;
}

static void forget(struct moment *m, const Handoff__V1__Unserved *u)
{
    for (size_t i = m->record->n_unserved; i-- > 0;)
        if (m->record->unserved[i] == u) list_remove(&m->record->unserved, &m->record->n_unserved, i);
}

static void raise(struct moment *m, Handoff__V1__Unserved *u)
{
    u->again_at_ms = 0;
    u->escalation = work_raise_undelivered(m, &(struct undelivered){
                                                  .role = u->is_escalation ? ROLE(ON_CALL) : ROLE(SUPERVISOR),
                                                  .severity = severity_of(u),
                                                  .subscription = u->subscription,
                                                  .why = u->why,
                                              });
}

/* "notify-emergent: no worker ..." */
static void audit(struct moment *m, const Handoff__V1__DeliveryServed *d, const char *why)
{
    size_t name_len = strlen(d->subscription), why_len = strlen(why);
    char *text = arena_alloc(m->arena, name_len + why_len + 3);
    memcpy(text, d->subscription, name_len);
    memcpy(text + name_len, ": ", 2);
    memcpy(text + name_len + 2, why, why_len + 1);
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_UNSERVED, text, NULL, 0);
}

static void begin(struct moment *m, const Handoff__V1__DeliveryServed *d)
{
    const char *why = d->reason[0] ? d->reason : "it has no worker, or none that keeps up";
    Handoff__V1__Unserved *u = MESSAGE_NEW(m->arena, Handoff__V1__Unserved, unserved);
    u->subscription = arena_string(m->arena, d->subscription);
    u->why = arena_string(m->arena, why);
    u->is_escalation = d->is_escalation;
    u->since_ms = m->now_ms;
    audit(m, d, why);
    if (m->record->n_unserved >= UNSERVED_MAX) return;
    list_append(m->arena, &m->record->unserved, &m->record->n_unserved, u);
    raise(m, u);
}

static void end(struct moment *m, const Handoff__V1__DeliveryServed *d, Handoff__V1__Unserved *u)
{
    audit(m, d, d->is_served ? "served again, or gone" : "escalations are in it now");
    work_resolve_undelivered(m, u->escalation);
    forget(m, u);
}

/* The same said again, after a restart perhaps, is nothing new. */
static void served(struct moment *m, const Handoff__V1__DeliveryServed *d)
{
    Handoff__V1__Unserved *known = find(m, d->subscription);
    bool is_graver = known && d->is_escalation && !known->is_escalation;
    if (known && (d->is_served || is_graver)) end(m, d, known);
    if (!d->is_served && (!known || is_graver)) begin(m, d);
    if (!m->is_changed) m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_NO_OP;
}

void served_by_command(struct moment *m)
{
    const Handoff__V1__CommandInput *c = m->input->command;
    if (c->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED) served(m, c->delivery_served);
}

void served_by_event(struct moment *m)
{
    for (size_t i = 0; i < m->record->n_unserved; i++) {
        Handoff__V1__Unserved *u = m->record->unserved[i];
        if (!u->escalation || work_find_escalation(m->record, u->escalation)) continue;
        u->escalation = 0;
        u->again_at_ms = moment_resolve(m, m->rules->policy.ladder[severity_of(u)].rung, m->now_ms);
    }
}

/* Only the first site hears of subscriptions: where another has become the first, this one hears no end. */
bool served_fire(struct moment *m, const Handoff__V1__TimerInput *f)
{
    Handoff__V1__Unserved *u = f->number && f->number <= m->record->n_unserved ? m->record->unserved[f->number - 1] : NULL;
    if (!u || !u->again_at_ms || u->again_at_ms != f->due_at_ms) return false;
    m->is_changed = true;
    if (strcmp(rules_site(m->rules, "")->name, m->record->patient_id) == 0)
        raise(m, u);
    else
        forget(m, u);
    return true;
}
