/* What a monitor may ask over HTTP: /metrics, /healthz and /readyz, with GET or HEAD, and nothing else.
 *
 * libmicrohttpd serves it on a thread of its own, so that it answers also when the loop does not, which is what
 * /healthz is for. It reads atomics and the readiness only, never what the loop works on. Numbers and operators'
 * sentences leave here, no patient content; there is no authentication: bind it to loopback. */
#ifndef HANDOFF_OPS_HTTP_H
#define HANDOFF_OPS_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "ops/metrics.h"
#include "ops/readiness.h"

enum { HTTP_CONNECTIONS = 16, HTTP_TIMEOUT_S = 10 }; /* more connections wait or are closed; the next scrape comes */

/* The loop calls it every turn; it turns at least once a second when idle. */
struct heartbeat {
    _Atomic int64_t last_ms; /* CLOCK_MONOTONIC */
};
void heartbeat_beat(struct heartbeat *h);
int64_t heartbeat_age_ms(const struct heartbeat *h);

struct http_options {
    const char *address; /* "127.0.0.1:7449"; port 0 takes a free one */
    struct metrics *metrics;
    struct readiness *readiness;
    const struct heartbeat *heartbeat;
    int64_t heartbeat_max_ms; /* older: /healthz answers 503 */
};

struct http;

/* Everything in options outlives the server. 0 or a negative errno. */
int http_start(const struct http_options *options, struct http **ret_http);
void http_stop(struct http *http); /* waits for what is being answered; NULL is legal */
uint16_t http_port(const struct http *http);

/* "A.B.C.D:PORT" */
bool http_address(const char *text, struct sockaddr_in *ret_address);

#endif
