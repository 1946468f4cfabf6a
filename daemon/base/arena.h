/* One arena a batch: allocation is a bump of a pointer, release is a reset of all of it.
 *
 * An arena reserves its whole capacity at start (address space, not memory), so a pointer stays valid
 * until the reset. Allocation inside the capacity cannot fail; whoever hands an arena to `core` makes
 * sure beforehand that ARENA_STEP_BYTES are left (see limits.h), and running out is a defect of ours:
 * it aborts. Unpacking bytes from the wire goes through arena_protobuf(), which returns NULL instead. */
#ifndef HANDOFF_BASE_ARENA_H
#define HANDOFF_BASE_ARENA_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

struct arena;

/* Reserves capacity_bytes of address space. NULL when the system refuses. */
struct arena *arena_new(size_t capacity_bytes);
void arena_free(struct arena *arena);

/* Zeroed, aligned to 16 bytes. Aborts when the capacity is exceeded. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* The same, but NULL when it does not fit. */
void *arena_try_alloc(struct arena *arena, size_t bytes);
/* The same, not zeroed: for who writes all of it. */
void *arena_room(struct arena *arena, size_t bytes);
void *arena_copy(struct arena *arena, const void *from, size_t bytes);
char *arena_string(struct arena *arena, const char *text);

size_t arena_left(const struct arena *arena);
size_t arena_used(const struct arena *arena);
/* Forgets everything allocated since the mark (a value of arena_used), in O(1) and without touching pages. */
void arena_rewind(struct arena *arena, size_t mark);
void arena_reset(struct arena *arena);

/* For protobuf_c_message_unpack and friends; free is a no-op, alloc returns NULL when full. */
ProtobufCAllocator *arena_protobuf(struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *)arena_alloc((arena), (n) * sizeof(type)))

#endif
