/* The real front: a subscriber of libhandoff, and publishing, on one client. Belongs to the thread that opened it. */
#ifndef HANDOFF_NOTIFY_FRONT_DAEMON_H
#define HANDOFF_NOTIFY_FRONT_DAEMON_H

#include "notify/config.h"
#include "notify/front.h"

/* Subscribes; FRONT_AWAY when nobody answers, FRONT_REFUSED when the daemon refuses. The sentence says why. */
int front_daemon_open(const struct notify_config *config, const struct lane_config *lane, char *sentence, size_t size,
                      struct front **ret_front);

#endif
