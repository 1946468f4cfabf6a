/* Flags made from descriptors, so that every event type, and each one to come, can be published by hand.
 * Neighbours: value.c turns texts into fields; publish.c gives the options to argp. */
#include "flags.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dash(const char *name, char *to, size_t size)
{
    snprintf(to, size, "%s", name);
    for (char *at = to; *at; at++) {
        if (*at == '_') *at = '-';
    }
}

static bool has_field(const ProtobufCMessageDescriptor *descriptor, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(descriptor, name) != NULL;
}

void field_flag_name(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
                     char *name, size_t size)
{
    char plain[FLAG_NAME_BYTES];
    snprintf(plain, sizeof plain, "%s", field->name);
    size_t len = strlen(plain);
    if (ends_with(plain, "_at_ms")) {
        plain[len - 3] = 0;
    } else if (ends_with(plain, "_id")) {
        plain[len - 3] = 0;
        if (has_field(descriptor, plain)) plain[len - 3] = '_'; /* referrer and referrer_id */
    } else if (strncmp(plain, "is_", 3) == 0) {
        memmove(plain, plain + 3, len - 2);
    } else if (field->label == PROTOBUF_C_LABEL_REPEATED && ends_with(plain, "s")) {
        plain[len - (ends_with(plain, "sses") ? 2 : 1)] = 0; /* given once an element: recipient, address */
    }
    dash(plain, name, size);
}

/* --- help
 * -------------------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void append(char *to, size_t size, const char *format, ...)
{
    size_t len = strlen(to);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to + len, size - len, format, arguments);
    va_end(arguments);
}

static void append_enum_words(const ProtobufCEnumDescriptor *values, char *to, size_t size)
{
    const char *between = "";
    for (unsigned i = 0; i < values->n_values; i++) {
        char word[64];
        if (values->values[i].value == 0) continue;
        handoff_enum_word(values, values->values[i].value, word, sizeof word);
        append(to, size, "%s%s", between, word);
        between = ", ";
    }
}

static bool is_count(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE && field->descriptor == &handoff__v1__count__descriptor;
}

static void describe_parts(const ProtobufCMessageDescriptor *descriptor, char *to, size_t size)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *part = &descriptor->fields[i];
        char name[FLAG_NAME_BYTES];
        field_flag_name(descriptor, part, name, sizeof name);
        append(to, size, "%s%s", i ? "; " : "key=value,... of ", name);
        if (part->type == PROTOBUF_C_TYPE_ENUM) {
            append(to, size, " (");
            append_enum_words(part->descriptor, to, size);
            append(to, size, ")");
        }
    }
}

static const char *argument_of(const ProtobufCFieldDescriptor *field)
{
    if (is_count(field)) return "N";
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) return "KEY=VALUE,...";
    if (field->type == PROTOBUF_C_TYPE_INT64 && ends_with(field->name, "_at_ms")) return "TIME";
    if (field_is_date(field)) return "DATE";
    if (ends_with(field->name, "_minute")) return "HH:MM";
    if (field->type == PROTOBUF_C_TYPE_ENUM) return "WORD";
    if (field->type == PROTOBUF_C_TYPE_BOOL) return "yes|no";
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return ends_with(field->name, "_id") || strcmp(field->name, "id") == 0 ? "ID" : "TEXT";
    }
    return "N";
}

static void describe(struct flag *flag)
{
    const ProtobufCFieldDescriptor *field = flag->field;
    char *to = flag->help;
    size_t size = sizeof flag->help;
    snprintf(flag->argument, sizeof flag->argument, "%s", argument_of(field));
    if (field->type == PROTOBUF_C_TYPE_ENUM) append_enum_words(field->descriptor, to, size);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && !is_count(field))
        describe_parts(field->descriptor, to, size);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) append(to, size, "%s(once for each)", *to ? " " : "");
}

/* --- flags
 * ------------------------------------------------------------------------------------------------------- */

static bool is_taken(const struct flags *flags, const char *name)
{
    for (size_t i = 0; i < flags->count; i++) {
        if (strcmp(flags->list[i].name, name) == 0 || strcmp(flags->list[i].alias, name) == 0) return true;
    }
    return false;
}

static void add_flag(struct flags *flags, const ProtobufCMessageDescriptor *descriptor,
                     const ProtobufCFieldDescriptor *field, bool is_body)
{
    if (flags->count == FLAGS_MOST) return; /* a test holds every event type below it */
    struct flag flag = {.field = field, .is_body = is_body};
    field_flag_name(descriptor, field, flag.name, sizeof flag.name);
    dash(field->name, flag.alias, sizeof flag.alias);
    if (is_taken(flags, flag.name)) snprintf(flag.name, sizeof flag.name, "%s", flag.alias);
    if (strcmp(flag.name, flag.alias) == 0) flag.alias[0] = 0;
    flags->list[flags->count] = flag;
    describe(&flags->list[flags->count]);
    flags->count++;
}

static void add_option(struct argp_option **at, const struct flag *flag, size_t i)
{
    *(*at)++ =
        (struct argp_option){.name = flag->name,
                             .key = FLAG_KEY + (int)i,
                             .arg = flag->argument,
                             .flags = flag->field->type == PROTOBUF_C_TYPE_BOOL ? OPTION_ARG_OPTIONAL : 0,
                             .doc = *flag->help ? flag->help : NULL,
                             .group = flag->is_body ? 1 : 2};
    if (!flag->alias[0]) return;
    *(*at)++ = (struct argp_option){.name = flag->alias, .flags = OPTION_ALIAS | OPTION_HIDDEN};
}

static void make_options(struct flags *flags, const ProtobufCFieldDescriptor *body)
{
    char type[64];
    struct argp_option *at = flags->options;
    handoff_event_type(body, type, sizeof type);
    snprintf(flags->heading, sizeof flags->heading, "Fields of %s:", type);
    bool is_envelope = false;
    if (flags->list[0].is_body) *at++ = (struct argp_option){.doc = flags->heading, .group = 1};
    for (size_t i = 0; i < flags->count; i++) {
        if (!flags->list[i].is_body && !is_envelope) {
            is_envelope = true;
            *at++ = (struct argp_option){.doc = "Fields of every event:", .group = 2};
        }
        add_option(&at, &flags->list[i], i);
    }
    *at = (struct argp_option){0};
}

static int make_event(struct flags *flags, const ProtobufCFieldDescriptor *body)
{
    Handoff__V1__Event *event = malloc(sizeof *event);
    if (!event) return HANDOFF_NO_MEMORY;
    handoff__v1__event__init(event);
    flags->event = event;
    const ProtobufCMessageDescriptor *descriptor = body->descriptor;
    flags->body = malloc(descriptor->sizeof_message);
    if (!flags->body) return HANDOFF_NO_MEMORY;
    protobuf_c_message_init(descriptor, flags->body);
    uint8_t *base = (uint8_t *)event;
    *(ProtobufCMessage **)(void *)(base + body->offset) = flags->body;
    *(uint32_t *)(void *)(base + body->quantifier_offset) = body->id;
    return 0;
}

int flags_open(const ProtobufCFieldDescriptor *body, struct flags **ret_flags)
{
    struct flags *flags = calloc(1, sizeof *flags);
    if (!flags) return HANDOFF_NO_MEMORY;
    int error = make_event(flags, body);
    if (error) {
        flags_close(&flags);
        return error;
    }
    const ProtobufCMessageDescriptor *descriptor = body->descriptor;
    const ProtobufCMessageDescriptor *envelope = &handoff__v1__event__descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        add_flag(flags, descriptor, &descriptor->fields[i], true);
    for (unsigned i = 0; i < envelope->n_fields; i++) {
        if (!handoff_is_event_body(&envelope->fields[i]))
            add_flag(flags, envelope, &envelope->fields[i], false);
    }
    make_options(flags, body);
    *ret_flags = flags;
    return 0;
}

void flags_close(struct flags **flags)
{
    if (!*flags) return;
    if ((*flags)->event) handoff__v1__event__free_unpacked((*flags)->event, NULL);
    free(*flags);
    *flags = NULL;
}

const struct flag *flags_of_key(const struct flags *flags, int key)
{
    if (key < FLAG_KEY || (size_t)(key - FLAG_KEY) >= flags->count) return NULL;
    return &flags->list[key - FLAG_KEY];
}

int flags_set(struct flags *flags, const struct flag *flag, const char *text, char *mistake, size_t size)
{
    char reason[512] = "";
    ProtobufCMessage *message = flag->is_body ? flags->body : &flags->event->base;
    int error = field_set(message, flag->field, text, reason, sizeof reason);
    if (error) snprintf(mistake, size, "--%s %s", flag->name, *reason ? reason : handoff_error(error));
    return error;
}
