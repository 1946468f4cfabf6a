/* Listings over all patients with open work, page by page.
 *
 * A page looks at no more than NET_WORK_SUBJECTS patients and so never holds up the loop; it may have fewer rows than
 * asked for, even none. Only an empty `next` says that there is no more. `next` is a cursor that clients do not look
 * into: the patient's key and the number of the last row shown (ROWS_DONE: all of this patient's). */
#include "net/service_inner.h"

#include <string.h>

#include "base/limits.h"
#include "core/message.h"

#include "base/banned.h"

enum { CURSOR_BYTES = PATIENT_KEY_BYTES + 4 };
static const uint32_t ROWS_DONE = UINT32_MAX;

struct cursor {
    bool is_set; /* false: before the first patient */
    struct patient_key key;
    uint32_t number;
};

struct listing {
    struct service *service;
    const struct call *call;
    struct view view;
    uint64_t as_of;
    uint32_t rows, taken;
    struct cursor at;
    bool is_done;
    char key_text[33];
    const char *name; /* of this one subject alone; "": of all */
    /* Adds one subject's rows with numbers > after; says where it stopped (ROWS_DONE: it did not). */
    uint32_t (*add_rows)(struct listing *l, const struct view_subject *of, uint32_t after);
    Handoff__V1__TasksReply *tasks;
    Handoff__V1__EscalationsReply *escalations;
};

static bool read_cursor(const ProtobufCBinaryData *after, struct cursor *ret)
{
    *ret = (struct cursor){0};
    if (after->len == 0) return true;
    if (after->len != CURSOR_BYTES) return false;
    memcpy(ret->key.bytes, after->data, PATIENT_KEY_BYTES);
    ret->number = load_u32(after->data + PATIENT_KEY_BYTES);
    ret->is_set = true;
    return true;
}

static ProtobufCBinaryData write_cursor(struct arena *arena, const struct cursor *at)
{
    uint8_t *data = arena_alloc(arena, CURSOR_BYTES);
    memcpy(data, at->key.bytes, PATIENT_KEY_BYTES);
    store_u32(data + PATIENT_KEY_BYTES, at->number);
    return (ProtobufCBinaryData){CURSOR_BYTES, data};
}

/* Of one name: the patient (or whom that became), the site, the source. They are found without the index. */
static bool next_of_name(struct listing *l)
{
    static const enum subject_kind kinds[] = {SUBJECT_IS_PATIENT, SUBJECT_IS_SITE, SUBJECT_IS_SOURCE};
    bool is_next = !l->at.is_set;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct patient_key key;
        engine_subject_key(l->service->engine, kinds[i], l->name, &key);
        if (kinds[i] == SUBJECT_IS_PATIENT) engine_alias(l->service->engine, &key, INT64_MAX, l->service->arena);
        if (is_next) {
            l->at = (struct cursor){true, key, 0};
            return true;
        }
        is_next = memcmp(key.bytes, l->at.key.bytes, PATIENT_KEY_BYTES) == 0;
    }
    return false;
}

/* The subject to look at: the one whose rows were cut, else the next with open work. False: there is none. */
static bool next_subject(struct listing *l)
{
    if (l->at.is_set && l->at.number != ROWS_DONE) return true;
    if (l->name[0]) return next_of_name(l);
    struct patient_key next;
    if (engine_work_next(l->service->engine, l->at.is_set ? &l->at.key : NULL, &next) != 0) return false;
    l->at = (struct cursor){true, next, 0};
    return true;
}

static void list_subject(struct listing *l)
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    uint32_t taken = l->taken;
    size_t mark = arena_used(l->service->arena);
    int rc = engine_record_at(l->service->engine, &l->at.key, INT64_MAX, l->as_of, l->service->arena, &record,
                              &sequence, &time_ms);
    uint32_t stopped = ROWS_DONE;
    engine_key_text(&l->at.key, l->key_text);
    const char *key = arena_string(l->service->arena, l->key_text);
    if (rc == 0) stopped = l->add_rows(l, &(struct view_subject){key, record}, l->at.number);
    l->at.number = stopped;
    if (l->taken == taken) arena_rewind(l->service->arena, mark);
}

static void fill(struct listing *l)
{
    for (int i = 0;
         i < NET_WORK_SUBJECTS && l->taken < l->rows && !service_is_reply_full(l->service, l->taken * (size_t)300);
         i++) {
        if (!next_subject(l)) {
            l->is_done = true;
            return;
        }
        list_subject(l);
    }
}

static bool begin(struct listing *l, struct service *s, const struct call *call, const ProtobufCBinaryData *after,
                  uint32_t limit)
{
    *l = (struct listing){
        .service = s, .call = call, .view = service_view(s), .rows = service_rows(limit), .name = ""};
    l->as_of = service_as_of(s, call->request);
    if (read_cursor(after, &l->at)) return true;
    service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_VALUE, "after is not a `next` of this daemon", "after");
    return false;
}

static bool is_wanted(const char *wanted, const char *found) { return wanted[0] == 0 || strcmp(wanted, found) == 0; }

/* --- tasks ---------------------------------------------------------------------------------------------------- */
static bool task_matches(const struct listing *l, const Handoff__V1__TaskView *t)
{
    const Handoff__V1__TasksRequest *r = l->call->request->tasks;
    return (r->owner == HANDOFF__V1__ROLE__ROLE_UNSPECIFIED || r->owner == t->owner) && t->severity >= r->at_least &&
           (r->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_UNSPECIFIED || r->kind == t->kind) &&
           (!r->is_overdue || t->is_overdue) && is_wanted(r->person_id, t->person_id) && is_wanted(r->site, t->site) &&
           is_wanted(r->subject_id, t->subject ? t->subject->id : "");
}

static uint32_t add_tasks(struct listing *l, const struct view_subject *of, uint32_t after)
{
    for (size_t i = 0; i < of->record->n_tasks; i++) {
        const Handoff__V1__Task *task = of->record->tasks[i];
        if (task->number <= after) continue;
        if (l->taken == l->rows) return after;
        after = task->number;
        Handoff__V1__TaskView *row = view_task(&l->view, of, task);
        if (!task_matches(l, row)) continue;
        l->taken++;
        list_append(l->service->arena, &l->tasks->tasks, &l->tasks->n_tasks, row);
    }
    return ROWS_DONE;
}

void serve_tasks(struct service *s, const struct call *call)
{
    const Handoff__V1__TasksRequest *request = call->request->tasks;
    struct listing l;
    if (!begin(&l, s, call, &request->after, request->limit)) return;
    l.add_rows = add_tasks;
    l.name = request->patient_id;
    l.tasks = MESSAGE_NEW(s->arena, Handoff__V1__TasksReply, tasks_reply);
    fill(&l);
    if (!l.is_done) l.tasks->next = write_cursor(s->arena, &l.at);
    l.tasks->as_of = l.as_of;
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_TASKS, l.tasks);
}

/* --- escalations ---------------------------------------------------------------------------------------------- */
static bool escalation_matches(const struct listing *l, const Handoff__V1__EscalationView *e)
{
    const Handoff__V1__EscalationsRequest *r = l->call->request->escalations;
    return (r->rung == HANDOFF__V1__ROLE__ROLE_UNSPECIFIED || r->rung == e->rung) && e->severity >= r->at_least &&
           is_wanted(r->person_id, e->person_id) && is_wanted(r->site, e->site);
}

static uint32_t add_escalations(struct listing *l, const struct view_subject *of, uint32_t after)
{
    for (size_t i = 0; i < of->record->n_escalations; i++) {
        const Handoff__V1__Escalation *escalation = of->record->escalations[i];
        if (escalation->number <= after) continue;
        if (l->taken == l->rows) return after;
        after = escalation->number;
        Handoff__V1__EscalationView *row = view_escalation(&l->view, of, escalation);
        if (!escalation_matches(l, row)) continue;
        l->taken++;
        list_append(l->service->arena, &l->escalations->escalations, &l->escalations->n_escalations, row);
    }
    return ROWS_DONE;
}

void serve_escalations(struct service *s, const struct call *call)
{
    const Handoff__V1__EscalationsRequest *request = call->request->escalations;
    struct listing l;
    if (!begin(&l, s, call, &request->after, request->limit)) return;
    l.add_rows = add_escalations;
    l.escalations = MESSAGE_NEW(s->arena, Handoff__V1__EscalationsReply, escalations_reply);
    fill(&l);
    if (!l.is_done) l.escalations->next = write_cursor(s->arena, &l.at);
    l.escalations->as_of = l.as_of;
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_ESCALATIONS, l.escalations);
}
