/* The ids that people see: an id keeps the patient under which what it names was made. */
#include "engine/view.h"

#include <string.h>
#include "core/message.h"
#include "core/step.h"

#include "base/banned.h"

static const Handoff__V1__Origin *origin_of(const Handoff__V1__PatientRecord *r, const char *letters, uint32_t number)
{
    for (size_t i = 0; strcmp(letters, "t") == 0 && i < r->n_tasks; i++)
        if (r->tasks[i]->number == number) return r->tasks[i]->origin;
    for (size_t i = 0; strcmp(letters, "e") == 0 && i < r->n_escalations; i++)
        if (r->escalations[i]->number == number) return r->escalations[i]->origin;
    for (size_t i = 0; strcmp(letters, "ep") == 0 && i < r->n_episodes; i++)
        if (r->episodes[i]->number == number) return r->episodes[i]->origin;
    for (size_t i = 0; strcmp(letters, "ep") == 0 && i < r->n_closed_episodes; i++)
        if (r->closed_episodes[i]->number == number) return r->closed_episodes[i]->origin;
    return NULL;
}

static const Handoff__V1__MergedPatient *merged_of(const Handoff__V1__PatientRecord *r, const Handoff__V1__Origin *o)
{
    return o != NULL && o->merged > 0 && o->merged <= r->n_merged ? r->merged[o->merged - 1] : NULL;
}

void view_key_text(const uint8_t key[PATIENT_KEY_BYTES], char ret_text[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < PATIENT_KEY_BYTES; i++) {
        ret_text[2 * i] = digits[key[i] >> 4];
        ret_text[2 * i + 1] = digits[key[i] & 15];
    }
    ret_text[32] = 0;
}

const char *view_id(struct arena *arena, const char *key, const Handoff__V1__PatientRecord *record, const char *letters,
                    uint32_t number)
{
    char id[STEP_ID_BYTES];
    if (number == 0) return "";
    if (record != NULL && record->n_merged > 0)
        step_id_in(id, key, letters, number, record, origin_of(record, letters, number));
    else
        step_id(id, key, letters, number, 0);
    return arena_string(arena, id);
}

const char *view_made_under(const Handoff__V1__PatientRecord *record, const Handoff__V1__Origin *origin)
{
    const Handoff__V1__MergedPatient *merged = merged_of(record, origin);
    return merged != NULL ? merged->patient_id : "";
}

/* --- what the gate is asked about ------------------------------------------------------------------------------- */
static const char *visit_id(const Handoff__V1__PatientRecord *r, uint32_t number)
{
    for (size_t i = 0; i < r->n_appointments; i++)
        if (r->appointments[i]->number == number) return r->appointments[i]->id;
    return "";
}

static uint32_t visit_number(const Handoff__V1__PatientRecord *r, const char *id)
{
    for (size_t i = 0; i < r->n_appointments; i++)
        if (strcmp(r->appointments[i]->id, id) == 0) return r->appointments[i]->number;
    return 0;
}

static bool is_there(const Handoff__V1__PatientRecord *r, const Handoff__V1__Origin *o, const char *key, uint32_t number)
{
    char there[33];
    const Handoff__V1__MergedPatient *merged = merged_of(r, o);
    if (merged == NULL || merged->key.len != PATIENT_KEY_BYTES || o->number != number) return false;
    view_key_text(merged->key.data, there);
    return strcmp(there, key) == 0;
}

static uint32_t episode_number(const Handoff__V1__PatientRecord *r, const char *key, uint32_t number)
{
    for (size_t i = 0; i < r->n_episodes; i++)
        if (is_there(r, r->episodes[i]->origin, key, number)) return r->episodes[i]->number;
    for (size_t i = 0; i < r->n_closed_episodes; i++)
        if (is_there(r, r->closed_episodes[i]->origin, key, number)) return r->closed_episodes[i]->number;
    return 0;
}

/* 0: it is not open there. */
static uint32_t work_number(const Handoff__V1__PatientRecord *r, const char *key, const Handoff__V1__Emission *e)
{
    char there[33];
    bool is_task = e->body_case == HANDOFF__V1__EMISSION__BODY_TASK, is_older = e->origin_key.len == PATIENT_KEY_BYTES;
    uint32_t number = is_older ? e->origin_number : is_task ? e->task->number : e->escalation->number;
    if (is_older) view_key_text(e->origin_key.data, there);
    for (size_t i = 0; is_task && i < r->n_tasks; i++)
        if (is_there(r, r->tasks[i]->origin, is_older ? there : key, number)) return r->tasks[i]->number;
    for (size_t i = 0; !is_task && i < r->n_escalations; i++)
        if (is_there(r, r->escalations[i]->origin, is_older ? there : key, number)) return r->escalations[i]->number;
    return 0;
}

const Handoff__V1__Emission *view_as_of_now(struct arena *arena, const char *key, const Handoff__V1__PatientRecord *then,
                                            const Handoff__V1__PatientRecord *now, const Handoff__V1__Emission *emission)
{
    if (strcmp(then->patient_id, now->patient_id) == 0) return emission;
    Handoff__V1__Emission *e = message_copy(emission, arena);
    e->episode = episode_number(now, key, e->episode);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER)
        e->reminder->appointment = visit_number(now, visit_id(then, e->reminder->appointment));
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) e->task->number = work_number(now, key, e);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) e->escalation->number = work_number(now, key, e);
    return e;
}
