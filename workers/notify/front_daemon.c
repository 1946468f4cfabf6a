/* See front_daemon.h. Keeps nothing of its own: what is held, and what is void, libhandoff knows. */
#include "notify/front_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff.h"
#include "notify/log.h"

enum { ANSWER_MS = 5000, FLUSH_MS = 2000, GATHERING_CREDIT = 500 };

struct front_daemon {
    struct front front; /* first */
    handoff_client *client;
    handoff_subscriber *subscriber;
};

static struct front_daemon *of(struct front *front)
{
    return (struct front_daemon *)front;
}

static int next(struct front *front, uint32_t wait_ms, Handoff__V1__Delivery **ret_delivery)
{
    int code = handoff_subscriber_next(of(front)->subscriber, wait_ms, ret_delivery);
    if (!code) return FRONT_OK;
    if (code == HANDOFF_TIMEOUT || code == HANDOFF_INTERRUPTED) return FRONT_NOTHING;
    const char *sentence = code == HANDOFF_REFUSED ? handoff_refusal(of(front)->client)->sentence : handoff_error(code);
    notify_log(NOTIFY_ERROR, "nothing is handed out: %s", sentence);
    return code == HANDOFF_REFUSED ? FRONT_REFUSED : FRONT_AWAY;
}

/* A settlement that gets lost is as if it had not been made: the lease ends, and the message comes again. */
static void ack(struct front *front, uint64_t number)
{
    handoff_subscriber_ack(of(front)->subscriber, number);
}

static void nack(struct front *front, const struct front_nack *nack)
{
    const struct handoff_nack out = {.delay_ms = nack->delay_ms,
                                     .is_permanent = nack->is_permanent,
                                     .is_unspent = nack->is_unspent,
                                     .reason = nack->reason};
    handoff_subscriber_nack(of(front)->subscriber, nack->number, &out);
}

static void extend(struct front *front, uint64_t number)
{
    handoff_subscriber_extend(of(front)->subscriber, number);
}

static bool holds(struct front *front, uint64_t number)
{
    return handoff_subscriber_holds(of(front)->subscriber, number);
}

static bool is_served(struct front *front)
{
    return handoff_subscriber_is_served(of(front)->subscriber);
}

static int flush(struct front *front)
{
    return handoff_subscriber_flush(of(front)->subscriber, FLUSH_MS) ? FRONT_AWAY : FRONT_OK;
}

static int publish(struct front *front, const Handoff__V1__Event *event)
{
    struct handoff_result result = {0};
    int code = handoff_publish(of(front)->client, event, 1, &result);
    if (!code && handoff_is_accepted(&result)) return FRONT_OK;
    bool is_unanswered = code == HANDOFF_TIMEOUT || code == HANDOFF_UNAVAILABLE || code == HANDOFF_NO_MEMORY ||
                         result.code == HANDOFF__V1__CODE__CODE_UNAVAILABLE;
    if (is_unanswered) return FRONT_AWAY;
    notify_log(NOTIFY_ERROR, "the daemon does not take %s: %s", event->id,
               code ? handoff_error(code) : result.sentence);
    return FRONT_OK;
}

static int64_t now_ms(struct front *front, int64_t otherwise)
{
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_CLOCK;
    request.clock = &clock;
    Handoff__V1__Reply *reply = NULL;
    if (handoff_request(of(front)->client, &request, &reply)) return otherwise;
    int64_t now = reply->clock->now_ms;
    handoff_reply_free(&reply);
    return now;
}

static void close_front(struct front *front)
{
    struct front_daemon *self = of(front);
    handoff_subscriber_close(&self->subscriber);
    handoff_close(&self->client);
    free(self);
}

static int subscribe(struct front_daemon *self, const struct notify_config *config, const struct lane_config *lane)
{
    Handoff__V1__SubscriptionFilter filter = HANDOFF__V1__SUBSCRIPTION_FILTER__INIT;
    filter.n_severities = lane->severities_count;
    filter.severities = lane->severities;
    filter.n_kinds = lane->kinds_count;
    filter.kinds = (char **)lane->kinds;
    if (lane->site) filter.site = (char *)lane->site;
    Handoff__V1__SubscriptionSettings settings = HANDOFF__V1__SUBSCRIPTION_SETTINGS__INIT;
    settings.stream = lane->stream;
    settings.filter = &filter;
    settings.n_also = lane->also_count;
    settings.also = lane->also;
    settings.is_addressed = !lane->is_unaddressed;
    settings.is_unordered = true; /* nobody's message waits for another's mailbox */
    settings.lease_ms = config->lease_s * 1000;
    settings.attempts = lane->attempts;
    /* One at a time where each leaves at once: nothing waits behind a slow server here while another worker is free. */
    const struct handoff_subscriber_options options = {
        .name = lane->name, .settings = &settings, .credit = lane->gathers ? GATHERING_CREDIT : 1};
    return handoff_subscriber_open(self->client, &options, &self->subscriber);
}

int front_daemon_open(const struct notify_config *config, const struct lane_config *lane, char *sentence, size_t size,
                      struct front **ret_front)
{
    static const struct front_ops ops = {next,      ack,     nack,   extend,     holds,
                                         is_served, flush,   publish, now_ms, close_front};
    struct front_daemon *self = calloc(1, sizeof *self);
    const struct handoff_options options = {.front = config->front, .timeout_ms = ANSWER_MS};
    int code = self ? handoff_open(&options, &self->client) : HANDOFF_NO_MEMORY;
    if (!code) code = subscribe(self, config, lane);
    if (!code) {
        self->front.ops = &ops;
        *ret_front = &self->front;
        return FRONT_OK;
    }
    const struct handoff_result *refusal = self && self->client ? handoff_refusal(self->client) : NULL;
    if (code == HANDOFF_REFUSED && refusal && refusal->field[0])
        snprintf(sentence, size, "%s (%s)", refusal->sentence, refusal->field);
    else if (code == HANDOFF_REFUSED && refusal)
        snprintf(sentence, size, "%s", refusal->sentence);
    else
        snprintf(sentence, size, "%s: %s", config->front, handoff_error(code));
    if (self) handoff_close(&self->client);
    free(self);
    return code == HANDOFF_REFUSED ? FRONT_REFUSED : FRONT_AWAY;
}
