/* What is journaled before a message leaves, or instead: disclosures, waits, what the gate withholds or drops, one row
 * for each addressee. Decided in the turn on the newest record, so that a revocation one entry earlier counts. */
#include "delivery/inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/message.h"

#include "base/banned.h"

#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME
#define COMMAND(NAME) HANDOFF__V1__COMMAND_INPUT__BODY_##NAME

void prepare_later(struct subscription *s, const struct preparation *what)
{
    assert(s->preparation_count < PREPARE_MAX);
    s->preparations[s->preparation_count++] = *what;
}

/* --- commands to patients ------------------------------------------------------------------------------------------ */
/* What is said about audits and records would be one itself, and go on for ever. */
static bool is_said(const struct subscription *s)
{
    return s->filter.stream != HANDOFF__V1__STREAM__STREAM_AUDIT && s->filter.stream != HANDOFF__V1__STREAM__STREAM_RECORD;
}

static Handoff__V1__CommandInput *stage_command(struct delivery *d, struct subscription *s, const struct patient_key *key,
                                                Handoff__V1__CommandInput__BodyCase body, void *message)
{
    Handoff__V1__CommandInput *command = MESSAGE_NEW(d->staging, Handoff__V1__CommandInput, command_input);
    command->body_case = body;
    command->message_dead = message; /* every member of the oneof is a pointer to a message */
    assert(s->command_count < COMMANDS_MAX);
    s->commands[s->command_count++] = (struct staged_command){.key = *key, .command = command};
    return command;
}

static char *staged_text(struct delivery *d, const char *text) { return arena_string(d->staging, text); }

static char *emission_id(struct delivery *d, const struct looked *l)
{
    return staged_text(d, view_emission_id(d->arena, l->of->key, l->of->outcome->emissions[l->emission->position]));
}

static const Handoff__V1__Recipient *recipient_of(struct delivery *d, const struct looked *l)
{
    const Handoff__V1__Recipient *to = l->emission->status->recipient;
    Handoff__V1__Recipient *copy = MESSAGE_NEW(d->staging, Handoff__V1__Recipient, recipient);
    if (to == NULL) return copy;
    copy->party = to->party;
    copy->id = staged_text(d, to->id);
    return copy;
}

/* In the staging arena; false: it cannot be looked at. */
static bool look_again(struct delivery *d, struct subscription *s, struct place at, struct looked *ret)
{
    struct entry *entry = ARENA_NEW(d->arena, struct entry);
    struct look_memory memory = look_begin(d);
    if (look(d, s, at, &memory, ret) != 0) return false;
    *entry = memory.entry; /* outlives this function */
    ret->entry = entry;
    ret->of->entry = entry;
    return true;
}

void stage_dead(struct delivery *d, struct subscription *s, const struct aside *row)
{
    struct looked l;
    size_t mark = arena_used(d->arena);
    if (!is_said(s) || !look_again(d, s, row->at, &l)) return;
    Handoff__V1__MessageDead *dead = MESSAGE_NEW(d->staging, Handoff__V1__MessageDead, message_dead);
    dead->emission_id = emission_id(d, &l);
    dead->subscription = s->name;
    dead->addressee = staged_text(d, row->addressee);
    dead->reason = staged_text(d, row->reason);
    dead->attempts = row->attempts;
    dead->is_addressed = s->ledger.settings->is_addressed;
    stage_command(d, s, &row->key, COMMAND(MESSAGE_DEAD), dead);
    arena_rewind(d->arena, mark);
}

void stage_disclosed(struct delivery *d, struct subscription *s, const struct aside *row)
{
    struct looked l;
    size_t mark = arena_used(d->arena);
    if (row->authorised_sequence == 0 || !look_again(d, s, row->at, &l)) return;
    Handoff__V1__Disclosed *said = MESSAGE_NEW(d->staging, Handoff__V1__Disclosed, disclosed);
    said->authorised_sequence = row->authorised_sequence;
    said->emission_id = emission_id(d, &l);
    said->subscription = s->name;
    said->recipient = (Handoff__V1__Recipient *)(uintptr_t)recipient_of(d, &l);
    stage_command(d, s, &row->key, COMMAND(DISCLOSED), said);
    arena_rewind(d->arena, mark);
}

static void stage_dropped(struct delivery *d, struct subscription *s, const struct looked *l, const char *addressee,
                          const char *reason)
{
    if (!is_said(s)) return;
    Handoff__V1__MessageDropped *dropped = MESSAGE_NEW(d->staging, Handoff__V1__MessageDropped, message_dropped);
    dropped->emission_id = emission_id(d, l);
    dropped->subscription = s->name;
    dropped->addressee = staged_text(d, addressee);
    dropped->reason = staged_text(d, reason != NULL ? reason : "");
    stage_command(d, s, &l->entry->key, COMMAND(MESSAGE_DROPPED), dropped);
}

/* Somebody has to call instead; it still goes if an address comes before the visit. */
static void stage_unreachable(struct delivery *d, struct subscription *s, const struct looked *l, const char *addressee)
{
    Handoff__V1__MessageUnreachable *u = MESSAGE_NEW(d->staging, Handoff__V1__MessageUnreachable, message_unreachable);
    u->emission_id = emission_id(d, l);
    u->subscription = s->name;
    u->addressee = staged_text(d, addressee);
    stage_command(d, s, &l->entry->key, COMMAND(MESSAGE_UNREACHABLE), u);
}

static void stage_authorised(struct delivery *d, struct subscription *s, const struct looked *l,
                             const struct gate_decision *decision)
{
    Handoff__V1__DisclosureAuthorised *a = MESSAGE_NEW(d->staging, Handoff__V1__DisclosureAuthorised, disclosure_authorised);
    struct place at = place_of(l->entry->sequence, l->emission->position);
    const Handoff__V1__StatusEmission *rendered = look_render(d, l, at, decision, NULL)->emission->status;
    a->sequence = at.sequence;
    a->position = at.position;
    a->emission_id = emission_id(d, l);
    a->subscription = s->name;
    a->recipient = (Handoff__V1__Recipient *)(uintptr_t)recipient_of(d, l);
    a->consent_id = staged_text(d, decision->consent != NULL ? decision->consent->id : "");
    a->also_consent_id = staged_text(d, decision->also != NULL ? decision->also->id : "");
    a->exception = staged_text(d, l->emission->status->exception);
    a->category = l->emission->status->category;
    a->notice = staged_text(d, rendered->notice);
    stage_command(d, s, &l->entry->key, COMMAND(DISCLOSURE_AUTHORISED), a);
    s->commands[s->command_count - 1].row = s->rows[s->row_count - 1];
}

/* A record that has no room for an audit does not stop the others. What is not journaled does not leave. */
static void note_refused(struct delivery *d, struct subscription *s, struct staged_command *c)
{
    delivery_notice(d, "what became of a message could not be journaled with its patient", s);
    if (c->row == NULL) return;
    c->row->kind = ASIDE(WITHHELD);
    c->row->reason = staged_text(d, "its disclosure cannot be journaled");
}

bool write_commands(struct delivery *d, struct subscription *s)
{
    for (uint32_t i = 0; i < s->command_count; i++) {
        struct staged_command *c = &s->commands[i];
        uint64_t sequence = 0;
        if (c->is_written) continue;
        int rc = engine_command_to(d->engine, &c->key, c->command, &sequence);
        if (rc == ENGINE_E_LIMIT || rc == ENGINE_E_FULL || rc == ENGINE_E_STOPPED) return false;
        c->is_written = true;
        if (rc != 0 || (c->row != NULL && sequence == 0))
            note_refused(d, s, c);
        else if (c->row != NULL)
            c->row->authorised_sequence = sequence;
    }
    return true;
}

/* --- what becomes of one ---------------------------------------------------------------------------------------------- */
/* A patient that became another is that one: what changes there is what withheld messages wait for. */
static struct patient_key key_now(const struct delivery *d, const struct looked *l)
{
    struct patient_key key = l->entry->key;
    if (strcmp(l->now->patient_id, l->of->record->patient_id) != 0)
        engine_subject_key(d->engine, SUBJECT_IS_PATIENT, l->now->patient_id, &key);
    return key;
}

static void row_of(const struct delivery *d, const struct looked *l, const struct gate_decision *decision,
                   const char *addressee, struct aside *row)
{
    row->at = place_of(l->entry->sequence, l->emission != NULL ? l->emission->position : 0);
    row->key = key_now(d, l);
    row->delay_ms = 0;
    row->until_ms = 0;
    ledger_copy_text(row->addressee, sizeof row->addressee, addressee);
    ledger_copy_text(row->reason, sizeof row->reason, decision->reason != NULL ? decision->reason : "");
    row->kind = ASIDE(RETRY);
    if (decision->answer == GATE_WITHHOLD) {
        row->kind = ASIDE(WITHHELD);
        row->authorised_sequence = 0; /* should it go after all, then on another ground */
    }
    if (decision->answer == GATE_WAIT) {
        row->kind = ASIDE(WAITS);
        row->until_ms = decision->until_ms;
    }
}

/* there: the row that it has, or a new one. */
static void decide(struct delivery *d, struct subscription *s, const struct looked *l, const char *addressee,
                   const struct aside *there, const struct gate_decision *decision)
{
    struct aside row = there != NULL ? *there : (struct aside){0};
    if (decision->answer == GATE_DROP) {
        if (!decision->is_silent) stage_dropped(d, s, l, addressee, decision->reason);
        s->dropped++;
        if (there != NULL) stage_end_row(d, s, (struct aside *)(uintptr_t)there);
        return;
    }
    row_of(d, l, decision, addressee, &row);
    bool is_new = there == NULL || there->kind != row.kind || strcmp(there->reason, row.reason) != 0 ||
                  there->until_ms != row.until_ms || memcmp(&there->key, &row.key, sizeof row.key) != 0;
    bool authorises = decision->answer == GATE_DELIVER && look_is_disclosure(l, decision) && row.authorised_sequence == 0;
    if (!is_new && !authorises) return;
    if (decision->is_unreachable && (there == NULL || there->kind != ASIDE(WITHHELD))) stage_unreachable(d, s, l, addressee);
    stage_row(d, s, &row);
    if (authorises) stage_authorised(d, s, l, decision);
}

static void prepare_row(struct delivery *d, struct subscription *s, const struct preparation *p, const struct looked *l)
{
    struct view v = delivery_view(d);
    struct aside *row = ledger_find(&s->ledger, p->at, p->addressee);
    if (row == NULL || row->is_staged || row->number != 0) return;
    const Handoff__V1__Addressee *to = NULL;
    if (s->ledger.settings->is_addressed)
        to = addressee_of(v.rules, l->now, l->emission, row->addressee, v.now_ms, d->arena);
    struct gate_decision decision = s->ledger.settings->is_addressed && to == NULL
                                        ? (struct gate_decision){.answer = GATE_DROP, .reason = "it is for nobody"}
                                        : look_ask(d, l, to);
    row->is_to_ask = false;
    decide(d, s, l, row->addressee, row, &decision);
}

static bool is_plain(const struct looked *l, const struct gate_decision *decision)
{
    return decision->answer == GATE_DELIVER && !look_is_disclosure(l, decision);
}

static void prepare_message(struct delivery *d, struct subscription *s, const struct preparation *p, const struct looked *l)
{
    struct message *m = window_at(&s->window, p->position);
    bool is_addressed = s->ledger.settings->is_addressed;
    size_t count = is_addressed ? l->addressee_count : 1;
    if (m->state != MESSAGE_READY) return;
    struct gate_decision first = count > 0 ? look_ask(d, l, is_addressed ? l->addressees[0] : NULL)
                                           : (struct gate_decision){.answer = GATE_DROP, .is_silent = true};
    if (count == 1 && (!is_addressed || l->addressees[0]->key[0] == 0) && is_plain(l, &first)) {
        stop_preparing(s, m); /* it may go after all */
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct gate_decision decision = i == 0 ? first : look_ask(d, l, l->addressees[i]);
        decide(d, s, l, is_addressed ? l->addressees[i]->key : "", NULL, &decision);
    }
    if (count == 0) s->dropped++;
    stage_past(s, p->position);
}

static void prepare_one(struct delivery *d, struct subscription *s, const struct preparation *p)
{
    struct looked l;
    size_t mark = arena_used(d->arena);
    if (!look_again(d, s, p->at, &l)) {
        s->is_stuck = true;
        delivery_notice(d, "a message does not read back; its subscription stops until the journal is checked", s);
    } else if (p->is_aside) {
        prepare_row(d, s, p, &l);
    } else {
        prepare_message(d, s, p, &l);
    }
    arena_rewind(d->arena, mark);
}

void prepare_all(struct delivery *d, struct subscription *s)
{
    for (uint32_t i = 0; i < s->preparation_count; i++) {
        const struct preparation *p = &s->preparations[i];
        if (stage_has_room(d, s, p->is_aside ? 0 : STAGE_AT_ONCE))
            prepare_one(d, s, p);
        else if (!p->is_aside) /* looked at again in a later turn */
            stop_preparing(s, window_at(&s->window, p->position));
    }
    s->preparation_count = 0;
}
