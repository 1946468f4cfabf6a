/* Taking back: an event that should never have been said. Both stay in the journal; what the one alone caused is
 * undone, and a human looks at the state before and after.
 *
 *   facts      what it changed and nobody has changed since is as before (particulars.c); a safety flag stays
 *   episodes   opened by it: ended as entered in error, without what a pathway does at an end; one about a risk stays
 *              for a clinician. Changed or ended by it and left so since: put back, with timers and tasks. Moved on
 *              since: they stay, but for what names the event as its cause
 *   tasks      without a cause left: withdrawn. Ended or changed by it: as before
 *   disclosed  ask-compliance, one a recipient; what is queued stays (gate.c asks record.retracted)
 *   a site's   what it made known to everybody is taken out of the rules by the engine; patients who were told of an end
 *              are told of this as well, and work that had changed hands changes back (rounds.c)
 *
 * An event that was taken back before it came is journaled and looked at, not acted on, unless it is a finding. */
#include "core/days.h"
#include "core/moment.h"
#include "core/consent.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define KIND(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
enum {
    RETRACTED_MAX = 32,
    AWAITED_MAX = 16,
    OF_SITE_MAX = 1024, /* of both: a site speaks of everybody */
    TEXT_BYTES = 480
};

/* --- words ---------------------------------------------------------------------------------------------------- */
struct text {
    char letters[TEXT_BYTES];
    size_t len;
};

static void say(struct text *t, const char *words)
{
    for (; *words && t->len + 1 < TEXT_BYTES; words++) t->letters[t->len++] = *words;
    t->letters[t->len] = '\0';
}

static void say_number(struct text *t, uint64_t number)
{
    char digits[21], *at = digits + sizeof digits - 1;
    *at = '\0';
    do *--at = (char)('0' + number % 10);
    while ((number /= 10));
    say(t, at);
}

struct retracting {
    struct moment *m;
    const struct step_retraction *r;
    const Handoff__V1__PatientRecord *before, *after; /* never NULL */
    uint32_t put_back[LIMIT_RECORD_EPISODES];         /* episodes, by number */
    uint32_t put_back_count;
    struct text text;
};

static const char *state_name(const struct pathway *p, uint32_t state)
{
    return p && state < p->main.state_count ? p->main.states[state].name : "?";
}

/* "; ep3 referral: requested -> draft" */
static void say_episode(struct retracting *x, const Handoff__V1__Episode *e, const char *from, const char *to)
{
    const struct pathway *p = rules_pathway(x->m->rules, e->pathway);
    say(&x->text, "; ep");
    say_number(&x->text, e->number);
    say(&x->text, " ");
    say(&x->text, p ? p->name : "?");
    say(&x->text, ": ");
    say(&x->text, from);
    say(&x->text, to[0] ? " -> " : "");
    say(&x->text, to);
}

/* --- episodes ------------------------------------------------------------------------------------------------- */
static bool is_about_risk(const struct moment *m, const Handoff__V1__Episode *e)
{
    const struct pathway *p = e ? rules_pathway(m->rules, e->pathway) : NULL;
    return p && p->subject == SUBJECT_RISK;
}

static void end_opened(struct retracting *x)
{
    struct moment *m = x->m;
    for (size_t i = m->record->n_episodes; i-- > 0;) {
        Handoff__V1__Episode *e = m->record->episodes[i];
        if (e->opened_sequence != x->r->sequence) continue;
        machine_focus(m, e);
        if (is_about_risk(m, e)) {
            say_episode(x, e, state_name(m->pathway, e->state), "the same, until a clinician clears it");
            continue;
        }
        say_episode(x, e, state_name(m->pathway, e->state), "entered in error");
        machine_end(m, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_ENTERED_IN_ERROR);
    }
    machine_focus(m, NULL);
}

static const ProtobufCFieldDescriptor *field_of(const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__episode__descriptor, name);
}

/* What is so beside the particulars: if that is as the event left it, nothing has happened since. */
static bool is_as_left(const Handoff__V1__Episode *now, const Handoff__V1__Episode *after)
{
    static const char *const names[] = {"state", "region_states", "holds", "concerns", "variables"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!message_field_equal(now, after, field_of(names[i]))) return false;
    return true;
}

/* Who was told when is a measure of what happened, not of what should have. */
static bool stays(const ProtobufCFieldDescriptor *f)
{
    static const char *const names[] = {"number", "pathway", "origin", "opened_sequence", "told_at_ms"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(f->name, names[i]) == 0) return true;
    return false;
}

static void put_back_fields(struct moment *m, Handoff__V1__Episode *now, const Handoff__V1__Episode *before,
                            const Handoff__V1__Episode *after)
{
    const ProtobufCMessageDescriptor *d = &handoff__v1__episode__descriptor;
    const Handoff__V1__Episode *was = message_copy(before, m->arena);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        bool is_its = !message_field_equal(was, after, f) && message_field_equal(now, after, f);
        if (is_its && !stays(f)) message_field_copy(now, was, f);
    }
}

static void note_put_back(struct retracting *x, Handoff__V1__Episode *e, uint32_t from_state, const char *from)
{
    const struct pathway *p = rules_pathway(x->m->rules, e->pathway);
    machine_focus(x->m, e);
    moment_apply(x->m,
                 from_state == e->state ? HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_ACTED
                                        : HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_MOVED,
                 0, from_state, e->state, 0);
    timer_put_back(x->m, x->before, x->after);
    timer_pause_resume(x->m); /* what has run on since goes by the holds that hold now */
    if (x->put_back_count < LIMIT_RECORD_EPISODES) x->put_back[x->put_back_count++] = e->number;
    say_episode(x, e, from, state_name(p, e->state));
    machine_focus(x->m, NULL);
}

static bool has_changed_timers(const struct retracting *x, uint32_t number)
{
    size_t seen = 0, same = 0, left = 0;
    for (size_t i = 0; i < x->after->n_timers; i++) left += x->after->timers[i]->episode == number;
    for (size_t i = 0; i < x->before->n_timers; i++) {
        if (x->before->timers[i]->episode != number) continue;
        seen++;
        for (size_t k = 0; k < x->after->n_timers; k++) same += message_equal(x->before->timers[i], x->after->timers[k]);
    }
    return seen != left || same != seen;
}

static void undo_changed(struct retracting *x, const Handoff__V1__Episode *before, const Handoff__V1__Episode *after)
{
    struct moment *m = x->m;
    Handoff__V1__Episode *now = machine_episode(m->record, before->number);
    if (message_equal(before, after) && !has_changed_timers(x, before->number)) return;
    if (!now) return; /* it has ended since */
    const struct pathway *p = rules_pathway(m->rules, now->pathway);
    const char *from = state_name(p, now->state);
    if (!is_as_left(now, after)) {
        say_episode(x, now, from, "the same, it has moved on since");
        return;
    }
    uint32_t from_state = now->state;
    put_back_fields(m, now, before, after);
    note_put_back(x, now, from_state, from);
}

/* Another one of the same pathway may have begun since: then a human decides between the two. */
static bool has_successor(const struct moment *m, const Handoff__V1__Episode *ended)
{
    const struct pathway *p = rules_pathway(m->rules, ended->pathway);
    for (size_t i = 0; p && i < m->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        const struct pathway *of = rules_pathway(m->rules, e->pathway);
        if (e->number <= ended->number || !of || strcmp(of->name, p->name) != 0) continue;
        if (p->subject == SUBJECT_REFERRAL && strcmp(e->referral_id, ended->referral_id) != 0) continue;
        if (p->subject == SUBJECT_RISK && e->risk != ended->risk) continue;
        if (p->subject == SUBJECT_CONSENT && strcmp(e->consent_id, ended->consent_id) != 0) continue;
        return true;
    }
    return m->record->n_episodes >= LIMIT_RECORD_EPISODES;
}

static void undo_ended(struct retracting *x, const Handoff__V1__Episode *before)
{
    Handoff__V1__PatientRecord *r = x->m->record;
    if (machine_episode(r, before->number)) return;
    for (size_t i = 0; i < r->n_closed_episodes; i++) {
        if (r->closed_episodes[i]->number != before->number) continue;
        const struct pathway *p = rules_pathway(x->m->rules, before->pathway);
        const char *end = state_name(p, r->closed_episodes[i]->state);
        uint32_t end_state = r->closed_episodes[i]->state;
        if (has_successor(x->m, before)) {
            say_episode(x, before, end, "the same, another has begun since");
            return;
        }
        list_remove(&r->closed_episodes, &r->n_closed_episodes, i);
        Handoff__V1__Episode *e = message_copy(before, x->m->arena);
        size_t place = 0;
        while (place < r->n_episodes && r->episodes[place]->number < e->number) place++;
        list_insert(x->m->arena, &r->episodes, &r->n_episodes, place, e);
        note_put_back(x, e, end_state, end);
        return;
    }
}

/* However far an episode has moved on since: what the event alone held waits for nothing any more. */
static void lift_holds(struct retracting *x)
{
    struct moment *m = x->m;
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        machine_focus(m, m->record->episodes[i]);
        const char *state = m->pathway ? state_name(m->pathway, m->episode->state) : "?";
        if (m->pathway && act_end_holds_of(m, x->r->sequence)) say_episode(x, m->episode, state, "the same, without its hold");
    }
    machine_focus(m, NULL);
}

static void undo_episodes(struct retracting *x)
{
    end_opened(x);
    for (size_t i = 0; !x->r->is_elsewhere && i < x->before->n_episodes; i++) {
        const Handoff__V1__Episode *after = machine_episode(x->after, x->before->episodes[i]->number);
        if (after) undo_changed(x, x->before->episodes[i], after);
        else undo_ended(x, x->before->episodes[i]);
    }
    lift_holds(x);
}

/* A visit that was never booked needs no reminder. */
static void drop_timers_of_no_visit(struct moment *m)
{
    for (size_t i = m->record->n_timers; i-- > 0;)
        if (m->record->timers[i]->appointment && !facts_visit(m->record, m->record->timers[i]->appointment))
            list_remove(&m->record->timers, &m->record->n_timers, i);
}

/* --- tasks and escalations ------------------------------------------------------------------------------------ */
/* What came of a finding is for a clinician to end. */
static bool is_kept(const struct moment *m, const Handoff__V1__Cause *c)
{
    if (!facts_finding(m->input->retraction->event)) return false;
    return !c->episode || is_about_risk(m, machine_episode(m->record, c->episode));
}

static bool is_put_back(const struct retracting *x, uint32_t episode)
{
    for (uint32_t i = 0; i < x->put_back_count; i++)
        if (x->put_back[i] == episode) return true;
    return false;
}

/* Somebody's word about a task or escalation, as distinct from what a pathway made of an event. */
static bool is_about_work(const Handoff__V1__Event *e)
{
    return e->body_case >= BODY(TASK_COMPLETED) && e->body_case <= BODY(ESCALATION_RESOLVED);
}

static bool is_wanted_again(const struct retracting *x, const Handoff__V1__Cause *c)
{
    if (is_put_back(x, c->episode)) return true;
    bool is_open = !c->episode || machine_episode(x->m->record, c->episode);
    bool was_silent = x->before->is_opted_out || x->before->is_deceased;
    bool fell_silent = !was_silent && (x->after->is_opted_out || x->after->is_deceased); /* every episode, moved or not */
    return is_open && (fell_silent || is_about_work(x->r->event));
}

/* The newest generation that was told of it in that entry. */
static uint32_t told_generation(const struct retracting *x, uint32_t task, uint32_t escalation, uint32_t least)
{
    for (size_t i = 0; i < x->r->outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = x->r->outcome->emissions[i];
        bool is_task = task && e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && e->task->number == task;
        bool is_escalation = escalation && e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION &&
                             e->escalation->number == escalation;
        if (is_task && e->task->generation > least) least = e->task->generation;
        if (is_escalation && e->escalation->generation > least) least = e->escalation->generation;
    }
    return least;
}

static Handoff__V1__Task *asked_already(const struct moment *m, const Handoff__V1__Task *t)
{
    for (size_t i = 0; i < m->record->n_tasks; i++)
        if (work_asks_the_same(m->record->tasks[i], t)) return m->record->tasks[i];
    return NULL;
}

static void reopen_task(struct retracting *x, const Handoff__V1__Task *before)
{
    Handoff__V1__Task *t = message_copy(before, x->m->arena);
    for (size_t i = t->n_causes; i-- > 0;)
        if (!is_wanted_again(x, t->causes[i])) list_remove(&t->causes, &t->n_causes, i);
    Handoff__V1__Task *open = t->n_causes ? asked_already(x->m, t) : NULL;
    if (open) work_take_causes(x->m, open, t);
    if (t->n_causes == 0 || open || x->m->record->n_tasks + 1 >= LIMIT_RECORD_TASKS) return;
    work_restore_task(x->m, t, told_generation(x, t->number, 0, t->generation));
}

static bool names_kept_cause(const struct retracting *x, const Handoff__V1__Task *t)
{
    for (size_t i = 0; i < t->n_causes; i++)
        if (t->causes[i]->sequence == x->r->sequence && is_kept(x->m, t->causes[i])) return true;
    return false;
}

static bool has_cause(const Handoff__V1__Task *t, const Handoff__V1__Cause *cause)
{
    for (size_t i = 0; i < t->n_causes; i++)
        if (message_equal(t->causes[i], cause)) return true;
    return false;
}

/* A cause that was left after the entry and has gone since went for another reason, and so did one whose episode ended. */
static void drop_causes_gone_since(const struct moment *m, Handoff__V1__Task *was, const Handoff__V1__Task *after,
                                   const Handoff__V1__Task *now)
{
    for (size_t i = was->n_causes; i-- > 0;) {
        const Handoff__V1__Cause *c = was->causes[i];
        bool is_open = !c->episode || machine_episode(m->record, c->episode);
        if (!is_open || (has_cause(after, c) && !has_cause(now, c))) list_remove(&was->causes, &was->n_causes, i);
    }
}

static void undo_task(struct retracting *x, const Handoff__V1__Task *before)
{
    const Handoff__V1__Task *after = work_find_task(x->after, before->number);
    Handoff__V1__Task *now = work_find_task(x->m->record, before->number);
    if (!after && !now) {
        reopen_task(x, before);
    } else if (after && now && now->generation == after->generation && !message_equal(before, after) &&
               !names_kept_cause(x, after)) {
        uint32_t escalation = now->escalation;
        Handoff__V1__Task *was = message_copy(before, x->m->arena);
        drop_causes_gone_since(x->m, was, after, now);
        if (was->n_causes == 0) return; /* what asked for it then no longer does: it stands as it is */
        for (size_t i = 0; i < x->m->record->n_tasks; i++)
            if (x->m->record->tasks[i] == now) list_remove(&x->m->record->tasks, &x->m->record->n_tasks, i);
        if (!was->escalation) was->escalation = escalation;
        work_restore_task(x->m, was, now->generation);
    }
}

static void undo_escalation(struct retracting *x, const Handoff__V1__Escalation *before)
{
    Handoff__V1__PatientRecord *r = x->m->record;
    const Handoff__V1__Escalation *after = work_find_escalation(x->after, before->number);
    Handoff__V1__Escalation *now = work_find_escalation(r, before->number);
    bool is_open = !before->cause || !before->cause->episode || machine_episode(r, before->cause->episode);
    bool is_untouched =
        is_open && after && now && now->generation == after->generation && !message_equal(before, after);
    bool was_ended = !after && !now && before->cause && is_wanted_again(x, before->cause) &&
                     (!before->task || work_find_task(r, before->task));
    if (now && now->severity > before->severity && facts_finding(x->r->event)) return; /* as grave as was found */
    if (!is_untouched && !was_ended) return;
    for (size_t i = 0; now && i < r->n_escalations; i++)
        if (r->escalations[i] == now) list_remove(&r->escalations, &r->n_escalations, i);
    uint32_t generation = now ? now->generation : told_generation(x, 0, before->number, before->generation);
    work_restore_escalation(x->m, before, generation);
}

static void undo_work(struct retracting *x)
{
    struct moment *m = x->m;
    for (size_t i = 0; !x->r->is_elsewhere && i < x->before->n_tasks; i++) undo_task(x, x->before->tasks[i]);
    for (size_t i = 0; !x->r->is_elsewhere && i < x->before->n_escalations; i++)
        undo_escalation(x, x->before->escalations[i]);
    for (size_t i = 0; i < m->record->n_tasks; i++) { /* its time passed, and nobody above knows of it any more */
        Handoff__V1__Task *t = m->record->tasks[i];
        if (t->escalation && !work_find_escalation(m->record, t->escalation)) t->escalation = 0;
        if (!t->escalation) t->is_overdue = false;
    }
    work_forget(m, x->r->sequence, is_kept);
    if (m->record->is_deceased || m->record->is_opted_out) work_fall_silent(m);
}

/* --- what was disclosed --------------------------------------------------------------------------------------- */
static void ask_compliance(struct retracting *x)
{
    for (size_t i = 0; i < x->r->disclosure_count; i++) {
        const Handoff__V1__Recipient *to = x->r->disclosures[i].status->recipient;
        if (!to || !consent_is_outside(x->m->rules, to->party, to->id)) continue;
        work_open_task(x->m, &(struct task_order){.kind = KIND(ASK_COMPLIANCE), .party = to->party, .subject_id = to->id});
    }
}

/* --- all of it ------------------------------------------------------------------------------------------------ */
static void remember_number(struct moment *m, uint64_t **list, size_t *count, size_t most, uint64_t number)
{
    size_t dropped = *count >= most ? *count - most + 1 : 0;
    uint64_t *longer = ARENA_ARRAY(m->arena, uint64_t, *count + 1 - dropped);
    if (*count > dropped) memcpy(longer, *list + dropped, (*count - dropped) * sizeof *longer);
    longer[*count - dropped] = number;
    *list = longer;
    *count += 1 - dropped;
}

static void ask_review(struct moment *m, const char *sentence)
{
    work_open_task(
        m, &(struct task_order){.kind = KIND(REVIEW_RETRACTION), .severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT});
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_RETRACTED, sentence, NULL, 0);
    m->sentence = arena_string(m->arena, sentence);
}

static size_t most_of(const struct moment *m, size_t of_patient)
{
    return m->input->subject == SUBJECT_IS_SITE ? OF_SITE_MAX : of_patient;
}

static void remember_retracted(struct moment *m, uint64_t sequence)
{
    remember_number(m, &m->record->retracted, &m->record->n_retracted, most_of(m, RETRACTED_MAX), sequence);
}

/* Of a patient nobody told us of the source hears, as with other events of its kind. Whoever names no patient may have
 * forgotten to: then somebody of the site looks. */
static void await(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    bool is_sites = m->input->subject == SUBJECT_IS_SITE;
    const char *sentence = is_sites
                               ? "no such event of this site has come; should it come, it will not be acted on (an event "
                                 "of a patient is taken back with its patient_id)"
                               : "no such event of this patient has come; should it come, it will not be acted on";
    remember_number(m, &r->taken_back, &r->n_taken_back, most_of(m, AWAITED_MAX), m->input->retracted_hash);
    if (r->is_known || r->n_episodes || is_sites) {
        ask_review(m, sentence);
        return;
    }
    m->sentence = sentence;
    m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_REVIEW;
}

static bool was_retracted(const Handoff__V1__PatientRecord *r, uint64_t sequence)
{
    for (size_t i = 0; i < r->n_retracted; i++)
        if (r->retracted[i] == sequence) return true;
    return false;
}

static void undo(struct moment *m)
{
    const struct step_retraction *r = m->input->retraction;
    struct retracting x = {.m = m, .r = r, .before = r->before, .after = r->after};
    if (!x.before) x.before = MESSAGE_NEW(m->arena, Handoff__V1__PatientRecord, patient_record);
    say(&x.text, "entry ");
    say_number(&x.text, r->sequence);
    say(&x.text, " was taken back");
    particulars_undo(m, x.before, x.after);
    facts_flags_return(m, x.before, x.after);
    undo_episodes(&x);
    drop_timers_of_no_visit(m);
    undo_work(&x);
    ask_compliance(&x);
    if (m->input->subject == SUBJECT_IS_SITE) rounds_by_retraction(m, r);
    m->takes_back = true;
    remember_retracted(m, r->sequence);
    ask_review(m, x.text.letters);
}

/* Somebody else has said since that it is so: a death told twice is a death, and so is a stay. */
static bool is_said_again(const struct moment *m)
{
    const struct step_retraction *r = m->input->retraction;
    const Handoff__V1__PatientRecord *now = m->record;
    if (r->event->body_case == BODY(PATIENT_DECEASED)) return now->is_deceased && now->deceased_sequence != r->sequence;
    if (!days_is_encounter(r->event) || (r->before && r->before->is_admitted == r->after->is_admitted)) return false;
    return now->is_admitted == r->after->is_admitted && now->stay_changed_at_ms != r->after->stay_changed_at_ms;
}

void retract_apply(struct moment *m)
{
    const struct step_retraction *r = m->input->retraction;
    m->is_used = true;
    if (!r) {
        await(m);
    } else if (was_retracted(m->record, r->sequence)) {
        m->sentence = "that event was taken back before: nothing changed";
    } else if (r->event->body_case == BODY(EVENT_RETRACTED)) {
        ask_review(m, "a retraction cannot be taken back: publish the event again, under another id");
    } else if (r->event->body_case == BODY(PATIENT_MERGED)) {
        ask_review(m, "two patients that became one cannot be taken apart: a human decides");
    } else if (is_said_again(m)) {
        remember_number(m, &m->record->retracted, &m->record->n_retracted, RETRACTED_MAX, r->sequence);
        ask_review(m, "another event says the same and stands: nothing else changed");
    } else {
        undo(m);
    }
}

bool retract_was_awaited(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_taken_back; i++) {
        if (r->taken_back[i] != m->input->seen_hash) continue;
        memmove(r->taken_back + i, r->taken_back + i + 1, (r->n_taken_back - i - 1) * sizeof *r->taken_back);
        r->n_taken_back--;
        return true;
    }
    return false;
}

void retract_review_awaited(struct moment *m)
{
    m->is_used = m->was_taken_back = true;
    remember_retracted(m, m->input->sequence);
    ask_review(m, "an event came that had been taken back before");
}
