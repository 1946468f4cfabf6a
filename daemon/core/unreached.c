/* What follows when a message did not arrive. A channel that fails counts as nobody reached:
 *
 *   a reminder       somebody finds out how this person is reached (failed for good), and somebody calls before the
 *                    visit, unless a reminder of it reaches this person after all
 *   a task's notice  whoever is above its owner hears of it at once; the task stays as it is, and its due time too
 *   an escalation's  it climbs at once
 *   anything else    is a fact on the timeline: what is disclosed has its dead letter
 *
 * A failure that will be tried again is a fact too. Each notice and each visit asks once, however often it is reported. */
#include "core/addressee.h"
#include "core/moment.h"

#include <string.h>

#define KIND(NAME)  HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME

/* --- reminders --------------------------------------------------------------------------------------------------- */
static const Handoff__V1__Appointment *next_visit(const struct moment *m)
{
    const Handoff__V1__Appointment *next = NULL;
    for (size_t i = 0; i < m->record->n_appointments; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        bool is_ahead = a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED && a->starts_at_ms > m->now_ms;
        if (is_ahead && (!next || a->starts_at_ms < next->starts_at_ms)) next = a;
    }
    return next;
}

static bool is_asked(const struct moment *m, uint32_t visit, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < m->record->n_tasks; i++) {
        const Handoff__V1__Task *t = m->record->tasks[i];
        bool is_them = !t->subject || !party || (t->subject->party == party && strcmp(t->subject->id, id) == 0);
        for (size_t c = 0; t->kind == KIND(CALL_FAMILY) && is_them && c < t->n_causes; c++)
            if (t->causes[c]->is_undelivered && t->causes[c]->appointment == visit) return true;
    }
    return false;
}

/* A call that the visit does not leave the usual time for is urgent: else its notice would come with the next morning's. */
static Handoff__V1__Severity call_severity(const struct moment *m, int64_t visit_ms)
{
    const struct policy *p = &m->rules->policy;
    const Handoff__V1__Severity routine = HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE;
    const struct delay *due = p->tasks[KIND(CALL_FAMILY)].due[routine];
    bool is_soon = moment_resolve(m, due ? due : p->ladder[routine].due, m->now_ms) > visit_ms;
    return is_soon ? HANDOFF__V1__SEVERITY__SEVERITY_URGENT : HANDOFF__V1__SEVERITY__SEVERITY_UNSPECIFIED;
}

/* Nobody calls about a visit that has been, or that is off. */
static void call_instead(struct moment *m, Handoff__V1__Party party, const char *id)
{
    const Handoff__V1__Appointment *visit = next_visit(m);
    if (!visit || is_asked(m, visit->number, party, id)) return;
    work_open_task(m, &(struct task_order){.kind = KIND(CALL_FAMILY),
                                           .severity = call_severity(m, visit->starts_at_ms),
                                           .party = party,
                                           .subject_id = id,
                                           .is_before_visit = true,
                                           .is_undelivered = true,
                                           .visit = visit->number});
}

static bool is_left_alone(const Handoff__V1__PatientRecord *r)
{
    return r->is_deceased || r->is_opted_out;
}

static void not_reminded(struct moment *m, const char *addressee, bool is_known)
{
    Handoff__V1__Party party = PARTY(UNSPECIFIED);
    const char *id = "";
    if (is_left_alone(m->record) || m->record->heartbeat) return;
    if (addressee[0] && !addressee_person(addressee, &party, &id)) return; /* of a status: it has its dead letter */
    if (is_known) reach_look_for(m, party, id);
    call_instead(m, party, id);
}

/* --- any message --------------------------------------------------------------------------------------------------- */
static const char *named_patient(const struct moment *m)
{
    return m->input->event ? m->input->event->patient_id : m->record->patient_id;
}

void unreached_message(struct moment *m, const char *emission_id, const char *addressee)
{
    struct step_emission e;
    if (!step_emission_parse(emission_id, &e)) return;
    uint32_t number = step_number_in(m->record, named_patient(m), e.id, e.letters);
    Handoff__V1__Task *task = e.letters[0] == 't' ? work_find_task(m->record, number) : NULL;
    Handoff__V1__Escalation *escalation = e.letters[0] == 'e' ? work_find_escalation(m->record, number) : NULL;
    if (task) work_unreached_task(m, task, e.generation);
    if (escalation) work_unreached_escalation(m, escalation, e.generation);
    bool is_status = !addressee[0] && !m->event; /* deliveries name whom a reminder is for; other publishers may not */
    if (e.letters[0] == 'n' && !is_status) not_reminded(m, addressee, true);
}

void unreached_nobody(struct moment *m)
{
    if (is_left_alone(m->record)) return;
    reach_look_for(m, PARTY(UNSPECIFIED), "");
    call_instead(m, PARTY(UNSPECIFIED), "");
}

void unreached_failed(struct moment *m)
{
    const Handoff__V1__MessageFailed *f = m->event->message_failed;
    struct step_emission e;
    if (f->is_permanent) unreached_message(m, f->emission_id, f->addressee);
    else if (f->is_unknown && step_emission_parse(f->emission_id, &e) && e.letters[0] == 'n')
        not_reminded(m, f->addressee, false);
}

/* A reminder reached this person after all: operators tried it again, or the next one found its way. One that was sent
 * before the call was asked for, and is told of late, says nothing about it. */
void unreached_arrived(struct moment *m)
{
    const Handoff__V1__MessageSent *sent = m->event->message_sent;
    const Handoff__V1__Appointment *visit = next_visit(m);
    struct step_emission e;
    Handoff__V1__Party party;
    const char *id;
    if (!visit || !step_emission_parse(sent->emission_id, &e) || e.letters[0] != 'n') return;
    if (!addressee_person(sent->addressee, &party, &id)) return;
    for (size_t i = m->record->n_tasks; i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        bool is_them = !t->subject || (t->subject->party == party && strcmp(t->subject->id, id) == 0);
        if (t->kind == KIND(CALL_FAMILY) && is_them && t->opened_at_ms <= m->event->occurred_at_ms)
            work_withdraw_undelivered_of(m, t, visit->number);
    }
}

void unreached_visit_over(struct moment *m)
{
    bool is_ahead = m->visit && m->visit->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED;
    if (m->visit && !is_ahead && !m->is_overtaken) work_withdraw_undelivered(m, m->visit->number);
}
