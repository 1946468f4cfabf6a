/* Hash tables with open places, a power of two, at most half full. See chain.h. */
#include "engine/chain.h"

#include <stdlib.h>
#include "base/limits.h"
#include "engine/subject.h"

enum { CHAINS = 64, PLACES_MIN = 256 };

struct place {
    uint64_t hash, sequence; /* 0: free */
};

struct chain {
    struct patient_key key;
    uint64_t newest; /* 0: nothing of it is here */
    uint64_t walks;  /* so many steps are to be walked before it is tried again; with no newest either: nobody's */
    uint64_t asked;
    struct place *places;
    uint32_t count, mask;
    struct chains *all; /* whose memory it shares */
};

struct chains {
    uint64_t asked;
    size_t places; /* of all of them */
    struct chain all[CHAINS];
};

struct chains *chains_new(void)
{
    return calloc(1, sizeof(struct chains));
}

static size_t places_of(const struct chain *c)
{
    return c->places ? (size_t)c->mask + 1 : 0;
}

void chain_forget(struct chain *c)
{
    if (c->all) c->all->places -= places_of(c);
    free(c->places);
    *c = (struct chain){0};
}

void chain_give_up(struct chain *c)
{
    struct chain walked = {.key = c->key, .asked = c->asked, .walks = c->count + UINT64_C(1), .all = c->all};
    chain_forget(c);
    *c = walked;
}

void chain_walked(struct chain *c, uint64_t steps)
{
    if (c->newest) return;
    if (steps < c->walks)
        c->walks -= steps;
    else
        chain_forget(c);
}

void chains_forget(struct chains *c)
{
    for (int i = 0; i < CHAINS; i++) chain_forget(&c->all[i]);
}

void chains_free(struct chains *c)
{
    if (!c) return;
    chains_forget(c);
    free(c);
}

struct chain *chains_find(struct chains *c, const struct patient_key *key)
{
    for (int i = 0; i < CHAINS; i++) {
        struct chain *chain = &c->all[i];
        if ((!chain->newest && !chain->walks) || !key_equals(&chain->key, key)) continue;
        chain->asked = ++c->asked;
        return chain;
    }
    return NULL;
}

struct chain *chains_begin(struct chains *c, const struct patient_key *key)
{
    struct chain *oldest = &c->all[0];
    for (int i = 1; i < CHAINS; i++)
        if (c->all[i].asked < oldest->asked) oldest = &c->all[i];
    chain_forget(oldest);
    oldest->all = c;
    oldest->key = *key;
    oldest->asked = ++c->asked;
    return oldest;
}

uint64_t chain_newest(const struct chain *c)
{
    return c->newest;
}

void chain_reach(struct chain *c, uint64_t sequence)
{
    c->newest = sequence;
}

static void put(struct place *places, uint32_t mask, uint64_t hash, uint64_t sequence)
{
    uint32_t at = (uint32_t)hash & mask;
    while (places[at].sequence) at = (at + 1) & mask; /* half of them are free */
    places[at] = (struct place){hash, sequence};
}

/* The others give way, in the order in which they were last asked for. */
static void make_room(struct chain *c, size_t count)
{
    struct chains *all = c->all;
    while (all->places - places_of(c) + count > LIMIT_CHAIN_PLACES) {
        struct chain *oldest = NULL;
        for (struct chain *other = all->all; other < all->all + CHAINS; other++)
            if (other != c && other->places && (!oldest || other->asked < oldest->asked)) oldest = other;
        if (!oldest) return;
        chain_give_up(oldest);
    }
}

static bool grow(struct chain *c)
{
    uint32_t count = c->places ? 2 * (c->mask + 1) : PLACES_MIN;
    make_room(c, count);
    struct place *places = calloc(count, sizeof *places);
    if (!places) return false;
    for (uint32_t i = 0; c->places && i <= c->mask; i++)
        if (c->places[i].sequence) put(places, count - 1, c->places[i].hash, c->places[i].sequence);
    c->all->places += count - places_of(c);
    free(c->places);
    c->places = places;
    c->mask = count - 1;
    return true;
}

bool chain_add(struct chain *c, uint64_t hash, uint64_t sequence)
{
    if (c->count >= LIMIT_CHAIN_EVENTS) return false;
    if ((!c->places || 2 * c->count > c->mask) && !grow(c)) return false;
    put(c->places, c->mask, hash, sequence);
    c->count++;
    return true;
}

uint64_t chain_next(const struct chain *c, uint64_t hash, uint32_t *at)
{
    for (; c->places && *at <= c->mask; ++*at) {
        const struct place *p = &c->places[((uint32_t)hash + *at) & c->mask];
        if (!p->sequence) return 0;
        if (p->hash != hash) continue;
        ++*at;
        return p->sequence;
    }
    return 0;
}
