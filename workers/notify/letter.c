/* See letter.h. Neighbours: courier.c decides when a letter is sent. Knows no addresses but the letter's own. */
#include "notify/letter.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff.h"

enum letter_party letter_party(const Handoff__V1__Delivery *delivery)
{
    Handoff__V1__Party party = delivery->to ? delivery->to->party : HANDOFF__V1__PARTY__PARTY_UNSPECIFIED;
    if (party == HANDOFF__V1__PARTY__PARTY_PATIENT || party == HANDOFF__V1__PARTY__PARTY_GUARDIAN) return LETTER_FAMILY;
    return party == HANDOFF__V1__PARTY__PARTY_UNSPECIFIED ? LETTER_STAFF : LETTER_OUTSIDE;
}

static bool is_heartbeat(const Handoff__V1__Emission *e)
{
    return e->body_case == HANDOFF__V1__EMISSION__BODY_STATUS &&
           e->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
}

const char *letter_kind(const Handoff__V1__Delivery *const *members, size_t count)
{
    const Handoff__V1__Emission *e = members[0]->emission;
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        return "reminder";
    case HANDOFF__V1__EMISSION__BODY_TASK:
        return count > 1 ? "digest" : "notice";
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        return count > 1 ? "digest" : "escalation";
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        return is_heartbeat(e) ? "heartbeat" : "status";
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return "notice";
}

Handoff__V1__Severity letter_severity(const Handoff__V1__Delivery *delivery)
{
    const Handoff__V1__Emission *e = delivery->emission;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) return e->task->severity;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) return e->escalation->severity;
    return HANDOFF__V1__SEVERITY__SEVERITY_UNSPECIFIED;
}

const char *letter_addressee(const Handoff__V1__Delivery *delivery)
{
    if (!delivery->to) return "";
    return *delivery->to->key ? delivery->to->key : delivery->to->id;
}

/* --- ids ----------------------------------------------------------------------------------------------------- */

static void hash_text(crypto_generichash_state *state, const char *text)
{
    crypto_generichash_update(state, (const unsigned char *)text, strlen(text) + 1);
}

void letter_id(const Handoff__V1__Delivery *delivery, char id[LETTER_ID_BYTES])
{
    if (!delivery->to || !*delivery->to->key) {
        snprintf(id, LETTER_ID_BYTES, "%s", delivery->emission->id);
        return;
    }
    unsigned char mark[crypto_generichash_BYTES_MIN];
    char hex[9];
    crypto_generichash(mark, sizeof mark, (const unsigned char *)delivery->to->key, strlen(delivery->to->key), NULL, 0);
    sodium_bin2hex(hex, sizeof hex, mark, 4);
    snprintf(id, LETTER_ID_BYTES, "%s.%s", delivery->emission->id, hex);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void letter_id_of_many(const Handoff__V1__Delivery *const *members, size_t count, char id[LETTER_ID_BYTES])
{
    if (count == 1) {
        letter_id(members[0], id);
        return;
    }
    char(*ids)[LETTER_ID_BYTES] = malloc(count * sizeof *ids);
    const char **sorted = malloc(count * sizeof *sorted);
    snprintf(id, LETTER_ID_BYTES, "%s", members[0]->emission->id);
    if (ids && sorted) {
        unsigned char hash[16];
        char hex[2 * sizeof hash + 1];
        crypto_generichash_state state;
        for (size_t i = 0; i < count; i++) {
            letter_id(members[i], ids[i]);
            sorted[i] = ids[i];
        }
        qsort(sorted, count, sizeof *sorted, compare_texts);
        crypto_generichash_init(&state, NULL, 0, sizeof hash);
        for (size_t i = 0; i < count; i++) hash_text(&state, sorted[i]);
        crypto_generichash_final(&state, hash, sizeof hash);
        snprintf(id, LETTER_ID_BYTES, "several-%s", sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
    }
    free(ids);
    free(sorted);
}

/* --- JSON ---------------------------------------------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text && *text) json_object_set_new(object, key, json_string(text));
}

static void set_time(json_t *object, const char *key, int64_t at_ms)
{
    if (at_ms) json_object_set_new(object, key, json_integer(at_ms));
}

static void set_word(json_t *object, const char *key, const ProtobufCEnumDescriptor *descriptor, int value)
{
    char word[64];
    handoff_enum_word(descriptor, value, word, sizeof word);
    set_text(object, key, word);
}

static void set_task(json_t *item, const Handoff__V1__TaskEmission *task)
{
    set_text(item, "task_id", task->task_id);
    set_word(item, "task", &handoff__v1__task_kind__descriptor, (int)task->kind);
    set_word(item, "change", &handoff__v1__task_change__descriptor, (int)task->change);
    set_time(item, "due_at_ms", task->due_at_ms);
}

static void set_escalation(json_t *item, const Handoff__V1__EscalationEmission *escalation)
{
    set_text(item, "escalation_id", escalation->escalation_id);
    set_word(item, "change", &handoff__v1__escalation_change__descriptor, (int)escalation->change);
    set_word(item, "rung", &handoff__v1__role__descriptor, (int)escalation->rung);
    set_time(item, "next_at_ms", escalation->next_at_ms);
}

/* For those of the workforce, whose systems act on it. */
static json_t *item_of(const Handoff__V1__Delivery *delivery)
{
    const Handoff__V1__Emission *e = delivery->emission;
    json_t *item = json_object();
    set_text(item, "emission_id", e->id);
    set_text(item, "patient_id", e->patient_id);
    set_text(item, "reason", e->reason);
    set_time(item, "at_ms", e->at_ms);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) set_task(item, e->task);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) set_escalation(item, e->escalation);
    return item;
}

static json_t *address_of(const struct letter *letter)
{
    const Handoff__V1__Addressee *to = letter->members[0]->to;
    json_t *object = json_object();
    set_word(object, "channel", &handoff__v1__channel__descriptor, (int)letter->address->channel);
    set_text(object, "address", letter->address->address);
    if (to && letter_party(letter->members[0]) == LETTER_STAFF) {
        set_text(object, "person_id", to->id);
        set_word(object, "role", &handoff__v1__role__descriptor, (int)to->role);
    }
    return object;
}

char *letter_json(const struct letter *letter, const struct rendered *rendered, int64_t at_ms)
{
    const Handoff__V1__Delivery *first = letter->members[0];
    json_t *object = json_object();
    set_text(object, "type", "handoff.message");
    set_text(object, "id", letter->id);
    set_text(object, "kind", letter_kind(letter->members, letter->count));
    set_word(object, "severity", &handoff__v1__severity__descriptor, (int)letter_severity(first));
    set_time(object, "timestamp_ms", at_ms);
    set_text(object, "site", letter->site->name);
    set_text(object, "call_back", letter->site->number);
    set_text(object, "language", rendered->language);
    json_object_set_new(object, "to", address_of(letter));
    set_text(object, "subject", rendered->subject);
    set_text(object, "text", rendered->body);
    if (letter_party(first) == LETTER_STAFF && strcmp(letter_kind(letter->members, letter->count), "heartbeat") != 0) {
        json_t *items = json_array();
        for (size_t i = 0; i < letter->count; i++) json_array_append_new(items, item_of(letter->members[i]));
        json_object_set_new(object, "items", items);
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    return text;
}
