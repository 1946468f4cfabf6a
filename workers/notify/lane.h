/* One worker of one subscription, in a thread of its own with its own connection, channels and gatherings: a slow mail
 * server holds up what waits behind it here and nothing else. What threads share is the ledger, the templates and the
 * configuration. */
#ifndef HANDOFF_NOTIFY_LANE_H
#define HANDOFF_NOTIFY_LANE_H

#include <pthread.h>
#include <stdatomic.h>

#include "notify/config.h"
#include "notify/courier.h"
#include "notify/ways.h"

struct lane {
    const struct notify_config *config;
    const struct lane_config *lane;
    struct ledger *ledger;
    struct words words;
    struct ways ways; /* opened before it begins */
    const atomic_bool *is_stopping;
    const atomic_bool *is_whole; /* every lane turns and is served; asked before the dead man's signal */
    _Atomic int64_t turned_ms; /* monotonic: when it last went round */
    atomic_bool is_served;     /* the daemon hands out messages to it */
    pthread_t thread;
};

/* Until it is told to stop; then what it holds goes back. */
void lane_run(struct lane *lane);
/* Messages of one subscription, as long as the daemon serves it: the loop of lane_run(), for tests too. */
void lane_serve(struct lane *lane, struct front *front);

int64_t lane_now_ms(void);

#endif
