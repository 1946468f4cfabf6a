/* Requests of operators: the clock, statistics, information, backup, reload. */
#include "net/service_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/message.h"

#include "base/banned.h"

#define TIME_MAX_MS INT64_C(7258118400000) /* 2200-01-01 */

static char *text(const char *borrowed) { return (char *)(uintptr_t)borrowed; }

/* --- statistics and information ------------------------------------------------------------------------------- */
static const char *const total_names[TOTAL_COUNT] = {
    [TOTAL_ENTRIES] = "entries",
    [TOTAL_EVENTS] = "events",
    [TOTAL_EVENTS_APPLIED] = "events_applied",
    [TOTAL_EVENTS_RECORDED] = "events_recorded",
    [TOTAL_EVENTS_OVERTAKEN] = "events_overtaken",
    [TOTAL_PARKED] = "parked",
    [TOTAL_FIRINGS] = "firings",
    [TOTAL_PATIENTS] = "patients",
    [TOTAL_OPEN_EPISODES] = "open_episodes",
    [TOTAL_OPEN_TASKS] = "open_tasks",
    [TOTAL_OPEN_ESCALATIONS] = "open_escalations",
    [TOTAL_PENDING_TIMERS] = "pending_timers",
    [TOTAL_EMISSIONS_TASK] = "emissions_task",
    [TOTAL_EMISSIONS_ESCALATION] = "emissions_escalation",
    [TOTAL_EMISSIONS_STATUS] = "emissions_status",
    [TOTAL_EMISSIONS_AUDIT] = "emissions_audit",
};

static void add_statistic(struct service *s, Handoff__V1__StatisticsReply *reply, const char *name, int64_t value)
{
    Handoff__V1__Statistic *row = MESSAGE_NEW(s->arena, Handoff__V1__Statistic, statistic);
    row->name = text(name);
    row->value = value;
    list_append(s->arena, &reply->statistics, &reply->n_statistics, row);
}

void serve_statistics(struct service *s, const struct call *call)
{
    Handoff__V1__StatisticsReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__StatisticsReply, statistics_reply);
    struct engine_state state;
    engine_state(s->engine, &state);
    for (int i = 0; i < TOTAL_COUNT; i++)
        add_statistic(s, reply, total_names[i], state.totals[i]);
    add_statistic(s, reply, "last_sequence", (int64_t)state.last_sequence);
    add_statistic(s, reply, "indexed_sequence", (int64_t)state.indexed_sequence);
    add_statistic(s, reply, "oldest_overdue_ms", engine_oldest_overdue_ms(s->engine));
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_STATISTICS, reply);
}

void serve_info(struct service *s, const struct call *call)
{
    Handoff__V1__InfoReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__InfoReply, info_reply);
    const struct rules *rules = engine_rules(s->engine);
    struct engine_state state;
    engine_state(s->engine, &state);
    reply->version = text(s->options.version);
    reply->last_sequence = state.last_sequence;
    reply->indexed_sequence = state.indexed_sequence;
    reply->clock = text(clock_kind_name(s->options.clock->kind));
    reply->now_ms = engine_now_ms(s->engine);
    reply->stream_endpoint = text(s->options.stream_endpoint);
    for (uint32_t i = 0; i < rules->pathway_count; i++) {
        const struct pathway *p = rules->pathways[i];
        if (p == NULL) continue;
        const char *line = view_format(s->arena, "%s version %u (number %u%s)", p->name, p->version, p->number,
                                       p->is_retired ? ", retired" : "");
        list_append(s->arena, &reply->pathways, &reply->n_pathways, text(line));
    }
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_INFO, reply);
}

/* --- the clock ------------------------------------------------------------------------------------------------ */
static void reply_clock(struct service *s, const struct call *call, uint64_t fired)
{
    Handoff__V1__ClockReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__ClockReply, clock_reply);
    reply->now_ms = engine_now_ms(s->engine);
    reply->kind = text(clock_kind_name(s->options.clock->kind));
    reply->is_held = s->options.clock->is_held;
    reply->fired = fired;
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_CLOCK, reply);
}

static void begin_advance(struct service *s, const struct call *call, int64_t to_ms)
{
    if (s->options.clock->kind != CLOCK_KIND_MANUAL) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_WRONG_CLOCK, "only a manual clock can be advanced", NULL);
        return;
    }
    if (to_ms < engine_now_ms(s->engine) || to_ms > TIME_MAX_MS) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_TIME, "the time to advance to is in the past or after 2199",
                       "advance_to_ms");
        return;
    }
    if (s->advancing.is_active) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNAVAILABLE,
                       "the clock is being advanced; retry when it is done", NULL);
        return;
    }
    s->advancing = (struct advancing){true, call->from, call->request->tag, to_ms, 0};
}

void serve_clock(struct service *s, const struct call *call)
{
    const Handoff__V1__ClockRequest *request = call->request->clock;
    int rc = request->accept && s->options.clock->is_held ? engine_accept_clock(s->engine) : 0;
    if (rc != 0)
        service_refuse_error(s, call, rc);
    else if (request->advance_ms < 0 || request->advance_ms > TIME_MAX_MS)
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_TIME, "advance_ms is negative or beyond 2199",
                       "advance_ms");
    else if (request->advance_ms > 0)
        begin_advance(s, call, engine_now_ms(s->engine) + request->advance_ms);
    else if (request->advance_to_ms != 0)
        begin_advance(s, call, request->advance_to_ms);
    else
        reply_clock(s, call, 0);
}

void service_advance(struct service *s)
{
    struct advancing *a = &s->advancing;
    if (!a->is_active) return;
    uint64_t fired = 0;
    int rc = engine_advance(s->engine, a->to_ms, &fired);
    a->fired += fired;
    if (rc == 1) return;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.tag = a->tag;
    struct call call = {a->to, &request};
    a->is_active = false;
    if (rc == 0)
        reply_clock(s, &call, a->fired);
    else
        service_refuse_error(s, &call, rc);
}

/* --- backup --------------------------------------------------------------------------------------------------- */
static int copy_journal(struct service *s)
{
    char folder[sizeof s->backing_up.folder + sizeof "/journal"];
    bool was_made = mkdir(s->backing_up.folder, 0700) == 0;
    if (!was_made && errno != EEXIST) return JOURNAL_E_IO;
    snprintf(folder, sizeof folder, "%s/journal", s->backing_up.folder);
    struct journal *journal = *s->options.journal;
    int rc = journal->ops->backup(journal, folder);
    if (rc != 0 && was_made) rmdir(s->backing_up.folder);
    return rc;
}

static void *run_backup(void *context)
{
    struct service *s = context;
    int rc = copy_journal(s);
    pthread_mutex_lock(&s->backing_up.lock);
    s->backing_up.rc = rc;
    s->backing_up.is_done = true;
    pthread_mutex_unlock(&s->backing_up.lock);
    s->options.wake(s->options.context);
    return NULL;
}

void serve_backup(struct service *s, const struct call *call)
{
    const char *folder = call->request->backup->folder;
    struct backing_up *b = &s->backing_up;
    struct engine_state state;
    if (folder[0] != '/' || strlen(folder) >= sizeof b->folder) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_VALUE, "folder is an absolute path on the daemon's machine",
                       "folder");
        return;
    }
    if (b->is_active) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "a backup is under way; retry when it is done",
                       NULL);
        return;
    }
    engine_state(s->engine, &state);
    b->to = call->from;
    b->tag = call->request->tag;
    b->last_sequence = state.last_sequence;
    b->is_done = false;
    memcpy(b->folder, folder, strlen(folder) + 1);
    b->is_active = pthread_create(&b->thread, NULL, run_backup, s) == 0;
    if (!b->is_active)
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "no thread for a backup; retry", NULL);
}

static bool is_backup_done(struct backing_up *b)
{
    pthread_mutex_lock(&b->lock);
    bool is_done = b->is_done;
    pthread_mutex_unlock(&b->lock);
    return is_done;
}

void service_end_backup(struct service *s)
{
    struct backing_up *b = &s->backing_up;
    if (!b->is_active || !is_backup_done(b)) return;
    service_await_backup(s);
    b->is_active = b->is_joined = false;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.tag = b->tag;
    struct call call = {b->to, &request};
    if (b->rc != 0) {
        service_refuse(s, &call, HANDOFF__V1__CODE__CODE_INTERNAL,
                       view_format(s->arena, "the backup was not made: %s", journal_error(b->rc)), "folder");
        return;
    }
    Handoff__V1__BackupReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__BackupReply, backup_reply);
    reply->last_sequence = b->last_sequence;
    service_reply(s, &call, HANDOFF__V1__REPLY__BODY_BACKUP, reply);
}

void service_await_backup(struct service *s)
{
    if (!s->backing_up.is_active || s->backing_up.is_joined) return;
    pthread_join(s->backing_up.thread, NULL);
    s->backing_up.is_joined = true;
}

/* --- reload --------------------------------------------------------------------------------------------------- */
void serve_reload(struct service *s, const struct call *call)
{
    struct reload_report report = s->options.reload(s->options.context, s->arena);
    if (report.refusal != NULL) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_VALUE, report.refusal, NULL);
        return;
    }
    Handoff__V1__ReloadReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__ReloadReply, reload_reply);
    reply->changes = report.changes;
    reply->n_changes = report.change_count;
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_RELOAD, reply);
}
