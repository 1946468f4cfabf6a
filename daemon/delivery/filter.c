/* Filters: see filter.h. */
#include "delivery/filter.h"

#include <ctype.h>
#include <string.h>

#include "engine/view.h"

#include "base/banned.h"

enum { KIND_BITS = 128 };

static const ProtobufCEnumDescriptor *kinds_of(Handoff__V1__Stream stream)
{
    switch (stream) {
    case HANDOFF__V1__STREAM__STREAM_TASK: return &handoff__v1__task_kind__descriptor;
    case HANDOFF__V1__STREAM__STREAM_ESCALATION: return &handoff__v1__escalation_change__descriptor;
    case HANDOFF__V1__STREAM__STREAM_STATUS: return &handoff__v1__status_kind__descriptor;
    case HANDOFF__V1__STREAM__STREAM_AUDIT: return &handoff__v1__audit_kind__descriptor;
    case HANDOFF__V1__STREAM__STREAM_RECORD:
    case HANDOFF__V1__STREAM__STREAM_UNSPECIFIED:
    case _HANDOFF__V1__STREAM_IS_INT_SIZE: break;
    }
    return NULL;
}

/* TASK_KIND_CALL_FAMILY of TaskKind: "call-family". */
static void word_of(const ProtobufCEnumDescriptor *kinds, const ProtobufCEnumValue *value, char ret_word[64])
{
    size_t prefix = strlen(kinds->values[0].name) - strlen("UNSPECIFIED"), len = 0;
    for (const char *from = value->name + prefix; *from != 0 && len < 63; from++)
        ret_word[len++] = (char)(*from == '_' ? '-' : tolower((unsigned char)*from));
    ret_word[len] = 0;
}

static bool add_kind(struct filter *f, const ProtobufCEnumDescriptor *kinds, const char *word)
{
    char known[64];
    if (f->stream == HANDOFF__V1__STREAM__STREAM_TASK && strcmp(word, "reminder") == 0) {
        f->wants_reminders = true;
        return true;
    }
    for (unsigned i = 1; i < kinds->n_values; i++) {
        int value = kinds->values[i].value;
        word_of(kinds, &kinds->values[i], known);
        if (strcmp(known, word) != 0 || value < 0 || value >= KIND_BITS) continue;
        f->kinds[value / 64] |= UINT64_C(1) << (value % 64);
        return true;
    }
    return false;
}

static const char *compile_kinds(const Handoff__V1__SubscriptionFilter *from, struct filter *f)
{
    const ProtobufCEnumDescriptor *kinds = kinds_of(f->stream);
    f->has_kinds = from->n_kinds > 0;
    if (f->has_kinds && kinds == NULL) return "stream record has no kinds";
    for (size_t i = 0; i < from->n_kinds; i++)
        if (!add_kind(f, kinds, from->kinds[i])) return "no emission of this stream is called so";
    return NULL;
}

static bool has_unspecified(const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] == 0) return true;
    return false;
}

/* What no emission of the stream has would be a filter that lets nothing, or everything, through. */
static const char *compile_fields(const Handoff__V1__SubscriptionFilter *from, const struct filter *f, const char **ret_field)
{
    bool is_asked = (f->streams & (1 << HANDOFF__V1__STREAM__STREAM_TASK | 1 << HANDOFF__V1__STREAM__STREAM_ESCALATION)) != 0;
    bool has_recipient = from->recipient_party != HANDOFF__V1__PARTY__PARTY_UNSPECIFIED || from->recipient_id[0] != 0;
    *ret_field = "settings.filter.severities";
    if (from->n_severities > 0 && !is_asked) return "nothing of this stream has a severity";
    if (has_unspecified((const uint32_t *)from->severities, from->n_severities)) return "a severity is missing";
    *ret_field = "settings.filter.roles";
    if (from->n_roles > 0 && !is_asked) return "nothing of this stream has a role";
    if (has_unspecified((const uint32_t *)from->roles, from->n_roles)) return "a role is missing";
    *ret_field = "settings.filter.recipient_party";
    if (has_recipient && !(f->streams & 1 << HANDOFF__V1__STREAM__STREAM_STATUS)) return "only what stream status has has a recipient";
    return NULL;
}

static bool is_work(Handoff__V1__Stream stream)
{
    return stream == HANDOFF__V1__STREAM__STREAM_TASK || stream == HANDOFF__V1__STREAM__STREAM_ESCALATION ||
           stream == HANDOFF__V1__STREAM__STREAM_STATUS;
}

static const char *compile_also(const Handoff__V1__SubscriptionSettings *from, struct filter *f)
{
    f->streams = UINT32_C(1) << f->stream;
    if (from->n_also == 0) return NULL;
    if (from->filter != NULL && from->filter->n_kinds > 0) return "kinds are those of one stream";
    if (!is_work(f->stream)) return "beside this stream there is no other";
    for (size_t i = 0; i < from->n_also; i++) {
        if (!is_work(from->also[i])) return "this stream goes with no other";
        f->streams |= UINT32_C(1) << from->also[i];
    }
    return NULL;
}

const char *filter_compile(const Handoff__V1__SubscriptionSettings *settings, struct filter *ret_filter,
                           const char **ret_field)
{
    const Handoff__V1__SubscriptionFilter *from = settings->filter;
    struct filter f = {.stream = settings->stream, .recipient_id = "", .site = ""};
    *ret_field = "settings.stream";
    if (f.stream <= HANDOFF__V1__STREAM__STREAM_UNSPECIFIED || f.stream > HANDOFF__V1__STREAM__STREAM_AUDIT)
        return "no such stream";
    *ret_field = "settings.also";
    const char *why_not = compile_also(settings, &f);
    if (why_not != NULL) return why_not;
    *ret_field = "settings.is_addressed";
    if (settings->is_addressed && (f.stream == HANDOFF__V1__STREAM__STREAM_RECORD || f.stream == HANDOFF__V1__STREAM__STREAM_AUDIT))
        return "nothing of this stream is for people";
    if (from != NULL) {
        *ret_field = "settings.filter.kinds";
        const char *why = compile_kinds(from, &f);
        if (why != NULL) return why;
        why = compile_fields(from, &f, ret_field);
        if (why != NULL) return why;
        for (size_t i = 0; i < from->n_severities; i++)
            f.severities |= UINT32_C(1) << (from->severities[i] & 31);
        for (size_t i = 0; i < from->n_roles; i++)
            f.roles |= UINT32_C(1) << (from->roles[i] & 31);
        f.party = from->recipient_party;
        f.recipient_id = from->recipient_id;
        f.site = from->site;
    }
    *ret_filter = f;
    return NULL;
}

/* --- matching ---------------------------------------------------------------------------------------------------- */
static bool has_bit(const uint64_t bits[2], int value)
{
    return value >= 0 && value < KIND_BITS && (bits[value / 64] >> (value % 64) & 1);
}

static bool is_severe(const struct filter *f, Handoff__V1__Severity severity)
{
    return f->severities == 0 || (f->severities >> severity & 1);
}

static bool is_role(const struct filter *f, Handoff__V1__Role role) { return f->roles == 0 || (f->roles >> role & 1); }

static bool is_recipient(const struct filter *f, const Handoff__V1__Recipient *to)
{
    if (f->party == HANDOFF__V1__PARTY__PARTY_UNSPECIFIED && f->recipient_id[0] == 0) return true;
    if (to == NULL || (f->party != HANDOFF__V1__PARTY__PARTY_UNSPECIFIED && to->party != f->party)) return false;
    return f->recipient_id[0] == 0 || strcmp(to->id, f->recipient_id) == 0;
}

/* Reminders have no severity and are nobody's role: who chooses by these must name them to have them. */
static bool takes_reminder(const struct filter *f)
{
    return f->has_kinds ? f->wants_reminders : f->severities == 0 && f->roles == 0;
}

bool filter_takes(const struct filter *f, const Handoff__V1__Emission *e)
{
    if (!(f->streams >> view_stream(e) & 1)) return false;
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK:
        return (!f->has_kinds || has_bit(f->kinds, (int)e->task->kind)) && is_severe(f, e->task->severity) &&
               is_role(f, e->task->owner);
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return takes_reminder(f);
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        return (!f->has_kinds || has_bit(f->kinds, (int)e->escalation->change)) &&
               is_severe(f, e->escalation->severity) && is_role(f, e->escalation->rung);
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        return (!f->has_kinds || has_bit(f->kinds, (int)e->status->kind)) && is_recipient(f, e->status->recipient);
    case HANDOFF__V1__EMISSION__BODY_AUDIT: return !f->has_kinds || has_bit(f->kinds, (int)e->audit->kind);
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return false;
}

static void enum_word(const ProtobufCEnumDescriptor *kinds, int value, char ret_word[64])
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(kinds, value);
    ret_word[0] = 0;
    if (v != NULL) word_of(kinds, v, ret_word);
}

const char *filter_kind(const Handoff__V1__Emission *e, char ret_word[64])
{
    ret_word[0] = 0;
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK: enum_word(&handoff__v1__task_kind__descriptor, (int)e->task->kind, ret_word); break;
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return "reminder";
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        enum_word(&handoff__v1__escalation_change__descriptor, (int)e->escalation->change, ret_word);
        break;
    case HANDOFF__V1__EMISSION__BODY_STATUS: enum_word(&handoff__v1__status_kind__descriptor, (int)e->status->kind, ret_word); break;
    case HANDOFF__V1__EMISSION__BODY_AUDIT: enum_word(&handoff__v1__audit_kind__descriptor, (int)e->audit->kind, ret_word); break;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return ret_word;
}
