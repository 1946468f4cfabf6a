/* Whether an address could be one at all. A malformed one is a permanent failure of that message alone. */
#ifndef HANDOFF_NOTIFY_ADDRESS_H
#define HANDOFF_NOTIFY_ADDRESS_H

#include <stdbool.h>

/* local@domain of RFC 5321 in ASCII, without quoted local parts, literals and comments, which no person has. */
bool address_is_mailbox(const char *text);
/* http:// or https:// with a host, without a user, spaces or control characters. */
bool address_is_url(const char *text);
/* To this machine itself. */
bool address_is_loopback(const char *url);

#endif
