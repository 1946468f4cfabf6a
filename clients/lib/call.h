/* Requests on their way: the one place where frames are sent, repeated, given up and matched with replies.
 *
 *   idle --start--> waiting --answered----------> done(0)
 *                    |   ^ '--deadline-----------> done(TIMEOUT, or UNAVAILABLE if that was the last answer)
 *                    '---' not answered in time, or UNAVAILABLE: sent again if it may be
 *
 * A call with on_more stays open after its answer, for the replies that come unasked under its tag, until it is
 * cancelled.
 *
 * Internal to the library. A call is part of its owner's struct; the client's list only links it. */
#ifndef HANDOFF_CALL_H
#define HANDOFF_CALL_H

#include "handoff.h"

#include <zmq.h>

#define CALL_NEVER INT64_MAX

struct call;
/* The call is idle again when this runs. `*reply` is freed afterwards unless taken and cleared; NULL if code
 * is not 0. */
typedef void call_done(struct call *call, int code, Handoff__V1__Reply **reply);
/* Another reply under the call's tag; taken and freed like call_done's. */
typedef void call_more(struct call *call, Handoff__V1__Reply **reply);

struct call {
    struct call *next;
    uint64_t tag;
    uint8_t *frame; /* owned while waiting */
    size_t frame_bytes;
    int64_t deadline_ms;
    int64_t try_at_ms;
    uint32_t tries;
    bool is_waiting;
    bool is_open; /* answered without an error, and more may come */
    bool may_repeat;
    bool was_unavailable;
    call_done *on_done;
    call_more *on_more; /* NULL: its answer ends it */
};

/* Something to do at its time, whoever turns the client: a sign of life. Runs between replies; sets at_ms anew. Part
 * of its owner's struct, like a call. */
struct call_tick {
    struct call_tick *next;
    int64_t at_ms;
    void (*on_tick)(struct call_tick *tick);
};

struct handoff_client {
    void *context;
    void *dealer;
    void *monitor;      /* PAIR: says when `dealer` has connected; NULL until somebody wants to know */
    struct call *calls; /* waiting or open, in the order started */
    struct call_tick *ticks;
    uint32_t connections; /* how often it has connected, as far as is known */
    bool has_heard;       /* any reply */
    uint64_t last_tag;
    uint32_t timeout_ms;
    uint32_t retry_ms;
    uint64_t random;
    char front[256];
    struct handoff_result refusal;
};

/* Milliseconds of the monotonic clock. */
int64_t call_now_ms(void);
/* Packs the request under a new tag and sends it in the next turn. */
int call_start(handoff_client *client, struct call *call, const Handoff__V1__Request *request,
               int64_t deadline_ms);
/* Takes the call back without calling its owner. Legal when idle. */
void call_cancel(handoff_client *client, struct call *call);
void call_tick_start(handoff_client *client, struct call_tick *tick);
void call_tick_stop(handoff_client *client, struct call_tick *tick);
/* From now on a new connection is noticed: what was under way is sent again at once, and each tick runs, since the
 * daemon behind it may know nothing of what the one before had been told. */
int call_mind_connection(handoff_client *client);
/* Sends what is due, waits until something happens or `until_ms` has passed, and finishes what was answered
 * or is over. `more` are further sockets to wake up for. HANDOFF_INTERRUPTED on a signal. */
int call_turn(handoff_client *client, int64_t until_ms, zmq_pollitem_t *more, size_t more_count);
/* Milliseconds before try number `tries` + 1: doubling, bounded, with jitter. */
int64_t call_backoff_ms(handoff_client *client, uint32_t first_ms, uint32_t tries);

void result_of_error(const Handoff__V1__Error *error, struct handoff_result *result);
void result_set_text(char *to, size_t size, const char *text);

#endif
