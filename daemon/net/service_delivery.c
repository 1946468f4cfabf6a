/* Requests about subscriptions. A connection is a number to delivery: the peer's, and how it is to be answered. */
#include "net/service_delivery.h"

#include "core/message.h"
#include "net/service_inner.h"

#include "base/banned.h"

uint64_t service_connection(struct peer of) { return (uint64_t)of.id << 1 | of.has_delimiter; }
struct peer service_peer(uint64_t connection)
{
    return (struct peer){.id = (uint32_t)(connection >> 1), .has_delimiter = connection & 1};
}

void service_deliver(struct service *s, const struct call *call)
{
    s->options.await_delivery(s->options.context);
    struct delivery_refusal refusal =
        delivery_request(s->options.delivery, service_connection(call->from), call->request);
    if (refusal.code != HANDOFF__V1__CODE__CODE_UNSPECIFIED)
        service_refuse(s, call, refusal.code, refusal.sentence, refusal.field);
}

void serve_subscriptions(struct service *s, const struct call *call)
{
    Handoff__V1__SubscriptionsReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__SubscriptionsReply, subscriptions_reply);
    const char *name = call->request->subscriptions->name;
    reply->n_subscriptions = delivery_views(s->options.delivery, name, s->arena, &reply->subscriptions);
    if (name[0] != 0 && reply->n_subscriptions == 0)
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNKNOWN_SUBSCRIPTION, "there is no subscription of this name",
                       "name");
    else
        service_reply(s, call, HANDOFF__V1__REPLY__BODY_SUBSCRIPTIONS, reply);
}

void serve_aside(struct service *s, const struct call *call)
{
    const Handoff__V1__AsideRequest *r = call->request->aside;
    Handoff__V1__AsideReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__AsideReply, aside_reply);
    Handoff__V1__SubscriptionView **views;
    if (r->name[0] != 0 && delivery_views(s->options.delivery, r->name, s->arena, &views) == 0) {
        service_refuse(s, call, HANDOFF__V1__CODE__CODE_UNKNOWN_SUBSCRIPTION, "there is no subscription of this name",
                       "name");
        return;
    }
    struct delivery_page page = {r->name, r->kind, r->limit, r->after};
    int rc = delivery_aside(s->options.delivery, &page, s->arena, reply);
    if (rc != 0)
        service_refuse_error(s, call, rc);
    else
        service_reply(s, call, HANDOFF__V1__REPLY__BODY_ASIDE, reply);
}
