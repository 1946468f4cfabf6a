/* Requests on their way: the one place where frames are sent, repeated, given up and matched with replies.
 *
 *   idle --start--> waiting --answered----------> done(0)
 *                    |   ^ '--deadline-----------> done(TIMEOUT, or UNAVAILABLE if that was the last answer)
 *                    '---' not answered in time, or UNAVAILABLE: sent again if it may be
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

struct call {
    struct call *next;
    uint64_t tag;
    uint8_t *frame; /* owned while waiting */
    size_t frame_bytes;
    int64_t deadline_ms;
    int64_t try_at_ms;
    uint32_t tries;
    bool is_waiting;
    bool may_repeat;
    bool was_unavailable;
    call_done *on_done;
};

struct handoff_client {
    void *context;
    void *dealer;
    struct call *calls; /* waiting, in the order started */
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
/* Sends what is due, waits until something happens or `until_ms` has passed, and finishes what was answered
 * or is over. `more` are further sockets to wake up for. HANDOFF_INTERRUPTED on a signal. */
int call_turn(handoff_client *client, int64_t until_ms, zmq_pollitem_t *more, size_t more_count);
/* Milliseconds before try number `tries` + 1: doubling, bounded, with jitter. */
int64_t call_backoff_ms(handoff_client *client, uint32_t first_ms, uint32_t tries);

void result_of_error(const Handoff__V1__Error *error, struct handoff_result *result);
void result_set_text(char *to, size_t size, const char *text);

#endif
