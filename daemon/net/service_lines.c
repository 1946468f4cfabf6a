/* The list behind a task or an escalation: what the entries that caused it told then. */
#include "net/service_inner.h"

#include <string.h>

#include "core/message.h"
#include "core/step.h"

#include "base/banned.h"

enum { KEY_LETTERS = 32 };

struct lines {
    struct service *service;
    uint32_t task, escalation; /* number of the one that is asked for; 0: of the other kind */
    Handoff__V1__ListReply *reply;
};

static void take(struct lines *l, Handoff__V1__ListLine **lines, size_t count, uint32_t total)
{
    for (size_t i = 0; i < count; i++) list_append(l->service->arena, &l->reply->lines, &l->reply->n_lines, lines[i]);
    l->reply->total += total;
}

static bool take_entry(void *context, const struct entry *entry)
{
    struct lines *l = context;
    const Handoff__V1__Outcome *o =
        handoff__v1__outcome__unpack(arena_protobuf(l->service->arena), entry->outcome.len, entry->outcome.data);
    for (size_t i = 0; o != NULL && i < o->n_emissions; i++) {
        const Handoff__V1__Emission *e = o->emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->number == l->task)
            take(l, e->task->lines, e->task->n_lines, e->task->total);
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && e->escalation->number == l->escalation)
            take(l, e->escalation->lines, e->escalation->n_lines, e->escalation->total);
    }
    return false;
}

static int take_cause(struct lines *l, const Handoff__V1__Cause *cause)
{
    uint64_t last;
    return engine_scan(l->service->engine, cause->sequence, 1, l, take_entry, &last);
}

/* 0, or why not: no such open task or escalation is UNKNOWN. A task that several lists were added to has all of them.
 */
static int collect(struct lines *l, const Handoff__V1__PatientRecord *record)
{
    for (size_t i = 0; l->task != 0 && i < record->n_tasks; i++) {
        if (record->tasks[i]->number != l->task) continue;
        int rc = 0;
        for (size_t c = 0; c < record->tasks[i]->n_causes && rc == 0; c++)
            rc = take_cause(l, record->tasks[i]->causes[c]);
        return rc;
    }
    for (size_t i = 0; l->escalation != 0 && i < record->n_escalations; i++)
        if (record->escalations[i]->number == l->escalation && record->escalations[i]->cause != NULL)
            return take_cause(l, record->escalations[i]->cause);
    return ENGINE_E_UNKNOWN;
}

void serve_list(struct service *s, const struct call *call)
{
    const char *id = call->request->list->id;
    struct lines l = {.service = s, .task = step_id_number(id, "t"), .escalation = step_id_number(id, "e")};
    Handoff__V1__PatientRecord *record;
    struct patient_key key;
    uint64_t sequence;
    int64_t time_ms;
    bool is_id = strlen(id) > KEY_LETTERS && id[KEY_LETTERS] == '-' && engine_key_parse(id, &key);
    if (!is_id || (l.task == 0 && l.escalation == 0)) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_ID, "id is not the whole id of a task or an escalation",
                       "id");
        return;
    }
    l.reply = MESSAGE_NEW(s->arena, Handoff__V1__ListReply, list_reply);
    int rc = engine_record(s->engine, &key, s->arena, &record, &sequence, &time_ms);
    if (rc == 0) rc = collect(&l, record);
    if (rc == ENGINE_E_UNKNOWN)
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNKNOWN_ID, "no such open task or escalation", "id");
    else if (rc != 0)
        service_refuse_error(s, call, rc);
    else
        service_reply(s, call, HANDOFF__V1__REPLY__BODY_LIST, l.reply);
}
