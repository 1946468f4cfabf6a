/* Mail by SMTP (libcurl), one message at a time over a connection that is kept.
 *
 * What the server's answer means:
 *   2xx to the end of the body       DONE
 *   4xx to anything                  LATER
 *   5xx to RCPT, DATA or the body    NEVER: it is about this message. But an RCPT refused for want of authentication
 *                                    (530, 535, 538) or by policy (5.7.x: relaying denied) is LATER
 *   5xx to what comes before         LATER: greeting, EHLO, STARTTLS, AUTH, MAIL are about us, and a fault in the
 *                                    configuration must not kill messages
 *   nothing: no connection, no name, LATER, as long as the body had not been handed over as a whole
 *   no TLS, a timeout, a cut         UNKNOWN, once it had
 * Malformed addresses and control characters in a header are NEVER without a word to the server. */
#ifndef HANDOFF_NOTIFY_SMTP_H
#define HANDOFF_NOTIFY_SMTP_H

#include "notify/channel.h"

enum smtp_tls {
    SMTP_TLS_REQUIRED,   /* STARTTLS or nothing */
    SMTP_TLS_IF_OFFERED, /* an attacker on the way can take the offer away */
    SMTP_TLS_OFF,
};
struct smtp_options {
    const char *url;           /* smtp://host:port (25 unless given) or smtps://host:port (465) */
    enum smtp_tls starttls;    /* of smtp:// */
    const char *ca_file;       /* PEM, instead of the system's authorities; NULL: those */
    const char *user;          /* NULL or empty: no authentication. Asks for smtps or STARTTLS required */
    const char *password_file; /* its first line; read when opened */
    const char *from;          /* mailbox of whoever sends, where the message names none */
    const char *hello;         /* name of this machine in EHLO; NULL: its host name */
    uint32_t timeout_ms;       /* for one message, connecting included; 0: 20000 */
};
int smtp_open(const struct smtp_options *options, struct channel **ret_channel, struct channel_error *error);

#endif
