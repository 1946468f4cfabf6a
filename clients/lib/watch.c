/* Following a stream. Doorbells say that something is there; pages fetched from the front are what is
 * delivered, so a lost doorbell costs time and never an emission.
 *
 *              doorbell beyond what is fetched, poll due, reconnected
 *     resting ------------------------------------------------------> fetching
 *        ^                                                             |
 *        '-- nothing more is known <-- deliver, item by item <-- page -'
 *                                       '-- more is known --> fetching
 *
 * Everything up to `through` is fetched; a page's items beyond (delivered_sequence, delivered_position) are
 * delivered, whatever a page repeats. A new watch and a reconnected one ask more often for a while: the
 * subscription may take effect after the doorbell that mattered. */
#include "call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_POLL_MS 5000
#define FIRST_POLL_MS   50
#define PAGE_EMISSIONS  250
#define BELLS_PER_TURN  1000

struct handoff_watch {
    struct call fetch; /* first */
    handoff_client *client;
    Handoff__V1__Stream stream;
    char topic[32];
    void *bell;    /* SUB */
    void *monitor; /* PAIR: says when `bell` has connected */

    uint64_t through;
    uint64_t rung;      /* newest sequence a doorbell named */
    uint64_t last_bell; /* of the last doorbell heard; 0: none yet */
    uint64_t gaps;

    Handoff__V1__Reply *page;
    size_t page_at;
    uint64_t delivered_sequence;
    int64_t delivered_position; /* -1: nothing of that sequence */

    int64_t fetch_at_ms;
    int64_t pause_ms; /* to the next poll; grows to poll_ms */
    int64_t poll_ms;
    int error; /* of a fetch, not yet told */
};

static void on_page(struct call *call, int code, Handoff__V1__Reply **reply);

/* --- opening
 * --------------------------------------------------------------------------------------------------- */

/* tcp://HOST:PORT; a daemon bound to every address is reached where its front is. */
static void reach_endpoint(const char *front, const char *bound, char *endpoint, size_t size)
{
    const char *port = strrchr(bound, ':');
    const char *front_port = strrchr(front, ':');
    bool is_any = strncmp(bound, "tcp://*:", 8) == 0 || strncmp(bound, "tcp://0.0.0.0:", 14) == 0 ||
                  strncmp(bound, "tcp://[::]:", 11) == 0;
    if (!is_any || !front_port || strncmp(front, "tcp://", 6) != 0) {
        snprintf(endpoint, size, "%s", *bound ? bound : HANDOFF_DEFAULT_STREAM);
        return;
    }
    snprintf(endpoint, size, "%.*s%s", (int)(front_port - front), front, port);
}

static int ask_info(handoff_client *client, uint64_t *ret_last_sequence, char *endpoint, size_t size)
{
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    Handoff__V1__Reply *reply = NULL;
    int error = handoff_request(client, &request, &reply);
    if (error) return error;
    *ret_last_sequence = reply->info->last_sequence;
    reach_endpoint(client->front, reply->info->stream_endpoint, endpoint, size);
    handoff_reply_free(&reply);
    return 0;
}

static int open_monitor(handoff_watch *watch)
{
    char address[64];
    snprintf(address, sizeof address, "inproc://watch-%p", (void *)watch);
    if (zmq_socket_monitor(watch->bell, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED)) return HANDOFF_SOCKET;
    watch->monitor = zmq_socket(watch->client->context, ZMQ_PAIR);
    if (!watch->monitor) return HANDOFF_SOCKET;
    return zmq_connect(watch->monitor, address) ? HANDOFF_SOCKET : 0;
}

static int subscribe(handoff_watch *watch, const char *endpoint)
{
    const struct {
        int option, value;
    } rows[] = {{ZMQ_LINGER, 0},
                {ZMQ_RECONNECT_IVL, 100},
                {ZMQ_RECONNECT_IVL_MAX, 2000},
                {ZMQ_HEARTBEAT_IVL, 5000},
                {ZMQ_HEARTBEAT_TIMEOUT, 15000}};
    watch->bell = zmq_socket(watch->client->context, ZMQ_SUB);
    if (!watch->bell) return HANDOFF_SOCKET;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (zmq_setsockopt(watch->bell, rows[i].option, &rows[i].value, sizeof rows[i].value))
            return HANDOFF_SOCKET;
    }
    if (zmq_setsockopt(watch->bell, ZMQ_SUBSCRIBE, watch->topic, strlen(watch->topic))) return HANDOFF_SOCKET;
    int error = open_monitor(watch);
    if (error) return error;
    return zmq_connect(watch->bell, endpoint) ? HANDOFF_SOCKET : 0;
}

int handoff_watch_open(handoff_client *client, const struct handoff_watch_options *options,
                       handoff_watch **ret_watch)
{
    const ProtobufCEnumDescriptor *streams = &handoff__v1__stream__descriptor;
    const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(streams, (int)options->stream);
    if (!name || options->stream == HANDOFF__V1__STREAM__STREAM_UNSPECIFIED) return HANDOFF_BAD_ARGUMENT;
    handoff_watch *watch = calloc(1, sizeof *watch);
    if (!watch) return HANDOFF_NO_MEMORY;
    watch->client = client;
    watch->stream = options->stream;
    watch->fetch.on_done = on_page;
    watch->poll_ms = options->poll_ms ? options->poll_ms : DEFAULT_POLL_MS;
    watch->pause_ms = FIRST_POLL_MS;
    handoff_enum_word(streams, (int)options->stream, watch->topic, sizeof watch->topic);

    uint64_t last_sequence = 0;
    char endpoint[256];
    int error = ask_info(client, &last_sequence, endpoint, sizeof endpoint);
    if (!error) error = subscribe(watch, options->endpoint ? options->endpoint : endpoint);
    if (!error && !options->is_from_now && options->after_sequence > last_sequence) error = HANDOFF_REWOUND;
    if (error) {
        handoff_watch_close(&watch);
        return error;
    }
    watch->last_bell = last_sequence; /* what rang before could not be heard */
    watch->through = options->is_from_now ? last_sequence : options->after_sequence;
    watch->delivered_sequence = watch->through;
    watch->delivered_position = INT64_MAX;
    if (options->is_within && !options->is_from_now && watch->through) {
        watch->through--; /* its page is fetched again */
        watch->delivered_position = options->after_position;
    }
    *ret_watch = watch;
    return 0;
}

void handoff_watch_close(handoff_watch **watch)
{
    if (!watch || !*watch) return;
    handoff_watch *w = *watch;
    call_cancel(w->client, &w->fetch);
    handoff_reply_free(&w->page);
    /* In this order: libzmq's I/O thread waits for ever for a monitor that listens no more. */
    if (w->bell) zmq_socket_monitor(w->bell, NULL, 0);
    if (w->monitor) zmq_close(w->monitor);
    if (w->bell) zmq_close(w->bell);
    free(w);
    *watch = NULL;
}

/* --- fetching
 * -------------------------------------------------------------------------------------------------- */

static int start_fetch(handoff_watch *watch)
{
    Handoff__V1__EmissionsRequest emissions = HANDOFF__V1__EMISSIONS_REQUEST__INIT;
    emissions.stream = watch->stream;
    emissions.after_sequence = watch->through;
    emissions.limit = PAGE_EMISSIONS;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_EMISSIONS;
    request.emissions = &emissions;
    return call_start(watch->client, &watch->fetch, &request, CALL_NEVER);
}

static void on_page(struct call *call, int code, Handoff__V1__Reply **reply)
{
    handoff_watch *watch = (handoff_watch *)call;
    watch->fetch_at_ms = call_now_ms() + watch->poll_ms;
    if (!code && (*reply)->body_case == HANDOFF__V1__REPLY__BODY_ERROR) {
        result_of_error((*reply)->error, &watch->client->refusal);
        code = HANDOFF_REFUSED;
    } else if (!code && (*reply)->body_case != HANDOFF__V1__REPLY__BODY_EMISSIONS) {
        code = HANDOFF_BAD_REPLY;
    } else if (!code && (*reply)->emissions->last_sequence < watch->through) {
        code = HANDOFF_REWOUND;
    }
    watch->error = code;
    if (code) return;
    assert(!watch->page);
    watch->page = *reply;
    watch->page_at = 0;
    *reply = NULL;
}

/* The page is delivered: rest, or fetch on. A front that does not get further is not asked in a tight loop.
 */
static void leave_page(handoff_watch *watch)
{
    const Handoff__V1__EmissionsReply *page = watch->page->emissions;
    bool got_further = page->through_sequence > watch->through;
    if (got_further) watch->through = page->through_sequence;
    uint64_t known = watch->rung > page->last_sequence ? watch->rung : page->last_sequence;
    bool is_more_known = known > watch->through;
    handoff_reply_free(&watch->page);
    if (is_more_known && got_further) {
        watch->fetch_at_ms = 0;
        return;
    }
    watch->fetch_at_ms = call_now_ms() + watch->pause_ms;
    watch->pause_ms = watch->pause_ms * 2 < watch->poll_ms ? watch->pause_ms * 2 : watch->poll_ms;
}

/* --- doorbells
 * ------------------------------------------------------------------------------------------------- */

static void hear_bell(handoff_watch *watch, const Handoff__V1__Doorbell *bell)
{
    if (bell->previous_sequence > watch->last_bell) watch->gaps++;
    if (bell->sequence > watch->last_bell) watch->last_bell = bell->sequence;
    if (bell->sequence > watch->rung) watch->rung = bell->sequence;
    if (bell->sequence > watch->through) watch->fetch_at_ms = 0;
}

/* Receives a message of at most two frames and says how many there were; 0: none there. */
static int receive_two(void *socket, zmq_msg_t frames[2])
{
    int count = 0;
    bool has_more = true;
    while (has_more) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&frame);
            break;
        }
        has_more = zmq_msg_more(&frame);
        if (count < 2) zmq_msg_move(&frames[count], &frame);
        zmq_msg_close(&frame);
        count++;
    }
    return count;
}

static bool is_topic(const handoff_watch *watch, zmq_msg_t *frame)
{
    size_t len = strlen(watch->topic);
    return zmq_msg_size(frame) == len && memcmp(zmq_msg_data(frame), watch->topic, len) == 0;
}

static bool hear_one_bell(handoff_watch *watch)
{
    zmq_msg_t frames[2];
    zmq_msg_init(&frames[0]);
    zmq_msg_init(&frames[1]);
    int count = receive_two(watch->bell, frames);
    if (count == 2 && is_topic(watch, &frames[0])) {
        Handoff__V1__Doorbell *bell =
            handoff__v1__doorbell__unpack(NULL, zmq_msg_size(&frames[1]), zmq_msg_data(&frames[1]));
        if (bell) {
            hear_bell(watch, bell);
            handoff__v1__doorbell__free_unpacked(bell, NULL);
        }
    }
    zmq_msg_close(&frames[0]);
    zmq_msg_close(&frames[1]);
    return count > 0;
}

static bool hear_connected(handoff_watch *watch)
{
    zmq_msg_t frames[2];
    zmq_msg_init(&frames[0]);
    zmq_msg_init(&frames[1]);
    int count = receive_two(watch->monitor, frames);
    zmq_msg_close(&frames[0]);
    zmq_msg_close(&frames[1]);
    if (!count) return false;
    watch->pause_ms = FIRST_POLL_MS;
    watch->fetch_at_ms = 0;
    if (watch->fetch.is_waiting) watch->fetch.try_at_ms = 0; /* what was asked before is lost, most likely */
    return true;
}

static int wait_for_news(handoff_watch *watch, int64_t until_ms)
{
    zmq_pollitem_t more[2] = {{.socket = watch->bell, .events = ZMQ_POLLIN},
                              {.socket = watch->monitor, .events = ZMQ_POLLIN}};
    if (!watch->fetch.is_waiting && watch->fetch_at_ms < until_ms) until_ms = watch->fetch_at_ms;
    int error = call_turn(watch->client, until_ms, more, 2);
    if (error) return error;
    for (int i = 0; i < BELLS_PER_TURN && hear_one_bell(watch); i++) {
    }
    for (int i = 0; i < BELLS_PER_TURN && hear_connected(watch); i++) {
    }
    return 0;
}

/* --- delivering
 * ------------------------------------------------------------------------------------------------ */

static size_t page_count(const handoff_watch *watch)
{
    const Handoff__V1__EmissionsReply *page = watch->page->emissions;
    return watch->stream == HANDOFF__V1__STREAM__STREAM_RECORD ? page->n_records : page->n_emissions;
}

static void item_at(const handoff_watch *watch, size_t i, struct handoff_watch_item *item)
{
    const Handoff__V1__EmissionsReply *page = watch->page->emissions;
    *item = (struct handoff_watch_item){0};
    if (watch->stream == HANDOFF__V1__STREAM__STREAM_RECORD) {
        item->record = page->records[i];
        item->sequence = page->records[i]->entry ? page->records[i]->entry->sequence : 0;
        return;
    }
    item->emission = page->emissions[i];
    item->sequence = page->emissions[i]->sequence;
    item->position = page->emissions[i]->position;
}

/* The page's next item that was not delivered before. */
static bool take_item(handoff_watch *watch, struct handoff_watch_item *ret_item)
{
    size_t count = page_count(watch);
    while (watch->page_at < count) {
        struct handoff_watch_item item;
        item_at(watch, watch->page_at++, &item);
        bool is_new = item.sequence > watch->delivered_sequence ||
                      (item.sequence == watch->delivered_sequence && item.position > watch->delivered_position);
        if (!is_new) continue;
        watch->delivered_sequence = item.sequence;
        watch->delivered_position = item.position;
        *ret_item = item;
        return true;
    }
    return false;
}

int handoff_watch_next(handoff_watch *watch, uint32_t wait_ms, struct handoff_watch_item *ret_item)
{
    int64_t until_ms = call_now_ms() + wait_ms;
    for (;;) {
        if (watch->page && take_item(watch, ret_item)) return 0;
        if (watch->page) leave_page(watch);
        int64_t now_ms = call_now_ms();
        if (!watch->fetch.is_waiting && now_ms >= watch->fetch_at_ms) {
            int error = start_fetch(watch);
            if (error) return error;
        }
        int error = wait_for_news(watch, until_ms);
        if (!error && watch->error) {
            error = watch->error;
            watch->error = 0;
        }
        if (error) return error;
        if (!watch->page && call_now_ms() >= until_ms) return HANDOFF_TIMEOUT;
    }
}

uint64_t handoff_watch_position(const handoff_watch *watch)
{
    if (!watch->page) return watch->through;
    size_t count = page_count(watch);
    for (size_t i = watch->page_at; i < count; i++) {
        struct handoff_watch_item item;
        item_at(watch, i, &item);
        if (item.sequence >= watch->delivered_sequence) return item.sequence - 1;
    }
    uint64_t through = watch->page->emissions->through_sequence;
    return through > watch->through ? through : watch->through;
}

uint64_t handoff_watch_gaps(const handoff_watch *watch)
{
    return watch->gaps;
}
