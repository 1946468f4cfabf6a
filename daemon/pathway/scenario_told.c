/* What came out of a step: as words that expectations name, and as the lines of the transcript. */
#include "pathway/scenario_inner.h"

static void note_task(struct scenario *r, const Handoff__V1__TaskEmission *t)
{
    char kind[WORD_BYTES];
    bool is_reopened = t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED;
    enum happened list = is_reopened                                                    ? TASKS
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED    ? TASKS
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED    ? JOINED
                         : t->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_WITHDRAWN ? WITHDRAWN
                                                                                        : HAPPENED_COUNT;
    if (list == HAPPENED_COUNT) return;
    const char *subject = t->subject ? t->subject->id : "";
    scenario_add_word(&r->happened[list], "%s%s%s%s", kebab(&handoff__v1__task_kind__descriptor, t->kind, kind),
                      *subject ? "@" : "", subject, is_reopened ? " reopened" : "");
}

static void note_escalation(struct scenario *r, const Handoff__V1__EscalationEmission *e)
{
    char rung[WORD_BYTES], change[WORD_BYTES];
    kebab(&handoff__v1__role__descriptor, e->rung, rung);
    kebab(&handoff__v1__escalation_change__descriptor, e->change, change);
    if (e->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED)
        scenario_add_word(&r->happened[RESOLVED], "%s", rung);
    else if (e->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RAISED)
        scenario_add_word(&r->happened[ESCALATIONS], "%s", rung);
    else if (e->change != HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_ACKNOWLEDGED)
        scenario_add_word(&r->happened[ESCALATIONS], "%s %s", rung, change);
}

static void note_emission(struct scenario *r, const Handoff__V1__Emission *e)
{
    char kind[WORD_BYTES], party[WORD_BYTES];
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        if (e->task->total) r->list_length = e->task->total;
        note_task(r, e->task);
        return;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        if (e->escalation->total) r->list_length = e->escalation->total;
        note_escalation(r, e->escalation);
        return;
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        scenario_add_word(
            &r->happened[DISCLOSURES], "%s %s %s", kebab(&handoff__v1__status_kind__descriptor, e->status->kind, kind),
            upper(&handoff__v1__party__descriptor, e->status->recipient->party, party), e->status->recipient->id);
        return;
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        r->reminders += !e->reminder->is_dropped;
        return;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE) scenario_add_word(&r->happened[NOTED], "note");
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIRECTORY_DOUBTFUL)
            scenario_add_word(&r->happened[NOTED], "doubtful %s", e->audit->text);
        if (e->audit->kind == HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_WITHHELD)
            scenario_add_word(&r->happened[WITHHELD], "%s%s%s",
                              upper(&handoff__v1__party__descriptor, e->audit->recipient->party, party),
                              e->audit->recipient->id[0] ? " " : "", e->audit->recipient->id);
        return;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        return;
    }
}

/* One line an emission; the driver of the real daemon writes the same lines (tests/e2e). */
static void write_emission(struct scenario *r, const Handoff__V1__Emission *e)
{
    char a[WORD_BYTES], b[WORD_BYTES], c[WORD_BYTES];
    FILE *to = r->report->transcript;
    if (!to) return;
    fprintf(to, "%lld ", (long long)r->now_ms);
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        fprintf(to, "task %s t%u %s %s %s due=%lld subject=%s\n",
                kebab(&handoff__v1__task_change__descriptor, e->task->change, a), e->task->number,
                kebab(&handoff__v1__task_kind__descriptor, e->task->kind, b),
                kebab(&handoff__v1__role__descriptor, e->task->owner, c),
                e->task->severity == 1   ? "routine"
                : e->task->severity == 2 ? "urgent"
                                         : "emergent",
                (long long)e->task->due_at_ms, e->task->subject ? e->task->subject->id : "");
        return;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        fprintf(to, "escalation %s e%u %s next=%lld\n",
                kebab(&handoff__v1__escalation_change__descriptor, e->escalation->change, a), e->escalation->number,
                kebab(&handoff__v1__role__descriptor, e->escalation->rung, b), (long long)e->escalation->next_at_ms);
        return;
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        fprintf(to, "status %s %s %s consent=%s\n", kebab(&handoff__v1__status_kind__descriptor, e->status->kind, a),
                upper(&handoff__v1__party__descriptor, e->status->recipient->party, b), e->status->recipient->id,
                e->status->consent_id);
        return;
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        fprintf(to, "reminder %s starts=%lld dropped=%d\n", e->reminder->appointment_id,
                (long long)e->reminder->starts_at_ms, e->reminder->is_dropped);
        return;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        fprintf(to, "audit %s %s\n", kebab(&handoff__v1__audit_kind__descriptor, e->audit->kind, a),
                e->audit->recipient ? e->audit->recipient->id : "");
        return;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        return;
    }
}

void scenario_note(struct scenario *r, const struct outcome *o)
{
    r->record = o->after;
    r->verdict = o->journaled.verdict;
    r->sentence = o->journaled.sentence;
    for (size_t i = 0; i < o->journaled.n_emissions; i++) {
        note_emission(r, o->journaled.emissions[i]);
        write_emission(r, o->journaled.emissions[i]);
    }
}
