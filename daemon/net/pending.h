/* Publishes that have no reply yet. A ticket names one until its last result has come; then it is worthless, and a
 * later result with it is ignored. Bounded: pending_is_full, and the caller leaves requests where they are. */
#ifndef HANDOFF_NET_PENDING_H
#define HANDOFF_NET_PENDING_H

#include <stdbool.h>

#include "handoff/v1/api.pb-c.h"
#include "net/inbox.h"

struct pending_pool;

/* A publish whose results are all there. The reply points into it; pending_close ends both. */
struct pending_reply {
    struct peer to;
    uint64_t tag;
    Handoff__V1__PublishReply reply;
};

struct pending_pool *pending_new(void); /* NULL: out of memory */
void pending_free(struct pending_pool *pool);

bool pending_is_full(const struct pending_pool *pool);
/* count >= 1. 0: out of memory; else a ticket. The pool must not be full. */
uint64_t pending_open(struct pending_pool *pool, struct peer to, uint64_t tag, uint32_t count);
/* Keeps a copy of one result. True: it was the last one, and *ret_reply can be sent. */
bool pending_add(struct pending_pool *pool, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result,
                 struct pending_reply *ret_reply);
void pending_close(struct pending_pool *pool, uint64_t ticket);
size_t pending_count(const struct pending_pool *pool);

#endif
