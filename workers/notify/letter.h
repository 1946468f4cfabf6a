/* One message to one person, made of one delivery or of several, on its way from the daemon's words to a channel's. */
#ifndef HANDOFF_NOTIFY_LETTER_H
#define HANDOFF_NOTIFY_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handoff/v1/api.pb-c.h"
#include "notify/channel.h"
#include "notify/config.h"
#include "notify/template.h"

enum { LETTER_ID_BYTES = 192 };

struct letter {
    const Handoff__V1__Delivery *const *members; /* at least one; all to the same person and of one kind */
    size_t count;
    const struct site_config *site;
    const Handoff__V1__Address *address;
    const char *id; /* Message-ID, webhook-id */
};

/* Puts a letter into words; what it is written in and how is wording.h's business. 0, or -1 without memory. */
struct words {
    int (*write)(void *context, const struct letter *letter, struct rendered *ret_rendered);
    void *context;
};

/* Whose message it is: of the family, of the program's workforce, or of somebody outside. */
enum letter_party { LETTER_FAMILY, LETTER_STAFF, LETTER_OUTSIDE };
enum letter_party letter_party(const Handoff__V1__Delivery *delivery);
/* reminder, notice, digest, escalation, status, heartbeat */
const char *letter_kind(const Handoff__V1__Delivery *const *members, size_t count);
Handoff__V1__Severity letter_severity(const Handoff__V1__Delivery *delivery);
/* Tells the addressees of one emission apart: as message.sent and message.failed name them. */
const char *letter_addressee(const Handoff__V1__Delivery *delivery);

/* The id of one delivery's message: the emission's, with a mark where an emission has several addressees. */
void letter_id(const Handoff__V1__Delivery *delivery, char id[LETTER_ID_BYTES]);
/* And of several as one: the same for the same, in whatever order. */
void letter_id_of_many(const Handoff__V1__Delivery *const *members, size_t count, char id[LETTER_ID_BYTES]);

/* What webhooks and commands get; the caller frees it. NULL without memory. Outside the workforce it says no more than
 * subject and text do. */
char *letter_json(const struct letter *letter, const struct rendered *rendered, int64_t at_ms);

#endif
