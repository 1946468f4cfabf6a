/* A way out to one person: SMTP, a webhook, a command. Each is opened from the configuration, sends one message at a
 * time, and says what the world answered. It waits no longer than `timeout_ms`, knows nothing of deliveries, and
 * repeats nothing: every retry is the subscription's, so that the gate is asked again. */
#ifndef HANDOFF_NOTIFY_CHANNEL_H
#define HANDOFF_NOTIFY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All borrowed for the call. NULL is as empty, where empty is said to be possible. */
struct outgoing {
    const char *id;        /* the emission id, or one made of several: Message-ID, webhook-id. Visible ASCII */
    const char *to;        /* the address as given: a mailbox, a URL, a number */
    const char *to_name;   /* may be empty */
    const char *from_name; /* the site's name to the outside; may be empty */
    const char *from;      /* the sender's mailbox; empty: the channel's own */
    const char *subject;
    const char *body;     /* UTF-8 text, lines ended by \n */
    const char *language; /* BCP 47; may be empty */
    const char *kind;     /* reminder, notice, digest, escalation, status, heartbeat */
    const char *severity; /* routine, urgent, emergent; may be empty */
    const char *json;     /* what webhooks and commands get: one JSON object */
    int64_t at_ms;        /* wall clock of this attempt */
};

enum send_result {
    SEND_DONE,   /* the other side took it */
    SEND_LATER,  /* it did not now: connection refused, timeout before the body was sent, 4xx of SMTP, 429 and 5xx of
                    HTTP; or  the channel is not set up right, which no message shall suffer from */
    SEND_NEVER,  /* it never will: bad address, 5xx of SMTP, 4xx of HTTP, an exit code that says so */
    SEND_UNKNOWN /* it may have taken it: the connection broke after the body had been sent */
};
struct send_report {
    enum send_result result;
    uint32_t retry_after_ms; /* LATER: as the other side asked; 0: it did not */
    char reason[256];        /* one sentence for operators, without what was sent and to whom */
};

struct channel;
struct channel_ops {
    struct send_report (*send)(struct channel *channel, const struct outgoing *message);
    void (*close)(struct channel *channel);
};
struct channel {
    const struct channel_ops *ops;
};

struct send_report channel_send(struct channel *channel, const struct outgoing *message);
/* Closing NULL is legal. */
void channel_close(struct channel **channel);

/* "done", "later", "never", "unknown" */
const char *send_result_word(enum send_result result);
struct send_report send_report_make(enum send_result result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Why a channel could not be opened: one sentence for who writes the configuration. */
struct channel_error {
    char sentence[256];
};
/* Writes it, and returns -1. */
int channel_refuse(struct channel_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
