/* Publishes without a reply yet: see pending.h. */
#include "net/pending.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/limits.h"

#include "base/banned.h"

struct slot {
    struct peer to;
    uint64_t tag;
    uint32_t generation; /* odd while open; part of the ticket */
    uint32_t count, done;
    Handoff__V1__PublishResult *results; /* count of them */
    Handoff__V1__PublishResult **list;   /* pointers to them, as protobuf-c wants it */
    uint32_t next_free;
};

struct pending_pool {
    uint32_t first_free; /* NET_PENDING_PUBLISHES: none */
    uint32_t open;
    struct slot slots[NET_PENDING_PUBLISHES];
};

struct pending_pool *pending_new(void)
{
    struct pending_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) return NULL;
    for (uint32_t i = 0; i < NET_PENDING_PUBLISHES; i++)
        pool->slots[i].next_free = i + 1;
    return pool;
}

static bool is_open(const struct slot *slot) { return slot->generation % 2 == 1; }
static uint64_t ticket_of(const struct pending_pool *pool, const struct slot *slot)
{
    return (uint64_t)slot->generation << 32 | (uint64_t)(slot - pool->slots);
}

static struct slot *find(struct pending_pool *pool, uint64_t ticket)
{
    uint32_t at = (uint32_t)ticket;
    if (at >= NET_PENDING_PUBLISHES) return NULL;
    struct slot *slot = &pool->slots[at];
    return is_open(slot) && slot->generation == ticket >> 32 ? slot : NULL;
}

void pending_free(struct pending_pool *pool)
{
    if (pool == NULL) return;
    for (uint32_t i = 0; i < NET_PENDING_PUBLISHES; i++)
        if (is_open(&pool->slots[i])) pending_close(pool, ticket_of(pool, &pool->slots[i]));
    free(pool);
}

bool pending_is_full(const struct pending_pool *pool) { return pool->first_free == NET_PENDING_PUBLISHES; }
size_t pending_count(const struct pending_pool *pool) { return pool->open; }

uint64_t pending_open(struct pending_pool *pool, struct peer to, uint64_t tag, uint32_t count)
{
    assert(!pending_is_full(pool) && count >= 1);
    Handoff__V1__PublishResult *results = malloc(count * (sizeof *results + sizeof(Handoff__V1__PublishResult *)));
    if (results == NULL) return 0;
    struct slot *slot = &pool->slots[pool->first_free];
    pool->first_free = slot->next_free;
    pool->open++;
    slot->to = to;
    slot->tag = tag;
    slot->generation++;
    slot->count = count;
    slot->done = 0;
    slot->results = results;
    slot->list = (Handoff__V1__PublishResult **)(void *)(results + count);
    for (uint32_t i = 0; i < count; i++) {
        handoff__v1__publish_result__init(&results[i]);
        slot->list[i] = &results[i];
    }
    return ticket_of(pool, slot);
}

/* Most results say nothing in words: they share protobuf-c's empty string. */
static char *keep(const char *text)
{
    char *copy = text != NULL && text[0] != 0 ? strdup(text) : NULL;
    return copy != NULL ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}
static void drop(char *text)
{
    if (text != protobuf_c_empty_string) free(text);
}

bool pending_add(struct pending_pool *pool, uint64_t ticket, uint32_t position,
                 const Handoff__V1__PublishResult *result, struct pending_reply *ret_reply)
{
    struct slot *slot = find(pool, ticket);
    if (slot == NULL || position >= slot->count) return false;
    Handoff__V1__PublishResult *kept = &slot->results[position];
    assert(kept->code == HANDOFF__V1__CODE__CODE_UNSPECIFIED && result->code != HANDOFF__V1__CODE__CODE_UNSPECIFIED);
    kept->code = result->code;
    kept->sequence = result->sequence;
    kept->verdict = result->verdict;
    kept->sentence = keep(result->sentence);
    kept->field = keep(result->field);
    if (++slot->done < slot->count) return false;
    *ret_reply = (struct pending_reply){slot->to, slot->tag, HANDOFF__V1__PUBLISH_REPLY__INIT};
    ret_reply->reply.n_results = slot->count;
    ret_reply->reply.results = slot->list;
    return true;
}

void pending_close(struct pending_pool *pool, uint64_t ticket)
{
    struct slot *slot = find(pool, ticket);
    if (slot == NULL) return;
    for (uint32_t i = 0; i < slot->count; i++) {
        drop(slot->results[i].sentence);
        drop(slot->results[i].field);
    }
    free(slot->results);
    slot->results = NULL;
    slot->generation++;
    slot->next_free = pool->first_free;
    pool->first_free = (uint32_t)(slot - pool->slots);
    pool->open--;
}
