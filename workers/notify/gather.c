/* See gather.h. Neighbours: lane.c fills it, courier.c says what goes together. */
#include "notify/gather.h"

#include <stdlib.h>
#include <string.h>

struct item {
    char *key;
    Handoff__V1__Delivery *delivery;
};
struct gather {
    struct item items[GATHER_MOST];
    size_t count;
    int64_t quiet_ms, longest_ms;
    int64_t first_ms, last_ms;
};

struct gather *gather_new(int64_t quiet_ms, int64_t longest_ms)
{
    struct gather *gather = calloc(1, sizeof *gather);
    if (!gather) return NULL;
    gather->quiet_ms = quiet_ms;
    gather->longest_ms = longest_ms;
    return gather;
}

void gather_free(struct gather **gather)
{
    if (!gather || !*gather) return;
    for (size_t i = 0; i < (*gather)->count; i++) {
        free((*gather)->items[i].key);
        handoff__v1__delivery__free_unpacked((*gather)->items[i].delivery, NULL);
    }
    free(*gather);
    *gather = NULL;
}

bool gather_add(struct gather *gather, const char *key, Handoff__V1__Delivery **delivery, int64_t now_ms)
{
    char *copy = gather->count < GATHER_MOST ? strdup(key) : NULL;
    if (!copy) return false;
    if (gather->count == 0) gather->first_ms = now_ms;
    gather->last_ms = now_ms;
    gather->items[gather->count++] = (struct item){copy, *delivery};
    *delivery = NULL;
    return true;
}

size_t gather_count(const struct gather *gather)
{
    return gather->count;
}

int64_t gather_due_ms(const struct gather *gather)
{
    if (gather->count == 0) return INT64_MAX;
    if (gather->count == GATHER_MOST) return gather->first_ms;
    int64_t quiet_ms = gather->last_ms + gather->quiet_ms, longest_ms = gather->first_ms + gather->longest_ms;
    return quiet_ms < longest_ms ? quiet_ms : longest_ms;
}

size_t gather_take(struct gather *gather, Handoff__V1__Delivery **members, size_t most)
{
    if (gather->count == 0) return 0;
    char *key = gather->items[0].key;
    size_t taken = 0, kept = 0;
    for (size_t i = 0; i < gather->count; i++) {
        struct item item = gather->items[i];
        if (taken < most && strcmp(item.key, key) == 0) {
            members[taken++] = item.delivery;
            if (item.key != key) free(item.key);
        } else {
            gather->items[kept++] = item;
        }
    }
    free(key);
    gather->count = kept;
    return taken;
}

uint64_t gather_number(const struct gather *gather, size_t i)
{
    return gather->items[i].delivery->number;
}
