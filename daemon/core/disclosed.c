/* What deliveries say of the messages about a patient: that one is about to leave the program and on what ground, that it
 * was taken, that it does not go out any more, that it was given up. All of it is audited on the timeline, with ids and
 * codes alone. It moves no pathway; what was for a person who has not heard is unreached.c's. */
#include "core/moment.h"

#include <string.h>

#define AUDIT(NAME) HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME
#define BODY(NAME)  HANDOFF__V1__COMMAND_INPUT__BODY_##NAME

/* --- words ---------------------------------------------------------------------------------------------------- */
enum { PARTS_MAX = 12, DIGITS_BYTES = 21 };

static const char *join(struct moment *m, const char *const parts[PARTS_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < PARTS_MAX && parts[i]; i++) len += strlen(parts[i]);
    char *text = arena_alloc(m->arena, len + 1), *at = text;
    for (size_t i = 0; i < PARTS_MAX && parts[i]; i++) {
        size_t part = strlen(parts[i]);
        memcpy(at, parts[i], part);
        at += part;
    }
    *at = '\0';
    return text;
}

static const char *number_words(struct moment *m, uint64_t number)
{
    char digits[DIGITS_BYTES] = "", *at = digits + DIGITS_BYTES - 1;
    do *--at = (char)('0' + number % 10);
    while ((number /= 10));
    return arena_string(m->arena, at);
}

/* "KEY-n4 through mail" */
static const char *message_words(struct moment *m, const char *emission_id, const char *subscription, const char *addressee)
{
    bool is_named = addressee[0] != '\0';
    return join(m, (const char *const[PARTS_MAX]){emission_id, " through ", subscription, is_named ? " for " : "", addressee});
}

/* --- disclosures ------------------------------------------------------------------------------------------------- */
static const char *ground_words(struct moment *m, const Handoff__V1__DisclosureAuthorised *d)
{
    bool is_exception = d->exception[0] != '\0', is_second = d->also_consent_id[0] != '\0';
    if (is_exception) return join(m, (const char *const[PARTS_MAX]){"exception ", d->exception});
    if (!d->consent_id[0]) return "no release is needed";
    return join(m, (const char *const[PARTS_MAX]){"consent ", d->consent_id, is_second ? " and " : "", d->also_consent_id});
}

/* The notice says consent, scope and prohibition, as it went along; without one that is said too. */
static void authorised(struct moment *m, const Handoff__V1__DisclosureAuthorised *d)
{
    const char *which = message_words(m, d->emission_id, d->subscription, "");
    const char *notice = d->notice[0] ? d->notice : "without a notice that forbids redisclosure";
    moment_audit(m, AUDIT(AUTHORISED),
                 join(m, (const char *const[PARTS_MAX]){which, ": ", ground_words(m, d), "; notice: ", notice}), d->recipient, 0);
}

static void disclosed(struct moment *m, const Handoff__V1__Disclosed *d)
{
    const char *which = message_words(m, d->emission_id, d->subscription, "");
    const char *entry = number_words(m, d->authorised_sequence);
    moment_audit(m, AUDIT(DISCLOSED), join(m, (const char *const[PARTS_MAX]){which, ": taken; authorised in entry ", entry}),
                 d->recipient, 0);
}

/* --- messages that do not arrive ------------------------------------------------------------------------------------ */
static void dropped(struct moment *m, const Handoff__V1__MessageDropped *d)
{
    const char *which = message_words(m, d->emission_id, d->subscription, d->addressee);
    moment_audit(m, AUDIT(DROPPED), join(m, (const char *const[PARTS_MAX]){which, ": ", d->reason}), NULL, 0);
}

static void dead(struct moment *m, const Handoff__V1__MessageDead *d)
{
    const char *which = message_words(m, d->emission_id, d->subscription, d->addressee);
    const char *attempts = number_words(m, d->attempts);
    moment_audit(m, AUDIT(DEAD_LETTER),
                 join(m, (const char *const[PARTS_MAX]){which, ": given up at attempt ", attempts, ": ", d->reason}), NULL, 0);
    if (d->is_addressed) unreached_message(m, d->emission_id, d->addressee);
}

void disclosed_by_command(struct moment *m)
{
    const Handoff__V1__CommandInput *c = m->input->command;
    size_t told = m->out->n_emissions;
    if (c->body_case == BODY(DISCLOSURE_AUTHORISED)) authorised(m, c->disclosure_authorised);
    else if (c->body_case == BODY(DISCLOSED)) disclosed(m, c->disclosed);
    else if (c->body_case == BODY(MESSAGE_DROPPED)) dropped(m, c->message_dropped);
    else if (c->body_case == BODY(MESSAGE_DEAD)) dead(m, c->message_dead);
    else if (c->body_case == BODY(MESSAGE_UNREACHABLE)) unreached_nobody(m);
    else return;
    bool is_audit_alone = m->out->n_emissions == told + 1 && m->out->emissions[told]->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT;
    if (is_audit_alone) m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_RECORDED;
    if (!m->is_changed) m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_NO_OP; /* it was said before */
}
