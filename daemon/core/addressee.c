/* See addressee.h. First who, then when: notices to staff, messages to the family, what others are told. */
#include "core/addressee.h"

#include "core/consent.h"
#include "core/message.h"
#include "core/moment.h"
#include "core/reach.h"
#include "core/roster.h"

#include <string.h>

#define BODY(NAME)     HANDOFF__V1__EMISSION__BODY_##NAME
#define PARTY(NAME)    HANDOFF__V1__PARTY__PARTY_##NAME
#define ROLE(NAME)     HANDOFF__V1__ROLE__ROLE_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define CHANGE(NAME)   HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME)    HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME

static const char key_patient[] = "PATIENT", key_guardian[] = "GUARDIAN:";
static const char no_address[] = "no address is known";

static struct gate_decision drop(const char *reason)
{
    return (struct gate_decision){.answer = GATE_DROP, .reason = reason};
}
static struct gate_decision withhold(const char *reason)
{
    return (struct gate_decision){.answer = GATE_WITHHOLD, .reason = reason};
}
static struct gate_decision not_before(int64_t from_ms, int64_t now_ms)
{
    enum gate_answer answer = from_ms > now_ms ? GATE_WAIT : GATE_DELIVER;
    return (struct gate_decision){.answer = answer, .until_ms = answer == GATE_WAIT ? from_ms : 0};
}

/* --- staff: who ------------------------------------------------------------------------------------------------ */
/* The role asked or told; UNSPECIFIED: the emission is not for staff. */
static Handoff__V1__Role role_of(const Handoff__V1__Emission *e)
{
    if (e->body_case == BODY(TASK)) return e->task->owner;
    return e->body_case == BODY(ESCALATION) ? e->escalation->rung : ROLE(UNSPECIFIED);
}

static const Handoff__V1__Escalation *open_escalation(const Handoff__V1__PatientRecord *record, const Handoff__V1__Emission *e)
{
    return e->body_case == BODY(ESCALATION) ? work_find_escalation(record, e->escalation->number) : NULL;
}

/* A task that has ended is nobody's any more; whose it was the emission says. */
static const char *holder_of(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                             const Handoff__V1__Emission *e, int64_t now_ms)
{
    Handoff__V1__Task was = HANDOFF__V1__TASK__INIT;
    const Handoff__V1__Escalation *open = open_escalation(record, e);
    const Handoff__V1__Task *task = work_find_task(record, open ? open->task : e->body_case == BODY(TASK) ? e->task->number : 0);
    if (!task && e->body_case == BODY(TASK)) {
        was.kind = e->task->kind;
        was.owner = e->task->owner;
        was.subject = e->task->subject;
        was.owner_id = e->task->owner_id;
        task = &was;
    }
    return roster_holder(rules, site, record, role_of(e), task, now_ms);
}

static Handoff__V1__Addressee *staff(const struct rules *rules, const struct site *site,
                                     const Handoff__V1__PatientRecord *record, const Handoff__V1__Emission *e,
                                     int64_t now_ms, struct arena *arena)
{
    Handoff__V1__Addressee *to = MESSAGE_NEW(arena, Handoff__V1__Addressee, addressee);
    to->role = role_of(e);
    to->id = arena_string(arena, holder_of(rules, site, record, e, now_ms));
    const Handoff__V1__Person *person = roster_person(site, to->id);
    if (!person) return to;
    to->n_addresses = person->n_addresses;
    to->addresses = person->addresses;
    return to;
}

/* --- family: who ----------------------------------------------------------------------------------------------- */
/* Somebody of the family, and the wishes that they stated; NULL: none. */
struct relative {
    Handoff__V1__Party party;
    const char *id;
    const Handoff__V1__Preference *wishes;
};
struct family {
    struct relative people[ADDRESSEES_MAX];
    size_t count;
};

static struct relative relative(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id)
{
    return (struct relative){party, id, reach_preference(record, party, id)};
}

static void add_relative(struct family *f, struct relative r)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->people[i].party == r.party && strcmp(f->people[i].id, r.id) == 0) return;
    if (f->count < ADDRESSEES_MAX) f->people[f->count++] = r;
}

struct asking {
    const struct rules *rules;
    const struct site *site;
    const Handoff__V1__PatientRecord *record;
    int64_t now_ms;
};

static bool may_be_told(const struct asking *a, const struct relative *r)
{
    if (r->wishes && r->wishes->is_opted_out) return false;
    if (r->party == PARTY(PATIENT)) return true;
    return consent_has_say(a->record, r->party, r->id) &&
           reach_may_know(a->rules, a->site, a->record, a->record->category, r->id, a->now_ms);
}

static void add_guardian(const struct asking *a, struct family *f, const char *id, bool *has_guardian)
{
    struct relative r = relative(a->record, PARTY(GUARDIAN), id);
    *has_guardian |= consent_has_say(a->record, r.party, id);
    if (may_be_told(a, &r)) add_relative(f, r);
}

static void add_patient(const struct asking *a, struct family *f, bool has_guardian)
{
    struct relative r = relative(a->record, PARTY(PATIENT), "");
    bool is_of_age = patient_age(a->site, a->record, a->now_ms) >= (int32_t)a->rules->policy.bh_signing_age;
    if ((r.wishes || is_of_age || !has_guardian) && may_be_told(a, &r)) add_relative(f, r);
}

/* The patient comes first in the order, but whether at all depends on the guardians. */
static void find_family(const struct asking *a, struct family *ret_family)
{
    const Handoff__V1__PatientRecord *record = a->record;
    struct family guardians = {.count = 0};
    bool has_guardian = false;
    for (size_t i = 0; i < record->n_care_team; i++)
        if (record->care_team[i]->party == PARTY(GUARDIAN)) add_guardian(a, &guardians, record->care_team[i]->id, &has_guardian);
    for (size_t i = 0; i < record->n_preferences; i++)
        if (record->preferences[i]->person == PARTY(GUARDIAN))
            add_guardian(a, &guardians, record->preferences[i]->person_id, &has_guardian);
    ret_family->count = 0;
    add_patient(a, ret_family, has_guardian);
    for (size_t i = 0; i < guardians.count; i++) add_relative(ret_family, guardians.people[i]);
}

/* --- family: where --------------------------------------------------------------------------------------------- */
/* How much a channel is wished for: its place among the permitted ones; past the last: not at all. Without a word about
 * channels each that carries a message will do. */
static size_t wish_for(const Handoff__V1__Preference *p, Handoff__V1__Channel channel)
{
    bool is_heard_by_others = channel == HANDOFF__V1__CHANNEL__CHANNEL_PHONE || channel == HANDOFF__V1__CHANNEL__CHANNEL_SMS;
    bool leaves_nothing = reach_content(p) == HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_NOTHING;
    if (!reach_carries_message(channel) || (is_heard_by_others && leaves_nothing)) return p->n_permitted + 1;
    size_t at = 0;
    while (at < p->n_permitted && p->permitted[at] != channel) at++;
    return p->n_permitted && at == p->n_permitted ? p->n_permitted + 1 : at;
}

static bool is_usable(const Handoff__V1__Preference *p, const Handoff__V1__Address *address)
{
    return address->address[0] && wish_for(p, address->channel) <= p->n_permitted;
}

static bool has_address(const struct relative *r)
{
    const Handoff__V1__Preference *p = r->wishes;
    if (!p || p->has_no_channel || p->is_opted_out) return false;
    for (size_t i = 0; i < p->n_addresses; i++)
        if (is_usable(p, p->addresses[i])) return true;
    return false;
}

/* The most wished for first; of one channel in the order given. */
static void fill_addresses(const struct relative *r, struct arena *arena, Handoff__V1__Addressee *to)
{
    const Handoff__V1__Preference *p = r->wishes;
    if (!has_address(r)) return;
    to->addresses = ARENA_ARRAY(arena, Handoff__V1__Address *, p->n_addresses);
    for (size_t wish = 0; wish <= p->n_permitted; wish++)
        for (size_t i = 0; i < p->n_addresses; i++)
            if (is_usable(p, p->addresses[i]) && wish_for(p, p->addresses[i]->channel) == wish)
                to->addresses[to->n_addresses++] = p->addresses[i];
}

static char *key_of(const struct relative *r, struct arena *arena)
{
    if (r->party == PARTY(PATIENT)) return arena_string(arena, key_patient);
    size_t len = strlen(r->id);
    char *key = arena_alloc(arena, sizeof key_guardian + len);
    memcpy(key, key_guardian, sizeof key_guardian - 1);
    memcpy(key + sizeof key_guardian - 1, r->id, len + 1);
    return key;
}

/* Without addresses. */
static Handoff__V1__Addressee *bare(const struct asking *a, const struct relative *r, struct arena *arena)
{
    const Handoff__V1__Preference *p = r->wishes;
    Handoff__V1__Addressee *to = MESSAGE_NEW(arena, Handoff__V1__Addressee, addressee);
    to->party = r->party;
    to->id = arena_string(arena, r->id);
    to->language = arena_string(arena, p && p->language[0] ? p->language : a->record->language);
    to->needs_interpreter = p ? p->needs_interpreter : a->record->needs_interpreter;
    to->is_phone_shared = p && p->is_phone_shared;
    to->content = reach_content(p);
    return to;
}

static Handoff__V1__Addressee *of_family(const struct asking *a, const struct relative *r, struct arena *arena)
{
    Handoff__V1__Addressee *to = bare(a, r, arena);
    to->key = key_of(r, arena);
    fill_addresses(r, arena, to);
    return to;
}

static size_t reminded(const struct asking *a, struct arena *arena, Handoff__V1__Addressee **ret)
{
    struct family f;
    find_family(a, &f);
    for (size_t i = 0; i < f.count; i++) ret[i] = of_family(a, &f.people[i], arena);
    if (f.count) return f.count;
    ret[0] = bare(a, &(struct relative){PARTY(PATIENT), "", NULL}, arena); /* nobody may be told */
    ret[0]->key = arena_string(arena, key_patient);
    return 1;
}

/* --- others ---------------------------------------------------------------------------------------------------- */
static bool is_family(Handoff__V1__Party party)
{
    return party == PARTY(PATIENT) || party == PARTY(GUARDIAN);
}

/* A practice of the program is on the roster; agencies, schools and the like the subscriber knows. */
static Handoff__V1__Addressee *recipient(const struct asking *a, const Handoff__V1__Recipient *r, struct arena *arena)
{
    if (r && is_family(r->party)) {
        struct relative who = relative(a->record, r->party, r->id);
        Handoff__V1__Addressee *to = bare(a, &who, arena);
        fill_addresses(&who, arena, to);
        return to;
    }
    Handoff__V1__Addressee *to = MESSAGE_NEW(arena, Handoff__V1__Addressee, addressee);
    if (!r) return to;
    to->party = r->party;
    to->id = arena_string(arena, r->id);
    const Handoff__V1__Person *person = consent_is_outside(a->rules, r->party, r->id) ? NULL : roster_person(a->site, r->id);
    if (!person) return to;
    to->n_addresses = person->n_addresses;
    to->addresses = person->addresses;
    return to;
}

size_t addressees_of(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                     const Handoff__V1__Emission *e, int64_t now_ms, struct arena *arena,
                     Handoff__V1__Addressee *ret[ADDRESSEES_MAX])
{
    struct asking a = {rules, rules_site(rules, record->site), record, now_ms};
    switch (e->body_case) {
    case BODY(TASK):
    case BODY(ESCALATION): ret[0] = staff(rules, a.site, record, e, now_ms, arena); return 1;
    case BODY(REMINDER): return reminded(&a, arena, ret);
    case BODY(STATUS): ret[0] = recipient(&a, e->status->recipient, arena); return 1;
    case BODY(AUDIT):
    case BODY(_NOT_SET):
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return 0;
}

bool addressee_person(const char *key, Handoff__V1__Party *ret_party, const char **ret_id)
{
    size_t prefix = sizeof key_guardian - 1;
    bool is_guardian = strncmp(key, key_guardian, prefix) == 0;
    if (!is_guardian && strcmp(key, key_patient) != 0) return false;
    *ret_party = is_guardian ? PARTY(GUARDIAN) : PARTY(PATIENT);
    *ret_id = is_guardian ? key + prefix : "";
    return true;
}

Handoff__V1__Addressee *addressee_of(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                     const Handoff__V1__Emission *e, const char *key, int64_t now_ms, struct arena *arena)
{
    Handoff__V1__Addressee *all[ADDRESSEES_MAX];
    size_t count = addressees_of(rules, record, e, now_ms, arena, all);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->key, key) == 0) return all[i];
    Handoff__V1__Party party;
    const char *id;
    if (e->body_case != BODY(REMINDER) || !addressee_person(key, &party, &id)) return NULL;
    struct asking a = {rules, rules_site(rules, record->site), record, now_ms};
    struct relative gone = relative(record, party, id);
    Handoff__V1__Addressee *to = bare(&a, &gone, arena);
    to->key = arena_string(arena, key);
    return to;
}

/* --- staff: what and when ---------------------------------------------------------------------------------------- */
/* An open episode about a risk, a safety-check, or an alert that a finding raised without either. */
static bool is_about_safety(const struct asking *a, const Handoff__V1__Emission *e)
{
    if (e->body_case == BODY(TASK) && e->task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK) return true;
    const Handoff__V1__Escalation *x = open_escalation(a->record, e);
    if (x && x->is_safety) return true;
    const Handoff__V1__Episode *episode = e->episode ? machine_episode(a->record, e->episode) : NULL;
    const struct pathway *p = episode ? rules_pathway(a->rules, episode->pathway) : NULL;
    return p && p->subject == SUBJECT_RISK;
}

static Handoff__V1__Severity severity_of(const Handoff__V1__Emission *e)
{
    return e->body_case == BODY(TASK) ? e->task->severity : e->escalation->severity;
}

/* What is routine waits also where a risk is watched. */
static bool is_grave(const struct asking *a, const Handoff__V1__Emission *e)
{
    Handoff__V1__Severity severity = severity_of(e);
    if (severity == SEVERITY(EMERGENT)) return true;
    return severity == SEVERITY(URGENT) && is_about_safety(a, e);
}

/* Work about a risk that can be done in time when the person works is not asked of them at night. */
static bool is_at_once(const struct asking *a, const Handoff__V1__Emission *e, const struct calendar *hours)
{
    bool can_wait = e->body_case == BODY(TASK) && severity_of(e) == SEVERITY(URGENT) &&
                    e->task->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK &&
                    e->task->due_at_ms > calendar_next_opening(hours, a->now_ms);
    return is_grave(a, e) && !can_wait;
}

static bool is_notice_of_task(const Handoff__V1__TaskEmission *t, const Handoff__V1__Task *open)
{
    switch (t->change) {
    case CHANGE(OPENED):
    case CHANGE(REOPENED): return true;
    case CHANGE(JOINED): return open && open->told_generation >= t->generation;
    case CHANGE(UNSPECIFIED):
    case CHANGE(ATTEMPTED):
    case CHANGE(COMPLETED):
    case CHANGE(CANCELLED):
    case CHANGE(WITHDRAWN):
    case CHANGE(EXHAUSTED):
    case _HANDOFF__V1__TASK_CHANGE_IS_INT_SIZE: break;
    }
    return false;
}

static bool is_notice_of_escalation(const Handoff__V1__EscalationEmission *e)
{
    switch (e->change) {
    case CLIMB(RAISED):
    case CLIMB(CLIMBED):
    case CLIMB(REPEATED):
    case CLIMB(RESUMED): return true;
    case CLIMB(RESOLVED): return e->is_taken_back || e->is_over;
    case CLIMB(UNSPECIFIED):
    case CLIMB(ACKNOWLEDGED):
    case _HANDOFF__V1__ESCALATION_CHANGE_IS_INT_SIZE: break;
    }
    return false;
}

static bool is_notice(const Handoff__V1__PatientRecord *record, const Handoff__V1__Emission *e)
{
    if (e->body_case == BODY(TASK)) return is_notice_of_task(e->task, work_find_task(record, e->task->number));
    return e->body_case == BODY(ESCALATION) && is_notice_of_escalation(e->escalation);
}

/* NULL: it still says something. */
static const char *task_is_stale(const Handoff__V1__PatientRecord *record, const Handoff__V1__TaskEmission *t, bool is_at_once)
{
    const Handoff__V1__Task *open = work_find_task(record, t->number);
    if (!open) return "it was done or withdrawn meanwhile";
    if (t->generation < open->told_generation) return "a newer notice of the same task has overtaken it";
    return open->attempts > t->attempts && !is_at_once ? "somebody has acted on it meanwhile" : NULL;
}

static bool is_overtaken(const Handoff__V1__Escalation *open, const Handoff__V1__EscalationEmission *e)
{
    for (size_t i = 0; i < open->n_told; i++)
        if (open->told[i]->role == e->rung) return e->generation < open->told[i]->generation;
    return false;
}

static const char *escalation_is_stale(const Handoff__V1__PatientRecord *record, const Handoff__V1__EscalationEmission *e,
                                       bool is_at_once)
{
    const Handoff__V1__Escalation *open = work_find_escalation(record, e->number);
    if (e->change == CLIMB(RESOLVED)) return NULL; /* that it was taken back, or is over, is said last */
    if (!open) return "it was resolved meanwhile";
    if (is_overtaken(open, e)) return "a newer notice of the same matter has overtaken it";
    bool is_acknowledged = open->state == HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_ACKNOWLEDGED;
    return is_acknowledged && !is_at_once ? "somebody has acknowledged it meanwhile" : NULL;
}

/* The first opening of a day that is not before this moment. */
static int64_t next_morning(const struct calendar *c, int64_t at_ms)
{
    int32_t day = calendar_local_day(c, at_ms);
    int64_t opens_ms = calendar_next_opening(c, calendar_instant(c, day, 0));
    return opens_ms >= at_ms ? opens_ms : calendar_next_opening(c, calendar_instant(c, day + 1, 0));
}

static bool is_on_call(Handoff__V1__Role role)
{
    return role == ROLE(ON_CALL) || role == ROLE(SECOND_ON_CALL);
}

static int64_t staff_from(const struct asking *a, const Handoff__V1__Emission *e, const Handoff__V1__Addressee *to)
{
    struct calendar hours = roster_hours(a->site, roster_person(a->site, to->id));
    bool is_urgent = severity_of(e) == SEVERITY(URGENT);
    if (is_at_once(a, e, &hours) || (is_urgent && is_on_call(to->role))) return a->now_ms;
    int64_t from_ms = is_urgent ? a->now_ms : next_morning(&hours, e->at_ms);
    return calendar_next_opening(&hours, from_ms > a->now_ms ? from_ms : a->now_ms);
}

static struct gate_decision notice(const struct asking *a, const Handoff__V1__Emission *e, const Handoff__V1__Addressee *to)
{
    if (!is_notice(a->record, e))
        return (struct gate_decision){.answer = GATE_DROP, .reason = "it is no notice to people", .is_silent = true};
    bool at_once = is_grave(a, e);
    const char *stale = e->body_case == BODY(TASK) ? task_is_stale(a->record, e->task, at_once)
                                                   : escalation_is_stale(a->record, e->escalation, at_once);
    if (stale) return drop(stale);
    if (!to->n_addresses) return withhold(no_address);
    return not_before(staff_from(a, e, to), a->now_ms);
}

/* --- family and others: when ------------------------------------------------------------------------------------- */
static bool is_anybody_reached(const struct asking *a)
{
    struct family f;
    find_family(a, &f);
    for (size_t i = 0; i < f.count; i++)
        if (has_address(&f.people[i])) return true;
    return false;
}

/* Without an address it is said at once, not when the hours begin: somebody has to find one. */
static struct gate_decision reminder(const struct asking *a, const Handoff__V1__Emission *e, const Handoff__V1__Addressee *to)
{
    const Handoff__V1__Recipient who = {PROTOBUF_C_MESSAGE_INIT(&handoff__v1__recipient__descriptor), to->party, to->id};
    struct gate_decision d = gate(a->rules, a->record, e, &who, a->now_ms);
    bool may_go = d.answer == GATE_DELIVER || d.answer == GATE_WAIT;
    if (may_go && to->n_addresses) return d;
    if (may_go) d = (struct gate_decision){.answer = GATE_WITHHOLD, .reason = no_address, .is_unreachable = true};
    d.is_unreachable = d.is_unreachable && !is_anybody_reached(a);
    return d;
}

/* What the family is told has their hours, like a reminder; whoever cannot be reached here the subscriber may know. */
static struct gate_decision status(const struct asking *a, const Handoff__V1__Emission *e)
{
    struct gate_decision d = gate(a->rules, a->record, e, NULL, a->now_ms);
    const Handoff__V1__Recipient *to = e->status->recipient;
    if (d.answer != GATE_DELIVER || !to || !is_family(to->party)) return d;
    if (!reach_person(a->record, to->party, to->id)) return withhold("no safe channel is known");
    int64_t from_ms = reach_permitted_from(a->site, reach_preference(a->record, to->party, to->id), a->now_ms);
    return from_ms > a->now_ms ? not_before(from_ms, a->now_ms) : d;
}

struct gate_decision gate_addressed(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                    const Handoff__V1__Emission *e, const Handoff__V1__Addressee *to, int64_t now_ms)
{
    struct asking a = {rules, rules_site(rules, record->site), record, now_ms};
    if (e->body_case == BODY(REMINDER)) return reminder(&a, e, to);
    if (e->body_case == BODY(STATUS)) return status(&a, e);
    return notice(&a, e, to);
}
