/* Arbitrary bytes as a request of the front socket: refused with a code and a sentence, or what every field of the schema
 * allows, however deep: no text that is none, no value that an enum does not know. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/utf8.h"
#include "net/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const ProtobufCMessage *message);

static void check_one(const ProtobufCFieldDescriptor *d, const void *value)
{
    if (d->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(char *const *)value;
        size_t len = text != NULL ? strlen(text) : 0;
        if (len > LIMIT_TEXT_BYTES || (len > 0 && utf8_check((struct bytes){(const uint8_t *)text, len}) != UTF8_OK)) abort();
    }
    if (d->type == PROTOBUF_C_TYPE_ENUM && protobuf_c_enum_descriptor_get_value(d->descriptor, *(const int *)value) == NULL) abort();
    if (d->type == PROTOBUF_C_TYPE_MESSAGE && *(const ProtobufCMessage *const *)value != NULL)
        check_message(*(const ProtobufCMessage *const *)value);
}

static size_t size_of(const ProtobufCFieldDescriptor *d) { return d->type == PROTOBUF_C_TYPE_ENUM ? sizeof(int) : sizeof(void *); }

static const void *at(const void *base, size_t offset) { return (const uint8_t *)base + offset; }

static void check_message(const ProtobufCMessage *message)
{
    const void *base = message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *d = &message->descriptor->fields[i];
        bool is_of_oneof = d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
        bool is_checked = d->type == PROTOBUF_C_TYPE_STRING || d->type == PROTOBUF_C_TYPE_ENUM || d->type == PROTOBUF_C_TYPE_MESSAGE;
        if (!is_checked || (is_of_oneof && *(const uint32_t *)at(base, d->quantifier_offset) != d->id)) continue;
        if (d->label != PROTOBUF_C_LABEL_REPEATED) {
            check_one(d, at(base, d->offset));
            continue;
        }
        size_t count = *(const size_t *)at(base, d->quantifier_offset);
        const void *elements = *(const void *const *)at(base, d->offset);
        for (size_t k = 0; k < count; k++)
            check_one(d, at(elements, k * size_of(d)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    Handoff__V1__Request *request;
    struct request_fault fault = {0};
    if (arena == NULL) arena = arena_new(LIMIT_ARENA_BYTES);
    arena_reset(arena);
    request_tag((struct bytes){data, size});
    if (request_read((struct bytes){data, size}, arena, &request, &fault) == 0)
        check_message(&request->base);
    else if (fault.sentence[0] == 0 || fault.code == HANDOFF__V1__CODE__CODE_UNSPECIFIED)
        abort();
    return 0;
}
