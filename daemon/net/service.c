/* Requests from the front to the engine and back: see service.h. */
#include "net/service_inner.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "base/log.h"

#include "base/banned.h"

#define ARENA_BYTES ((size_t)160 * 1024 * 1024)
enum { EXPECT_EVENTS = 10 }; /* ahead of the one that is served: engine_expect tells why so many */
#define ARENA_SPARE ((size_t)8 * 1024 * 1024) /* for one record and its view, whatever it holds */

typedef void serve_function(struct service *s, const struct call *call);

/* By Request.body; publishes and what workers say are served within the turn. */
static serve_function *const readers[] = {
    [HANDOFF__V1__REQUEST__BODY_PATIENT] = serve_patient,
    [HANDOFF__V1__REQUEST__BODY_TIMELINE] = serve_timeline,
    [HANDOFF__V1__REQUEST__BODY_NEXT] = serve_next,
    [HANDOFF__V1__REQUEST__BODY_TASKS] = serve_tasks,
    [HANDOFF__V1__REQUEST__BODY_ESCALATIONS] = serve_escalations,
    [HANDOFF__V1__REQUEST__BODY_STATISTICS] = serve_statistics,
    [HANDOFF__V1__REQUEST__BODY_EMISSIONS] = serve_emissions,
    [HANDOFF__V1__REQUEST__BODY_CLOCK] = serve_clock,
    [HANDOFF__V1__REQUEST__BODY_INFO] = serve_info,
    [HANDOFF__V1__REQUEST__BODY_BACKUP] = serve_backup,
    [HANDOFF__V1__REQUEST__BODY_RELOAD] = serve_reload,
    [HANDOFF__V1__REQUEST__BODY_DIRECTORY_LIST] = serve_directory_list,
    [HANDOFF__V1__REQUEST__BODY_DIRECTORY_MATCH] = serve_directory_match,
    [HANDOFF__V1__REQUEST__BODY_LIST] = serve_list,
    [HANDOFF__V1__REQUEST__BODY_SUBSCRIPTIONS] = serve_subscriptions,
    [HANDOFF__V1__REQUEST__BODY_ASIDE] = serve_aside,
};

struct service *service_new(const struct service_options *options)
{
    struct service *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->options = *options;
    s->engine = options->engine;
    s->front = options->front;
    s->arena = arena_new(ARENA_BYTES);
    s->pending = pending_new();
    pthread_mutex_init(&s->backing_up.lock, NULL);
    if (s->arena != NULL && s->pending != NULL) return s;
    service_free(s);
    return NULL;
}

void service_free(struct service *s)
{
    if (s == NULL) return;
    service_await_backup(s);
    pthread_mutex_destroy(&s->backing_up.lock);
    for (uint32_t i = 0; i < s->reading_count; i++)
        zmq_msg_close(&s->readings[i].payload);
    for (uint32_t i = 0; i < s->parked_count; i++)
        zmq_msg_close(&s->parked[i].payload);
    pending_free(s->pending);
    arena_free(s->arena);
    free(s);
}

const struct service_counts *service_counts(const struct service *s) { return &s->counts; }

bool service_is_busy(const struct service *s)
{
    if (s->advancing.is_active || s->postponed_count > 0) return true;
    return front_waiting(s->front) > 0 && engine_can_accept(s->engine);
}

size_t service_pending(const struct service *s) { return pending_count(s->pending); }

bool service_wants_to_read(const struct service *s)
{
    return s->reading_count > 0 || s->parked_count > 0 || s->advancing.is_active;
}

bool service_is_waiting(const struct service *s)
{
    return s->parked_count > 0 || s->backing_up.is_active || !engine_can_accept(s->engine);
}

int64_t service_monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- replies -------------------------------------------------------------------------------------------------- */
struct view service_view(struct service *s)
{
    return (struct view){engine_rules(s->engine), s->arena, engine_now_ms(s->engine)};
}

void service_reply(struct service *s, const struct call *call, Handoff__V1__Reply__BodyCase body, void *message)
{
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    reply.tag = call->request->tag;
    reply.body_case = body;
    reply.patient = message; /* every member of the oneof is a pointer to a message */
    front_reply(s->front, call->from, &reply);
}

void service_refuse(struct service *s, const struct call *call, Handoff__V1__Code code, const char *sentence,
                    const char *field)
{
    s->counts.refused[code]++;
    front_refuse(s->front, call->from, call->request->tag, code, sentence, field);
}

void service_refuse_error(struct service *s, const struct call *call, int engine_error)
{
    static const struct {
        int error;
        Handoff__V1__Code code;
        const char *sentence, *field;
    } rows[] = {
        {ENGINE_E_UNKNOWN, HANDOFF__V1__CODE__CODE_UNKNOWN_PATIENT, "nobody told of this patient by then",
         "patient_id"},
        {ENGINE_E_DAMAGED, HANDOFF__V1__CODE__CODE_INTERNAL, "the journal does not read back; run handoffd verify",
         NULL},
        {ENGINE_E_FULL, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "the disk is full; retry when there is room", NULL},
        {ENGINE_E_STOPPED, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "a write failed; retry later", NULL},
    };
    size_t i = 0;
    while (i < sizeof rows / sizeof *rows && rows[i].error != engine_error) i++;
    bool is_listed = i < sizeof rows / sizeof *rows;
    Handoff__V1__Code code = is_listed ? rows[i].code : HANDOFF__V1__CODE__CODE_INTERNAL;
    const char *sentence = is_listed ? rows[i].sentence : "an error that is not the request's; the log has it";
    if (code == HANDOFF__V1__CODE__CODE_INTERNAL)
        log_error("a request could not be answered", log_text("why", sentence), log_int("error", engine_error),
                  log_int("request", (int64_t)call->request->body_case));
    service_refuse(s, call, code, sentence, is_listed ? rows[i].field : NULL);
}

uint32_t service_rows(uint32_t limit)
{
    if (limit == 0) return NET_DEFAULT_ROWS;
    return limit < LIMIT_PAGE_ROWS ? limit : LIMIT_PAGE_ROWS;
}

bool service_is_reply_full(struct service *s, size_t reply_bytes)
{
    return reply_bytes >= NET_REPLY_BYTES || arena_left(s->arena) < ARENA_SPARE;
}

/* --- publishing ----------------------------------------------------------------------------------------------- */
void service_result(struct service *s, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result)
{
    struct pending_reply complete;
    if ((uint32_t)result->code < 64) s->counts.results[result->code]++;
    if (!pending_add(s->pending, ticket, position, result, &complete)) return;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    reply.tag = complete.tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_PUBLISH;
    reply.publish = &complete.reply;
    front_reply(s->front, complete.to, &reply);
    pending_close(s->pending, ticket);
}

static void serve_publish(struct service *s, const struct call *call)
{
    const Handoff__V1__PublishRequest *publish = call->request->publish;
    if (publish->n_events == 0) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_MISSING_FIELD, "publish.events is empty", "publish.events");
        return;
    }
    uint64_t ticket = pending_open(s->pending, call->from, call->request->tag, (uint32_t)publish->n_events);
    if (ticket == 0) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "out of memory; retry with the same ids", NULL);
        return;
    }
    for (size_t i = 0, expected = 1; i < publish->n_events; i++) {
        struct bytes event = {publish->events[i].data, publish->events[i].len};
        for (; expected < publish->n_events && expected < i + EXPECT_EVENTS; expected++)
            engine_expect(s->engine, (struct bytes){publish->events[expected].data, publish->events[expected].len});
        engine_publish(s->engine, event, ticket, (uint32_t)i);
        s->counts.events++;
    }
}

/* --- a turn --------------------------------------------------------------------------------------------------- */
static void set_aside(struct service *s, const struct call *call, zmq_msg_t *payload)
{
    struct reading *r = &s->readings[s->reading_count++];
    zmq_msg_init(&r->payload);
    zmq_msg_move(&r->payload, payload);
    r->call = *call;
}

static void serve_one(struct service *s, struct peer from, zmq_msg_t *payload)
{
    struct bytes bytes = {zmq_msg_data(payload), zmq_msg_size(payload)};
    struct call call = {.from = from};
    Handoff__V1__Request *request;
    struct request_fault fault;
    s->counts.requests++;
    if (request_read(bytes, s->arena, &request, &fault) != 0) {
        s->counts.refused[fault.code]++;
        front_refuse(s->front, from, request_tag(bytes), fault.code, fault.sentence, fault.field);
        return;
    }
    call.request = request;
    if (request->body_case == HANDOFF__V1__REQUEST__BODY_PUBLISH)
        serve_publish(s, &call);
    else if (delivery_is_request(request))
        service_deliver(s, &call);
    else
        set_aside(s, &call, payload);
}

/* Whoever asks for much waits for its own answers, and holds up nobody else. */
static bool has_enough_reads(void *context, uint32_t peer_id)
{
    const struct service *s = context;
    uint32_t reads = 0;
    for (uint32_t i = 0; i < s->reading_count; i++)
        reads += s->readings[i].call.from.id == peer_id;
    for (uint32_t i = 0; i < s->parked_count && s->postponed_count > 0; i++)
        reads += s->parked[i].is_postponed && s->parked[i].from.id == peer_id;
    return reads >= NET_PEER_READS;
}

static bool can_serve(const struct service *s)
{
    return s->reading_count < NET_TURN_READS && s->postponed_count + s->reading_count < NET_POSTPONED &&
           !pending_is_full(s->pending) && engine_can_accept(s->engine) && delivery_can_take(s->options.delivery);
}

/* So that what the next requests need is at hand when their turn comes. */
static void expect(struct service *s)
{
    struct bytes payload, event;
    while (s->expected < EXPECT_EVENTS && front_peek(s->front, s->expected, &payload)) {
        engine_expect(s->engine, request_first_event(payload, &event) ? event : (struct bytes){0});
        s->expected++;
    }
    if (s->expected < EXPECT_EVENTS) engine_expect(s->engine, (struct bytes){0});
}

static bool take(struct service *s, struct peer *ret_from, zmq_msg_t *ret_payload)
{
    const struct inbox_filter filter = {has_enough_reads, s};
    expect(s);
    if (!front_next(s->front, &filter, ret_from, ret_payload)) return false;
    s->expected -= s->expected > 0;
    return true;
}

void service_serve(struct service *s)
{
    struct peer from;
    zmq_msg_t payload;
    size_t bytes = 0;
    uint64_t events_before = s->counts.events;
    while (bytes < NET_TURN_BYTES && s->counts.events - events_before < s->options.batch_events && can_serve(s) &&
           !s->options.has_enough(s->options.context) && take(s, &from, &payload)) {
        bytes += zmq_msg_size(&payload) + NET_MESSAGE_COST;
        serve_one(s, from, &payload);
        zmq_msg_close(&payload);
    }
}

uint64_t service_as_of(struct service *s, const Handoff__V1__Request *request)
{
    uint64_t as_of = request->body_case == HANDOFF__V1__REQUEST__BODY_TASKS         ? request->tasks->as_of
                     : request->body_case == HANDOFF__V1__REQUEST__BODY_ESCALATIONS ? request->escalations->as_of
                                                                                     : 0;
    if (as_of != 0) return as_of;
    struct engine_state state;
    engine_state(s->engine, &state);
    return state.last_sequence;
}

static bool is_listing(const Handoff__V1__Request *request)
{
    return request->body_case == HANDOFF__V1__REQUEST__BODY_TASKS ||
           request->body_case == HANDOFF__V1__REQUEST__BODY_ESCALATIONS;
}

/* as_of 0: it waits for nothing but its turn. */
static bool park(struct service *s, struct reading *r, uint64_t as_of)
{
    if (s->parked_count == NET_PARKED) return false;
    struct parked *p = &s->parked[s->parked_count++];
    zmq_msg_init(&p->payload);
    zmq_msg_move(&p->payload, &r->payload);
    p->from = r->call.from;
    p->as_of = as_of;
    p->until_ms = service_monotonic_ms() + NET_PARK_MS;
    p->is_postponed = as_of == 0;
    s->postponed_count += p->is_postponed;
    return true;
}

static void answer_listing(struct service *s, struct reading *r)
{
    struct engine_state state;
    uint64_t as_of = service_as_of(s, r->call.request);
    engine_state(s->engine, &state);
    if (as_of > state.last_sequence)
        service_refuse(s, &r->call, HANDOFF__V1__CODE__CODE_BAD_VALUE, "as_of has not been reached", "as_of");
    else if (engine_index_catch_up(s->engine, as_of))
        readers[r->call.request->body_case](s, &r->call);
    else if (!park(s, r, as_of))
        service_refuse(s, &r->call, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "too many listings wait for the index; retry",
                       NULL);
}

static void answer_reading(struct service *s, struct reading *r)
{
    size_t mark = arena_used(s->arena);
    if (is_listing(r->call.request))
        answer_listing(s, r);
    else
        readers[r->call.request->body_case](s, &r->call);
    arena_rewind(s->arena, mark);
}

/* Reads it again from its bytes: the arena that held it was reset long ago. */
static void answer_parked(struct service *s, struct parked *p, bool has_caught_up)
{
    struct request_fault fault;
    struct bytes bytes = {zmq_msg_data(&p->payload), zmq_msg_size(&p->payload)};
    Handoff__V1__Request *request;
    size_t mark = arena_used(s->arena);
    if (request_read(bytes, s->arena, &request, &fault) == 0) {
        struct call call = {p->from, request};
        if (p->as_of != 0 && request->body_case == HANDOFF__V1__REQUEST__BODY_TASKS) request->tasks->as_of = p->as_of;
        if (p->as_of != 0 && request->body_case == HANDOFF__V1__REQUEST__BODY_ESCALATIONS)
            request->escalations->as_of = p->as_of;
        if (has_caught_up)
            readers[request->body_case](s, &call);
        else
            service_refuse(s, &call, HANDOFF__V1__CODE__CODE_UNAVAILABLE, "the index is too far behind; retry later",
                           NULL);
    }
    arena_rewind(s->arena, mark);
}

/* True: it has its answer. */
static bool answer_if_ready(struct service *s, struct parked *p, int64_t deadline_ms)
{
    int64_t now_ms = service_monotonic_ms();
    bool has_caught_up = p->as_of == 0 || engine_index_catch_up(s->engine, p->as_of);
    p->is_postponed = has_caught_up;
    if (now_ms >= deadline_ms || (!has_caught_up && now_ms <= p->until_ms)) return false;
    answer_parked(s, p, has_caught_up);
    zmq_msg_close(&p->payload);
    return true;
}

/* How many of the same connection stand before each. */
static uint32_t rank_parked(const struct service *s, uint32_t ret_ranks[NET_PARKED])
{
    uint32_t ranks = 0;
    for (uint32_t i = 0; i < s->parked_count; i++) {
        ret_ranks[i] = 0;
        for (uint32_t k = 0; k < i; k++)
            ret_ranks[i] += s->parked[k].from.id == s->parked[i].from.id;
        if (ret_ranks[i] >= ranks) ranks = ret_ranks[i] + 1;
    }
    return ranks;
}

/* Those of connections that were answered in this turn stand behind the others. */
static void keep_unanswered(struct service *s, const bool is_answered[NET_PARKED])
{
    static struct parked kept[NET_PARKED];
    uint32_t count = s->parked_count, kept_count = 0;
    bool had_turn[NET_PARKED] = {false};
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < count && !is_answered[i] && !had_turn[i]; k++)
            had_turn[i] = is_answered[k] && s->parked[k].from.id == s->parked[i].from.id;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < count; i++)
            if (!is_answered[i] && had_turn[i] == (pass == 1)) kept[kept_count++] = s->parked[i];
    s->parked_count = kept_count;
    s->postponed_count = 0;
    for (uint32_t i = 0; i < kept_count; i++) {
        s->parked[i] = kept[i];
        s->postponed_count += kept[i].is_postponed;
    }
}

/* One of each connection, then another of each, as far as this turn's time goes. */
static void answer_all_parked(struct service *s, int64_t deadline_ms)
{
    uint32_t ranks[NET_PARKED];
    bool is_answered[NET_PARKED] = {false};
    if (s->parked_count == 0) return;
    uint32_t rounds = rank_parked(s, ranks);
    for (uint32_t round = 0; round < rounds; round++)
        for (uint32_t i = 0; i < s->parked_count; i++)
            if (ranks[i] == round) is_answered[i] = answer_if_ready(s, &s->parked[i], deadline_ms);
    keep_unanswered(s, is_answered);
}

static void answer_or_postpone(struct service *s, struct reading *r, int64_t deadline_ms, bool must_queue)
{
    bool is_postponed = (must_queue || service_monotonic_ms() >= deadline_ms) && !is_listing(r->call.request) && park(s, r, 0);
    if (!is_postponed) answer_reading(s, r);
    zmq_msg_close(&r->payload);
}

/* While others wait, who comes new stands behind them; one of each connection has its answer first. */
void service_answer(struct service *s)
{
    int64_t deadline_ms = service_monotonic_ms() + NET_TURN_MS;
    bool must_queue = s->postponed_count > 0;
    if (!must_queue) answer_all_parked(s, deadline_ms);
    for (uint32_t i = 0; i < s->reading_count; i++)
        answer_or_postpone(s, &s->readings[i], deadline_ms, must_queue);
    s->reading_count = 0;
    if (must_queue) answer_all_parked(s, deadline_ms);
    service_advance(s);
    service_end_backup(s);
    arena_reset(s->arena);
}
