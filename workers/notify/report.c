/* See report.h. Says ids, a channel and what the other side answered; never an address, a name or a text. */
#include "notify/report.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "notify/letter.h"

static void event_id(const Handoff__V1__Delivery *delivery, enum ledger_told told, char id[129])
{
    static const char *const words[] = {
        [LEDGER_TOLD_SENT] = "sent", [LEDGER_TOLD_FAILED] = "failed", [LEDGER_TOLD_UNKNOWN] = "unknown"};
    const char *addressee = letter_addressee(delivery);
    unsigned char mark[crypto_generichash_BYTES_MIN];
    char hex[17];
    crypto_generichash(mark, sizeof mark, (const unsigned char *)addressee, strlen(addressee), NULL, 0);
    snprintf(id, 129, "%.96s.%s.%s", delivery->emission->id, words[told], sodium_bin2hex(hex, sizeof hex, mark, 8));
}

int report_publish(struct front *front, const char *source, const Handoff__V1__Delivery *delivery,
                   const struct ledger_outcome *outcome)
{
    char id[129];
    event_id(delivery, outcome->told, id);
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    event.id = id;
    event.source = (char *)source;
    event.site = delivery->emission->site;
    event.patient_id = delivery->emission->patient_id;
    event.occurred_at_ms = outcome->at_ms;

    Handoff__V1__MessageSent sent = HANDOFF__V1__MESSAGE_SENT__INIT;
    sent.emission_id = delivery->emission->id;
    sent.channel = (Handoff__V1__Channel)outcome->channel;
    sent.addressee = (char *)letter_addressee(delivery);

    Handoff__V1__MessageFailed failed = HANDOFF__V1__MESSAGE_FAILED__INIT;
    failed.emission_id = sent.emission_id;
    failed.channel = sent.channel;
    failed.addressee = sent.addressee;
    failed.is_permanent = outcome->told == LEDGER_TOLD_FAILED;
    failed.is_unknown = outcome->told == LEDGER_TOLD_UNKNOWN;
    failed.reason = (char *)outcome->reason;

    bool is_sent = outcome->told == LEDGER_TOLD_SENT;
    event.body_case = is_sent ? HANDOFF__V1__EVENT__BODY_MESSAGE_SENT : HANDOFF__V1__EVENT__BODY_MESSAGE_FAILED;
    if (is_sent)
        event.message_sent = &sent;
    else
        event.message_failed = &failed;
    return front->ops->publish(front, &event);
}
