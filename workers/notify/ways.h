/* The ways out that the configuration names, opened: for one thread, as a channel sends one message at a time. */
#ifndef HANDOFF_NOTIFY_WAYS_H
#define HANDOFF_NOTIFY_WAYS_H

#include "notify/channel.h"
#include "notify/config.h"

enum { WAYS_CHANNELS = 8 };

struct ways {
    struct channel *channels[WAYS_CHANNELS]; /* by Handoff__V1__Channel; NULL: none. Some may be the same */
    struct channel *heartbeat;
    struct channel *owned[CONFIG_COMMANDS_MOST + 3];
    size_t owned_count;
};

/* 0, or -1 with a sentence: a secret that cannot be read, a program that is not there. Nothing is open then. */
int ways_open(const struct notify_config *config, struct ways *ret_ways, char *sentence, size_t size);
void ways_close(struct ways *ways);

#endif
