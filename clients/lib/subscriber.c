/* A worker of a durable subscription. Neighbours: call.c keeps the subscribe request open, through which messages come,
 * and repeats settles whose reply is lost. Refuses to know what a message says.
 *
 *     subscribing --yes--> subscribed --NOT_SUBSCRIBED to a settle, or after a lease of silence--.
 *      ^  |   ^                                                                                  |
 *      |  no  '------------------------ what was held is void <---------------------------------'
 *      |  v
 *    next <- idle
 *
 *     a message:  queued --next--> handed --ack, nack--> settled --sent in a settle--> over
 *                   '--half a lease--> settled (given back)
 *
 * Messages are in a table in the order they came, under numbers of our own: the daemon's may begin anew with it, and a
 * late ack must never hit another message. All requests of a subscriber go over one connection in order, so a settle
 * that was sent before subscribing again cannot be read after it. */
#include "call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CREDIT   100
#define DEFAULT_LEASE_MS 30000
#define SETTLES          8   /* on the way at once; an eighth of the credit is enough to send one */
#define SETTLE_MOST      256 /* ranges, nacks and extends in one, each */
#define GATHER_MS        10  /* an ack waits no longer for others when the caller goes on calling */
#define CLOSE_MS         1000

enum hold { HOLD_QUEUED, HOLD_HANDED, HOLD_ACKED, HOLD_NACKED, HOLD_OVER };

struct nack {
    uint32_t delay_ms;
    bool is_permanent, is_unspent, is_ours;
    char reason[HANDOFF_REASON_BYTES];
};

struct held {
    uint64_t number;                 /* ours, ascending in the table */
    uint64_t wire;                   /* the daemon's */
    int64_t since_ms;                /* its lease began */
    Handoff__V1__Delivery *delivery; /* owned while queued */
    struct nack *nack;               /* owned while nacked */
    enum hold hold;
    bool is_extended; /* to be told */
};

struct settle {
    struct call call; /* first */
    handoff_subscriber *subscriber;
    uint32_t count; /* messages settled by the caller */
    int64_t at_ms;
};

struct upkeep {
    struct call_tick tick; /* first */
    handoff_subscriber *subscriber;
};

struct handoff_subscriber {
    struct call subscribe; /* first */
    struct upkeep upkeep;
    struct settle settles[SETTLES];
    handoff_client *client;
    Handoff__V1__SubscribeRequest *request;
    Handoff__V1__SubscriptionSettings *settings; /* in force */
    uint32_t lease_ms;

    struct held *table;
    size_t size, count;
    size_t queue_at;  /* nothing is queued before it */
    uint32_t live;    /* not over */
    uint32_t settled; /* acked or nacked, not yet sent */
    uint64_t last_number;
    uint64_t forgotten;

    int64_t asked_ms;     /* when the subscribe was sent first */
    int64_t confirmed_ms; /* the daemon has answered what was sent then: we were subscribed */
    int64_t sent_ms;      /* the last settle */
    bool wants_extend;
    int error; /* not yet told */
};

/* --- the table
 * ------------------------------------------------------------------------------------------------ */

static void end_held(handoff_subscriber *subscriber, struct held *held)
{
    if (held->hold == HOLD_OVER) return;
    if (held->hold == HOLD_ACKED || held->hold == HOLD_NACKED) subscriber->settled--;
    handoff_delivery_free(&held->delivery);
    free(held->nack);
    held->nack = NULL;
    held->hold = HOLD_OVER;
    subscriber->live--;
}

static bool is_callers(const struct held *held)
{
    return held->hold == HOLD_ACKED || (held->hold == HOLD_NACKED && !held->nack->is_ours);
}

static void void_held(handoff_subscriber *subscriber, struct held *held)
{
    if (is_callers(held)) subscriber->forgotten++;
    end_held(subscriber, held);
}

static struct held *find_held(const handoff_subscriber *subscriber, uint64_t number)
{
    size_t low = 0, high = subscriber->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (subscriber->table[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < subscriber->count && subscriber->table[low].number == number;
    return is_found ? &subscriber->table[low] : NULL;
}

static struct held *find_handed(const handoff_subscriber *subscriber, uint64_t number)
{
    struct held *held = find_held(subscriber, number);
    return held && held->hold == HOLD_HANDED ? held : NULL;
}

static void compact(handoff_subscriber *subscriber)
{
    size_t left = 0;
    for (size_t i = 0; i < subscriber->count; i++) {
        if (subscriber->table[i].hold != HOLD_OVER) subscriber->table[left++] = subscriber->table[i];
    }
    subscriber->count = left;
    subscriber->queue_at = 0;
}

/* The daemon lends no more than the credit: what it has taken back without our knowing is the oldest. */
static void forget_oldest(handoff_subscriber *subscriber)
{
    struct held *oldest = NULL;
    for (size_t i = 0; i < subscriber->count; i++) {
        struct held *held = &subscriber->table[i];
        if (held->hold != HOLD_OVER && (!oldest || held->since_ms < oldest->since_ms)) oldest = held;
    }
    assert(oldest);
    void_held(subscriber, oldest);
}

static void add_delivery(handoff_subscriber *subscriber, Handoff__V1__Delivery *delivery, int64_t now_ms)
{
    if (subscriber->live == subscriber->request->credit) forget_oldest(subscriber);
    if (subscriber->count == subscriber->size) compact(subscriber);
    assert(subscriber->count < subscriber->size);
    subscriber->table[subscriber->count++] = (struct held){
        .number = ++subscriber->last_number, .wire = delivery->number, .since_ms = now_ms, .delivery = delivery};
    delivery->number = subscriber->last_number;
    subscriber->live++;
}

/* The first that waits to be handed out; what has waited for its whole lease is lent to nobody any more. */
static struct held *first_queued(handoff_subscriber *subscriber, int64_t now_ms)
{
    for (; subscriber->queue_at < subscriber->count; subscriber->queue_at++) {
        struct held *held = &subscriber->table[subscriber->queue_at];
        if (held->hold != HOLD_QUEUED) continue;
        if (now_ms < held->since_ms + subscriber->lease_ms) return held;
        void_held(subscriber, held);
    }
    return NULL;
}

/* --- settling
 * ------------------------------------------------------------------------------------------------- */

static bool mark_nacked(handoff_subscriber *subscriber, struct held *held, const struct handoff_nack *nack,
                        bool is_ours)
{
    struct nack *kept = malloc(sizeof *kept);
    if (!kept) return false;
    *kept = (struct nack){.delay_ms = nack->delay_ms,
                          .is_permanent = nack->is_permanent,
                          .is_unspent = nack->is_unspent,
                          .is_ours = is_ours};
    result_set_text(kept->reason, sizeof kept->reason, nack->reason);
    handoff_delivery_free(&held->delivery);
    held->nack = kept;
    held->hold = HOLD_NACKED;
    subscriber->settled++;
    return true;
}

/* What the caller does not come to: others may, and the gate is asked anew before it comes back. Without memory its
 * lease ends by itself. */
static void give_back_older(handoff_subscriber *subscriber, uint32_t age_ms)
{
    int64_t now_ms = call_now_ms();
    static const struct handoff_nack nack = {.delay_ms = 1, .is_unspent = true, .reason = "waited behind others"};
    for (size_t i = subscriber->queue_at; i < subscriber->count; i++) {
        struct held *held = &subscriber->table[i];
        if (held->hold != HOLD_QUEUED || now_ms < held->since_ms + age_ms) continue;
        mark_nacked(subscriber, held, &nack, true);
    }
}

struct settle_body {
    Handoff__V1__NumberRange ranges[SETTLE_MOST], *range_list[SETTLE_MOST];
    Handoff__V1__Nack nacks[SETTLE_MOST], *nack_list[SETTLE_MOST];
    Handoff__V1__Extend extends[SETTLE_MOST], *extend_list[SETTLE_MOST];
    size_t range_count, nack_count, extend_count;
    size_t end; /* of the table's part that is in it */
    uint32_t callers;
};

/* Only neighbours in the daemon's count share a range: whatever else lies between is somebody else's, or failed. */
static bool put_ack(struct settle_body *body, const struct held *held)
{
    Handoff__V1__NumberRange *last = body->range_count ? &body->ranges[body->range_count - 1] : NULL;
    if (last && last->last + 1 == held->wire) {
        last->last = held->wire;
        return true;
    }
    if (body->range_count == SETTLE_MOST) return false;
    Handoff__V1__NumberRange *range = &body->ranges[body->range_count];
    handoff__v1__number_range__init(range);
    range->first = range->last = held->wire;
    body->range_list[body->range_count++] = range;
    return true;
}

static bool put_nack(struct settle_body *body, const struct held *held)
{
    if (body->nack_count == SETTLE_MOST) return false;
    Handoff__V1__Nack *nack = &body->nacks[body->nack_count];
    handoff__v1__nack__init(nack);
    nack->number = held->wire;
    nack->delay_ms = held->nack->delay_ms;
    nack->is_permanent = held->nack->is_permanent;
    nack->is_unspent = held->nack->is_unspent;
    nack->reason = held->nack->reason;
    body->nack_list[body->nack_count++] = nack;
    return true;
}

static bool put_extend(struct settle_body *body, const struct held *held)
{
    if (body->extend_count == SETTLE_MOST) return false;
    Handoff__V1__Extend *extend = &body->extends[body->extend_count];
    handoff__v1__extend__init(extend);
    extend->number = held->wire;
    body->extend_list[body->extend_count++] = extend;
    return true;
}

static bool put_held(struct settle_body *body, const struct held *held)
{
    if (held->hold == HOLD_ACKED) return put_ack(body, held);
    if (held->hold == HOLD_NACKED) return put_nack(body, held);
    return held->hold != HOLD_HANDED || !held->is_extended || put_extend(body, held);
}

static void fill_body(const handoff_subscriber *subscriber, struct settle_body *body)
{
    body->range_count = body->nack_count = body->extend_count = 0;
    body->callers = 0;
    for (body->end = 0; body->end < subscriber->count; body->end++) {
        const struct held *held = &subscriber->table[body->end];
        if (!put_held(body, held)) break;
        if (is_callers(held)) body->callers++;
    }
}

static void leave_body(handoff_subscriber *subscriber, const struct settle_body *body)
{
    for (size_t i = 0; i < body->end; i++) {
        struct held *held = &subscriber->table[i];
        held->is_extended = false;
        if (held->hold == HOLD_ACKED || held->hold == HOLD_NACKED) end_held(subscriber, held);
    }
    if (body->end == subscriber->count) subscriber->wants_extend = false;
}

static struct settle *find_free_settle(handoff_subscriber *subscriber)
{
    for (size_t i = 0; i < SETTLES; i++) {
        if (!subscriber->settles[i].call.is_waiting) return &subscriber->settles[i];
    }
    return NULL;
}

static bool is_on_the_way(const handoff_subscriber *subscriber)
{
    for (size_t i = 0; i < SETTLES; i++) {
        if (subscriber->settles[i].call.is_waiting) return true;
    }
    return false;
}

static void set_tick(handoff_subscriber *subscriber)
{
    int64_t third_ms = subscriber->lease_ms / 3;
    subscriber->upkeep.tick.at_ms = subscriber->sent_ms + (third_ms ? third_ms : 1);
}

/* Sends what was settled, or a bare sign of life. While all settles are on the way it waits for the next answer. */
static int send_settle(handoff_subscriber *subscriber)
{
    struct settle *settle = find_free_settle(subscriber);
    if (!settle || !subscriber->subscribe.is_open) return 0;
    struct settle_body body;
    fill_body(subscriber, &body);
    Handoff__V1__SettleRequest message = HANDOFF__V1__SETTLE_REQUEST__INIT;
    message.name = subscriber->request->name;
    message.acks = body.range_list;
    message.n_acks = body.range_count;
    message.nacks = body.nack_list;
    message.n_nacks = body.nack_count;
    message.extends = body.extend_list;
    message.n_extends = body.extend_count;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SETTLE;
    request.settle = &message;
    int error = call_start(subscriber->client, &settle->call, &request, CALL_NEVER);
    if (error) return error;
    settle->count = body.callers;
    settle->at_ms = subscriber->sent_ms = call_now_ms();
    leave_body(subscriber, &body);
    set_tick(subscriber);
    return 0;
}

static bool is_anything_settled(const handoff_subscriber *subscriber)
{
    return subscriber->settled > 0 || subscriber->wants_extend;
}

/* --- subscribing
 * ---------------------------------------------------------------------------------------------- */

static int start_subscribe(handoff_subscriber *subscriber, int64_t deadline_ms)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIBE;
    request.subscribe = subscriber->request;
    subscriber->asked_ms = call_now_ms();
    return call_start(subscriber->client, &subscriber->subscribe, &request, deadline_ms);
}

static void void_all(handoff_subscriber *subscriber)
{
    for (size_t i = 0; i < SETTLES; i++) {
        struct settle *settle = &subscriber->settles[i];
        if (settle->call.is_waiting) subscriber->forgotten += settle->count;
        call_cancel(subscriber->client, &settle->call);
    }
    for (size_t i = 0; i < subscriber->count; i++) void_held(subscriber, &subscriber->table[i]);
    subscriber->wants_extend = false;
    compact(subscriber);
}

static void subscribe_again(handoff_subscriber *subscriber)
{
    call_cancel(subscriber->client, &subscriber->subscribe);
    subscriber->upkeep.tick.at_ms = CALL_NEVER;
    void_all(subscriber);
    subscriber->error = start_subscribe(subscriber, CALL_NEVER);
}

static void on_subscribed(struct call *call, int code, Handoff__V1__Reply **reply)
{
    handoff_subscriber *subscriber = (handoff_subscriber *)call;
    if (!code && (*reply)->body_case == HANDOFF__V1__REPLY__BODY_ERROR) {
        result_of_error((*reply)->error, &subscriber->client->refusal);
        code = HANDOFF_REFUSED;
    } else if (!code && ((*reply)->body_case != HANDOFF__V1__REPLY__BODY_SUBSCRIBE || !(*reply)->subscribe->settings)) {
        call_cancel(subscriber->client, call);
        code = HANDOFF_BAD_REPLY;
    }
    subscriber->error = code;
    if (code) return;
    if (call->tries > 1) void_all(subscriber); /* what an earlier try brought is not lent any more */
    if (subscriber->settings) handoff__v1__subscription_settings__free_unpacked(subscriber->settings, NULL);
    subscriber->settings = (*reply)->subscribe->settings;
    (*reply)->subscribe->settings = NULL;
    if (subscriber->settings->lease_ms) subscriber->lease_ms = subscriber->settings->lease_ms;
    subscriber->confirmed_ms = subscriber->asked_ms;
    subscriber->sent_ms = call_now_ms();
    set_tick(subscriber);
}

static void on_more(struct call *call, Handoff__V1__Reply **reply)
{
    handoff_subscriber *subscriber = (handoff_subscriber *)call;
    if ((*reply)->body_case == HANDOFF__V1__REPLY__BODY_SUBSCRIBE) void_all(subscriber); /* of a repeat: begun anew */
    if ((*reply)->body_case != HANDOFF__V1__REPLY__BODY_DELIVERIES) return;
    Handoff__V1__Deliveries *deliveries = (*reply)->deliveries;
    int64_t now_ms = call_now_ms();
    for (size_t i = 0; i < deliveries->n_deliveries; i++) {
        add_delivery(subscriber, deliveries->deliveries[i], now_ms);
        deliveries->deliveries[i] = NULL;
    }
}

static void on_settled(struct call *call, int code, Handoff__V1__Reply **reply)
{
    struct settle *settle = (struct settle *)call;
    handoff_subscriber *subscriber = settle->subscriber;
    bool is_refused = !code && (*reply)->body_case == HANDOFF__V1__REPLY__BODY_ERROR;
    if (is_refused && (*reply)->error->code == HANDOFF__V1__CODE__CODE_NOT_SUBSCRIBED) {
        subscriber->forgotten += settle->count;
        subscribe_again(subscriber);
        return;
    }
    if (is_refused) {
        result_of_error((*reply)->error, &subscriber->client->refusal);
        code = HANDOFF_REFUSED;
    } else if (!code && (*reply)->body_case != HANDOFF__V1__REPLY__BODY_SETTLE) {
        code = HANDOFF_BAD_REPLY;
    }
    if (code) {
        subscriber->forgotten += settle->count;
        subscriber->error = code;
        return;
    }
    /* Of a settle that was sent twice nobody knows which of the two is answered. */
    size_t refused = (*reply)->settle->n_refused;
    if (call->tries == 1) subscriber->forgotten += refused < settle->count ? refused : settle->count;
    /* What came before this answer may have been taken back long ago. */
    if (settle->at_ms >= subscriber->confirmed_ms + subscriber->lease_ms) give_back_older(subscriber, 0);
    if (settle->at_ms > subscriber->confirmed_ms) subscriber->confirmed_ms = settle->at_ms;
    if (is_anything_settled(subscriber)) subscriber->upkeep.tick.at_ms = 0; /* it may have waited for this one */
}

/* --- upkeep
 * --------------------------------------------------------------------------------------------------- */

static void on_tick(struct call_tick *tick)
{
    handoff_subscriber *subscriber = ((struct upkeep *)tick)->subscriber;
    if (!subscriber->subscribe.is_open) {
        tick->at_ms = CALL_NEVER; /* until subscribed */
        return;
    }
    int64_t now_ms = call_now_ms();
    give_back_older(subscriber, subscriber->lease_ms / 2);
    int error = send_settle(subscriber);
    if (error) subscriber->error = error;
    if (tick->at_ms <= now_ms)
        tick->at_ms = now_ms + subscriber->lease_ms / 3 + 1; /* all are on the way, or no memory */
}

static int turn(handoff_subscriber *subscriber, int64_t until_ms)
{
    return call_turn(subscriber->client, until_ms, NULL, 0);
}

/* For calls that do not wait. */
static int turn_now(handoff_subscriber *subscriber)
{
    int error = turn(subscriber, 0);
    return error == HANDOFF_INTERRUPTED ? 0 : error;
}

static int take_error(handoff_subscriber *subscriber)
{
    int error = subscriber->error;
    subscriber->error = 0;
    return error;
}

/* --- opening and closing
 * ------------------------------------------------------------------------------------------ */

/* Another struct of the same content, owned. */
static int copy_request(const struct handoff_subscriber_options *options, Handoff__V1__SubscribeRequest **ret_copy)
{
    Handoff__V1__SubscribeRequest request = HANDOFF__V1__SUBSCRIBE_REQUEST__INIT;
    request.name = (char *)(uintptr_t)options->name;
    request.settings = (Handoff__V1__SubscriptionSettings *)(uintptr_t)options->settings;
    request.start = (Handoff__V1__SubscriptionStart *)(uintptr_t)options->start;
    request.credit = options->credit ? options->credit : DEFAULT_CREDIT;
    size_t len = handoff__v1__subscribe_request__get_packed_size(&request);
    uint8_t *bytes = malloc(len);
    if (!bytes) return HANDOFF_NO_MEMORY;
    handoff__v1__subscribe_request__pack(&request, bytes);
    *ret_copy = handoff__v1__subscribe_request__unpack(NULL, len, bytes);
    free(bytes);
    return *ret_copy ? 0 : HANDOFF_NO_MEMORY;
}

static int make_subscriber(handoff_client *client, const struct handoff_subscriber_options *options,
                           handoff_subscriber **ret_subscriber)
{
    handoff_subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber) return HANDOFF_NO_MEMORY;
    *ret_subscriber = subscriber;
    subscriber->client = client;
    subscriber->lease_ms = DEFAULT_LEASE_MS;
    subscriber->subscribe.on_done = on_subscribed;
    subscriber->subscribe.on_more = on_more;
    subscriber->upkeep = (struct upkeep){{.at_ms = CALL_NEVER, .on_tick = on_tick}, subscriber};
    for (size_t i = 0; i < SETTLES; i++)
        subscriber->settles[i] = (struct settle){.call.on_done = on_settled, .subscriber = subscriber};
    call_tick_start(client, &subscriber->upkeep.tick);
    int error = copy_request(options, &subscriber->request);
    if (error) return error;
    subscriber->size = 2 * (size_t)subscriber->request->credit; /* half of it over before it is compacted */
    subscriber->table = calloc(subscriber->size, sizeof *subscriber->table);
    return subscriber->table ? 0 : HANDOFF_NO_MEMORY;
}

int handoff_subscriber_open(handoff_client *client, const struct handoff_subscriber_options *options,
                            handoff_subscriber **ret_subscriber)
{
    if (!options->name || options->credit > HANDOFF_MOST_CREDIT) return HANDOFF_BAD_ARGUMENT;
    handoff_subscriber *subscriber = NULL;
    int error = make_subscriber(client, options, &subscriber);
    if (!error) error = call_mind_connection(client);
    if (!error) error = start_subscribe(subscriber, call_now_ms() + client->timeout_ms);
    while (!error && subscriber->subscribe.is_waiting) {
        error = turn(subscriber, CALL_NEVER);
        if (error == HANDOFF_INTERRUPTED) error = 0; /* bounded by the timeout all the same */
    }
    if (!error) error = take_error(subscriber);
    if (error) {
        handoff_subscriber_close(&subscriber);
        return error;
    }
    *ret_subscriber = subscriber;
    return 0;
}

static void on_unsubscribed(struct call *call, int code, Handoff__V1__Reply **reply)
{
    (void)call;
    (void)code;
    (void)reply; /* whatever it is: leases end by themselves */
}

static void unsubscribe(handoff_subscriber *subscriber)
{
    int64_t until_ms = call_now_ms() + CLOSE_MS;
    struct call call = {.on_done = on_unsubscribed};
    Handoff__V1__UnsubscribeRequest message = HANDOFF__V1__UNSUBSCRIBE_REQUEST__INIT;
    message.name = subscriber->request->name;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_UNSUBSCRIBE;
    request.unsubscribe = &message;
    if (is_anything_settled(subscriber)) handoff_subscriber_flush(subscriber, CLOSE_MS / 2);
    int error = call_start(subscriber->client, &call, &request, until_ms);
    while (!error && call.is_waiting) error = turn(subscriber, until_ms);
    call_cancel(subscriber->client, &call);
}

void handoff_subscriber_close(handoff_subscriber **subscriber)
{
    if (!subscriber || !*subscriber) return;
    handoff_subscriber *s = *subscriber;
    if (s->subscribe.is_open) unsubscribe(s);
    void_all(s);
    call_cancel(s->client, &s->subscribe);
    call_tick_stop(s->client, &s->upkeep.tick);
    if (s->settings) handoff__v1__subscription_settings__free_unpacked(s->settings, NULL);
    if (s->request) handoff__v1__subscribe_request__free_unpacked(s->request, NULL);
    free(s->table);
    free(s);
    *subscriber = NULL;
}

const Handoff__V1__SubscriptionSettings *handoff_subscriber_settings(const handoff_subscriber *subscriber)
{
    return subscriber->settings;
}

/* --- for the caller
 * ------------------------------------------------------------------------------------------------ */

/* After a lease of silence the daemon may have given everything away: it is asked first. */
static bool is_confirmed(const handoff_subscriber *subscriber, int64_t now_ms)
{
    return subscriber->subscribe.is_open && now_ms < subscriber->confirmed_ms + subscriber->lease_ms;
}

static bool take(handoff_subscriber *subscriber, int64_t now_ms, Handoff__V1__Delivery **ret_delivery)
{
    if (!is_confirmed(subscriber, now_ms)) return false;
    struct held *held = first_queued(subscriber, now_ms);
    if (!held) return false;
    *ret_delivery = held->delivery;
    held->delivery = NULL;
    held->hold = HOLD_HANDED;
    return true;
}

/* Subscribes again where that was refused; sends what is due. */
static int keep_up(handoff_subscriber *subscriber, int64_t now_ms)
{
    int error = take_error(subscriber);
    if (!error && !subscriber->subscribe.is_open && !subscriber->subscribe.is_waiting)
        error = start_subscribe(subscriber, CALL_NEVER);
    if (!error && now_ms >= subscriber->upkeep.tick.at_ms) error = turn_now(subscriber);
    return error;
}

int handoff_subscriber_next(handoff_subscriber *subscriber, uint32_t wait_ms, Handoff__V1__Delivery **ret_delivery)
{
    int64_t now_ms = call_now_ms(), until_ms = now_ms + wait_ms;
    for (bool has_turned = false;; has_turned = true) {
        int error = keep_up(subscriber, now_ms);
        if (error) return error;
        if (take(subscriber, now_ms, ret_delivery)) return 0;
        if (is_anything_settled(subscriber)) error = send_settle(subscriber); /* nothing else is at hand */
        if (error) return error;
        if (has_turned && now_ms >= until_ms) return HANDOFF_TIMEOUT;
        error = turn(subscriber, until_ms);
        if (error) return error;
        now_ms = call_now_ms();
    }
}

void handoff_delivery_free(Handoff__V1__Delivery **delivery)
{
    if (!delivery || !*delivery) return;
    handoff__v1__delivery__free_unpacked(*delivery, NULL);
    *delivery = NULL;
}

/* Many together, or at once for a caller that takes its time. */
static int settle_soon(handoff_subscriber *subscriber)
{
    bool is_enough = subscriber->settled >= subscriber->request->credit / SETTLES;
    if (!is_enough && call_now_ms() < subscriber->sent_ms + GATHER_MS) return 0;
    int error = send_settle(subscriber);
    return error ? error : turn_now(subscriber);
}

int handoff_subscriber_ack(handoff_subscriber *subscriber, uint64_t number)
{
    struct held *held = find_handed(subscriber, number);
    if (!held) {
        subscriber->forgotten++;
        return 0;
    }
    held->hold = HOLD_ACKED;
    subscriber->settled++;
    return settle_soon(subscriber);
}

int handoff_subscriber_nack(handoff_subscriber *subscriber, uint64_t number, const struct handoff_nack *nack)
{
    static const struct handoff_nack plain = {0};
    struct held *held = find_handed(subscriber, number);
    if (!held) {
        subscriber->forgotten++;
        return 0;
    }
    if (!mark_nacked(subscriber, held, nack ? nack : &plain, false)) return HANDOFF_NO_MEMORY;
    return settle_soon(subscriber);
}

int handoff_subscriber_extend(handoff_subscriber *subscriber, uint64_t number)
{
    struct held *held = find_handed(subscriber, number);
    if (!held) return turn_now(subscriber);
    held->since_ms = call_now_ms();
    held->is_extended = true;
    subscriber->wants_extend = true;
    int error = send_settle(subscriber);
    return error ? error : turn_now(subscriber);
}

bool handoff_subscriber_holds(const handoff_subscriber *subscriber, uint64_t number)
{
    const struct held *held = find_handed(subscriber, number);
    int64_t now_ms = call_now_ms();
    return held && is_confirmed(subscriber, now_ms) && now_ms < held->since_ms + subscriber->lease_ms;
}

bool handoff_subscriber_is_served(const handoff_subscriber *subscriber)
{
    return is_confirmed(subscriber, call_now_ms());
}

int handoff_subscriber_poll(handoff_subscriber *subscriber, uint32_t wait_ms)
{
    int64_t now_ms = call_now_ms(), until_ms = now_ms + wait_ms;
    int error = keep_up(subscriber, now_ms);
    do {
        if (!error && is_anything_settled(subscriber)) error = send_settle(subscriber);
        if (!error) error = turn(subscriber, until_ms);
    } while (!error && call_now_ms() < until_ms);
    return error;
}

int handoff_subscriber_flush(handoff_subscriber *subscriber, uint32_t wait_ms)
{
    int64_t until_ms = call_now_ms() + wait_ms;
    for (;;) {
        int error = take_error(subscriber);
        if (!error && is_anything_settled(subscriber)) error = send_settle(subscriber);
        if (error) return error;
        if (!is_anything_settled(subscriber) && !is_on_the_way(subscriber)) return 0;
        if (call_now_ms() >= until_ms) return HANDOFF_TIMEOUT;
        error = turn(subscriber, until_ms);
        if (error) return error;
    }
}

uint64_t handoff_subscriber_forgotten(const handoff_subscriber *subscriber)
{
    return subscriber->forgotten;
}
