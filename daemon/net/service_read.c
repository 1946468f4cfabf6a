/* Requests about one patient, and the content behind the doorbell. */
#include "net/service_inner.h"

#include <string.h>

#include "base/limits.h"
#include "core/message.h"
#include "net/stream.h"

#include "base/banned.h"

#define TIME_MAX_MS INT64_C(7258118400000) /* 2200-01-01 */

/* The key of the patient that a request names, or of the one that it had become by then. False: it was refused. */
static bool find_key(struct service *s, const struct call *call, const char *patient_id, int64_t at_ms,
                     struct patient_key *ret_key)
{
    if (patient_id[0] == 0) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_ID, "patient_id is empty", "patient_id");
        return false;
    }
    engine_subject_key(s->engine, SUBJECT_IS_PATIENT, patient_id, ret_key);
    int rc = engine_alias(s->engine, ret_key, at_ms != 0 ? at_ms : INT64_MAX, s->arena);
    if (rc != 0) service_refuse_error(s, call, rc);
    return rc == 0;
}

static bool check_at(struct service *s, const struct call *call, int64_t at_ms)
{
    if (at_ms >= 0 && at_ms <= TIME_MAX_MS) return true;
    service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_TIME, "at_ms is before 1970 or after 2199", "at_ms");
    return false;
}

void serve_patient(struct service *s, const struct call *call)
{
    const Handoff__V1__PatientRequest *request = call->request->patient;
    Handoff__V1__PatientRecord *record;
    struct patient_key key;
    uint64_t sequence;
    int64_t time_ms;
    char text[33];
    if (!check_at(s, call, request->at_ms) || !find_key(s, call, request->patient_id, request->at_ms, &key)) return;
    int rc = request->at_ms == 0
                 ? engine_record(s->engine, &key, s->arena, &record, &sequence, &time_ms)
                 : engine_record_at(s->engine, &key, request->at_ms, 0, s->arena, &record, &sequence, &time_ms);
    if (rc != 0) {
        service_refuse_error(s, call, rc);
        return;
    }
    struct view v = service_view(s);
    if (request->at_ms != 0) v.now_ms = request->at_ms;
    engine_key_text(&key, text);
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_PATIENT,
                  view_patient(&v, &(struct view_subject){text, record}, sequence, time_ms));
}

/* --- timeline ------------------------------------------------------------------------------------------------- */
struct timeline {
    struct service *service;
    struct view view;
    int64_t at_ms;
    uint32_t rows;
    size_t bytes;
    uint64_t seen; /* entries, whether shown or not */
    bool is_damaged;
    Handoff__V1__TimelineReply *reply;
};

/* The sections point into the journal, which may move on: the event shown is an unpacked copy, so all of it stays. */
static bool add_entry(void *context, const struct entry *entry)
{
    struct timeline *t = context;
    t->seen++;
    if (entry->time_ms > t->at_ms) return true;
    if (t->reply->n_entries == t->rows || service_is_reply_full(t->service, t->bytes)) {
        t->reply->next_before_sequence = t->reply->entries[t->reply->n_entries - 1]->sequence;
        return false;
    }
    struct view_entry *of = view_open_entry(&t->view, entry);
    if (of == NULL) {
        t->is_damaged = true;
        return false;
    }
    t->bytes += entry->input.len + entry->outcome.len + 200;
    list_append(t->service->arena, &t->reply->entries, &t->reply->n_entries, view_timeline_entry(&t->view, of, true));
    return true;
}

void serve_timeline(struct service *s, const struct call *call)
{
    const Handoff__V1__TimelineRequest *request = call->request->timeline;
    struct patient_key key;
    if (!check_at(s, call, request->at_ms) || !find_key(s, call, request->patient_id, 0, &key)) return;
    struct timeline t = {.service = s, .view = service_view(s), .rows = service_rows(request->limit)};
    t.at_ms = request->at_ms != 0 ? request->at_ms : INT64_MAX;
    t.reply = MESSAGE_NEW(s->arena, Handoff__V1__TimelineReply, timeline_reply);
    int rc = engine_walk(s->engine, &key, request->before_sequence, &t, add_entry);
    if (t.is_damaged) rc = ENGINE_E_DAMAGED;
    if (rc == 0 && t.seen == 0 && request->before_sequence == 0) rc = ENGINE_E_UNKNOWN;
    if (rc != 0)
        service_refuse_error(s, call, rc);
    else
        service_reply(s, call, HANDOFF__V1__REPLY__BODY_TIMELINE, t.reply);
}

/* --- what will happen ----------------------------------------------------------------------------------------- */
struct forecast {
    struct service *service;
    struct view view;
    const char *key;
    Handoff__V1__NextReply *reply;
};

static void add_firing(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing,
                       const struct outcome *outcome)
{
    struct forecast *f = context;
    if (service_is_reply_full(f->service, 0)) return;
    struct view_subject after = {f->key, outcome->after};
    list_append(f->service->arena, &f->reply->entries, &f->reply->n_entries,
                view_forecast(&f->view, &after, at_ms, firing, &outcome->journaled));
}

void serve_next(struct service *s, const struct call *call)
{
    const Handoff__V1__NextRequest *request = call->request->next;
    uint32_t limit = request->limit == 0 ? 10 : request->limit < NET_NEXT_FIRINGS ? request->limit : NET_NEXT_FIRINGS;
    struct patient_key key;
    char text[33];
    if (!find_key(s, call, request->patient_id, 0, &key)) return;
    engine_key_text(&key, text);
    struct forecast f = {s, service_view(s), text, MESSAGE_NEW(s->arena, Handoff__V1__NextReply, next_reply)};
    int rc = engine_forecast(s->engine, &key, limit, s->arena, &f, add_firing);
    if (rc != 0)
        service_refuse_error(s, call, rc);
    else
        service_reply(s, call, HANDOFF__V1__REPLY__BODY_NEXT, f.reply);
}

/* --- emissions ------------------------------------------------------------------------------------------------ */
struct emissions {
    struct service *service;
    struct view view;
    Handoff__V1__Stream stream;
    uint32_t rows;
    uint32_t taken;
    size_t bytes;
    uint64_t through; /* every entry up to here is in the reply, as far as it belongs there */
    bool is_damaged;
    Handoff__V1__EmissionsReply *reply;
};

/* The newest record of the entry's subject, for the gate; the entry's own when there is none any more. */
static const Handoff__V1__PatientRecord *newest_record(struct emissions *x, const struct view_entry *of)
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    struct patient_key key = of->entry->key;
    int rc = engine_alias(x->service->engine, &key, INT64_MAX, x->service->arena);
    if (rc == 0) rc = engine_record(x->service->engine, &key, x->service->arena, &record, &sequence, &time_ms);
    return rc == 0 ? record : of->record;
}

static void add_record(struct emissions *x, const struct view_entry *of)
{
    Handoff__V1__RecordEmission *r = MESSAGE_NEW(x->service->arena, Handoff__V1__RecordEmission, record_emission);
    r->entry = view_timeline_entry(&x->view, of, true);
    r->patient_id = of->record->patient_id;
    x->taken++;
    x->bytes += of->entry->input.len + of->entry->outcome.len + 200;
    list_append(x->service->arena, &x->reply->records, &x->reply->n_records, r);
}

static void add_emissions(struct emissions *x, const struct view_entry *of)
{
    const Handoff__V1__PatientRecord *now = NULL;
    for (size_t i = 0; i < of->outcome->n_emissions; i++) {
        if (view_stream(of->outcome->emissions[i]) != x->stream) continue;
        if (now == NULL) now = newest_record(x, of);
        x->taken++;
        x->bytes += 300;
        list_append(x->service->arena, &x->reply->emissions, &x->reply->n_emissions,
                    view_emission(&x->view, of, now, (uint32_t)i));
    }
}

static bool belongs(const struct emissions *x, const struct entry *entry)
{
    return x->stream == HANDOFF__V1__STREAM__STREAM_RECORD
               ? view_is_record(entry)
               : (entry->flags & ENTRY_HAS_EMISSIONS) && entry->record.len > 0;
}

/* An entry's emissions come together: a page may so exceed its limit by those of one entry. */
static bool scan_entry(void *context, const struct entry *entry)
{
    struct emissions *x = context;
    if (x->taken >= x->rows || service_is_reply_full(x->service, x->bytes)) return false;
    size_t mark = arena_used(x->service->arena);
    uint32_t taken = x->taken;
    if (belongs(x, entry)) {
        struct view_entry *of = view_open_entry(&x->view, entry);
        if (of == NULL) {
            x->is_damaged = true;
            return false;
        }
        if (x->stream == HANDOFF__V1__STREAM__STREAM_RECORD)
            add_record(x, of);
        else
            add_emissions(x, of);
    }
    if (x->taken == taken) arena_rewind(x->service->arena, mark);
    x->through = entry->sequence;
    return true;
}

void serve_emissions(struct service *s, const struct call *call)
{
    const Handoff__V1__EmissionsRequest *request = call->request->emissions;
    struct engine_state state;
    uint64_t last;
    if (stream_name(request->stream) == NULL) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_MISSING_FIELD, "stream says which", "stream");
        return;
    }
    struct emissions x = {
        .service = s, .view = service_view(s), .stream = request->stream, .rows = service_rows(request->limit)};
    x.through = request->after_sequence;
    x.reply = MESSAGE_NEW(s->arena, Handoff__V1__EmissionsReply, emissions_reply);
    engine_state(s->engine, &state);
    int rc = 0;
    if (request->after_sequence < state.last_sequence)
        rc = engine_scan(s->engine, request->after_sequence + 1, NET_SCAN_ENTRIES, &x, scan_entry, &last);
    if (rc != 0 || x.is_damaged) {
        service_refuse_error(s, call, rc != 0 ? rc : ENGINE_E_DAMAGED);
        return;
    }
    x.reply->through_sequence = x.through;
    x.reply->last_sequence = state.last_sequence;
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_EMISSIONS, x.reply);
}
