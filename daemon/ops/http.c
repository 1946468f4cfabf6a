/* See http.h. */
#include "ops/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

struct http {
    struct http_options options;
    struct MHD_Daemon *server;
};

/* --- heartbeat ------------------------------------------------------------------------------------------- */

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void heartbeat_beat(struct heartbeat *h)
{
    atomic_store_explicit(&h->last_ms, monotonic_ms(), memory_order_relaxed);
}

int64_t heartbeat_age_ms(const struct heartbeat *h)
{
    return monotonic_ms() - atomic_load_explicit(&h->last_ms, memory_order_relaxed);
}

/* --- pages ----------------------------------------------------------------------------------------------- */

struct page {
    unsigned status;
    char *text; /* owned; NULL: there was no memory for it */
    size_t bytes;
};

static struct page make_page(unsigned status, const char *text)
{
    return (struct page){status, strdup(text), strlen(text)};
}

static struct page show_metrics(const struct http *http)
{
    struct page page = {.status = MHD_HTTP_OK};
    page.text = metrics_render(http->options.metrics, &page.bytes);
    return page;
}

static struct page show_health(const struct http *http)
{
    char text[128];
    int64_t age_ms = heartbeat_age_ms(http->options.heartbeat);
    if (age_ms <= http->options.heartbeat_max_ms) return make_page(MHD_HTTP_OK, "alive\n");
    snprintf(text, sizeof text, "the loop has not turned for %" PRId64 " ms\n", age_ms);
    return make_page(MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static struct page show_readiness(const struct http *http)
{
    char text[READINESS_TEXT_BYTES];
    bool is_ready = readiness_text(http->options.readiness, text);
    return make_page(is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static const struct route {
    const char *path, *content_type;
    struct page (*show)(const struct http *http);
} routes[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", show_metrics},
    {"/healthz", "text/plain; charset=utf-8", show_health},
    {"/readyz", "text/plain; charset=utf-8", show_readiness},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].path, path) == 0) return &routes[i];
    return NULL;
}

/* --- answering ------------------------------------------------------------------------------------------- */

static enum MHD_Result send_page(struct MHD_Connection *connection, struct page page, const char *content_type)
{
    if (!page.text) return MHD_NO; /* closes the connection */
    struct MHD_Response *response = MHD_create_response_from_buffer(page.bytes, page.text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(page.text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (page.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, page.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_bytes, void **request)
{
    (void)version, (void)upload, (void)upload_bytes, (void)request;
    const struct route *route = find_route(path);
    bool is_reading = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (!route)
        return send_page(connection, make_page(MHD_HTTP_NOT_FOUND, "only /metrics, /healthz and /readyz are here\n"),
                         "text/plain");
    if (!is_reading)
        return send_page(connection, make_page(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are understood\n"),
                         "text/plain");
    return send_page(connection, route->show(context), route->content_type);
}

/* --- starting and stopping ------------------------------------------------------------------------------- */

bool http_address(const char *text, struct sockaddr_in *ret_address)
{
    char host[INET_ADDRSTRLEN], *end;
    const char *colon = strrchr(text, ':');
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - text) >= sizeof host) return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    unsigned long port = strtoul(colon + 1, &end, 10);
    bool is_port = colon[1] >= '0' && colon[1] <= '9' && !*end && port <= UINT16_MAX;
    if (!is_port || inet_pton(AF_INET, host, &address.sin_addr) != 1) return false;
    address.sin_port = htons((uint16_t)port);
    *ret_address = address;
    return true;
}

int http_start(const struct http_options *options, struct http **ret_http)
{
    struct sockaddr_in address;
    if (!http_address(options->address, &address)) return -EINVAL;
    struct http *http = calloc(1, sizeof *http);
    if (!http) return -ENOMEM;
    http->options = *options;
    errno = 0;
    http->server = MHD_start_daemon(
        MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, answer, http, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(16 * 1024), MHD_OPTION_END);
    if (!http->server) {
        int reason = errno ? -errno : -EIO;
        free(http);
        return reason;
    }
    *ret_http = http;
    return 0;
}

void http_stop(struct http *http)
{
    if (!http) return;
    MHD_stop_daemon(http->server);
    free(http);
}

uint16_t http_port(const struct http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->server, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}
