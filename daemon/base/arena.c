/* The arena: one mapping, one offset.
 *
 * The mapping is reserved with MAP_NORESERVE, so capacity costs address space only; pages are paid for when
 * they are first written. A reset keeps them, because the next batch is about as large as this one, and so
 * memory handed out again is dirty: zeroing happens when allocating, once, on bytes the caller is about to
 * write anyway. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <assert.h>
#include <sys/mman.h>

enum { ARENA_ALIGNMENT = 16 };

struct arena {
    uint8_t *base;
    size_t capacity, used; /* used is always a multiple of the alignment */
    ProtobufCAllocator protobuf;
};

static_assert(alignof(max_align_t) <= ARENA_ALIGNMENT, "an arena serves any type");

/* Room for `bytes`, not zeroed; NULL when it does not fit. Written so that no sum can overflow. */
void *arena_room(struct arena *arena, size_t bytes)
{
    size_t left = arena->capacity - arena->used;
    if (bytes > left) return NULL;
    size_t padding = -bytes & (ARENA_ALIGNMENT - 1);
    if (padding > left - bytes) return NULL;
    void *at = arena->base + arena->used;
    arena->used += bytes + padding;
    return at;
}

static void *protobuf_alloc(void *data, size_t bytes)
{
    return arena_room(data, bytes); /* protobuf-c initialises what it allocates */
}

static void protobuf_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

struct arena *arena_new(size_t capacity_bytes)
{
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena) return NULL;
    arena->capacity = capacity_bytes & ~(size_t)(ARENA_ALIGNMENT - 1);
    arena->base = mmap(NULL, arena->capacity, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena->base == MAP_FAILED) {
        free(arena);
        return NULL;
    }
    arena->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, arena};
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena) return;
    munmap(arena->base, arena->capacity);
    free(arena);
}

void *arena_try_alloc(struct arena *arena, size_t bytes)
{
    void *at = arena_room(arena, bytes);
    if (at) memset(at, 0, bytes);
    return at;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    void *at = arena_try_alloc(arena, bytes);
    if (!at) abort();
    return at;
}

void *arena_copy(struct arena *arena, const void *from, size_t bytes)
{
    void *at = arena_room(arena, bytes);
    if (!at) abort();
    if (bytes) memcpy(at, from, bytes);
    return at;
}

char *arena_string(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text) + 1);
}

size_t arena_left(const struct arena *arena)
{
    return arena->capacity - arena->used;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

void arena_rewind(struct arena *arena, size_t mark)
{
    assert(mark <= arena->used && mark % ARENA_ALIGNMENT == 0);
    arena->used = mark;
}

void arena_reset(struct arena *arena)
{
    arena->used = 0;
}

ProtobufCAllocator *arena_protobuf(struct arena *arena)
{
    return &arena->protobuf;
}
