/* Deep copies of stored messages: see stored.h. Lists and messages alone are followed; the rest comes with the struct. */
#include "base/stored.h"

#include <stdlib.h>

#include "base/stored_plan.h"

static void *copy_message(const struct plan *plan, const void *message, struct arena *arena)
{
    uint8_t *copy = arena_copy(arena, message, plan->descriptor->sizeof_message);
    for (uint32_t i = 0; i < plan->link_count; i++) {
        const struct part *p = plan->links[i];
        size_t count = count_at(p, copy);
        void **list = list_at(p, copy);
        if (!count) continue;
        if (is_list(p)) *(void **)(void *)(copy + p->value_at) = list = arena_copy(arena, list, count * p->element_bytes);
        for (size_t k = 0; p->plan && k < count; k++) list[k] = copy_message(p->plan, list[k], arena);
    }
    return copy;
}

static void *copy_whole(const struct whole *w, const ProtobufCMessage *message, struct arena *arena)
{
    uint8_t *copy = arena_copy(arena, message, w->bytes);
    for (uint32_t i = 0; i < w->pointer_count; i++) {
        uint8_t *at = copy + w->pointers_at[i];
        store_u64(at, (uintptr_t)copy + (load_u64(at) - (uintptr_t)message));
    }
    return copy;
}

void *stored_copy(const ProtobufCMessage *message, struct arena *arena)
{
    const struct whole *whole = whole_of(message);
    if (whole) return copy_whole(whole, message, arena);
    const struct plan *plan = stored_plan(message->descriptor);
    if (!plan) abort(); /* a schema that plans are not for: tests/unit/stored_test.c */
    return copy_message(plan, message, arena);
}
