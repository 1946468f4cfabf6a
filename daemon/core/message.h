/* Protobuf messages in an arena: deep copies and lists that grow. */
#ifndef HANDOFF_CORE_MESSAGE_H
#define HANDOFF_CORE_MESSAGE_H

#include <stdbool.h>
#include "base/arena.h"

/* A copy that shares nothing with the original but static data (strings and bytes are shared: they are never
 * written to, and both live as long as the batch). */
void *message_copy(const void *message, struct arena *arena);

/* The same type and the same content, at every depth. NULL equals nothing but NULL. */
bool message_equal(const void *a, const void *b);
/* One field of two messages of the same type. */
bool message_field_equal(const void *a, const void *b, const ProtobufCFieldDescriptor *field);
/* Gives a message another's value of a field; what is pointed at is shared. */
void message_field_copy(void *to, const void *from, const ProtobufCFieldDescriptor *field);
/* Of one element of a repeated field, or of a single one, as it lies in memory. */
size_t message_element_bytes(const ProtobufCFieldDescriptor *field);
bool message_element_equal(const void *a, const void *b, const ProtobufCFieldDescriptor *field);

/* Where a field of a message is; its C type is for the caller to know. */
static inline const void *field_at(const void *message, const ProtobufCFieldDescriptor *field)
{
    return (const char *)message + field->offset;
}

/* Appends to a repeated field: the array is replaced by a longer one, so shared arrays stay as they are. */
void list_append(struct arena *arena, void *array_of_pointers, size_t *count, void *item);
/* Puts one at a position, the others move back. */
void list_insert(struct arena *arena, void *array_of_pointers, size_t *count, size_t position, void *item);
/* Removes one; the array must be the record's own. */
void list_remove(void *array_of_pointers, size_t *count, size_t position);

#define MESSAGE_NEW(arena, Type, init) ((Type *)message_new((arena), sizeof(Type), &handoff__v1__##init##__descriptor))
void *message_new(struct arena *arena, size_t bytes, const ProtobufCMessageDescriptor *descriptor);

#endif
