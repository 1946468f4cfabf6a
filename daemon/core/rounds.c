/* See rounds.h: rounds on the site's record, and what a record has to do with one. */
#include "core/rounds.h"
#include "core/moment.h"
#include "core/roster.h"

#include <string.h>

#define BODY(NAME)     HANDOFF__V1__EVENT__BODY_##NAME
#define ROUND(NAME)    HANDOFF__V1__ROUND_KIND__ROUND_KIND_##NAME
#define ROLE(NAME)     HANDOFF__V1__ROLE__ROLE_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME

enum {
    ROUNDS_MAX = 1024
}; /* of one site, most of them absences to come; beyond it no list is made, and that is said */

/* --- on the site's record ----------------------------------------------------------------------------------------- */

static bool is_same_round(const Handoff__V1__Round *a, const Handoff__V1__Round *b)
{
    return !a->is_begun && a->kind == b->kind && a->begins_at_ms == b->begins_at_ms && strcmp(a->about, b->about) == 0;
}

static void add_round(struct moment *m, Handoff__V1__RoundKind kind, const char *about, int64_t begins_at_ms)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Round *n = MESSAGE_NEW(m->arena, Handoff__V1__Round, round);
    n->sequence = n->since_sequence = m->input->sequence;
    n->kind = kind;
    n->about = arena_string(m->arena, about);
    n->begins_at_ms = begins_at_ms;
    n->is_begun = begins_at_ms <= m->now_ms;
    for (size_t i = 0; i < r->n_rounds; i++)
        if (is_same_round(r->rounds[i], n)) return;
    m->is_changed = true;
    if (r->n_rounds < ROUNDS_MAX)
        list_append(m->arena, &r->rounds, &r->n_rounds, n);
    else
        moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_NOTE, "too many rounds wait: no list is made of this one",
                     NULL, 0);
}

/* Two moments at which work changes hands. A word that takes back an absence leaves its rounds: nothing changes hands
 * then, and they end without a list. */
static void absent(struct moment *m, const Handoff__V1__StaffAbsent *a)
{
    if (a->from_at_ms >= a->to_at_ms || a->to_at_ms <= m->now_ms) return;
    add_round(m, ROUND(ABSENCE_BEGINS), a->person_id, a->from_at_ms);
    add_round(m, ROUND(ABSENCE_ENDS), a->person_id, a->to_at_ms);
}

void rounds_by_event(struct moment *m)
{
    if (m->event->body_case == BODY(STAFF_ABSENT)) absent(m, m->event->staff_absent);
    if (m->event->body_case == BODY(AGENCY_DELISTED))
        add_round(m, ROUND(AGENCY_ENDS), m->event->agency_delisted->agency_id, m->now_ms);
}

/* Of an end that was taken back nobody hears any more. */
static void forget_ending(struct moment *m, uint64_t sequence)
{
    for (size_t i = m->record->n_rounds; i-- > 0;)
        if (m->record->rounds[i]->sequence == sequence && m->record->rounds[i]->kind == ROUND(AGENCY_ENDS))
            list_remove(&m->record->rounds, &m->record->n_rounds, i);
}

static void undo_round(struct moment *m, Handoff__V1__RoundKind kind, const char *about, uint64_t taken_back)
{
    size_t before = m->record->n_rounds;
    add_round(m, kind, about, m->now_ms);
    if (m->record->n_rounds > before) m->record->rounds[before]->since_sequence = taken_back;
}

/* An absence's own rounds stay: where nothing changes hands they end without a list, and another word may mean the same
 * moments. */
void rounds_by_retraction(struct moment *m, const struct step_retraction *r)
{
    const Handoff__V1__StaffAbsent *a = r->event->staff_absent;
    m->is_changed = true;
    if (r->event->body_case == BODY(AGENCY_DELISTED)) {
        forget_ending(m, r->sequence);
        undo_round(m, ROUND(AGENCY_STAYS), r->event->agency_delisted->agency_id, r->sequence);
    }
    if (r->event->body_case == BODY(STAFF_ABSENT) && a->from_at_ms <= m->now_ms)
        undo_round(m, ROUND(ABSENCE_UNDONE), a->person_id, r->sequence);
}

static bool is_awaited(const Handoff__V1__PatientRecord *r, const Handoff__V1__RoundWanted *w)
{
    for (size_t i = 0; i < r->n_rounds; i++)
        if (!r->rounds[i]->is_begun && r->rounds[i]->kind == w->kind && strcmp(r->rounds[i]->about, w->about) == 0)
            return true;
    return false;
}

static void wanted(struct moment *m, const Handoff__V1__RoundWanted *w)
{
    bool is_later = w->kind == ROUND(ASSIGNED); /* one list of all that are given in a row */
    int64_t begins_at_ms = is_later ? moment_resolve(m, m->rules->policy.hand_over_after, m->now_ms) : m->now_ms;
    if (is_awaited(m->record, w)) return;
    size_t before = m->record->n_rounds;
    add_round(m, w->kind, w->about, begins_at_ms);
    if (m->record->n_rounds > before && w->since_sequence)
        m->record->rounds[before]->since_sequence = w->since_sequence;
}

/* Another word may say that the person is away all the same. */
static bool is_here(const struct moment *m, const char *person_id)
{
    const char *person = roster_stand_in(m->rules, m->site, person_id, m->now_ms);
    return person && strcmp(person, person_id) == 0;
}

static void done(struct moment *m, const Handoff__V1__RoundDone *d)
{
    for (size_t i = m->record->n_rounds; i-- > 0;)
        if (m->record->rounds[i]->sequence == d->sequence && m->record->rounds[i]->kind == d->kind)
            list_remove(&m->record->rounds, &m->record->n_rounds, i);
    m->is_changed = true;
    if (d->kind == ROUND(AGENCY_STAYS)) work_forget_list(m, d->taken_back, d->reason);
    if (d->kind == ROUND(ABSENCE_UNDONE) && is_here(m, d->about)) work_forget_hand_over(m, d->taken_back);
    for (size_t i = 0; i < d->n_lists; i++) {
        if (d->kind == ROUND(AGENCY_ENDS))
            work_raise_list(m, d->sequence, d->about, d->lists[i]);
        else
            work_hand_over(m, d->sequence, d->lists[i]);
    }
}

void rounds_by_command(struct moment *m)
{
    const Handoff__V1__CommandInput *c = m->input->command;
    if (c->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_WANTED) wanted(m, c->round_wanted);
    if (c->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE) done(m, c->round_done);
}

bool rounds_fire(struct moment *m, const Handoff__V1__TimerInput *f)
{
    for (size_t i = 0; i < m->record->n_rounds; i++) {
        Handoff__V1__Round *r = m->record->rounds[i];
        if (r->is_begun || r->begins_at_ms != f->due_at_ms || i + 1 != f->number) continue;
        r->is_begun = true;
        m->is_changed = true;
        return true;
    }
    return false;
}

/* --- who is concerned --------------------------------------------------------------------------------------------- */

static bool is_referral(const struct rules *rules, uint32_t pathway)
{
    const struct pathway *p = rules_pathway(rules, pathway);
    return p && p->subject == SUBJECT_REFERRAL;
}

static const Handoff__V1__ClosedEpisode *newest_referral(const struct rules *rules, const Handoff__V1__PatientRecord *r)
{
    const Handoff__V1__ClosedEpisode *newest = NULL;
    for (size_t i = 0; i < r->n_closed_episodes; i++) {
        const Handoff__V1__ClosedEpisode *c = r->closed_episodes[i];
        if (is_referral(rules, c->pathway) && (!newest || c->closed_at_ms >= newest->closed_at_ms)) newest = c;
    }
    return newest;
}

static bool is_completed(const struct rules *rules, const Handoff__V1__ClosedEpisode *c)
{
    const struct pathway *p = rules_pathway(rules, c->pathway);
    return p && c->state < p->main.state_count && strcmp(p->main.states[c->state].name, "completed") == 0;
}

/* A visit at another agency that began after the referral ended: care goes on there. */
static bool is_seen_elsewhere(const Handoff__V1__PatientRecord *r, const char *agency, int64_t since_ms)
{
    for (size_t i = 0; i < r->n_appointments; i++) {
        const Handoff__V1__Appointment *a = r->appointments[i];
        if (a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED && a->starts_at_ms > since_ms &&
            a->agency_id[0] && strcmp(a->agency_id, agency) != 0)
            return true;
    }
    return false;
}

static bool has_care_at(const struct rules *rules, const Handoff__V1__PatientRecord *r, const char *agency)
{
    for (size_t i = 0; i < r->n_episodes; i++)
        if (strcmp(r->episodes[i]->agency_id, agency) == 0) return true;
    const Handoff__V1__ClosedEpisode *last = newest_referral(rules, r);
    return last && strcmp(last->agency_id, agency) == 0 && is_completed(rules, last) &&
           !is_seen_elsewhere(r, agency, last->closed_at_ms);
}

bool round_concerns(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                    const Handoff__V1__Round *round)
{
    return round->kind == ROUND(AGENCY_ENDS) && !record->is_deceased && has_care_at(rules, record, round->about);
}

bool round_waits(const struct rules *rules, const Handoff__V1__Round *round)
{
    const struct agency_row *row = round->kind == ROUND(AGENCY_STAYS) ? rules_agency(rules, round->about) : NULL;
    return row && row->is_delisted && row->delisted_by > round->since_sequence;
}

bool round_is_about_tasks(const Handoff__V1__Round *round)
{
    return round->kind != ROUND(AGENCY_ENDS) && round->kind != ROUND(AGENCY_STAYS);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

struct listing {
    const struct rules *rules;
    const struct site *site;
    const Handoff__V1__PatientRecord *record;
    const Handoff__V1__Round *round;
    const char *key;
    int64_t now_ms;
    struct arena *arena;
};

static bool is_flagged(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_flags; i++)
        if (!r->flags[i]->is_assessed) return true;
    return false;
}

static bool is_urgent(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_episodes; i++)
        if (r->episodes[i]->priority >= HANDOFF__V1__PRIORITY__PRIORITY_URGENT) return true;
    return r->n_flags > 0;
}

/* The next booked visit, or the agency's last day, whichever is sooner. */
static int64_t next_moment(const struct listing *l)
{
    const struct agency_row *agency = rules_agency(l->rules, l->round->about);
    int64_t first = agency && agency->is_delisted && agency->effective_at_ms ? agency->effective_at_ms : 0;
    for (size_t i = 0; i < l->record->n_appointments; i++) {
        const Handoff__V1__Appointment *a = l->record->appointments[i];
        bool is_to_come = a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED && a->starts_at_ms > l->now_ms;
        if (is_to_come && (!first || a->starts_at_ms < first)) first = a->starts_at_ms;
    }
    return first;
}

static void begin_line(const struct listing *l, struct round_line *line)
{
    *line = (struct round_line){.person_id = ""};
    handoff__v1__list_line__init(&line->line);
    line->line.patient_id = l->record->patient_id;
    line->line.is_flagged = is_flagged(l->record);
}

static size_t patient_line(const struct listing *l, struct round_line *line)
{
    begin_line(l, line);
    line->line.severity = is_urgent(l->record) ? SEVERITY(URGENT) : SEVERITY(ROUTINE);
    line->line.due_at_ms = next_moment(l);
    return 1;
}

static const char *at(const struct listing *l, Handoff__V1__Role role, int64_t at_ms)
{
    return roster_resolve(l->rules, l->site, l->record, role, at_ms);
}

static const Handoff__V1__Assignment *assignment(const struct listing *l, Handoff__V1__Role role)
{
    for (size_t i = 0; i < l->record->n_assignments; i++)
        if (l->record->assignments[i]->role == role) return l->record->assignments[i];
    return NULL;
}

/* Who has the role's work by this round; NULL: it did not change hands. */
static const char *new_owner(const struct listing *l, Handoff__V1__Role role)
{
    const Handoff__V1__Round *r = l->round;
    const Handoff__V1__Assignment *a = assignment(l, role);
    const char *then = at(l, role, r->begins_at_ms), *before = at(l, role, r->begins_at_ms - 1);
    switch (r->kind) {
    case ROUND(ABSENCE_BEGINS):
        return strcmp(before, r->about) == 0 && strcmp(then, r->about) != 0 ? then : NULL;
    case ROUND(ABSENCE_ENDS):
        return strcmp(then, r->about) == 0 && strcmp(before, r->about) != 0 ? then : NULL;
    case ROUND(ASSIGNED):
        return a && strcmp(a->person_id, r->about) == 0 && a->sequence >= r->since_sequence ? at(l, role, l->now_ms)
                                                                                            : NULL;
    case ROUND(LEFT):
        return a && strcmp(a->person_id, r->about) == 0 ? at(l, role, l->now_ms) : NULL;
    case ROUND(ABSENCE_UNDONE):
        return strcmp(then, before) != 0 ? then : NULL;
    case ROUND(AGENCY_ENDS):
    case ROUND(AGENCY_STAYS):
    case ROUND(UNSPECIFIED):
    case _HANDOFF__V1__ROUND_KIND_IS_INT_SIZE:
        break;
    }
    return NULL;
}

static size_t task_lines(const struct listing *l, struct round_line *lines)
{
    size_t n = 0;
    for (size_t i = 0; i < l->record->n_tasks && n < ROUND_RECORD_LINES_MAX; i++) {
        const Handoff__V1__Task *t = l->record->tasks[i];
        const char *owner = new_owner(l, t->owner);
        if (!owner || !*owner) continue;
        struct round_line *line = &lines[n++];
        begin_line(l, line);
        char id[STEP_ID_BYTES];
        step_id_in(id, l->key, "t", t->number, l->record, t->origin);
        line->person_id = owner;
        line->line.id = arena_string(l->arena, id);
        line->line.kind = t->kind;
        line->line.severity = t->severity;
        line->line.due_at_ms = t->due_at_ms;
    }
    return n;
}

size_t round_lines(const struct rules *rules, const Handoff__V1__PatientRecord *record, const char *key,
                   const Handoff__V1__Round *round, int64_t now_ms, struct arena *arena,
                   struct round_line ret_lines[ROUND_RECORD_LINES_MAX])
{
    struct listing l = {rules, rules_site(rules, record->site), record, round, key, now_ms, arena};
    return round_is_about_tasks(round) ? task_lines(&l, ret_lines) : patient_line(&l, ret_lines);
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* What has no time comes after what has one. */
int round_order(const Handoff__V1__ListLine *a, const Handoff__V1__ListLine *b)
{
    int order = order_of(b->is_flagged, a->is_flagged);
    if (!order) order = order_of(b->severity, a->severity);
    if (!order) order = order_of(a->due_at_ms ? a->due_at_ms : INT64_MAX, b->due_at_ms ? b->due_at_ms : INT64_MAX);
    if (!order) order = strcmp(a->patient_id, b->patient_id);
    return order ? order : strcmp(a->id, b->id);
}
