/* Requests checked on the wire, then unpacked: see request.h. */
#include "net/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/wire.h"
#include "net/limits.h"

#include "base/banned.h"

enum { REQUEST_PUBLISH = 2, PUBLISH_EVENTS = 1 }; /* handoff/v1/api.proto */

static int refuse(struct request_fault *fault, Handoff__V1__Code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int refuse(struct request_fault *fault, Handoff__V1__Code code, const char *field, const char *format, ...)
{
    va_list arguments;
    fault->code = code;
    fault->field = field;
    va_start(arguments, format);
    vsnprintf(fault->sentence, sizeof fault->sentence, format, arguments);
    va_end(arguments);
    return -1;
}

uint64_t request_tag(struct bytes payload)
{
    struct wire_field f;
    while (payload.len > 0 && wire_take_field(&payload, &f))
        if (f.number == 1 && f.wire == WIRE_VARINT) return f.value;
    return 0;
}

bool request_first_event(struct bytes payload, struct bytes *ret_event)
{
    struct wire_field body, first;
    while (payload.len > 0 && wire_take_field(&payload, &body))
        if (body.number == REQUEST_PUBLISH && body.wire == WIRE_BYTES) {
            if (!wire_take_field(&body.bytes, &first) || first.number != PUBLISH_EVENTS || first.wire != WIRE_BYTES)
                return false;
            *ret_event = first.bytes;
            return true;
        }
    return false;
}

/* Length of the sequence that begins here, 0: none that UTF-8 allows (no surrogates, no overlong, no NUL). */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    if (at[0] == 0) return 0;
    if (at[0] < 0x80) return 1;
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || len > left) return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f)) return 0;
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)) return 0;
    return len;
}

static bool is_text(struct bytes text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length(text.data + i, text.len - i);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

static bool is_id_field(const char *name)
{
    size_t len = strlen(name);
    return strcmp(name, "site") == 0 || (len > 3 && strcmp(name + len - 3, "_id") == 0);
}

static int check_string(const ProtobufCFieldDescriptor *d, struct bytes text, struct request_fault *fault)
{
    if (is_id_field(d->name) && text.len > LIMIT_ID_BYTES)
        return refuse(fault, HANDOFF__V1__CODE__CODE_BAD_ID, d->name, "%s is longer than %d bytes", d->name,
                      LIMIT_ID_BYTES);
    if (text.len > LIMIT_TEXT_BYTES)
        return refuse(fault, HANDOFF__V1__CODE__CODE_BAD_TEXT, d->name, "%s is longer than %d bytes", d->name,
                      LIMIT_TEXT_BYTES);
    if (!is_text(text))
        return refuse(fault, HANDOFF__V1__CODE__CODE_BAD_TEXT, d->name, "%s is not UTF-8 without NUL", d->name);
    return 0;
}

static int check_value(const ProtobufCFieldDescriptor *d, uint64_t value, struct request_fault *fault)
{
    const ProtobufCEnumDescriptor *values = d->descriptor;
    if (value <= INT32_MAX && protobuf_c_enum_descriptor_get_value(values, (int)value)) return 0;
    return refuse(fault, HANDOFF__V1__CODE__CODE_UNKNOWN_VALUE, d->name, "%s has a value that %s does not know",
                  d->name, values->short_name);
}

/* A list of them may come in one piece. */
static int check_enum(const ProtobufCFieldDescriptor *d, const struct wire_field *f, struct request_fault *fault)
{
    struct bytes rest = f->bytes;
    uint64_t value;
    if (f->wire == WIRE_VARINT) return check_value(d, f->value, fault);
    if (f->wire != WIRE_BYTES || d->label != PROTOBUF_C_LABEL_REPEATED) return check_value(d, UINT64_MAX, fault);
    while (rest.len > 0) {
        if (!wire_take_varint(&rest, &value)) value = UINT64_MAX;
        if (check_value(d, value, fault) != 0) return -1;
    }
    return 0;
}

static int check_body(const ProtobufCMessageDescriptor *message, struct bytes body, struct request_fault *fault);

/* No message of the schema holds itself, so this goes only as deep as the schema. */
static int check_message(const ProtobufCFieldDescriptor *d, const struct wire_field *f, struct request_fault *fault)
{
    if (f->wire != WIRE_BYTES)
        return refuse(fault, HANDOFF__V1__CODE__CODE_MALFORMED, d->name, "%s is not a message", d->name);
    return check_body(d->descriptor, f->bytes, fault);
}

static int check_body_field(const ProtobufCMessageDescriptor *message, const struct wire_field *f,
                            struct request_fault *fault)
{
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(message, f->number);
    if (d == NULL) return 0; /* of a later version: ignored, as protobuf has it */
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) return check_message(d, f, fault);
    if (d->type == PROTOBUF_C_TYPE_ENUM) return check_enum(d, f, fault);
    if (d->type == PROTOBUF_C_TYPE_STRING && f->wire == WIRE_BYTES) return check_string(d, f->bytes, fault);
    return 0;
}

/* Elements of one list are counted where each costs much more than it has bytes. */
static int count_element(const ProtobufCMessageDescriptor *message, const struct wire_field *f, uint32_t *count,
                         struct request_fault *fault)
{
    bool is_publish = message == &handoff__v1__publish_request__descriptor && f->number == 1;
    if (++*count <= LIMIT_PUBLISH_EVENTS || (!is_publish && *count <= NET_REQUEST_ELEMENTS)) return 0;
    if (!is_publish)
        return refuse(fault, HANDOFF__V1__CODE__CODE_TOO_MANY, NULL, "the request has more than %d elements",
                      NET_REQUEST_ELEMENTS);
    return refuse(fault, HANDOFF__V1__CODE__CODE_TOO_MANY, "publish.events", "publish.events has more than %d events",
                  LIMIT_PUBLISH_EVENTS);
}

static int check_body(const ProtobufCMessageDescriptor *message, struct bytes body, struct request_fault *fault)
{
    uint32_t count = 0;
    struct wire_field f;
    while (body.len > 0) {
        if (!wire_take_field(&body, &f))
            return refuse(fault, HANDOFF__V1__CODE__CODE_MALFORMED, NULL, "the request's body is not protobuf");
        if (count_element(message, &f, &count, fault) != 0 || check_body_field(message, &f, fault) != 0) return -1;
    }
    return 0;
}

static int check(struct bytes payload, struct request_fault *fault)
{
    uint32_t bodies = 0;
    struct wire_field f;
    while (payload.len > 0) {
        if (!wire_take_field(&payload, &f))
            return refuse(fault, HANDOFF__V1__CODE__CODE_MALFORMED, NULL, "the payload is not a protobuf Request");
        const ProtobufCFieldDescriptor *d =
            protobuf_c_message_descriptor_get_field(&handoff__v1__request__descriptor, f.number);
        if (d == NULL || d->type != PROTOBUF_C_TYPE_MESSAGE) continue;
        if (f.wire != WIRE_BYTES || ++bodies > 1)
            return refuse(fault, HANDOFF__V1__CODE__CODE_MALFORMED, NULL, "a Request has one body");
        if (check_body(d->descriptor, f.bytes, fault) != 0) return -1;
    }
    if (bodies == 0)
        return refuse(fault, HANDOFF__V1__CODE__CODE_UNKNOWN_REQUEST, NULL,
                      "the request has no body, or one that this daemon does not know");
    return 0;
}

int request_read(struct bytes payload, struct arena *arena, Handoff__V1__Request **ret_request,
                 struct request_fault *ret_fault)
{
    if (payload.len > LIMIT_PUBLISH_BYTES)
        return refuse(ret_fault, HANDOFF__V1__CODE__CODE_TOO_LARGE, NULL, "the request is larger than %d bytes",
                      LIMIT_PUBLISH_BYTES);
    if (check(payload, ret_fault) != 0) return -1;
    Handoff__V1__Request *request = handoff__v1__request__unpack(arena_protobuf(arena), payload.len, payload.data);
    if (request == NULL)
        return refuse(ret_fault, HANDOFF__V1__CODE__CODE_MALFORMED, NULL, "the payload is not a protobuf Request");
    *ret_request = request;
    return 0;
}
