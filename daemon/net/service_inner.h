/* Shared by the parts of the service and nobody else: service.c (publish, dispatch, parking), service_read.c (patient,
 * timeline, next, emissions), service_delivery.c (subscriptions), service_list.c (tasks, escalations), service_directory.c (the resource directory),
 * service_admin.c (clock, info, statistics, backup, reload). */
#ifndef HANDOFF_NET_SERVICE_INNER_H
#define HANDOFF_NET_SERVICE_INNER_H

#include <pthread.h>

#include "engine/view.h"
#include "net/limits.h"
#include "net/pending.h"
#include "net/request.h"
#include "net/service.h"

/* A request in hand. */
struct call {
    struct peer from;
    const Handoff__V1__Request *request;
};

struct reading {
    zmq_msg_t payload; /* kept, for a request that gets parked */
    struct call call;
};
struct parked {
    zmq_msg_t payload;
    struct peer from;
    uint64_t as_of;    /* what the index must have caught up with; 0: nothing */
    int64_t until_ms;  /* of the machine's monotonic clock */
    bool is_postponed; /* could be answered, but for this turn's time */
};

struct advancing { /* of a manual clock */
    bool is_active;
    struct peer to;
    uint64_t tag;
    int64_t to_ms;
    uint64_t fired;
};

struct backing_up {
    bool is_active;    /* a thread runs, or its result waits */
    bool is_joined;
    struct peer to;
    uint64_t tag;
    uint64_t last_sequence;
    pthread_t thread;
    pthread_mutex_t lock; /* of is_done and rc */
    bool is_done;
    int rc;
    char folder[4096];
};

struct service {
    uint32_t expected; /* requests that wait and were told to the engine */
    struct service_options options;
    struct engine *engine;
    struct front *front;
    struct arena *arena; /* requests and replies of one turn */
    struct pending_pool *pending;
    struct advancing advancing;
    struct backing_up backing_up;
    struct service_counts counts;
    uint32_t reading_count, parked_count;
    uint32_t postponed_count; /* of the parked: those that can be answered now */
    struct reading readings[NET_TURN_READS];
    struct parked parked[NET_PARKED];
};

int64_t service_monotonic_ms(void);
struct view service_view(struct service *s);
void service_refuse(struct service *s, const struct call *call, Handoff__V1__Code code, const char *sentence, const char *field);
/* What an engine's error means to a client. */
void service_refuse_error(struct service *s, const struct call *call, int engine_error);
void service_reply(struct service *s, const struct call *call, Handoff__V1__Reply__BodyCase body, void *message);
/* Rows asked for: 0 is the default, more than LIMIT_PAGE_ROWS is LIMIT_PAGE_ROWS. */
uint32_t service_rows(uint32_t limit);
/* No more rows may go into this reply: it, or the arena, is full enough. */
bool service_is_reply_full(struct service *s, size_t reply_bytes);

void serve_patient(struct service *s, const struct call *call);
void serve_timeline(struct service *s, const struct call *call);
void serve_next(struct service *s, const struct call *call);
void serve_emissions(struct service *s, const struct call *call);
void serve_tasks(struct service *s, const struct call *call);
void serve_escalations(struct service *s, const struct call *call);
void serve_list(struct service *s, const struct call *call);
void serve_statistics(struct service *s, const struct call *call);
void serve_info(struct service *s, const struct call *call);
void serve_clock(struct service *s, const struct call *call);
void serve_backup(struct service *s, const struct call *call);
void serve_reload(struct service *s, const struct call *call);
void serve_directory_list(struct service *s, const struct call *call);
void serve_directory_match(struct service *s, const struct call *call);
void serve_subscriptions(struct service *s, const struct call *call);
void serve_aside(struct service *s, const struct call *call);
/* Of a worker or about subscriptions: within the turn; delivery answers after the commit. */
void service_deliver(struct service *s, const struct call *call);
void service_advance(struct service *s);      /* one bounded piece */
void service_end_backup(struct service *s);   /* replies when the thread is done */

/* The state after this sequence is what a listing shows; 0 in the request: the newest. */
uint64_t service_as_of(struct service *s, const Handoff__V1__Request *request);

#endif
