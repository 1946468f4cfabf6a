/* A way out to one person: SMTP, a webhook, a command. Each is opened from the configuration, sends one message at a
 * time, and says what the world answered. It waits no longer than `timeout_ms`, knows nothing of deliveries, and
 * repeats nothing: every retry is the subscription's, so that the gate is asked again. */
#ifndef HANDOFF_NOTIFY_CHANNEL_H
#define HANDOFF_NOTIFY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All borrowed for the call. */
struct outgoing {
    const char *id;          /* the emission id, or one made of several: Message-ID, webhook-id */
    const char *to;          /* the address as given: a mailbox, a URL, a number */
    const char *to_name;     /* may be empty */
    const char *from_name;   /* the site's name to the outside */
    const char *from;        /* the sender's mailbox */
    const char *subject;
    const char *body;        /* UTF-8 text, lines ended by \n */
    const char *language;    /* BCP 47; may be empty */
    const char *kind;        /* reminder, notice, digest, escalation, status, heartbeat */
    const char *severity;    /* routine, urgent, emergent; may be empty */
    const char *json;        /* what webhooks and commands get: one JSON object */
    int64_t at_ms;           /* wall clock of this attempt */
};

enum send_result {
    SEND_DONE,    /* the other side took it */
    SEND_LATER,   /* it did not now: connection refused, timeout before the body was sent, 4xx of SMTP that is temporary, 429, 5xx of HTTP */
    SEND_NEVER,   /* it never will: bad address, 5xx of SMTP, 4xx of HTTP, an exit code that says so */
    SEND_UNKNOWN  /* it may have taken it: the connection broke after the body had been sent */
};
struct send_report {
    enum send_result result;
    uint32_t retry_after_ms; /* LATER: as the other side asked; 0: it did not */
    char reason[256];        /* one sentence for operators, without what was sent and to whom */
};

struct channel;
struct channel_ops {
    struct send_report (*send)(struct channel *channel, const struct outgoing *message);
    void (*close)(struct channel *channel); /* NULL is legal */
};
struct channel {
    const struct channel_ops *ops;
};

#endif
