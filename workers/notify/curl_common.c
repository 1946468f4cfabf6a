/* See curl_common.h. */
#include "notify/curl_common.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* libcurl's own message on this would come with the first message; who starts the worker should hear it. */
static int check_authorities(const char *ca_file, struct channel_error *error)
{
    if (!ca_file || !access(ca_file, R_OK)) return 0;
    return channel_refuse(error, "the file of certificate authorities %s cannot be read: %s", ca_file, strerror(errno));
}

CURL *curl_common_open(const char *protocols, const char *ca_file, uint32_t timeout_ms, struct channel_error *error)
{
    if (check_authorities(ca_file, error)) return NULL;
    CURL *curl = curl_easy_init();
    if (!curl) {
        channel_refuse(error, "there is not enough memory");
        return NULL;
    }
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms ? (long)timeout_ms : (long)CHANNEL_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
    return curl;
}

void curl_common_close(CURL *curl)
{
    if (!curl) return;
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, 2L);
    curl_easy_cleanup(curl);
}
