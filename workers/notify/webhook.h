/* Webhooks (libcurl): POST of the message's JSON, signed as Standard Webhooks 1.0.0 says.
 *
 *   2xx                              DONE
 *   429, 503                         LATER, after what Retry-After says
 *   408, other 5xx                   LATER
 *   3xx                              NEVER: not followed, what is signed for one receiver goes to no other
 *   410, other 4xx                   NEVER
 *   no connection, no TLS            LATER
 *   no status after the whole body   UNKNOWN; the receiver knows a repeat by its webhook-id */
#ifndef HANDOFF_NOTIFY_WEBHOOK_H
#define HANDOFF_NOTIFY_WEBHOOK_H

#include "notify/channel.h"

enum { WEBHOOK_SECRETS_MAX = 4 };

struct webhook_options {
    const char *url; /* http:// is refused but for this machine; NULL: each message's `to` */
    const char *const
        *secrets;        /* whsec_ and base64 of 24 to 64 bytes; several while they are rotated: as many signatures */
    size_t secret_count; /* 1 to WEBHOOK_SECRETS_MAX */
    const char *ca_file; /* PEM, instead of the system's authorities; NULL: those */
    uint32_t timeout_ms; /* for one message, connecting included; 0: 20000 */
};
int webhook_open(const struct webhook_options *options, struct channel **ret_channel, struct channel_error *error);

/* A dead man's signal: the bare URL, asked for once. GET, or POST of nothing. Unsigned. */
struct ping_options {
    const char *url; /* http:// is legal: it says nothing */
    bool is_post;
    const char *ca_file; /* may be NULL */
    uint32_t timeout_ms; /* 0: 20000 */
};
struct send_report webhook_ping(const struct ping_options *options);

#endif
