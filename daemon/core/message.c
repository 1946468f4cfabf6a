/* See message.h. Works from protobuf-c's descriptors, so that a new field needs nothing here. */
#include "core/message.h"

#include <string.h>

#include "base/stored.h"

static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_SINT32: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_ENUM: return 4;
    case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SINT64: case PROTOBUF_C_TYPE_SFIXED64: case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: case PROTOBUF_C_TYPE_DOUBLE: return 8;
    case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING: case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    }
    return 0;
}

static const void *quantifier_at(const void *message, const ProtobufCFieldDescriptor *field)
{
    return (const char *)message + field->quantifier_offset;
}

static bool is_other_oneof_member(const void *message, const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
           *(const uint32_t *)quantifier_at(message, field) != field->id;
}

void *message_copy(const void *message, struct arena *arena) { return stored_copy(message, arena); }

/* --- comparing ------------------------------------------------------------------------------------------------ */
size_t message_element_bytes(const ProtobufCFieldDescriptor *field) { return element_bytes(field->type); }

bool message_element_equal(const void *a, const void *b, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return message_equal(*(const void *const *)a, *(const void *const *)b);
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *x = a, *y = b;
        return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
    }
    return memcmp(a, b, element_bytes(field->type)) == 0;
}

bool message_field_equal(const void *a, const void *b, const ProtobufCFieldDescriptor *field)
{
    const char *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        bool is_other = is_other_oneof_member(a, field);
        if (is_other != is_other_oneof_member(b, field)) return false;
        return is_other || message_element_equal(x, y, field);
    }
    size_t count = *(const size_t *)quantifier_at(a, field), bytes = element_bytes(field->type);
    if (count != *(const size_t *)quantifier_at(b, field)) return false;
    const char *of_x = *(const char *const *)(const void *)x, *of_y = *(const char *const *)(const void *)y;
    for (size_t i = 0; i < count; i++)
        if (!message_element_equal(of_x + i * bytes, of_y + i * bytes, field)) return false;
    return true;
}

bool message_equal(const void *a, const void *b)
{
    if (!a || !b) return a == b;
    const ProtobufCMessageDescriptor *d = ((const ProtobufCMessage *)a)->descriptor;
    if (d != ((const ProtobufCMessage *)b)->descriptor) return false;
    for (unsigned i = 0; i < d->n_fields; i++)
        if (!message_field_equal(a, b, &d->fields[i])) return false;
    return true;
}

void message_field_copy(void *to, const void *from, const ProtobufCFieldDescriptor *field)
{
    bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
    memcpy((char *)to + field->offset, field_at(from, field), is_list ? sizeof(void *) : element_bytes(field->type));
    if (is_list) memcpy((char *)to + field->quantifier_offset, quantifier_at(from, field), sizeof(size_t));
}

/* --- lists ---------------------------------------------------------------------------------------------------- */
void list_insert(struct arena *arena, void *array_of_pointers, size_t *count, size_t position, void *item)
{
    list_append(arena, array_of_pointers, count, item);
    void **array = *(void ***)array_of_pointers;
    memmove(array + position + 1, array + position, (*count - 1 - position) * sizeof(void *));
    array[position] = item;
}

void list_append(struct arena *arena, void *array_of_pointers, size_t *count, void *item)
{
    void ***array = array_of_pointers;
    void **longer = ARENA_ARRAY(arena, void *, *count + 1);
    if (*count) memcpy(longer, *array, *count * sizeof(void *));
    longer[(*count)++] = item;
    *array = longer;
}

void list_remove(void *array_of_pointers, size_t *count, size_t position)
{
    void **array = *(void ***)array_of_pointers;
    memmove(array + position, array + position + 1, (*count - position - 1) * sizeof(void *));
    (*count)--;
}

void *message_new(struct arena *arena, size_t bytes, const ProtobufCMessageDescriptor *descriptor)
{
    void *message = arena_alloc(arena, bytes);
    descriptor->message_init(message);
    return message;
}
