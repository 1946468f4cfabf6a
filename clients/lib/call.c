/* Requests on their way; see call.h. Neighbours: client.c, publisher.c, subscriber.c and watch.c own calls; nobody else
 * touches the dealer. Refuses to know what a request means, but for whether it may be sent twice. */
#include "call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPLIES_PER_TURN 256
#define DOUBLINGS        3
#define MONITOR_EVENTS   100 /* in a turn */

int64_t call_now_ms(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(!failed);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* xorshift64: jitter needs no more, but each client needs its own. */
static uint64_t next_random(handoff_client *client)
{
    uint64_t x = client->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    client->random = x;
    return x;
}

int64_t call_backoff_ms(handoff_client *client, uint32_t first_ms, uint32_t tries)
{
    uint32_t doublings = tries < DOUBLINGS ? tries : DOUBLINGS;
    int64_t wait_ms = (int64_t)first_ms << doublings;
    int64_t jitter_ms = (int64_t)(next_random(client) % (uint64_t)(wait_ms / 2 + 1));
    return wait_ms - wait_ms / 4 + jitter_ms;
}

/* Reading and publishing may be asked twice; an advance to a date too, since it then finds itself done. */
static bool may_repeat(const Handoff__V1__Request *request)
{
    switch (request->body_case) {
    case HANDOFF__V1__REQUEST__BODY_BACKUP:
        return false;
    case HANDOFF__V1__REQUEST__BODY_CLOCK:
        return request->clock->advance_ms == 0;
    case HANDOFF__V1__REQUEST__BODY__NOT_SET:
    case HANDOFF__V1__REQUEST__BODY_PUBLISH:
    case HANDOFF__V1__REQUEST__BODY_PATIENT:
    case HANDOFF__V1__REQUEST__BODY_TIMELINE:
    case HANDOFF__V1__REQUEST__BODY_NEXT:
    case HANDOFF__V1__REQUEST__BODY_TASKS:
    case HANDOFF__V1__REQUEST__BODY_ESCALATIONS:
    case HANDOFF__V1__REQUEST__BODY_STATISTICS:
    case HANDOFF__V1__REQUEST__BODY_EMISSIONS:
    case HANDOFF__V1__REQUEST__BODY_INFO:
    case HANDOFF__V1__REQUEST__BODY_RELOAD:
    case HANDOFF__V1__REQUEST__BODY_DIRECTORY_LIST:
    case HANDOFF__V1__REQUEST__BODY_DIRECTORY_MATCH:
    case HANDOFF__V1__REQUEST__BODY_LIST:
    case HANDOFF__V1__REQUEST__BODY_SUBSCRIBE:
    case HANDOFF__V1__REQUEST__BODY_SETTLE:
    case HANDOFF__V1__REQUEST__BODY_UNSUBSCRIBE:
    case HANDOFF__V1__REQUEST__BODY_SUBSCRIPTIONS:
    case HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_RESET:
    case HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_DELETE:
    case HANDOFF__V1__REQUEST__BODY_ASIDE:
    case HANDOFF__V1__REQUEST__BODY_DEAD_LETTER:
    case _HANDOFF__V1__REQUEST__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return true;
}

static void append_call(handoff_client *client, struct call *call)
{
    struct call **at = &client->calls;
    while (*at) at = &(*at)->next;
    call->next = NULL;
    *at = call;
}

static void remove_call(handoff_client *client, struct call *call)
{
    struct call **at = &client->calls;
    while (*at && *at != call) at = &(*at)->next;
    assert(*at == call);
    *at = call->next;
    free(call->frame);
    call->frame = NULL;
    call->next = NULL;
    call->is_waiting = false;
    call->is_open = false;
}

int call_start(handoff_client *client, struct call *call, const Handoff__V1__Request *request,
               int64_t deadline_ms)
{
    assert(!call->is_waiting && !call->is_open && call->on_done);
    Handoff__V1__Request tagged = *request;
    tagged.tag = client->last_tag + 1;
    size_t bytes = handoff__v1__request__get_packed_size(&tagged);
    if (bytes > HANDOFF_PUBLISH_BYTES) return HANDOFF_TOO_LARGE;
    uint8_t *frame = malloc(bytes ? bytes : 1);
    if (!frame) return HANDOFF_NO_MEMORY;
    handoff__v1__request__pack(&tagged, frame);

    call->tag = ++client->last_tag;
    call->frame = frame;
    call->frame_bytes = bytes;
    call->deadline_ms = deadline_ms;
    call->try_at_ms = 0;
    call->tries = 0;
    call->is_waiting = true;
    call->may_repeat = may_repeat(request);
    call->was_unavailable = false;
    append_call(client, call);
    return 0;
}

void call_cancel(handoff_client *client, struct call *call)
{
    if (call->is_waiting || call->is_open) remove_call(client, call);
}

/* Links it again, not to be sent: for what comes under its tag. */
static void keep_open(handoff_client *client, struct call *call)
{
    call->is_open = true;
    call->deadline_ms = CALL_NEVER;
    call->try_at_ms = CALL_NEVER;
    append_call(client, call);
}

static void finish(handoff_client *client, struct call *call, int code, Handoff__V1__Reply **reply)
{
    remove_call(client, call);
    if (call->on_more && !code && (*reply)->body_case != HANDOFF__V1__REPLY__BODY_ERROR) keep_open(client, call);
    call->on_done(call, code, reply);
}

void call_tick_start(handoff_client *client, struct call_tick *tick)
{
    tick->next = client->ticks;
    client->ticks = tick;
}

void call_tick_stop(handoff_client *client, struct call_tick *tick)
{
    struct call_tick **at = &client->ticks;
    while (*at && *at != tick) at = &(*at)->next;
    if (*at) *at = tick->next;
}

static void run_ticks(handoff_client *client, int64_t now_ms)
{
    for (struct call_tick *tick = client->ticks; tick; tick = tick->next) {
        if (now_ms >= tick->at_ms) tick->on_tick(tick);
    }
}

/* The owner may start other calls, so the search begins anew each time; each turn of it removes one. */
static bool expire_calls(handoff_client *client, int64_t now_ms)
{
    bool is_any = false;
    struct call *call = client->calls;
    while (call) {
        if (now_ms < call->deadline_ms) {
            call = call->next;
            continue;
        }
        Handoff__V1__Reply *none = NULL;
        finish(client, call, call->was_unavailable ? HANDOFF_UNAVAILABLE : HANDOFF_TIMEOUT, &none);
        call = client->calls;
        is_any = true;
    }
    return is_any;
}

/* False when the socket takes no more: nobody is connected, or the queue is full. */
static bool send_due_calls(handoff_client *client, int64_t now_ms)
{
    for (struct call *call = client->calls; call; call = call->next) {
        if (now_ms < call->try_at_ms) continue;
        if (zmq_send(client->dealer, call->frame, call->frame_bytes, ZMQ_DONTWAIT) < 0) return false;
        call->try_at_ms =
            call->may_repeat ? now_ms + call_backoff_ms(client, client->retry_ms, call->tries) : CALL_NEVER;
        call->tries++;
    }
    return true;
}

static int64_t earliest(const handoff_client *client, int64_t until_ms, bool is_writable)
{
    for (const struct call_tick *tick = client->ticks; tick; tick = tick->next) {
        if (tick->at_ms < until_ms) until_ms = tick->at_ms;
    }
    for (const struct call *call = client->calls; call; call = call->next) {
        if (call->deadline_ms < until_ms) until_ms = call->deadline_ms;
        if (is_writable && call->try_at_ms < until_ms) until_ms = call->try_at_ms;
    }
    return until_ms;
}

static void answer(handoff_client *client, Handoff__V1__Reply **reply)
{
    struct call *call = client->calls;
    while (call && call->tag != (*reply)->tag) call = call->next;
    if (!call) return; /* of a try that another try's reply has answered */
    if (call->is_open || (call->on_more && (*reply)->body_case == HANDOFF__V1__REPLY__BODY_DELIVERIES)) {
        call->on_more(call, reply);
        return;
    }
    bool is_unavailable = (*reply)->body_case == HANDOFF__V1__REPLY__BODY_ERROR &&
                          (*reply)->error->code == HANDOFF__V1__CODE__CODE_UNAVAILABLE;
    if (is_unavailable && call->may_repeat) {
        call->was_unavailable = true;
        call->try_at_ms = call_now_ms() + call_backoff_ms(client, client->retry_ms / 4 + 1, call->tries);
        return;
    }
    finish(client, call, 0, reply);
}

static void receive_replies(handoff_client *client)
{
    for (int i = 0; i < REPLIES_PER_TURN; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, client->dealer, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            return;
        }
        Handoff__V1__Reply *reply =
            handoff__v1__reply__unpack(NULL, zmq_msg_size(&frame), zmq_msg_data(&frame));
        zmq_msg_close(&frame);
        client->has_heard = true;
        if (!reply) continue; /* as good as lost: the call is tried again */
        answer(client, &reply);
        if (reply) handoff__v1__reply__free_unpacked(reply, NULL);
    }
}

/* --- connections
 * --------------------------------------------------------------------------------------------- */

int call_mind_connection(handoff_client *client)
{
    if (client->monitor) return 0;
    char address[64];
    snprintf(address, sizeof address, "inproc://client-%p", (void *)client);
    if (zmq_socket_monitor(client->dealer, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED)) return HANDOFF_SOCKET;
    client->monitor = zmq_socket(client->context, ZMQ_PAIR);
    if (!client->monitor) return HANDOFF_SOCKET;
    if (client->has_heard) client->connections = 1; /* before anybody counted */
    return zmq_connect(client->monitor, address) ? HANDOFF_SOCKET : 0;
}

static bool has_connected(handoff_client *client)
{
    bool is_any = false;
    for (int i = 0; i < MONITOR_EVENTS; i++) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        bool is_one = zmq_msg_recv(&frame, client->monitor, ZMQ_DONTWAIT) >= 0;
        zmq_msg_close(&frame);
        if (!is_one) break;
        is_any = true;
    }
    return is_any;
}

static void hurry(handoff_client *client)
{
    for (struct call *call = client->calls; call; call = call->next) {
        if (call->is_waiting && call->may_repeat) call->try_at_ms = 0;
    }
    for (struct call_tick *tick = client->ticks; tick; tick = tick->next) tick->at_ms = 0;
}

/* --- turning
 * ------------------------------------------------------------------------------------------------- */

int call_turn(handoff_client *client, int64_t until_ms, zmq_pollitem_t *more, size_t more_count)
{
    zmq_pollitem_t items[5] = {{.socket = client->dealer, .events = ZMQ_POLLIN}};
    assert(more_count + 1 < sizeof items / sizeof *items);
    int64_t now_ms = call_now_ms();
    run_ticks(client, now_ms);
    if (expire_calls(client, now_ms)) return 0; /* something happened: the caller looks first */
    bool is_writable = send_due_calls(client, now_ms);
    if (!is_writable) items[0].events |= ZMQ_POLLOUT;
    for (size_t i = 0; i < more_count; i++) items[1 + i] = more[i];
    size_t count = 1 + more_count;
    if (client->monitor) items[count++] = (zmq_pollitem_t){.socket = client->monitor, .events = ZMQ_POLLIN};

    int64_t wait_ms = earliest(client, until_ms, is_writable) - now_ms;
    if (wait_ms < 0) wait_ms = 0;
    if (wait_ms > 60000) wait_ms = 60000;
    if (zmq_poll(items, (int)count, (long)wait_ms) < 0) {
        return errno == EINTR ? HANDOFF_INTERRUPTED : HANDOFF_SOCKET;
    }
    for (size_t i = 0; i < more_count; i++) more[i].revents = items[1 + i].revents;
    bool is_connected = client->monitor && items[count - 1].revents && has_connected(client);
    if (is_connected && client->connections++) hurry(client); /* nothing is lost with the first one */
    if (items[0].revents & ZMQ_POLLIN) receive_replies(client);
    return 0;
}

void result_set_text(char *to, size_t size, const char *text)
{
    size_t len = strnlen(text ? text : "", size - 1);
    if (len == size - 1) {
        /* cut between characters: not before a continuation byte */
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) len--;
    }
    memcpy(to, text ? text : "", len);
    to[len] = 0;
}

void result_of_error(const Handoff__V1__Error *error, struct handoff_result *result)
{
    *result = (struct handoff_result){.code = error->code};
    result_set_text(result->sentence, sizeof result->sentence, error->sentence);
    result_set_text(result->field, sizeof result->field, error->field);
}
