/* The messages of a subscription that are at hand: looked at, in the stream's order, and not yet behind the cursor.
 *
 *     first                                        end
 *       |  past  out  ready  out  settling  ready   |      (scanning adds at the end)
 *
 *     READY --handed out--> OUT --acked, set aside--> SETTLING --durable--> PAST --the first ones--> gone
 *       ^                    |                            |
 *       +---- given back ----+<------ not durable --------+
 *
 * Fixed size: when it is full, scanning waits; what lies beyond is in the journal. */
#ifndef HANDOFF_DELIVERY_WINDOW_H
#define HANDOFF_DELIVERY_WINDOW_H

#include "delivery/ledger.h"

enum { WINDOW_MAX = 8192, WINDOW_KEYS = 32768 };

enum message_state { MESSAGE_READY, MESSAGE_OUT, MESSAGE_SETTLING, MESSAGE_PAST };

struct message {
    struct place at;
    struct patient_key key;
    int64_t ready_ms;  /* machine time at which it could first go */
    int64_t lease_ms;  /* OUT: until, machine time */
    uint64_t number;   /* OUT */
    uint32_t session;  /* OUT */
    uint32_t attempts; /* handed out so often */
    enum message_state state;
    bool is_preparing; /* what must be journaled first is on its way, until that is durable */
};

/* Patients of whom something is out, or waits for another attempt: what comes behind waits for that. */
struct busy_key {
    struct patient_key key;
    uint32_t out, retries; /* both 0: the place is free */
    uint64_t pass;         /* of the scan that met it last, for the first of several */
};

struct window {
    struct message *ring;
    uint64_t first, end;  /* positions that only grow; [first, end) is at hand */
    uint64_t ready_from;  /* nothing before it is ready */
    struct busy_key *keys;
    uint32_t key_count;
};

/* 0, or -ENOMEM. */
int window_open(struct window *ret_window);
void window_close(struct window *window);
void window_clear(struct window *window);

static inline bool window_is_full(const struct window *w) { return w->end - w->first == WINDOW_MAX; }
static inline struct message *window_at(const struct window *w, uint64_t position)
{
    return &w->ring[position % WINDOW_MAX];
}
struct message *window_add(struct window *window, struct place at, const struct patient_key *key, int64_t now_ms);
/* Lets go of the past ones at the beginning. */
void window_trim(struct window *window);
/* It may be handed out again. */
void window_give_back(struct window *window, uint64_t position);

/* NULL: the patient is not busy. */
struct busy_key *window_busy(const struct window *window, const struct patient_key *key);
void window_add_busy(struct window *window, const struct patient_key *key, uint32_t out, uint32_t retries);
void window_end_busy(struct window *window, const struct patient_key *key, uint32_t out, uint32_t retries);

#endif
