/* The watcher is watched: a synthetic patient whose timer travels the whole way of anybody's. The journal keeps it, the
 * engine fires it, the gate lets it out, a worker carries it away and says so by message.sent. What breaks on that way
 * shows here, before a patient's message is lost there.
 *
 *     off --heartbeat_set--> waiting --a period--> beats, waiting
 *                                        two beats that nobody reported delivered, and a third: on-call, until one is
 *
 * It is nobody: no pathway, listing of work or measure of patients knows it, and a beat discloses nothing. */
#include "core/moment.h"

#include <string.h>

enum {
    BEATS_MAX = 8,
    BEATS_MISSED = 2 /* then somebody is told */
};

static void resolve(struct moment *m, Handoff__V1__Heartbeat *h)
{
    work_resolve_undelivered(m, h->escalation);
    h->escalation = 0;
}

static void set(struct moment *m, int64_t every_ms)
{
    Handoff__V1__Heartbeat *h = m->record->heartbeat;
    bool is_somebody = !h && m->record->n_seen; /* who was called so before the id was reserved */
    if (!h) h = m->record->heartbeat = MESSAGE_NEW(m->arena, Handoff__V1__Heartbeat, heartbeat);
    if (is_somebody || h->every_ms == every_ms) {
        m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_NO_OP;
        return;
    }
    if (!h->every_ms) h->began_at_ms = m->now_ms;
    h->every_ms = every_ms;
    h->next_at_ms = every_ms ? m->now_ms + every_ms : 0;
    h->n_beats = 0; /* they counted by another measure */
    resolve(m, h);
    m->is_changed = true;
}

void heartbeat_by_command(struct moment *m)
{
    const Handoff__V1__CommandInput *c = m->input->command;
    if (c->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_HEARTBEAT_SET) set(m, c->heartbeat_set->every_ms);
}

/* --- beating ------------------------------------------------------------------------------------------------- */
static void remember(struct moment *m, Handoff__V1__Heartbeat *h, uint32_t notice_number, int64_t due_ms)
{
    Handoff__V1__Beat *beat = MESSAGE_NEW(m->arena, Handoff__V1__Beat, beat);
    beat->notice_number = notice_number;
    beat->due_at_ms = due_ms;
    if (h->n_beats == BEATS_MAX) list_remove(&h->beats, &h->n_beats, 0);
    list_append(m->arena, &h->beats, &h->n_beats, beat);
}

static void beat(struct moment *m, Handoff__V1__Heartbeat *h)
{
    Handoff__V1__Emission *e = moment_emit(m, 0);
    if (m->fault) return;
    e->body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    e->status = MESSAGE_NEW(m->arena, Handoff__V1__StatusEmission, status_emission);
    e->status->kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
    e->status->due_at_ms = m->due_ms;
    e->status->notice_number = h->notice_number = ++m->record->last_notice;
    remember(m, h, h->notice_number, m->due_ms);
}

/* Whoever resolved it by hand says that the path works: then two beats more may be on their way. */
static void look(struct moment *m, Handoff__V1__Heartbeat *h)
{
    static const char why[] = "no heartbeat has come through for two periods, so other messages may reach nobody; look at "
                              "the workers and at the daemon's subscriptions";
    if (work_find_escalation(m->record, h->escalation)) return;
    if (h->escalation) h->n_beats = 0;
    h->escalation = 0;
    if (h->n_beats < BEATS_MISSED) return;
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_UNSERVED, why, NULL, 0);
    h->escalation = work_raise_undelivered(m, &(struct undelivered){.role = HANDOFF__V1__ROLE__ROLE_ON_CALL,
                                                                    .severity = HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT,
                                                                    .subscription = "",
                                                                    .why = why});
}

/* After a standstill it fires once, in time with those before. */
bool heartbeat_fire(struct moment *m, const Handoff__V1__TimerInput *f)
{
    Handoff__V1__Heartbeat *h = m->record->heartbeat;
    if (!h || !h->every_ms || h->next_at_ms != f->due_at_ms) return false;
    look(m, h);
    beat(m, h);
    h->next_at_ms += ((m->now_ms - h->next_at_ms) / h->every_ms + 1) * h->every_ms;
    return true;
}

/* --- coming back --------------------------------------------------------------------------------------------- */
static size_t position_of(const Handoff__V1__Heartbeat *h, uint32_t notice_number)
{
    size_t at = 0;
    while (at < h->n_beats && h->beats[at]->notice_number != notice_number) at++;
    return at;
}

/* Those before it will not come any more. */
static void delivered(struct moment *m, const char *emission_id)
{
    Handoff__V1__Heartbeat *h = m->record->heartbeat;
    size_t at = position_of(h, step_id_number(emission_id, "n"));
    if (at == h->n_beats) return;
    h->delivered_at_ms = m->occurred_ms;
    h->delivered_due_at_ms = h->beats[at]->due_at_ms;
    for (size_t i = at + 1; i-- > 0;) list_remove(&h->beats, &h->n_beats, i);
    resolve(m, h);
    m->is_changed = true;
}

bool heartbeat_by_event(struct moment *m)
{
    if (!m->record->heartbeat) return false;
    if (m->event->body_case == HANDOFF__V1__EVENT__BODY_MESSAGE_SENT) delivered(m, m->event->message_sent->emission_id);
    if (m->event->task_id[0] || m->event->escalation_id[0]) answers_apply(m);
    return true;
}
