/* Messages in words. Emissions by kind, since each says something else; event bodies by their descriptors. */
#include "describe.h"
#include "flags.h"
#include "when.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + len, size - len, format, arguments);
    va_end(arguments);
}

/* --- any message
 * --------------------------------------------------------------------------------------------------- */

static void append_fields(const ProtobufCMessage *message, unsigned depth, char *text, size_t size);

static bool is_time(const ProtobufCFieldDescriptor *field)
{
    size_t len = strlen(field->name);
    return len > 6 && strcmp(field->name + len - 6, "_at_ms") == 0;
}

static void append_message(const ProtobufCMessage *message, unsigned depth, char *text, size_t size)
{
    if (message->descriptor == &handoff__v1__count__descriptor) {
        append(text, size, "%u", ((const Handoff__V1__Count *)message)->value);
        return;
    }
    append(text, size, "(");
    append_fields(message, depth + 1, text, size);
    append(text, size, ")");
}

static void append_number(const ProtobufCFieldDescriptor *field, uint32_t number, char *text, size_t size)
{
    if (field_is_date(field)) {
        append(text, size, "%04u-%02u-%02u", number / 10000, number / 100 % 100, number % 100);
    } else {
        append(text, size, "%u", number);
    }
}

static void append_value(const ProtobufCFieldDescriptor *field, const void *at, unsigned depth, char *text,
                         size_t size)
{
    char when[WHEN_TEXT_BYTES];
    switch (field->type) {
    case PROTOBUF_C_TYPE_ENUM:
        append(text, size, "%s", word_of(field->descriptor, *(const int *)at, (char[64]){0}));
        break;
    case PROTOBUF_C_TYPE_STRING:
        append(text, size, "%s", *(const char *const *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        append_number(field, *(const uint32_t *)at, text, size);
        break;
    case PROTOBUF_C_TYPE_INT64:
        if (is_time(field)) {
            append(text, size, "%s", when_format(*(const int64_t *)at, when));
        } else {
            append(text, size, "%lld", (long long)*(const int64_t *)at);
        }
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        append_message(*(const ProtobufCMessage *const *)at, depth, text, size);
        break;
    default:
        break; /* a switch's name says it; event bodies have nothing else */
    }
}

static size_t stride_of(const ProtobufCFieldDescriptor *field)
{
    bool is_wide = field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE ||
                   field->type == PROTOBUF_C_TYPE_INT64;
    return is_wide ? 8 : 4;
}

static bool is_set(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    const void *at = base + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(const void *)(base + field->quantifier_offset);
    if (field->type == PROTOBUF_C_TYPE_STRING) return **(const char *const *)at != 0;
    if (stride_of(field) == 8) return *(const int64_t *)at != 0;
    return *(const int32_t *)at != 0;
}

static void append_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                         unsigned depth, char *text, size_t size)
{
    const uint8_t *base = (const uint8_t *)message;
    char name[FLAG_NAME_BYTES];
    field_flag_name(message->descriptor, field, name, sizeof name);
    append(text, size, "%s%s", name, field->type == PROTOBUF_C_TYPE_BOOL ? "" : " ");
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        append_value(field, base + field->offset, depth, text, size);
        return;
    }
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const uint8_t *values = *(const uint8_t *const *)(const void *)(base + field->offset);
    for (size_t i = 0; i < count; i++) {
        if (i) append(text, size, ", ");
        append_value(field, values + i * stride_of(field), depth, text, size);
    }
}

static void append_fields(const ProtobufCMessage *message, unsigned depth, char *text, size_t size)
{
    const char *between = "";
    if (depth > 4) return;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_set(field, (const uint8_t *)message)) continue;
        append(text, size, "%s", between);
        append_field(message, field, depth, text, size);
        between = ", ";
    }
}

const char *describe_event_body(const Handoff__V1__Event *event, char *text, size_t size)
{
    text[0] = 0;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&handoff__v1__event__descriptor, (unsigned)event->body_case);
    if (!field) return text;
    const uint8_t *base = (const uint8_t *)event;
    const ProtobufCMessage *body = *(const ProtobufCMessage *const *)(const void *)(base + field->offset);
    if (body) append_fields(body, 0, text, size);
    return text;
}

/* --- emissions
 * ----------------------------------------------------------------------------------------------------- */

const char *describe_recipient(const Handoff__V1__Recipient *recipient, char *text, size_t size)
{
    text[0] = 0;
    if (!recipient) return text;
    append(text, size, "%s", WORD(handoff__v1__party__descriptor, recipient->party));
    if (*recipient->id) append(text, size, "%s%s", *text ? " " : "", recipient->id);
    return text;
}

static void append_recipient(const Handoff__V1__Recipient *recipient, const char *before, char *text,
                             size_t size)
{
    char who[160];
    if (*describe_recipient(recipient, who, sizeof who)) append(text, size, "%s%s", before, who);
}

static void append_when(const char *before, int64_t ms, char *text, size_t size)
{
    char when[WHEN_TEXT_BYTES];
    if (ms) append(text, size, "%s%s", before, when_format(ms, when));
}

static bool is_open_after(Handoff__V1__TaskChange change)
{
    return change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED ||
           change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED ||
           change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED ||
           change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_ATTEMPTED;
}

static void append_task(const Handoff__V1__Emission *emission, char *text, size_t size)
{
    const Handoff__V1__TaskEmission *task = emission->task;
    append(text, size, "task %s %s: %s", emission->origin_key.len ? task->task_id : short_id(task->task_id),
           WORD(handoff__v1__task_change__descriptor, task->change),
           WORD(handoff__v1__task_kind__descriptor, task->kind));
    append_recipient(task->subject, " about ", text, size);
    if (task->outcome) append(text, size, ", %s", WORD(handoff__v1__task_outcome__descriptor, task->outcome));
    if (!is_open_after(task->change)) return;
    append(text, size, " for %s", WORD(handoff__v1__role__descriptor, task->owner));
    if (*emission->person_id) append(text, size, " (%s)", emission->person_id);
    if (task->severity > HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE) {
        append(text, size, ", %s", WORD(handoff__v1__severity__descriptor, task->severity));
    }
    append_when(", due ", task->due_at_ms, text, size);
}

static void append_escalation(const Handoff__V1__Emission *emission, char *text, size_t size)
{
    const Handoff__V1__EscalationEmission *escalation = emission->escalation;
    append(text, size, "escalation %s %s",
           emission->origin_key.len ? escalation->escalation_id : short_id(escalation->escalation_id),
           WORD(handoff__v1__escalation_change__descriptor, escalation->change));
    if (escalation->task_kind) {
        append(text, size, ": %s t%u", WORD(handoff__v1__task_kind__descriptor, escalation->task_kind),
               escalation->task);
    }
    if (escalation->change == HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED) return;
    append(text, size, " -> %s", WORD(handoff__v1__role__descriptor, escalation->rung));
    if (*emission->person_id) append(text, size, " (%s)", emission->person_id);
    append(text, size, ", %s", WORD(handoff__v1__severity__descriptor, escalation->severity));
    append_when(", next ", escalation->next_at_ms, text, size);
}

static void append_status(const Handoff__V1__StatusEmission *status, char *text, size_t size)
{
    append(text, size, "%s", WORD(handoff__v1__status_kind__descriptor, status->kind));
    if (*status->state) append(text, size, " %s", status->state);
    append_recipient(status->recipient, " to ", text, size);
    if (*status->consent_id) append(text, size, ", consent %s", status->consent_id);
    if (*status->exception) append(text, size, ", exception %s", status->exception);
}

static void append_reminder(const Handoff__V1__ReminderEmission *reminder, char *text, size_t size)
{
    append(text, size, "reminder of visit %s", reminder->appointment_id);
    append_when(" on ", reminder->starts_at_ms, text, size);
    if (reminder->is_dropped) append(text, size, ", dropped: its moment had passed");
}

/* Where the text is the reason too, it is said once, there. */
static void append_audit(const Handoff__V1__Emission *emission, char *text, size_t size)
{
    const Handoff__V1__AuditEmission *audit = emission->audit;
    append(text, size, "audit: %s", WORD(handoff__v1__audit_kind__descriptor, audit->kind));
    append_recipient(audit->recipient, " for ", text, size);
    if (*audit->text && strcmp(audit->text, emission->reason) != 0) append(text, size, ", %s", audit->text);
}

const char *describe_emission(const Handoff__V1__Emission *emission, char *text, size_t size)
{
    text[0] = 0;
    switch (emission->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        append_task(emission, text, size);
        break;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        append_escalation(emission, text, size);
        break;
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        append_status(emission->status, text, size);
        break;
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        append_reminder(emission->reminder, text, size);
        break;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
        append_audit(emission, text, size);
        break;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET: /* what must not leave comes as a head alone; its reason says why */
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        append(text, size, "%s",
               emission->base.n_unknown_fields ? "an emission that this version does not know"
                                               : "an emission whose content is not shown");
        break;
    }
    if (emission->is_late) append(text, size, " (late)");
    return text;
}

/* --- the rest
 * ------------------------------------------------------------------------------------------------------ */

const char *describe_step(const Handoff__V1__TimelineStep *step, char *text, size_t size)
{
    text[0] = 0;
    append(text, size, "%s", step->pathway);
    if (*step->machine) append(text, size, " %s", step->machine);
    if (*step->from_state && *step->to_state && strcmp(step->from_state, step->to_state) != 0) {
        append(text, size, ": %s -> %s", step->from_state, step->to_state);
    } else if (*step->to_state) {
        append(text, size, ": %s", step->to_state);
    }
    if (step->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED ||
        step->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED ||
        step->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_PASSED) {
        append(text, size, " (%s)", WORD(handoff__v1__applied_kind__descriptor, step->kind));
    }
    return text;
}

const char *describe_list(char **items, size_t count, char *text, size_t size)
{
    text[0] = 0;
    for (size_t i = 0; i < count; i++) append(text, size, "%s%s", i ? ", " : "", items[i]);
    return text;
}

/* What is cut off is the patient's key: 32 digits of hexadecimal. */
const char *short_id(const char *id)
{
    size_t key = strspn(id, "0123456789abcdef");
    return key == 32 && id[key] == '-' ? id + key + 1 : id;
}

char *make_printable(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++) {
        bool is_c1 = at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0; /* U+0080 to U+009F */
        if (*at < 0x20 || *at == 0x7F) *at = ' ';
        if (is_c1) at[0] = at[1] = ' ';
    }
    return text;
}
