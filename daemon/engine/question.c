/* See question.h. */
#include "engine/question.h"

static ProtobufCAllocator *allocator_of(const struct question_about *a)
{
    return arena_protobuf(a->chains.arena);
}

/* --- events ---------------------------------------------------------------------------------------------------------
 */

/* What was said of an alias is on the chain of the patient that it became. */
static void follow_alias(const struct question_about *a, struct question *q)
{
    struct entry newest;
    const Handoff__V1__PatientRecord *record;
    if (a->chains.entry && !key_equals(&q->key, &a->entry->key) && q->input.subject == SUBJECT_IS_PATIENT)
        merging_follow(&a->chains, &q->key, &newest, &record); /* else the keys differ, and that is for the asker */
}

static bool gather(const struct question_about *a, struct question *q)
{
    if (!a->chains.entry || q->event->body_case != HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED) return true;
    const Handoff__V1__EventRetracted *r = q->event->event_retracted;
    q->input.retracted_hash = subject_event_hash(a->chains.hash_key, r->retracted_source, r->retracted_id);
    return retraction_gather(&a->chains, r, a->before, a->entry->prev_sequence, &q->input.retraction) == 0;
}

static bool ask_event(const struct question_about *a, struct question *q)
{
    q->event = handoff__v1__event__unpack(allocator_of(a), a->entry->input.len, a->entry->input.data);
    if (!q->event) return false;
    const char *site_name = rules_site(a->rules, q->event->site)->name;
    q->input.kind = STEP_EVENT;
    q->input.subject = subject_of_event(a->chains.hash_key, q->event, site_name, &q->input.subject_name, &q->key);
    q->input.seen_hash = subject_event_hash(a->chains.hash_key, q->event->source, q->event->id);
    q->input.event = q->event;
    follow_alias(a, q);
    return gather(a, q);
}

static bool ask_firing(const struct question_about *a, struct question *q)
{
    q->input.kind = STEP_FIRING;
    q->input.firing = handoff__v1__timer_input__unpack(allocator_of(a), a->entry->input.len, a->entry->input.data);
    q->input.subject_name = a->before ? a->before->patient_id : "";
    q->key = a->entry->key;
    return q->input.firing && a->before;
}

/* --- commands -------------------------------------------------------------------------------------------------------
 */

/* By what a command says: whose record it is for, and how step is asked. */
static const struct {
    Handoff__V1__CommandInput__BodyCase body;
    enum step_kind kind;
    enum subject_kind subject;
} commands[] = {
    {HANDOFF__V1__COMMAND_INPUT__BODY_UNKNOWN_SUBJECT, STEP_UNKNOWN_SUBJECT, SUBJECT_IS_SOURCE},
    {HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT, STEP_EVENT, SUBJECT_IS_PATIENT},
    {HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_WANTED, STEP_COMMAND, SUBJECT_IS_SITE},
    {HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE, STEP_COMMAND, SUBJECT_IS_SITE},
    {HANDOFF__V1__COMMAND_INPUT__BODY_SOURCE_HEARD, STEP_COMMAND, SUBJECT_IS_SOURCE},
    {HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED, STEP_COMMAND, SUBJECT_IS_SITE},
    {HANDOFF__V1__COMMAND_INPUT__BODY_HEARTBEAT_SET, STEP_COMMAND, SUBJECT_IS_PATIENT},
};

/* A message is about whoever's entry it is: a patient, a site or a source. */
static bool is_of_message(Handoff__V1__CommandInput__BodyCase body)
{
    return body == HANDOFF__V1__COMMAND_INPUT__BODY_DISCLOSURE_AUTHORISED || body == HANDOFF__V1__COMMAND_INPUT__BODY_DISCLOSED ||
           body == HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DROPPED || body == HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DEAD ||
           body == HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_UNREACHABLE;
}

static bool ask_of_message(const struct question_about *a, const Handoff__V1__CommandInput *command, struct question *q)
{
    static const enum subject_kind kinds[] = {SUBJECT_IS_PATIENT, SUBJECT_IS_SITE, SUBJECT_IS_SOURCE};
    q->input.kind = STEP_COMMAND;
    q->input.subject_name = a->subject_name;
    q->input.command = command;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        q->input.subject = kinds[i];
        subject_key(a->chains.hash_key, (int)kinds[i], a->subject_name, &q->key);
        if (key_equals(&q->key, &a->entry->key)) return true;
    }
    return true; /* the keys differ, and that is for the asker */
}

static bool ask_command(const struct question_about *a, const Handoff__V1__CommandInput *command, struct question *q)
{
    size_t i = 0, count = sizeof commands / sizeof *commands;
    while (i < count && commands[i].body != command->body_case) i++;
    if (i == count) return false;
    q->input.kind = commands[i].kind;
    q->input.subject = commands[i].subject;
    q->input.subject_name = a->subject_name;
    q->input.command = command;
    if (q->input.kind == STEP_UNKNOWN_SUBJECT) q->input.unknown = command->unknown_subject;
    if (q->input.kind == STEP_EVENT) {
        q->event = command->shared_event->event;
        if (!q->event) return false;
        q->input.event = q->event;
        q->input.seen_hash = subject_event_hash(a->chains.hash_key, q->event->source, q->event->id);
    }
    subject_key(a->chains.hash_key, (int)q->input.subject, a->subject_name, &q->key);
    return !q->event || gather(a, q);
}

static bool ask_joined(const struct question_about *a, const Handoff__V1__CommandInput *command, struct question *q)
{
    const Handoff__V1__PatientRecord *alias;
    if (!a->chains.entry || !a->before || command->patient_joined->sequence + 1 != a->entry->sequence) return false;
    if (merging_read(&a->chains, command->patient_joined, a->before, &q->merging, &alias)) return false;
    merging_fill(&q->merging, command->patient_joined->sequence, a->entry->time_ms, alias, &q->input);
    q->key = a->entry->key;
    return true;
}

static bool ask_differs(const struct question_about *a, const Handoff__V1__CommandInput *command, struct question *q)
{
    if (!a->before) return false;
    q->input.kind = STEP_DIFFERS;
    q->input.subject_name = a->before->patient_id;
    q->input.differs = command->repeat_differs;
    q->key = a->entry->key;
    return true;
}

static bool ask_commanded(const struct question_about *a, struct question *q)
{
    const Handoff__V1__CommandInput *command =
        handoff__v1__command_input__unpack(allocator_of(a), a->entry->input.len, a->entry->input.data);
    if (!command) return false;
    if (command->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_PATIENT_JOINED) return ask_joined(a, command, q);
    if (command->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_REPEAT_DIFFERS) return ask_differs(a, command, q);
    return is_of_message(command->body_case) ? ask_of_message(a, command, q) : ask_command(a, command, q);
}

bool question_ask(const struct question_about *a, struct question *q)
{
    *q = (struct question){.input = {.sequence = a->entry->sequence, .now_ms = a->entry->time_ms}};
    if (a->entry->kind == ENTRY_EVENT) return ask_event(a, q);
    if (a->entry->kind == ENTRY_TIMER) return ask_firing(a, q);
    return a->entry->kind == ENTRY_COMMAND && ask_commanded(a, q);
}

/* Of a merge the survivor's step is tried too: whether the two fit one record decides what becomes of the event. */
int question_step(const struct question_about *a, struct question *q, struct outcome *ret_outcome)
{
    struct outcome joined;
    if (!q->event || q->event->body_case != HANDOFF__V1__EVENT__BODY_PATIENT_MERGED) {
        step(a->rules, a->before, &q->input, a->chains.arena, ret_outcome);
        return 0;
    }
    int code = merging_judge(&a->chains, q->event, &q->key, a->before, &q->merging);
    if (!code) merging_step(a->rules, a->chains.arena, &q->merging, &q->input, ret_outcome, &joined);
    return code;
}
