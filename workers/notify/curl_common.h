/* What SMTP and webhooks share of libcurl. */
#ifndef HANDOFF_NOTIFY_CURL_COMMON_H
#define HANDOFF_NOTIFY_CURL_COMMON_H

#include <curl/curl.h>
#include <stdint.h>

#include "notify/channel.h"

enum { CHANNEL_TIMEOUT_MS = 20000 };

/* A handle that speaks these protocols alone, follows nothing, checks certificates, gives up in time and raises no
 * signal. NULL without memory, or with a file of authorities that cannot be read: *error says which. */
CURL *curl_common_open(const char *protocols, const char *ca_file, uint32_t timeout_ms, struct channel_error *error);
/* Says goodbye for two seconds at most. */
void curl_common_close(CURL *curl);

#endif
