/* What an input causes, as it is gathered. */
#include "core/moment.h"
#include "core/delay.h"

#define PRIORITY_IS_URGENT HANDOFF__V1__PRIORITY__PRIORITY_URGENT

Handoff__V1__Emission *moment_emit(struct moment *m, uint32_t rule)
{
    if (m->out->n_emissions >= EMISSIONS_MAX) {
        moment_fault(m, "more emissions than one input may cause");
        m->out->n_emissions = 0;
    }
    if (m->out->n_emissions % 8 == 0) { /* grow by eights */
        Handoff__V1__Emission **longer = ARENA_ARRAY(m->arena, Handoff__V1__Emission *, m->out->n_emissions + 8);
        for (size_t i = 0; i < m->out->n_emissions; i++) longer[i] = m->out->emissions[i];
        m->out->emissions = longer;
    }
    Handoff__V1__Emission *e = MESSAGE_NEW(m->arena, Handoff__V1__Emission, emission);
    e->rule = rule;
    e->episode = m->episode ? m->episode->number : 0;
    e->is_late = m->due_ms && m->now_ms - m->due_ms > MS_PER_HOUR;
    m->out->emissions[m->out->n_emissions++] = e;
    m->is_changed = true;
    return e;
}

void moment_apply(struct moment *m, Handoff__V1__AppliedKind kind, uint32_t machine, uint32_t from, uint32_t to,
                  uint32_t rule)
{
    if (m->out->n_applied >= APPLIED_MAX) {
        moment_fault(m, "more transitions than one input may cause");
        return;
    }
    Handoff__V1__Applied *a = MESSAGE_NEW(m->arena, Handoff__V1__Applied, applied);
    a->kind = kind;
    a->episode = m->episode->number;
    a->pathway = m->episode->pathway;
    a->machine = machine;
    a->from_state = from;
    a->to_state = to;
    a->rule = rule;
    list_append(m->arena, &m->out->applied, &m->out->n_applied, a);
    m->is_used = m->is_changed = true;
}

void moment_audit(struct moment *m, Handoff__V1__AuditKind kind, const char *text,
                  const Handoff__V1__Recipient *recipient, uint32_t rule)
{
    Handoff__V1__Emission *e = moment_emit(m, rule);
    e->body_case = HANDOFF__V1__EMISSION__BODY_AUDIT;
    e->audit = MESSAGE_NEW(m->arena, Handoff__V1__AuditEmission, audit_emission);
    e->audit->kind = kind;
    e->audit->text = arena_string(m->arena, text);
    e->audit->recipient = recipient ? message_copy(recipient, m->arena) : NULL;
    e->audit->notice_number = ++m->record->last_notice;
}

void moment_fault(struct moment *m, const char *sentence)
{
    if (!m->fault) m->fault = sentence;
}

void moment_refuse(struct moment *m, const char *sentence, uint32_t rule)
{
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_REFUSED_ACTION, sentence, NULL, rule);
    m->sentence = sentence;
    m->is_used = true;
}

bool moment_is_out_of_hours(const struct moment *m)
{
    return !calendar_is_open(&m->site->calendar, m->now_ms);
}

bool moment_is_course(const struct moment *m)
{
    return m->event->body_case >= HANDOFF__V1__EVENT__BODY_REFERRAL_REQUESTED &&
           m->event->body_case <= HANDOFF__V1__EVENT__BODY_AGENCY_SELECTED;
}

bool moment_is_urgent(const struct moment *m)
{
    return m->record->n_flags > 0 || (m->episode && m->episode->priority >= PRIORITY_IS_URGENT);
}

const struct delay *moment_wait(const struct moment *m, const struct wait *wait)
{
    return moment_is_urgent(m) ? wait->urgent : wait->routine;
}

int64_t moment_resolve(const struct moment *m, const struct delay *delay, int64_t base_ms)
{
    return delay_resolve(delay, &m->site->calendar, m->episode, base_ms);
}
