/* Prints every task as a worker: what was printed is acknowledged, and never comes again.
 *
 * Several of these may run under the one name, also on other machines; each message goes to one of them. A message can
 * come twice, when a worker died before its acknowledgement was stored: then the emission's id is the same. */
#include <handoff.h>
#include <stdio.h>
#include <stdlib.h>

static void work(handoff_subscriber *subscriber, const Handoff__V1__Delivery *delivery)
{
    const struct handoff_nack later = {.delay_ms = 60000, .reason = "the list could not be written"};
    printf("%s %s\n", delivery->emission->id, delivery->emission->reason);
    if (fflush(stdout)) {
        handoff_subscriber_nack(subscriber, delivery->number, &later);
    } else {
        handoff_subscriber_ack(subscriber, delivery->number);
    }
}

int main(void)
{
    handoff_client *client = NULL;
    handoff_subscriber *subscriber = NULL;
    Handoff__V1__SubscriptionSettings settings = HANDOFF__V1__SUBSCRIPTION_SETTINGS__INIT;
    Handoff__V1__SubscriptionStart start = HANDOFF__V1__SUBSCRIPTION_START__INIT;
    settings.stream = HANDOFF__V1__STREAM__STREAM_TASK;
    start.from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING, start.beginning = true;
    const struct handoff_subscriber_options options = {.name = "task-list", .settings = &settings, .start = &start};

    int error = handoff_open(&(struct handoff_options){.front = getenv("HANDOFF_FRONT")}, &client);
    if (!error) error = handoff_subscriber_open(client, &options, &subscriber);
    for (Handoff__V1__Delivery *delivery = NULL; !error || error == HANDOFF_TIMEOUT; handoff_delivery_free(&delivery))
        if (!(error = handoff_subscriber_next(subscriber, 60000, &delivery))) work(subscriber, delivery);
    fprintf(stderr, "%s\n", handoff_error(error));
    handoff_subscriber_close(&subscriber);
    handoff_close(&client);
    return 1;
}
