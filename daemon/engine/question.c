/* See question.h. */
#include "engine/question.h"

static bool ask_event(const struct question_about *a, struct question *q)
{
    q->event = handoff__v1__event__unpack(arena_protobuf(a->arena), a->entry->input.len, a->entry->input.data);
    if (!q->event) return false;
    const char *site_name = rules_site(a->rules, q->event->site)->name;
    q->input.kind = STEP_EVENT;
    q->input.subject = subject_of_event(a->hash_key, q->event, site_name, &q->input.subject_name, &q->key);
    q->input.seen_hash = subject_event_hash(a->hash_key, q->event->source, q->event->id);
    q->input.event = q->event;
    return true;
}

static bool ask_firing(const struct question_about *a, struct question *q)
{
    q->input.kind = STEP_FIRING;
    q->input.firing =
        handoff__v1__timer_input__unpack(arena_protobuf(a->arena), a->entry->input.len, a->entry->input.data);
    q->input.subject_name = a->before ? a->before->patient_id : "";
    q->key = a->entry->key;
    return q->input.firing && a->before;
}

static bool ask_unknown(const struct question_about *a, struct question *q)
{
    const Handoff__V1__CommandInput *command =
        handoff__v1__command_input__unpack(arena_protobuf(a->arena), a->entry->input.len, a->entry->input.data);
    if (!command || command->body_case != HANDOFF__V1__COMMAND_INPUT__BODY_UNKNOWN_SUBJECT) return false;
    q->input.kind = STEP_UNKNOWN_SUBJECT;
    q->input.subject = SUBJECT_IS_SOURCE;
    q->input.subject_name = a->subject_name;
    q->input.unknown = command->unknown_subject;
    subject_key(a->hash_key, SUBJECT_IS_SOURCE, a->subject_name, &q->key);
    return true;
}

bool question_ask(const struct question_about *a, struct question *ret_question)
{
    struct question q = {.input = {.sequence = a->entry->sequence, .now_ms = a->entry->time_ms}};
    bool is_asked = a->entry->kind == ENTRY_EVENT     ? ask_event(a, &q)
                    : a->entry->kind == ENTRY_TIMER   ? ask_firing(a, &q)
                    : a->entry->kind == ENTRY_COMMAND ? ask_unknown(a, &q)
                                                      : false;
    if (is_asked) *ret_question = q;
    return is_asked;
}
