/* How people may be reached, as events tell it: the newest word of each person counts, whenever it arrives. And what
 * follows when nobody may be reached, or when a talk lacked its interpreter. */
#include "core/moment.h"
#include "core/reach.h"

#include <string.h>

#define BODY(NAME)  HANDOFF__V1__EVENT__BODY_##NAME
#define KIND(NAME)  HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME
enum { PREFERENCES_MAX = 16 };

/* --- preferences ------------------------------------------------------------------------------------------------- */
static Handoff__V1__Preference *preference_of(struct moment *m, Handoff__V1__Party person, char *id)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_preferences; i++)
        if (r->preferences[i]->person == person && strcmp(r->preferences[i]->person_id, id) == 0)
            return r->preferences[i];
    if (r->n_preferences >= PREFERENCES_MAX) {
        moment_fault(m, "more preferences than a record holds");
        return NULL;
    }
    Handoff__V1__Preference *p = MESSAGE_NEW(m->arena, Handoff__V1__Preference, preference);
    p->person = person;
    p->person_id = id;
    list_append(m->arena, &r->preferences, &r->n_preferences, p);
    return p;
}

void facts_preference(struct moment *m)
{
    const Handoff__V1__PreferenceUpdated *u = m->event->preference_updated;
    Handoff__V1__Preference *p = preference_of(m, u->person, u->person_id);
    if (!p) return;
    if (m->occurred_ms < p->changed_at_ms) {
        m->is_overtaken = true;
        return;
    }
    p->changed_at_ms = m->occurred_ms;
    if (u->n_permitted || u->has_no_channel) {
        p->n_permitted = u->n_permitted;
        p->permitted = u->permitted;
        p->has_no_channel = u->has_no_channel;
    }
    if (u->n_addresses) {
        p->n_addresses = u->n_addresses;
        p->addresses = u->addresses;
    }
    p->earliest_minute = u->earliest_minute;
    p->latest_minute = u->latest_minute;
    p->is_opted_out = u->is_opted_out;
    p->language = u->language;
    p->needs_interpreter = u->needs_interpreter;
    p->is_phone_shared = u->is_phone_shared;
    if (u->message_content) p->message_content = u->message_content;
    if (u->person == PARTY(PATIENT)) m->record->is_opted_out = u->is_opted_out;
}

/* An older word on how to reach the patient that is told later does not take this back. */
void facts_declined(struct moment *m)
{
    if (m->event->service_declined->scope != HANDOFF__V1__DECLINE_SCOPE__DECLINE_SCOPE_ALL_CONTACT) return;
    Handoff__V1__Preference *p = preference_of(m, PARTY(PATIENT), arena_string(m->arena, ""));
    m->record->is_opted_out = true;
    if (!p) return;
    p->is_opted_out = true;
    if (m->occurred_ms > p->changed_at_ms) p->changed_at_ms = m->occurred_ms;
}

/* --- nobody may be reached --------------------------------------------------------------------------------------- */
/* Two business days; with an open safety flag today. */
static const struct delay now_delay = {.op = DELAY_CLOCK};
static const struct delay today = {.op = DELAY_AT, .amount = 23 * 60 + 59, .a = &now_delay};

/* Whoever looks for a way to the family, or to this one of it. */
static bool is_looked_for(const Handoff__V1__PatientRecord *r, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < r->n_tasks; i++) {
        const Handoff__V1__Recipient *of = r->tasks[i]->subject;
        bool is_them = !of || !party || (of->party == party && strcmp(of->id, id) == 0);
        if (r->tasks[i]->kind == KIND(FIND_CONTACT) && is_them) return true;
    }
    return false;
}

static void look_for(struct moment *m, struct task_order order)
{
    if (is_looked_for(m->record, order.party, order.subject_id)) return;
    order.kind = KIND(FIND_CONTACT);
    order.due = m->record->n_flags ? &today : NULL;
    work_open_task(m, &order);
}

void reach_look_for(struct moment *m, Handoff__V1__Party party, const char *id)
{
    look_for(m, (struct task_order){.party = party, .subject_id = id, .is_undelivered = true});
}

/* A message did not arrive, and now another address is known. */
static void stop_looking(struct moment *m, const Handoff__V1__PreferenceUpdated *u)
{
    for (size_t i = m->record->n_tasks; u->n_addresses && i-- > 0;) {
        Handoff__V1__Task *t = m->record->tasks[i];
        bool is_undelivered = t->kind == KIND(FIND_CONTACT) && t->n_causes && t->causes[0]->is_undelivered;
        bool is_them = !t->subject || (t->subject->party == u->person && strcmp(t->subject->id, u->person_id) == 0);
        if (is_undelivered && is_them) work_withdraw_task(m, t);
    }
}

void reach_find_contact(struct moment *m)
{
    const Handoff__V1__PatientRecord *r = m->record;
    if (r->is_deceased || r->is_opted_out || m->is_overtaken) return;
    if (reach_family(m->rules, m->site, r, m->now_ms)) stop_looking(m, m->event->preference_updated);
    else look_for(m, (struct task_order){.subject_id = ""});
}

/* --- interpreters ------------------------------------------------------------------------------------------------ */
static bool needs_interpreter(const Handoff__V1__PatientRecord *r, Handoff__V1__Party party, const char *id)
{
    if (party != PARTY(PATIENT) && party != PARTY(GUARDIAN)) return false;
    const Handoff__V1__Preference *p = reach_preference(r, party, id);
    return p ? p->needs_interpreter : r->needs_interpreter;
}

static bool is_family_task(const Handoff__V1__Task *t)
{
    static const Handoff__V1__TaskKind kinds[] = {KIND(CALL_FAMILY),  KIND(OUTREACH_NO_SHOW),
                                                  KIND(WARM_HANDOFF), KIND(BRIDGE_CHECK),
                                                  KIND(BARRIER_PLAN), KIND(POST_DISCHARGE_CONTACT)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (t->kind == kinds[i]) return true;
    return false;
}

/* A task about the family without a name: whoever of it was spoken with. */
static bool task_needs_interpreter(const Handoff__V1__PatientRecord *r, const Handoff__V1__Task *t)
{
    if (!t || !is_family_task(t)) return false;
    if (t->subject) return needs_interpreter(r, t->subject->party, t->subject->id);
    bool is_needed = r->needs_interpreter;
    for (size_t i = 0; i < r->n_preferences; i++)
        is_needed |= needs_interpreter(r, r->preferences[i]->person, r->preferences[i]->person_id);
    return is_needed;
}

static bool is_unheard(const struct moment *m)
{
    const Handoff__V1__Event *e = m->event;
    if (e->body_case == BODY(CONTACT_ATTEMPTED)) {
        const Handoff__V1__ContactAttempted *c = e->contact_attempted;
        return c->outcome == HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_REACHED && !c->is_in_language &&
               (needs_interpreter(m->record, c->caller, c->caller_id) ||
                needs_interpreter(m->record, c->callee, c->callee_id));
    }
    if (e->body_case != BODY(TASK_COMPLETED)) return false;
    const Handoff__V1__TaskCompleted *t = e->task_completed;
    return t->outcome == HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_REACHED && !t->is_in_language &&
           task_needs_interpreter(m->record, work_find_task(m->record, step_id_number(e->task_id, "t")));
}

/* The journal keeps what was said; what follows from it is what follows when nobody is reached. */
void reach_judge(struct moment *m)
{
    if (!is_unheard(m)) return;
    Handoff__V1__Event *read_as = message_copy(m->event, m->arena);
    if (read_as->body_case == BODY(CONTACT_ATTEMPTED))
        read_as->contact_attempted->outcome = HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_NO_ANSWER;
    else
        read_as->task_completed->outcome = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_NOT_REACHED;
    m->event = read_as;
    m->sentence = "without the interpreter that this family needs it does not count as reached";
}
