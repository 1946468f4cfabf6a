/* Tables from descriptors: which check a field gets follows from its type and its name. */
#include "engine/intake_tables.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/intake.h"

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) return true;
    }
    return false;
}

static enum check check_of_text(const char *name)
{
    static const char *const ids[] = {"id", "source", "site", "retracted_source", NULL};
    return ends_with(name, "_id") || is_one_of(name, ids) ? CHECK_ID : CHECK_TEXT;
}

static enum check check_of_number(const char *name, enum check otherwise)
{
    static const char *const dates[] = {"treatment_from", "treatment_to", NULL};
    static const char *const minutes[] = {"earliest_minute", "latest_minute", NULL};
    if (strcmp(name, "occurred_at_ms") == 0) return CHECK_OCCURRED;
    if (ends_with(name, "_at_ms")) return CHECK_TIME;
    if (strcmp(name, "birth_date") == 0) return CHECK_BORN;
    if (is_one_of(name, dates) || ends_with(name, "_date")) return CHECK_DATE;
    return is_one_of(name, minutes) ? CHECK_MINUTE : otherwise;
}

/* Every type that the schema of events uses; another one does not start. */
static enum check check_of(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return check_of_text(f->name);
    case PROTOBUF_C_TYPE_ENUM:
        return CHECK_ENUM;
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return check_of_number(f->name, CHECK_NUMBER);
    case PROTOBUF_C_TYPE_UINT32:
        return check_of_number(f->name, CHECK_NUMBER_32);
    case PROTOBUF_C_TYPE_MESSAGE:
        return CHECK_MESSAGE;
    default:
        abort();
    }
}

static uint64_t values_of(const ProtobufCEnumDescriptor *e)
{
    uint64_t values = 0;
    for (unsigned i = 0; i < e->n_values; i++) {
        assert(e->values[i].value >= 0 && e->values[i].value < 64);
        values |= UINT64_C(1) << e->values[i].value;
    }
    return values;
}

static const struct shape *shape_of(struct intake *in, const ProtobufCMessageDescriptor *message);

static void fill_field(struct intake *in, struct field *field, const ProtobufCFieldDescriptor *f, unsigned position)
{
    *field = (struct field){
        .check = (uint8_t)check_of(f),
        .position = (uint8_t)position,
        .is_repeated = f->label == PROTOBUF_C_LABEL_REPEATED,
        .is_body = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0,
        .name = f->name,
    };
    if (field->check == CHECK_ENUM) field->values = values_of(f->descriptor);
    if (field->check == CHECK_MESSAGE) field->shape = shape_of(in, f->descriptor);
}

static const struct shape *shape_of(struct intake *in, const ProtobufCMessageDescriptor *message)
{
    for (uint32_t i = 0; i < in->shape_count; i++) {
        if (in->shapes[i].message == message) return &in->shapes[i];
    }
    assert(in->shape_count < SHAPES_MAX && message->n_fields <= 128);
    struct shape *shape = &in->shapes[in->shape_count++];
    shape->message = message;
    for (unsigned i = 0; i < message->n_fields; i++) {
        if (message->fields[i].id > shape->tag_max) shape->tag_max = message->fields[i].id;
    }
    assert(shape->tag_max < TAG_MAX);
    shape->fields = calloc(shape->tag_max + 1, sizeof *shape->fields);
    if (!shape->fields) abort();
    for (unsigned i = 0; i < message->n_fields; i++)
        fill_field(in, &shape->fields[message->fields[i].id], &message->fields[i], i);
    return shape;
}

static void require(struct intake *in, const struct event_kind *kind, const char *name)
{
    uint32_t *count = &in->bodies[kind->body].required_count;
    struct required r = {protobuf_c_message_descriptor_get_field_by_name(kind->message, name), false};
    if (!r.field) {
        r.field = protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__event__descriptor, name);
        r.is_of_event = true;
    }
    assert(r.field && *count < REQUIRED_MAX);
    in->bodies[kind->body].required[(*count)++] = r;
}

static void fill_bodies(struct intake *in)
{
    for (size_t i = 0; i < event_kind_count; i++) {
        const struct event_kind *kind = &event_kinds[i];
        assert((unsigned)kind->body < TAG_MAX);
        in->bodies[kind->body].kind = kind;
        char names[256], *rest = NULL;
        snprintf(names, sizeof names, "%s", kind->required);
        for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
            require(in, kind, name);
    }
}

struct intake *intake_new(void)
{
    struct intake *in = calloc(1, sizeof *in);
    if (!in) return NULL;
    in->event = shape_of(in, &handoff__v1__event__descriptor);
    fill_bodies(in);
    return in;
}

void intake_free(struct intake *in)
{
    if (!in) return;
    for (uint32_t i = 0; i < in->shape_count; i++) free(in->shapes[i].fields);
    free(in);
}
