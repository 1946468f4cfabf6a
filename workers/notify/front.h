/* The daemon as one worker thread sees it: deliveries come, answers to them and news of what became of messages go. The
 * real one is front_daemon.c, on libhandoff; unit tests have one of their own. */
#ifndef HANDOFF_NOTIFY_FRONT_H
#define HANDOFF_NOTIFY_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "handoff/v1/api.pb-c.h"

enum front_code {
    FRONT_OK = 0,
    FRONT_NOTHING = -1, /* in time */
    FRONT_AWAY = -2,    /* no answer: outcome unknown, the same may be asked again */
    FRONT_REFUSED = -3, /* the subscription: other settings, or it was deleted */
};
struct front_nack {
    uint64_t number;
    uint32_t delay_ms; /* 0: the subscription's backoff */
    bool is_permanent;
    bool is_unspent;
    const char *reason; /* ids and codes, never patient content */
};

struct front;
struct front_ops {
    /* The caller frees it with handoff__v1__delivery__free_unpacked(). */
    int (*next)(struct front *front, uint32_t wait_ms, Handoff__V1__Delivery **ret_delivery);
    /* The other side may have forgotten that we hold it, and then it comes again whatever we say. */
    void (*ack)(struct front *front, uint64_t number);
    void (*nack)(struct front *front, const struct front_nack *nack);
    void (*extend)(struct front *front, uint64_t number);
    /* Whether it is still lent to us: asked before what cannot be undone. */
    bool (*holds)(struct front *front, uint64_t number);
    /* The other side has answered within the last lease. */
    bool (*is_served)(struct front *front);
    /* Waits, not for long, until what was settled is committed. */
    int (*flush)(struct front *front);
    /* 0 when the event is in the journal, now or before, or will never be: that is logged. */
    int (*publish)(struct front *front, const Handoff__V1__Event *event);
    /* Journal time, or `otherwise` when nobody answers. */
    int64_t (*now_ms)(struct front *front, int64_t otherwise);
    void (*close)(struct front *front);
};
struct front {
    const struct front_ops *ops;
};

#endif
