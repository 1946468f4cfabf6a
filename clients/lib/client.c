/* A client: its socket, its errors, and one request at a time. Neighbours: call.c does the sending. */
#include "call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DEFAULT_TIMEOUT_MS  10000
#define DEFAULT_RETRY_MS    1000
#define LARGEST_REPLY_BYTES (256 * 1024 * 1024)

const char *handoff_error(int code)
{
    static const char *const sentences[] = {
        [-HANDOFF_OK] = "no error",
        [-HANDOFF_TIMEOUT] = "the daemon did not answer in time",
        [-HANDOFF_UNAVAILABLE] = "the daemon could not commit in time; the outcome is unknown",
        [-HANDOFF_REFUSED] = "the daemon refused the request",
        [-HANDOFF_NO_MEMORY] = "out of memory",
        [-HANDOFF_BAD_ARGUMENT] = "a bad argument",
        [-HANDOFF_TOO_LARGE] = "larger than the protocol allows",
        [-HANDOFF_BAD_REPLY] = "the reply is not one that this version understands",
        [-HANDOFF_SOCKET] = "no socket for this endpoint",
        [-HANDOFF_BAD_JSON] = "not the JSON of this message",
        [-HANDOFF_REWOUND] =
            "the daemon's journal ends before this position; it is another folder or an older copy",
        [-HANDOFF_INTERRUPTED] = "interrupted by a signal",
    };
    size_t count = sizeof sentences / sizeof *sentences;
    if (code > 0 || (size_t) - (int64_t)code >= count) return "an unknown error";
    return sentences[-code];
}

bool handoff_is_accepted(const struct handoff_result *result)
{
    return result->code == HANDOFF__V1__CODE__CODE_ACCEPTED ||
           result->code == HANDOFF__V1__CODE__CODE_DUPLICATE;
}

/* IMMEDIATE: nothing is queued for a daemon that is away, so that a restart is not met by a heap of repeats.
 */
static int configure_dealer(void *dealer)
{
    const struct {
        int option, value;
    } rows[] = {
        {ZMQ_LINGER, 0},           {ZMQ_IMMEDIATE, 1},
        {ZMQ_RECONNECT_IVL, 100},  {ZMQ_RECONNECT_IVL_MAX, 2000},
        {ZMQ_HEARTBEAT_IVL, 5000}, {ZMQ_HEARTBEAT_TIMEOUT, 15000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (zmq_setsockopt(dealer, rows[i].option, &rows[i].value, sizeof rows[i].value))
            return HANDOFF_SOCKET;
    }
    int64_t largest = LARGEST_REPLY_BYTES;
    return zmq_setsockopt(dealer, ZMQ_MAXMSGSIZE, &largest, sizeof largest) ? HANDOFF_SOCKET : 0;
}

static int connect_front(handoff_client *client)
{
    client->context = zmq_ctx_new();
    if (!client->context) return HANDOFF_SOCKET;
    client->dealer = zmq_socket(client->context, ZMQ_DEALER);
    if (!client->dealer) return HANDOFF_SOCKET;
    int error = configure_dealer(client->dealer);
    if (error) return error;
    return zmq_connect(client->dealer, client->front) ? HANDOFF_SOCKET : 0;
}

int handoff_open(const struct handoff_options *options, handoff_client **ret_client)
{
    static const struct handoff_options defaults = {0};
    if (!options) options = &defaults;
    const char *front = options->front ? options->front : HANDOFF_DEFAULT_FRONT;
    handoff_client *client = calloc(1, sizeof *client);
    if (!client) return HANDOFF_NO_MEMORY;
    client->timeout_ms = options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->retry_ms = options->retry_ms ? options->retry_ms : DEFAULT_RETRY_MS;
    if (getrandom(&client->random, sizeof client->random, 0) != sizeof client->random) client->random = 0;
    client->random |= 1;
    int error = strlen(front) < sizeof client->front ? 0 : HANDOFF_BAD_ARGUMENT;
    if (!error) {
        memcpy(client->front, front, strlen(front) + 1);
        error = connect_front(client);
    }
    if (error) {
        handoff_close(&client);
        return error;
    }
    *ret_client = client;
    return 0;
}

void handoff_close(handoff_client **client)
{
    if (!client || !*client) return;
    assert(!(*client)->calls && !(*client)->ticks && "close what a client has opened before it");
    /* In this order: libzmq's I/O thread waits for ever for a monitor that listens no more. */
    if ((*client)->monitor) zmq_socket_monitor((*client)->dealer, NULL, 0);
    if ((*client)->monitor) zmq_close((*client)->monitor);
    if ((*client)->dealer) zmq_close((*client)->dealer);
    if ((*client)->context) zmq_ctx_term((*client)->context);
    free(*client);
    *client = NULL;
}

/* --- one request
 * ---------------------------------------------------------------------------------------------- */

struct one_request {
    struct call call;
    int code;
    Handoff__V1__Reply *reply;
};

static void on_one_done(struct call *call, int code, Handoff__V1__Reply **reply)
{
    struct one_request *one = (struct one_request *)call; /* its first member */
    one->code = code;
    one->reply = *reply;
    *reply = NULL;
}

/* Bodies are numbered alike, a reply's one higher: error is in between. */
static bool is_answer(const Handoff__V1__Request *request, const Handoff__V1__Reply *reply)
{
    return (int)reply->body_case == (int)request->body_case + 1;
}

int handoff_request(handoff_client *client, const Handoff__V1__Request *request,
                    Handoff__V1__Reply **ret_reply)
{
    if (request->body_case == HANDOFF__V1__REQUEST__BODY__NOT_SET) return HANDOFF_BAD_ARGUMENT;
    struct one_request one = {.call.on_done = on_one_done};
    int error = call_start(client, &one.call, request, call_now_ms() + client->timeout_ms);
    if (error) return error;
    while (one.call.is_waiting && !error) {
        error = call_turn(client, CALL_NEVER, NULL, 0);
        if (error == HANDOFF_INTERRUPTED) error = 0; /* bounded by the timeout all the same */
    }
    call_cancel(client, &one.call);
    if (!error) error = one.code;
    if (error) return error;
    if (one.reply->body_case == HANDOFF__V1__REPLY__BODY_ERROR) {
        result_of_error(one.reply->error, &client->refusal);
        error = client->refusal.code == HANDOFF__V1__CODE__CODE_UNAVAILABLE ? HANDOFF_UNAVAILABLE
                                                                            : HANDOFF_REFUSED;
    } else if (!is_answer(request, one.reply)) {
        error = HANDOFF_BAD_REPLY;
    }
    if (error) {
        handoff_reply_free(&one.reply);
        return error;
    }
    *ret_reply = one.reply;
    return 0;
}

void handoff_reply_free(Handoff__V1__Reply **reply)
{
    if (!reply || !*reply) return;
    handoff__v1__reply__free_unpacked(*reply, NULL);
    *reply = NULL;
}

const struct handoff_result *handoff_refusal(const handoff_client *client)
{
    return &client->refusal;
}
