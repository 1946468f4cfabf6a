/* Publishing in batches, several on the way at once. Neighbours: call.c repeats a batch whose reply is lost.
 *
 * A batch is free, open (being filled) or sent. Of a reply in which some events were UNAVAILABLE the others
 * are done and the batch is sent again with what remains, under a new tag, so that a late first reply cannot
 * be taken for it. */
#include "call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_IN_FLIGHT      4
#define MOST_IN_FLIGHT         64
#define REQUEST_OVERHEAD_BYTES 32 /* tag, and the header of the publish body */
#define EVENT_OVERHEAD_BYTES   4  /* field number and length, up to 64 KiB */

struct item {
    uint8_t *bytes;
    size_t len;
    void *event_context;
};

struct batch {
    struct call call; /* first */
    handoff_publisher *publisher;
    struct item items[HANDOFF_PUBLISH_EVENTS];
    size_t count;
    size_t bytes;
    int64_t deadline_ms;
    uint32_t rounds; /* answered with UNAVAILABLE for some */
};

struct handoff_publisher {
    handoff_client *client;
    handoff_on_result *on_result;
    void *context;
    struct batch *batches;
    uint32_t batch_count;
    uint32_t batch_events;
    struct batch *open;
    int unanswered; /* the error since the last flush */
};

static void on_batch_done(struct call *call, int code, Handoff__V1__Reply **reply);

int handoff_publisher_open(handoff_client *client, const struct handoff_publisher_options *options,
                           handoff_publisher **ret_publisher)
{
    static const struct handoff_publisher_options defaults = {0};
    if (!options) options = &defaults;
    uint32_t in_flight = options->in_flight ? options->in_flight : DEFAULT_IN_FLIGHT;
    uint32_t batch_events = options->batch_events ? options->batch_events : HANDOFF_PUBLISH_EVENTS;
    if (in_flight > MOST_IN_FLIGHT || batch_events > HANDOFF_PUBLISH_EVENTS) return HANDOFF_BAD_ARGUMENT;
    handoff_publisher *publisher = calloc(1, sizeof *publisher);
    struct batch *batches = calloc(in_flight, sizeof *batches);
    if (!publisher || !batches) {
        free(publisher);
        free(batches);
        return HANDOFF_NO_MEMORY;
    }
    for (uint32_t i = 0; i < in_flight; i++) {
        batches[i].publisher = publisher;
        batches[i].call.on_done = on_batch_done;
    }
    *publisher = (handoff_publisher){.client = client,
                                     .on_result = options->on_result,
                                     .context = options->context,
                                     .batches = batches,
                                     .batch_count = in_flight,
                                     .batch_events = batch_events};
    *ret_publisher = publisher;
    return 0;
}

void handoff_publisher_close(handoff_publisher **publisher)
{
    if (!publisher || !*publisher) return;
    handoff_publisher *p = *publisher;
    for (uint32_t i = 0; i < p->batch_count; i++) {
        struct batch *batch = &p->batches[i];
        call_cancel(p->client, &batch->call);
        for (size_t k = 0; k < batch->count; k++) free(batch->items[k].bytes);
    }
    free(p->batches);
    free(p);
    *publisher = NULL;
}

/* --- results
 * -------------------------------------------------------------------------------------------------- */

static void deliver(handoff_publisher *publisher, struct item *item, const struct handoff_result *result)
{
    free(item->bytes);
    item->bytes = NULL;
    if (publisher->on_result) publisher->on_result(publisher->context, item->event_context, result);
}

static void deliver_to_all(struct batch *batch, const struct handoff_result *result)
{
    size_t count = batch->count;
    for (size_t i = 0; i < count; i++) deliver(batch->publisher, &batch->items[i], result);
    batch->count = 0;
    batch->bytes = 0;
}

static void give_up(struct batch *batch, int code)
{
    struct handoff_result result = {.code = HANDOFF__V1__CODE__CODE_UNAVAILABLE};
    snprintf(result.sentence, sizeof result.sentence, "%s; publishing it again under the same id is safe",
             handoff_error(code));
    batch->publisher->unanswered = code;
    deliver_to_all(batch, &result);
}

static void result_of_event(const Handoff__V1__PublishResult *from, struct handoff_result *result)
{
    *result =
        (struct handoff_result){.code = from->code, .sequence = from->sequence, .verdict = from->verdict};
    result_set_text(result->sentence, sizeof result->sentence, from->sentence);
    result_set_text(result->field, sizeof result->field, from->field);
}

static int send_batch(struct batch *batch)
{
    ProtobufCBinaryData events[HANDOFF_PUBLISH_EVENTS];
    for (size_t i = 0; i < batch->count; i++) {
        events[i] = (ProtobufCBinaryData){.data = batch->items[i].bytes, .len = batch->items[i].len};
    }
    Handoff__V1__PublishRequest publish = HANDOFF__V1__PUBLISH_REQUEST__INIT;
    publish.n_events = batch->count;
    publish.events = events;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_PUBLISH;
    request.publish = &publish;
    return call_start(batch->publisher->client, &batch->call, &request, batch->deadline_ms);
}

/* Keeps what was UNAVAILABLE and delivers the rest. */
static void deliver_results(struct batch *batch, const Handoff__V1__PublishReply *reply)
{
    size_t left = 0;
    batch->bytes = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct item item = batch->items[i];
        if (reply->results[i]->code == HANDOFF__V1__CODE__CODE_UNAVAILABLE) {
            batch->bytes += item.len + EVENT_OVERHEAD_BYTES;
            batch->items[left++] = item;
            continue;
        }
        struct handoff_result result;
        result_of_event(reply->results[i], &result);
        deliver(batch->publisher, &item, &result);
    }
    batch->count = left;
}

static void on_batch_done(struct call *call, int code, Handoff__V1__Reply **reply)
{
    struct batch *batch = (struct batch *)call;
    if (!code && (*reply)->body_case == HANDOFF__V1__REPLY__BODY_ERROR) {
        struct handoff_result result;
        result_of_error((*reply)->error, &result);
        deliver_to_all(batch, &result);
        return;
    }
    if (!code && ((*reply)->body_case != HANDOFF__V1__REPLY__BODY_PUBLISH ||
                  (*reply)->publish->n_results != batch->count)) {
        code = HANDOFF_BAD_REPLY;
    }
    if (!code) {
        deliver_results(batch, (*reply)->publish);
        if (!batch->count) return;
        code = send_batch(batch);
    }
    if (code) {
        give_up(batch, code);
        return;
    }
    handoff_client *client = batch->publisher->client;
    batch->call.was_unavailable = true;
    batch->call.try_at_ms =
        call_now_ms() + call_backoff_ms(client, client->retry_ms / 4 + 1, batch->rounds++);
}

/* --- adding
 * ---------------------------------------------------------------------------------------------------- */

static bool has_waiting(const handoff_publisher *publisher)
{
    for (uint32_t i = 0; i < publisher->batch_count; i++) {
        if (publisher->batches[i].call.is_waiting) return true;
    }
    return false;
}

static struct batch *find_free(handoff_publisher *publisher)
{
    for (uint32_t i = 0; i < publisher->batch_count; i++) {
        struct batch *batch = &publisher->batches[i];
        if (!batch->call.is_waiting && batch != publisher->open) return batch;
    }
    return NULL;
}

static void submit_open(handoff_publisher *publisher)
{
    struct batch *batch = publisher->open;
    if (!batch || !batch->count) return;
    publisher->open = NULL;
    batch->rounds = 0;
    batch->deadline_ms = call_now_ms() + publisher->client->timeout_ms;
    int error = send_batch(batch);
    if (error) give_up(batch, error);
}

static int turn(handoff_publisher *publisher, int64_t until_ms)
{
    int error = call_turn(publisher->client, until_ms, NULL, 0);
    return error == HANDOFF_INTERRUPTED ? 0 : error;
}

/* Every sent batch ends by its deadline, so this does too. */
static int make_open(handoff_publisher *publisher)
{
    if (publisher->open) return 0;
    struct batch *batch = find_free(publisher);
    while (!batch) {
        int error = turn(publisher, CALL_NEVER);
        if (error) return error;
        batch = find_free(publisher);
    }
    assert(batch->count == 0);
    batch->bytes = 0;
    publisher->open = batch;
    return 0;
}

static bool has_room(const handoff_publisher *publisher, size_t event_bytes)
{
    const struct batch *batch = publisher->open;
    if (!batch) return true;
    return batch->count < publisher->batch_events &&
           REQUEST_OVERHEAD_BYTES + batch->bytes + event_bytes + EVENT_OVERHEAD_BYTES <=
               HANDOFF_PUBLISH_BYTES;
}

int handoff_publisher_add(handoff_publisher *publisher, const Handoff__V1__Event *event, void *event_context)
{
    size_t len = handoff__v1__event__get_packed_size(event);
    if (len > HANDOFF_EVENT_BYTES) return HANDOFF_TOO_LARGE;
    if (!has_room(publisher, len)) submit_open(publisher);
    int error = make_open(publisher);
    if (error) return error;
    uint8_t *bytes = malloc(len ? len : 1);
    if (!bytes) return HANDOFF_NO_MEMORY;
    handoff__v1__event__pack(event, bytes);
    struct batch *batch = publisher->open;
    batch->items[batch->count++] = (struct item){.bytes = bytes, .len = len, .event_context = event_context};
    batch->bytes += len + EVENT_OVERHEAD_BYTES;
    if (batch->count < publisher->batch_events) return 0;
    submit_open(publisher);
    return turn(publisher, 0);
}

int handoff_publisher_poll(handoff_publisher *publisher, uint32_t wait_ms)
{
    int64_t until_ms = call_now_ms() + wait_ms;
    submit_open(publisher);
    int error = turn(publisher, until_ms);
    while (!error && has_waiting(publisher) && call_now_ms() < until_ms) error = turn(publisher, until_ms);
    return error;
}

int handoff_publisher_flush(handoff_publisher *publisher)
{
    submit_open(publisher);
    int error = 0;
    while (!error && has_waiting(publisher)) error = turn(publisher, CALL_NEVER);
    if (!error) error = publisher->unanswered;
    publisher->unanswered = 0;
    return error;
}

/* --- all at once
 * ------------------------------------------------------------------------------------------------ */

static void on_publish_result(void *context, void *event_context, const struct handoff_result *result)
{
    (void)context;
    struct handoff_result *to = event_context;
    *to = *result;
}

int handoff_publish(handoff_client *client, const Handoff__V1__Event *events, size_t count,
                    struct handoff_result *results)
{
    for (size_t i = 0; i < count; i++) {
        if (handoff__v1__event__get_packed_size(&events[i]) > HANDOFF_EVENT_BYTES) return HANDOFF_TOO_LARGE;
    }
    /* Events given together belong together: one batch after the other, so that they stay in order. */
    const struct handoff_publisher_options options = {.in_flight = 1, .on_result = on_publish_result};
    handoff_publisher *publisher = NULL;
    int error = handoff_publisher_open(client, &options, &publisher);
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct handoff_result){.code = HANDOFF__V1__CODE__CODE_UNAVAILABLE};
    }
    for (size_t i = 0; i < count && !error; i++)
        error = handoff_publisher_add(publisher, &events[i], &results[i]);
    if (!error) error = handoff_publisher_flush(publisher);
    handoff_publisher_close(&publisher);
    return error;
}
