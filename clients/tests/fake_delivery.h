/* The part of the fake front that lends messages to workers: one subscription, numbers that begin anew when it forgets,
 * leases that end on order. Of the thread of fake_front.h alone. */
#ifndef HANDOFF_FAKE_DELIVERY_H
#define HANDOFF_FAKE_DELIVERY_H

#include "handoff.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define FAKE_MESSAGES    2048
#define FAKE_WORKERS     8
#define FAKE_REPLY_BYTES (1024 * 1024)
#define FAKE_TOGETHER    7 /* deliveries in a reply */

enum fake_place { FAKE_WAITS, FAKE_OUT, FAKE_DONE, FAKE_DEAD };

struct fake_delivery_counts {
    uint32_t subscribes, unsubscribes, settles, empty_settles;
    uint32_t done, dead, ranges, nacks, unspent, extends, refused;
    uint32_t most_out, waiting;
    uint32_t last_delay_ms;
    char last_reason[HANDOFF_REASON_BYTES];
};

struct fake_delivery {
    struct fake_delivery_counts counts;
    struct {
        enum fake_place place;
        uint64_t number;
        uint32_t attempt;
        int worker;
    } messages[FAKE_MESSAGES];
    uint32_t message_count;
    struct {
        uint8_t id[256];
        int id_len;
        uint64_t tag;
        uint32_t credit, out;
    } workers[FAKE_WORKERS]; /* credit 0: none */
    uint64_t last_number;
    uint32_t lease_ms;
    uint32_t refusals; /* of the next subscribes */
};

static inline int fake_worker(const struct fake_delivery *delivery, const uint8_t *id, int id_len)
{
    for (int i = 0; i < FAKE_WORKERS; i++) {
        if (delivery->workers[i].credit && delivery->workers[i].id_len == id_len &&
            memcmp(delivery->workers[i].id, id, (size_t)id_len) == 0)
            return i;
    }
    return -1;
}

/* Everything that is out, or that one worker has, waits again. */
static inline void fake_take_back(struct fake_delivery *delivery, int worker, bool is_spent)
{
    for (uint32_t i = 0; i < delivery->message_count; i++) {
        if (delivery->messages[i].place != FAKE_OUT) continue;
        if (worker >= 0 && delivery->messages[i].worker != worker) continue;
        delivery->messages[i].place = FAKE_WAITS;
        delivery->messages[i].number = 0;
        delivery->messages[i].attempt += is_spent;
        delivery->workers[delivery->messages[i].worker].out--;
    }
}

/* As a daemon that was restarted. */
static inline void fake_forget(struct fake_delivery *delivery)
{
    fake_take_back(delivery, -1, true);
    memset(delivery->workers, 0, sizeof delivery->workers);
    delivery->last_number = 0;
}

static inline bool fake_subscribe(struct fake_delivery *delivery, const uint8_t *id, int id_len, uint64_t tag,
                                  const Handoff__V1__SubscribeRequest *request)
{
    delivery->counts.subscribes++;
    if (delivery->refusals) {
        delivery->refusals--;
        return false;
    }
    int worker = fake_worker(delivery, id, id_len);
    if (worker >= 0) fake_take_back(delivery, worker, false);
    for (int i = 0; worker < 0; i++) {
        assert(i < FAKE_WORKERS);
        if (!delivery->workers[i].credit) worker = i;
    }
    memcpy(delivery->workers[worker].id, id, (size_t)id_len);
    delivery->workers[worker].id_len = id_len;
    delivery->workers[worker].tag = tag;
    delivery->workers[worker].credit = request->credit;
    return true;
}

static inline bool fake_end(struct fake_delivery *delivery, int worker, uint64_t number, enum fake_place place)
{
    for (uint32_t i = 0; i < delivery->message_count; i++) {
        if (delivery->messages[i].place != FAKE_OUT || delivery->messages[i].number != number) continue;
        if (delivery->messages[i].worker != worker) continue;
        delivery->messages[i].place = place;
        delivery->messages[i].number = 0;
        delivery->workers[worker].out--;
        if (place == FAKE_DONE) delivery->counts.done++;
        if (place == FAKE_DEAD) delivery->counts.dead++;
        return true;
    }
    return false;
}

static inline void fake_nack(struct fake_delivery *delivery, int worker, const Handoff__V1__Nack *nack)
{
    uint32_t at = 0;
    while (at < delivery->message_count && delivery->messages[at].number != nack->number) at++;
    delivery->counts.nacks++;
    delivery->counts.unspent += nack->is_unspent;
    delivery->counts.last_delay_ms = nack->delay_ms;
    snprintf(delivery->counts.last_reason, sizeof delivery->counts.last_reason, "%s", nack->reason);
    bool is_held = fake_end(delivery, worker, nack->number, nack->is_permanent ? FAKE_DEAD : FAKE_WAITS);
    if (is_held && !nack->is_unspent && !nack->is_permanent) delivery->messages[at].attempt++;
    if (!is_held) delivery->counts.refused++;
}

/* Fills the reply, whose refusals are in `refusals`. */
static inline void fake_settle(struct fake_delivery *delivery, int worker, const Handoff__V1__SettleRequest *request,
                               Handoff__V1__SettleReply *reply)
{
    static Handoff__V1__SettleRefusal refusals[1], *list[1] = {&refusals[0]};
    uint32_t refused = delivery->counts.refused;
    delivery->counts.settles++;
    if (!request->n_acks && !request->n_nacks && !request->n_extends) delivery->counts.empty_settles++;
    for (size_t i = 0; i < request->n_acks; i++) {
        const Handoff__V1__NumberRange *range = request->acks[i];
        delivery->counts.ranges++;
        assert(range->first && range->first <= range->last && range->last - range->first < FAKE_MESSAGES);
        for (uint64_t number = range->first; number <= range->last; number++) {
            if (!fake_end(delivery, worker, number, FAKE_DONE)) delivery->counts.refused++;
        }
    }
    for (size_t i = 0; i < request->n_nacks; i++) fake_nack(delivery, worker, request->nacks[i]);
    delivery->counts.extends += (uint32_t)request->n_extends;
    if (delivery->counts.refused == refused) return;
    handoff__v1__settle_refusal__init(&refusals[0]);
    reply->refused = list;
    reply->n_refused = 1;
}

static inline void fake_push_to(struct fake_delivery *delivery, void *router, int worker)
{
    static uint8_t bytes[FAKE_REPLY_BYTES];
    Handoff__V1__Delivery rows[FAKE_TOGETHER], *list[FAKE_TOGETHER];
    Handoff__V1__Emission emissions[FAKE_TOGETHER];
    char ids[FAKE_TOGETHER][16];
    size_t count = 0;
    for (uint32_t i = 0; i < delivery->message_count && count < FAKE_TOGETHER; i++) {
        if (delivery->messages[i].place != FAKE_WAITS) continue;
        if (delivery->workers[worker].out == delivery->workers[worker].credit) break;
        delivery->messages[i].place = FAKE_OUT;
        delivery->messages[i].worker = worker;
        delivery->messages[i].number = ++delivery->last_number;
        delivery->workers[worker].out++;
        handoff__v1__delivery__init(&rows[count]);
        handoff__v1__emission__init(&emissions[count]);
        snprintf(ids[count], sizeof ids[count], "m%u", i + 1);
        emissions[count].id = ids[count];
        rows[count].number = delivery->messages[i].number;
        rows[count].attempt = delivery->messages[i].attempt;
        rows[count].emission = &emissions[count];
        list[count] = &rows[count];
        count++;
    }
    if (!count) return;
    if (delivery->workers[worker].out > delivery->counts.most_out)
        delivery->counts.most_out = delivery->workers[worker].out;
    Handoff__V1__Deliveries body = HANDOFF__V1__DELIVERIES__INIT;
    body.n_deliveries = count;
    body.deliveries = list;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    reply.tag = delivery->workers[worker].tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_DELIVERIES;
    reply.deliveries = &body;
    size_t len = handoff__v1__reply__pack(&reply, bytes);
    size_t id_len = (size_t)delivery->workers[worker].id_len;
    if (zmq_send(router, delivery->workers[worker].id, id_len, ZMQ_SNDMORE) >= 0) zmq_send(router, bytes, len, 0);
}

static inline void fake_push(struct fake_delivery *delivery, void *router)
{
    for (int worker = 0; worker < FAKE_WORKERS; worker++) {
        uint32_t before = UINT32_MAX;
        while (delivery->workers[worker].credit && delivery->workers[worker].out != before) {
            before = delivery->workers[worker].out;
            fake_push_to(delivery, router, worker);
        }
    }
}

static inline void fake_add_messages(struct fake_delivery *delivery, uint32_t count)
{
    assert(delivery->message_count + count <= FAKE_MESSAGES);
    for (uint32_t i = 0; i < count; i++) {
        delivery->messages[delivery->message_count].place = FAKE_WAITS;
        delivery->messages[delivery->message_count++].attempt = 1;
    }
}

static inline void fake_count_waiting(struct fake_delivery *delivery)
{
    delivery->counts.waiting = 0;
    for (uint32_t i = 0; i < delivery->message_count; i++)
        delivery->counts.waiting += delivery->messages[i].place == FAKE_WAITS;
}

#endif
