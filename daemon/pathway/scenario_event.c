/* Events as a scenario writes them: fields by proto name, enum values without prefix, local times, dates. */
#include "pathway/scenario.h"

#include <stdio.h>
#include <string.h>
#include "core/message.h"
#include "pathway/words.h"

bool scenario_time(const char *text, const struct calendar *calendar, int64_t *ret_ms)
{
    unsigned year, month, day, hour, minute;
    char rest;
    if (!text || sscanf(text, "%4u-%2u-%2u %2u:%2u%c", &year, &month, &day, &hour, &minute, &rest) != 5) return false;
    uint32_t date = year * 10000 + month * 100 + day;
    if (!date_is_valid(date) || hour > 23 || minute > 59) return false;
    *ret_ms = calendar_instant(calendar, date_to_day(date), (int32_t)(hour * 60 + minute));
    return true;
}

struct filler {
    const struct calendar *calendar;
    struct arena *arena;
    struct yaml_errors *errors;
};

static void *fill_message(const struct filler *f, const ProtobufCMessageDescriptor *type, struct yaml_node map);

static bool read_number(const struct filler *f, const ProtobufCFieldDescriptor *field, struct yaml_node at,
                        int64_t *ret)
{
    const char *text = yaml_text(at);
    unsigned year, month, day;
    char rest;
    if (text && scenario_time(text, f->calendar, ret)) return true;
    if (text && sscanf(text, "%4u-%2u-%2u%c", &year, &month, &day, &rest) == 3) {
        *ret = year * 10000 + month * 100 + day;
        return true;
    }
    (void)field;
    return yaml_read_int(at, INT64_MIN / 2, INT64_MAX / 2, ret, f->errors);
}

static bool put_value(const struct filler *f, const ProtobufCFieldDescriptor *field, struct yaml_node at, void *member)
{
    int64_t number = 0;
    int value;
    bool flag;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (!yaml_text(at)) return false;
        *(char **)member = arena_string(f->arena, yaml_text(at));
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        if (!yaml_text(at) || !word_find(field->descriptor, WORD_UPPER, yaml_text(at), &value)) return false;
        *(int *)member = value;
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        if (!yaml_read_bool(at, &flag, f->errors)) return false;
        *(protobuf_c_boolean *)member = flag;
        return true;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
        if (!read_number(f, field, at, &number)) return false;
        *(uint32_t *)member = (uint32_t)number;
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
        if (!read_number(f, field, at, &number)) return false;
        *(int64_t *)member = number;
        return true;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (field->descriptor == &handoff__v1__count__descriptor) {
            Handoff__V1__Count *count = MESSAGE_NEW(f->arena, Handoff__V1__Count, count);
            if (!read_number(f, field, at, &number)) return false;
            count->value = (uint32_t)number;
            *(void **)member = count;
            return true;
        }
        *(void **)member = fill_message(f, field->descriptor, at);
        return true;
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return false;
    }
    return false;
}

static size_t value_bytes(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE) return sizeof(void *);
    return type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_UINT64 ? 8 : 4;
}

static bool put_list(const struct filler *f, const ProtobufCFieldDescriptor *field, struct yaml_node list,
                     char *message)
{
    size_t n = yaml_size(list), bytes = value_bytes(field->type);
    char *items = arena_alloc(f->arena, (n + 1) * bytes);
    for (size_t i = 0; i < n; i++)
        if (!put_value(f, field, yaml_item(list, i), items + i * bytes)) return false;
    memcpy(message + field->offset, &items, sizeof items);
    memcpy(message + field->quantifier_offset, &n, sizeof n);
    return true;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, const char *key)
{
    char timed[64];
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, key);
    if (field) return field;
    snprintf(timed, sizeof timed, "%s_ms", key);
    return protobuf_c_message_descriptor_get_field_by_name(type, timed);
}

static void *fill_message(const struct filler *f, const ProtobufCMessageDescriptor *type, struct yaml_node map)
{
    char *message = message_new(f->arena, type->sizeof_message, type);
    for (size_t i = 0; i < yaml_size(map); i++) {
        const char *key = yaml_text(yaml_key(map, i));
        const ProtobufCFieldDescriptor *field = find_field(type, key);
        if (!field) {
            yaml_error_add(f->errors, yaml_key(map, i), "%s has no field \"%s\"", type->short_name, key);
            continue;
        }
        bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool is_put = is_list ? put_list(f, field, yaml_value(map, i), message)
                              : put_value(f, field, yaml_value(map, i), message + field->offset);
        if (!is_put)
            yaml_error_add(f->errors, yaml_value(map, i), "this is no value for %s.%s", type->short_name, field->name);
    }
    return message;
}

Handoff__V1__Event *scenario_event(struct yaml_node step, const struct calendar *calendar, struct arena *arena,
                                   struct yaml_errors *errors)
{
    struct filler f = {calendar, arena, errors};
    const char *name = yaml_text(yaml_get(step, "event"));
    const struct event_kind *kind = name ? event_kind_by_name(name) : NULL;
    if (!kind) {
        yaml_error_add(errors, yaml_get(step, "event"), "there is no event \"%s\"", name ? name : "");
        return NULL;
    }
    Handoff__V1__Event *event = MESSAGE_NEW(arena, Handoff__V1__Event, event);
    event->body_case = kind->body;
    void *body = fill_message(&f, kind->message, yaml_get(step, "with"));
    memcpy(&event->referral_requested, &body, sizeof body); /* every member of the union is such a pointer */
    return event;
}
