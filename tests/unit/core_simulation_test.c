/* A seeded simulation of the shipped pathways: random patients, random events of every kind (valid, biased to the
 * interesting, late, repeated, out of order), events taken back, other patient ids that become this one, random leaps of
 * the clock that fire everything due. After each step the invariants of core/README.md are asked of the record and of what
 * was emitted, in other words than core/invariants.c does. Nothing may park.
 *
 *     SEED=17 build/tests/unit/core_simulation_test      one seed again
 *     PATIENTS=100000 ...                                longer */
#include "pathway/history.h"
#include "unit/core_world.h"

enum { HEARD_MAX = 1024, OTHERS_MAX = 3, STEPS_OF_OTHER = 25 };
enum { STEPS_PER_PATIENT = 80, PATIENTS = 400, IDS_MAX = 16384, FIRINGS_PER_DAY = 100, RUNGS_PER_DAY = 28 };

/* --- chance ---------------------------------------------------------------------------------------------------- */
static uint64_t chance_state, seed;

static uint64_t chance(void) /* splitmix64 */
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static uint32_t below(uint32_t n) { return (uint32_t)(chance() % n); }
static bool one_in(uint32_t n) { return below(n) == 0; }
#define PICK(...) ((const char *const[]){__VA_ARGS__})[below(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))]

/* --- one patient ----------------------------------------------------------------------------------------------- */
struct heard {
    uint64_t hash;
    char id[32];
};
struct run {
    uint64_t seed;
    const char *patient_id;
    struct history history, elsewhere; /* elsewhere: of the newest patient id that became this one */
    struct heard heard[HEARD_MAX];     /* what may be taken back */
    size_t heard_count;
    unsigned others;
    unsigned step;
    const char *last; /* what happened, for the report */
    int64_t day_ms;
    unsigned firings_today;
    size_t climbing_today; /* escalations at once: an emergent one is told hourly at the top */
    uint64_t ids[IDS_MAX]; /* of emissions, to see that none comes twice */
    size_t id_count;
    Handoff__V1__Event *old; /* to repeat under another id */
};
static struct run run, aside; /* aside: the survivor's, while the other lives */
static Handoff__V1__PatientRecord *record_aside;

static void print_record(void)
{
    for (size_t i = 0; i < w->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = w->record->episodes[i];
        const struct pathway *p = rules_pathway(w->rules, e->pathway);
        fprintf(stderr, "  ep%u %s/%s holds=%zu concerns=%x\n", e->number, p->name, p->main.states[e->state].name, e->n_holds, e->concerns);
    }
    for (size_t i = 0; i < w->record->n_timers; i++)
        fprintf(stderr, "  timer ep%u kind %u due in %lld min%s\n", w->record->timers[i]->episode, w->record->timers[i]->kind,
                (long long)((w->record->timers[i]->due_at_ms - w->now_ms) / MS_PER_MINUTE), w->record->timers[i]->is_paused ? " paused" : "");
    fprintf(stderr, "  %zu tasks, %zu escalations, %zu visits, %zu consents\n", w->record->n_tasks, w->record->n_escalations,
            w->record->n_appointments, w->record->n_consents);
}

static void broken(const char *what)
{
    fprintf(stderr, "SEED=%llu step %u (%s): %s\n", (unsigned long long)run.seed, run.step, run.last, what);
    if (w->out.journaled.sentence[0]) fprintf(stderr, "  %s\n", w->out.journaled.sentence);
    print_record();
    fail();
}
#define HOLD(CONDITION, WHAT) do { if (!(CONDITION)) broken(WHAT); } while (0)

/* --- invariants ------------------------------------------------------------------------------------------------ */
static bool has_live_timer(const Handoff__V1__Episode *e)
{
    for (size_t i = 0; i < w->record->n_timers; i++)
        if (w->record->timers[i]->episode == e->number && !w->record->timers[i]->is_paused) return true;
    for (size_t i = 0; i < w->record->n_tasks; i++)
        for (size_t c = 0; c < w->record->tasks[i]->n_causes; c++)
            if (w->record->tasks[i]->causes[c]->episode == e->number) return true;
    return false;
}

static const Handoff__V1__Episode *episode_of(uint32_t number)
{
    for (size_t i = 0; i < w->record->n_episodes; i++)
        if (w->record->episodes[i]->number == number) return w->record->episodes[i];
    return NULL;
}

static const Handoff__V1__Escalation *escalation_of(const Handoff__V1__PatientRecord *r, uint32_t number)
{
    for (size_t i = 0; i < r->n_escalations; i++)
        if (r->escalations[i]->number == number) return r->escalations[i];
    return NULL;
}

static bool is_unassessed(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_flags; i++)
        if (!r->flags[i]->is_assessed) return true;
    return false;
}

/* But what watches the risk or is a document, a confirmed death, and what never was or goes on under another number. */
static void check_ends(const Handoff__V1__PatientRecord *before)
{
    for (size_t i = 0; before && is_unassessed(w->record) && i < before->n_episodes; i++) {
        const Handoff__V1__Episode *e = before->episodes[i];
        enum pathway_subject subject = rules_pathway(w->rules, e->pathway)->subject;
        bool may_end = subject == SUBJECT_RISK || subject == SUBJECT_CONSENT || w->record->is_death_confirmed;
        for (size_t c = 0; c < w->record->n_closed_episodes; c++)
            if (w->record->closed_episodes[c]->number == e->number) may_end |= w->record->closed_episodes[c]->reason != 0;
        HOLD(episode_of(e->number) || may_end || w->record->merged_into[0], "an episode ended while a flag was not assessed");
    }
}

static void check_episodes(void)
{
    for (size_t i = 0; i < w->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = w->record->episodes[i];
        bool waits_for_flag = e->waiting_end && is_unassessed(w->record); /* the safety episode keeps the time */
        HOLD(has_live_timer(e) || waits_for_flag, "1: an open episode without a pending timer");
        HOLD(!rules_pathway(w->rules, e->pathway)->main.states[e->state].is_final, "an open episode in a final state");
    }
}

static void check_tasks(void)
{
    for (size_t i = 0; i < w->record->n_tasks; i++) {
        const Handoff__V1__Task *t = w->record->tasks[i];
        HOLD(t->owner && t->severity && t->due_at_ms > 0, "2: a task without owner, severity or due time");
        HOLD(!t->is_overdue || escalation_of(w->record, t->escalation), "2: an overdue task without a ladder");
        HOLD(!t->escalation || escalation_of(w->record, t->escalation), "a task covered by an escalation that is gone");
        HOLD(t->n_causes > 0, "a task without a cause");
        for (size_t c = 0; c < t->n_causes; c++)
            HOLD(!t->causes[c]->episode || episode_of(t->causes[c]->episode), "6: a task of an episode that has ended");
        for (size_t k = 0; k < i; k++) {
            const Handoff__V1__Task *o = w->record->tasks[k];
            const char *a = t->subject ? t->subject->id : "", *b = o->subject ? o->subject->id : "";
            bool is_same = t->kind == o->kind && !t->subject == !o->subject && (!t->subject || t->subject->party == o->subject->party) && strcmp(a, b) == 0;
            HOLD(!is_same, "two open tasks of one kind and subject");
        }
    }
}

/* Of what is open somebody was told, and the newest that they were told is known. */
static void check_notices(void)
{
    for (size_t i = 0; i < w->record->n_tasks; i++) {
        const Handoff__V1__Task *t = w->record->tasks[i];
        HOLD(t->told_generation && t->told_generation <= t->generation, "an open task that nobody was told of");
    }
    for (size_t i = 0; i < w->record->n_escalations; i++) {
        const Handoff__V1__Escalation *e = w->record->escalations[i];
        bool is_holder_told = false;
        for (size_t k = 0; k < e->n_told; k++) {
            HOLD(e->told[k]->generation <= e->generation, "a notice that was never given");
            is_holder_told |= e->told[k]->role == e->rung;
        }
        HOLD(is_holder_told, "an escalation whose holder was not told");
    }
}

static void check_timers(void)
{
    for (size_t i = 0; i < w->record->n_timers; i++) {
        const Handoff__V1__Timer *t = w->record->timers[i];
        HOLD(!t->episode || episode_of(t->episode), "6: a timer of an episode that has ended");
        for (size_t k = 0; k < i; k++) {
            const Handoff__V1__Timer *o = w->record->timers[k];
            HOLD(o->episode != t->episode || o->kind != t->kind || o->appointment != t->appointment, "4: two live timers of one kind");
            HOLD(o->generation != t->generation, "two timers of one generation");
        }
    }
}

static int rank(Handoff__V1__Role role) /* on the overdue ladder; elsewhere it is not compared */
{
    return role == ROLE(COORDINATOR) ? 1 : role == ROLE(SUPERVISOR) ? 2 : role == ROLE(SECOND_ON_CALL) ? 3 : role == ROLE(DIRECTOR) ? 4 : 0;
}

static void check_ladders(const Handoff__V1__PatientRecord *before, const struct step_input *input)
{
    bool is_taken_back = input->kind == STEP_EVENT && input->event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    for (size_t i = 0; i < w->record->n_escalations; i++) {
        const Handoff__V1__Escalation *e = w->record->escalations[i], *was = before ? escalation_of(before, e->number) : NULL;
        HOLD(e->next_at_ms > 0, "an escalation that does not climb");
        HOLD(!e->cause || !e->cause->episode || episode_of(e->cause->episode), "an escalation of an episode that has ended");
        HOLD(!was || is_taken_back || !rank(was->rung) || rank(e->rung) >= rank(was->rung), "10: a ladder fell");
        HOLD(!was || is_taken_back || e->severity >= was->severity, "10: an escalation became less severe");
    }
}

static uint64_t id_of(const Handoff__V1__Emission *e)
{
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_TASK: return UINT64_C(1) << 60 | (uint64_t)e->task->number << 24 | e->task->generation;
    case HANDOFF__V1__EMISSION__BODY_ESCALATION: return UINT64_C(2) << 60 | (uint64_t)e->escalation->number << 24 | e->escalation->generation;
    case HANDOFF__V1__EMISSION__BODY_STATUS: return e->status->notice_number;
    case HANDOFF__V1__EMISSION__BODY_REMINDER: return e->reminder->notice_number;
    case HANDOFF__V1__EMISSION__BODY_AUDIT: return e->audit->notice_number;
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE: break;
    }
    return 0;
}

/* 8: an emission's id never comes twice. The table forgets nothing until it is three quarters full. */
static void check_ids(void)
{
    for (size_t i = 0; i < w->out.journaled.n_emissions; i++) {
        uint64_t id = id_of(w->out.journaled.emissions[i]);
        HOLD(id, "8: an emission without an id");
        size_t at = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 40) % IDS_MAX;
        for (; run.ids[at]; at = (at + 1) % IDS_MAX) HOLD(run.ids[at] != id, "8: the same emission id twice");
        if (run.id_count >= IDS_MAX / 4 * 3) continue;
        run.ids[at] = id;
        run.id_count++;
    }
}

static void check_disclosures(void)
{
    for (size_t i = 0; i < w->out.journaled.n_emissions; i++) {
        const Handoff__V1__Emission *e = w->out.journaled.emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) {
            struct consent_question q = {w->rules, w->site, w->record, e->status->recipient->party, e->status->recipient->id,
                                         e->status->category, w->now_ms, NULL};
            HOLD(!consent_is_needed(&q) || e->status->consent_id[0] || e->status->exception[0], "3: a disclosure without a consent");
        }
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER)
            HOLD(e->reminder->is_dropped || (!w->record->is_deceased && !w->record->is_opted_out), "9: a reminder to the deceased or opted-out");
    }
}

static bool is_human_asked(void)
{
    for (size_t i = 0; i < w->out.journaled.n_emissions; i++) {
        const Handoff__V1__Emission *e = w->out.journaled.emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && e->escalation->change != CLIMB(RESOLVED)) return true;
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK && (e->task->change == CHANGE(OPENED) || e->task->change == CHANGE(JOINED))) return true;
    }
    return false;
}

/* Whoever had to know was told when it was found before: its episode was open and stands as gravely as it did. */
static bool is_recorded(const Handoff__V1__PatientRecord *before, Handoff__V1__RiskKind kind)
{
    for (size_t i = 0; before && i < before->n_episodes; i++) {
        const Handoff__V1__Episode *e = before->episodes[i], *now = episode_of(e->number);
        if (e->risk == kind && now && now->severity == e->severity && now->state == e->state) return true;
    }
    return false;
}

static void check_step(const Handoff__V1__PatientRecord *before, const struct step_input *input)
{
    HOLD(w->out.journaled.verdict != VERDICT(PARKED), "it parked");
    HOLD(w->record->parked == 0, "it parked");
    for (size_t i = 0; i < w->record->n_tasks; i++) HOLD(w->record->tasks[i]->kind != TASK(REVIEW_DEFECT), "a defect was found");
    check_episodes();
    check_tasks();
    check_timers();
    check_notices();
    check_ladders(before, input);
    check_ends(before);
    check_ids();
    check_disclosures();
    HOLD(run.step % 16 || protobuf_c_message_get_packed_size(&w->record->base) < LIMIT_RECORD_BYTES, "a record larger than its limit");
    if (input->kind == STEP_EVENT && input->event->body_case == HANDOFF__V1__EVENT__BODY_SAFETY_FLAG_RAISED)
        HOLD(is_human_asked() || is_recorded(before, input->event->safety_flag_raised->kind), "7: a safety finding without an alert");
    if (input->kind != STEP_FIRING) return;
    HOLD(w->out.journaled.verdict != VERDICT(NO_OP), "a due thing whose firing was a no-op");
    for (size_t i = 0; i < w->out.journaled.n_applied; i++) {
        const Handoff__V1__Applied *a = w->out.journaled.applied[i];
        bool is_end = a->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED;
        HOLD(!is_end || rules_pathway(w->rules, a->pathway)->main.states[a->to_state].is_lapse, "11: a timer reached an end");
    }
}

/* What has fired is not due again at once: it waits for another time, or it is gone. */
static void check_rearmed(const Handoff__V1__TimerInput *f)
{
    for (size_t i = 0; f->kind == DUE_TIMER && i < w->record->n_timers; i++) {
        const Handoff__V1__Timer *t = w->record->timers[i];
        bool is_same = t->episode == f->episode && t->kind == f->timer && t->appointment == f->appointment;
        HOLD(!is_same || t->is_paused || t->due_at_ms > w->now_ms, "a timer that is due again as soon as it has fired");
    }
    for (size_t i = 0; f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TASK && i < w->record->n_tasks; i++)
        HOLD(w->record->tasks[i]->number != f->number || w->record->tasks[i]->is_overdue, "a task that is due again");
    for (size_t i = 0; f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION && i < w->record->n_escalations; i++)
        HOLD(w->record->escalations[i]->number != f->number || w->record->escalations[i]->next_at_ms > w->now_ms, "a rung that is due again");
}

/* --- driving --------------------------------------------------------------------------------------------------- */
static void take(struct step_input input)
{
    const Handoff__V1__PatientRecord *before = w->record;
    run.step++;
    forget();
    input.subject_name = run.patient_id;
    input.sequence = w->sequence + 1;
    core_step(input);
    if (input.kind == STEP_EVENT || input.kind == STEP_FIRING) history_note(&run.history, w->arena, &input, before, &w->out);
    check_step(before, &input);
}

struct packed {
    uint8_t *bytes;
    size_t len;
};

static struct packed pack(const Handoff__V1__PatientRecord *record)
{
    struct packed p = {NULL, record ? handoff__v1__patient_record__get_packed_size(record) : 0};
    p.bytes = malloc(p.len + 1);
    if (record) handoff__v1__patient_record__pack(record, p.bytes);
    return p;
}

static Handoff__V1__PatientRecord *unpack(const Handoff__V1__PatientRecord *was, struct packed p)
{
    Handoff__V1__PatientRecord *record = was ? handoff__v1__patient_record__unpack(arena_protobuf(w->arena), p.len, p.bytes) : NULL;
    free(p.bytes);
    return record;
}

/* The records are all that stays, as between two batches of the daemon. What is taken back later has not come. */
static void settle_arena(void)
{
    if (arena_left(w->arena) > LIMIT_ARENA_BYTES / 4) return;
    struct packed mine = pack(w->record), others = pack(record_aside);
    arena_reset(w->arena);
    w->record = unpack(w->record, mine);
    record_aside = unpack(record_aside, others);
    run.old = NULL;
    run.history = run.elsewhere = aside.history = aside.elsewhere = (struct history){NULL};
    w->told_count = 0;
}

static void advance_to(int64_t to_ms, bool is_late)
{
    Handoff__V1__TimerInput firing;
    int64_t due_ms;
    if (is_late) w->now_ms = to_ms;
    while (w->record && (due_ms = step_next_due(w->record, &firing)) <= to_ms) {
        if (due_ms > w->now_ms) w->now_ms = due_ms;
        if (w->now_ms - run.day_ms >= MS_PER_DAY) run.day_ms = w->now_ms, run.firings_today = 0, run.climbing_today = 0;
        if (w->record->n_escalations > run.climbing_today) run.climbing_today = w->record->n_escalations;
        HOLD(++run.firings_today < FIRINGS_PER_DAY + RUNGS_PER_DAY * run.climbing_today, "more firings in a day than a day can hold");
        run.last = firing.kind == DUE_TIMER ? "a timer" : "an overdue task or a rung";
        take((struct step_input){.kind = STEP_FIRING, .firing = message_copy(&firing, w->arena)});
        check_rearmed(&firing);
        settle_arena();
    }
    w->now_ms = to_ms;
}

/* --- events of every kind, from the descriptors ---------------------------------------------------------------- */
static const char *const words_for_ids[] = {"riverside", "lakeside", "in-home-partners"};

static char *random_text(const ProtobufCFieldDescriptor *f)
{
    if (strcmp(f->name, "agency_id") == 0 || strcmp(f->name, "facility_id") == 0) return arena_string(w->arena, one_in(5) ? "" : words_for_ids[below(3)]);
    if (strcmp(f->name, "consent_id") == 0) return arena_string(w->arena, PICK("roi-1", "roi-2", "roi-3", ""));
    if (strcmp(f->name, "signer_id") == 0) return arena_string(w->arena, PICK("mom", "dad", "pat-1"));
    if (strcmp(f->name, "pathway") == 0) return arena_string(w->arena, PICK("referral", "service-continuity", "safety", "nothing"));
    if (strcmp(f->name, "state") == 0) return arena_string(w->arena, PICK("draft", "accepted", "attended", "advocating", "gap", "closing", "completed"));
    if (strcmp(f->name, "person_id") == 0) return arena_string(w->arena, PICK("coordinator-1", "supervisor-1", "director-1", "clinician-1", "nobody"));
    if (strcmp(f->name, "by") == 0 || strcmp(f->name, "clinician_id") == 0 || strcmp(f->name, "raised_by") == 0) return arena_string(w->arena, PICK("clinician-1", "coordinator-1", "nobody"));
    if (strcmp(f->name, "id") == 0) return arena_string(w->arena, PICK("mom", "dad", "riverside", "lakeside", "school-1", ""));
    if (strcmp(f->name, "insurer_id") == 0) return arena_string(w->arena, PICK("plan-a", "plan-b", ""));
    return arena_string(w->arena, PICK("", "a note", "x"));
}

static void *random_message(const ProtobufCMessageDescriptor *d, int depth);

static int64_t random_time(void)
{
    if (one_in(8)) return 0;
    int64_t spread = one_in(2) ? 4 * MS_PER_DAY : 60 * MS_PER_DAY;
    return w->now_ms + (int64_t)(chance() % (uint64_t)spread) - (one_in(4) ? spread / 2 : 0);
}

static void random_value(const ProtobufCFieldDescriptor *f, void *member, int depth)
{
    const ProtobufCEnumDescriptor *e = f->descriptor;
    size_t len = strlen(f->name);
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING: *(char **)member = random_text(f); return;
    case PROTOBUF_C_TYPE_ENUM: *(int *)member = e->values[one_in(6) ? below(e->n_values) : 1 + below(e->n_values - 1)].value; return;
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)member = one_in(3); return;
    case PROTOBUF_C_TYPE_INT64: *(int64_t *)member = len > 3 && strcmp(f->name + len - 3, "_ms") == 0 ? random_time() : (int64_t)below(10); return;
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)member = strcmp(f->name, "birth_date") == 0 || strncmp(f->name, "treatment", 9) == 0 ? 20060101 + 10000 * below(20) : below(30);
        return;
    case PROTOBUF_C_TYPE_MESSAGE: *(void **)member = one_in(4) ? NULL : random_message(f->descriptor, depth + 1); return;
    default: return;
    }
}

static void random_list(const ProtobufCFieldDescriptor *f, char *message, int depth)
{
    size_t n = below(4), bytes = f->type == PROTOBUF_C_TYPE_ENUM || f->type == PROTOBUF_C_TYPE_UINT32 ? 4 : sizeof(void *);
    char *items = arena_alloc(w->arena, (n + 1) * bytes);
    for (size_t i = 0; i < n; i++) {
        void *item = items + i * bytes;
        random_value(f, item, depth);
        if (f->type == PROTOBUF_C_TYPE_MESSAGE) *(void **)item = random_message(f->descriptor, depth + 1);
    }
    memcpy(message + f->offset, &items, sizeof items);
    memcpy(message + f->quantifier_offset, &n, sizeof n);
}

static void *random_message(const ProtobufCMessageDescriptor *d, int depth)
{
    char *message = message_new(w->arena, d->sizeof_message, d);
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (d->fields[i].label == PROTOBUF_C_LABEL_REPEATED) random_list(&d->fields[i], message, depth);
        else random_value(&d->fields[i], message + d->fields[i].offset, depth);
    }
    return message;
}

static bool names_field(const char *required, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = required; (at = strstr(at, name)); at++)
        if ((at == required || at[-1] == ' ') && (at[len] == ' ' || !at[len])) return true;
    return false;
}

/* What the front would refuse is not sent: the required fields are set. */
static void set_required(const struct event_kind *k, char *body)
{
    for (unsigned i = 0; i < k->message->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &k->message->fields[i];
        if (!names_field(k->required, f->name)) continue;
        void *member = body + f->offset;
        if (f->type == PROTOBUF_C_TYPE_STRING && !**(char **)member) *(char **)member = arena_string(w->arena, "riverside");
        if (f->type == PROTOBUF_C_TYPE_ENUM && !*(int *)member) *(int *)member = 1 + (int)below(2);
        if (f->type == PROTOBUF_C_TYPE_INT64 && !*(int64_t *)member) *(int64_t *)member = w->now_ms + MS_PER_DAY;
        bool is_one = f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED;
        if (is_one && !*(void **)member) *(void **)member = random_message(f->descriptor, 1);
    }
}

/* The events that move things come more often than the rest. */
static const struct event_kind *random_kind(void)
{
    static const char *const interesting[] = {
        "referral.requested", "referral.received", "referral.accepted", "referral.rejected", "referral.waitlisted", "referral.cancelled",
        "referral.outcome_reported", "agency.selected", "service.declined", "satisfaction.reported", "contact.attempted", "intake.completed",
        "appointment.booked", "appointment.rescheduled", "appointment.cancelled", "appointment.no_show", "appointment.fulfilled",
        "service.discharge_notice", "encounter.admitted", "encounter.discharged", "consent.granted", "consent.revoked", "task.completed",
        "task.completed", "task.completed", "task.completed", "task.attempted", "escalation.acknowledged", "escalation.resolved",
        "episode.closed", "safety.flag_raised", "safety.cleared", "patient.deceased", "authorization.denied", "message.failed"};
    if (one_in(5)) return &event_kinds[below((uint32_t)event_kind_count)];
    return event_kind_by_name(interesting[below(sizeof interesting / sizeof *interesting)]);
}

static char *numbered(const char *letters, uint32_t number)
{
    char text[STEP_ID_BYTES];
    snprintf(text, sizeof text, "%s%u", letters, number);
    return arena_string(w->arena, text);
}

static void random_envelope(Handoff__V1__Event *e)
{
    const Handoff__V1__PatientRecord *r = w->record;
    if (one_in(2)) e->referral_id = arena_string(w->arena, PICK("ref-1", "ref-2", "ref-3", "ref-1"));
    if (e->body_case >= HANDOFF__V1__EVENT__BODY_APPOINTMENT_BOOKED && e->body_case <= HANDOFF__V1__EVENT__BODY_APPOINTMENT_FULFILLED)
        e->appointment_id = numbered("visit-", below(60));
    if (r && r->n_tasks && !one_in(20)) e->task_id = numbered("t", r->tasks[below((uint32_t)r->n_tasks)]->number);
    else e->task_id = numbered("t", below(50));
    if (r && r->n_escalations && !one_in(20)) e->escalation_id = numbered("e", r->escalations[below((uint32_t)r->n_escalations)]->number);
    else e->escalation_id = numbered("e", below(50));
    if (r && r->n_episodes && one_in(4)) e->episode_id = numbered("ep", r->episodes[below((uint32_t)r->n_episodes)]->number);
}

/* Of a reminder or of the newest notice of something open, now and then of an older one. */
static void random_answer(Handoff__V1__MessageFailed *f)
{
    const Handoff__V1__PatientRecord *r = w->record;
    char text[STEP_ID_BYTES];
    snprintf(text, sizeof text, "n%u", below(50));
    if (r && r->n_tasks && one_in(3)) {
        const Handoff__V1__Task *t = r->tasks[below((uint32_t)r->n_tasks)];
        snprintf(text, sizeof text, "t%u.%u", t->number, one_in(4) ? below(4) : t->told_generation);
    } else if (r && r->n_escalations && one_in(2)) {
        const Handoff__V1__Escalation *e = r->escalations[below((uint32_t)r->n_escalations)];
        uint32_t newest = e->n_told ? e->told[below((uint32_t)e->n_told)]->generation : 0;
        snprintf(text, sizeof text, "e%u.%u", e->number, one_in(4) ? below(4) : newest);
    }
    f->emission_id = arena_string(w->arena, text);
    f->addressee = arena_string(w->arena, PICK("", "PATIENT", "GUARDIAN:mom", "GUARDIAN:dad", "riverside"));
}

static Handoff__V1__Event *random_event(void)
{
    const struct event_kind *k = random_kind();
    Handoff__V1__Event *e = MESSAGE_NEW(w->arena, Handoff__V1__Event, event);
    e->body_case = k->body;
    char *body = random_message(k->message, 0);
    set_required(k, body);
    memcpy(&e->referral_requested, &body, sizeof body); /* every member of the union is such a pointer */
    random_envelope(e);
    if (k->body == HANDOFF__V1__EVENT__BODY_MESSAGE_FAILED) random_answer(e->message_failed);
    e->occurred_at_ms = one_in(4) ? w->now_ms - (int64_t)(chance() % (uint64_t)(20 * MS_PER_DAY)) : w->now_ms;
    run.last = k->name;
    return e;
}

/* Patient ids that became this one go on being used, and so do the ids of their tasks. */
static char *random_patient_id(void)
{
    const Handoff__V1__PatientRecord *r = w->record;
    bool is_others = r && r->n_merged && one_in(4);
    return arena_string(w->arena, is_others ? r->merged[below((uint32_t)r->n_merged)]->patient_id : run.patient_id);
}

static void publish_with(Handoff__V1__Event *event, struct step_input input)
{
    Handoff__V1__Event *e = arena_copy(w->arena, event, sizeof *event); /* an old one told again is another event */
    e->id = numbered("event-", (uint32_t)++w->hash);
    e->patient_id = random_patient_id();
    e->source = arena_string(w->arena, "simulation");
    input.kind = STEP_EVENT;
    input.event = e;
    input.seen_hash = chance();
    if (run.heard_count < HEARD_MAX) {
        struct heard *h = &run.heard[run.heard_count++];
        h->hash = input.seen_hash;
        snprintf(h->id, sizeof h->id, "%s", e->id);
    }
    take(input);
    settle_arena();
}

static void publish(Handoff__V1__Event *e) { publish_with(e, (struct step_input){.kind = STEP_EVENT}); }

/* Something that was heard, here or under another id, should never have been said: more often something new. */
static void take_back(void)
{
    if (!run.heard_count) return;
    uint32_t newest = run.heard_count < 12 || one_in(4) ? (uint32_t)run.heard_count : 12;
    const struct heard *h = &run.heard[run.heard_count - 1 - below(newest)];
    Handoff__V1__Event *e = MESSAGE_NEW(w->arena, Handoff__V1__Event, event);
    Handoff__V1__EventRetracted *what = MESSAGE_NEW(w->arena, Handoff__V1__EventRetracted, event_retracted);
    e->body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    e->event_retracted = what;
    e->occurred_at_ms = w->now_ms;
    what->retracted_source = arena_string(w->arena, "simulation");
    what->retracted_id = arena_string(w->arena, h->id);
    const struct step_retraction *here = history_retraction(&run.history, w->arena, what);
    const struct step_retraction *there = here ? NULL : history_retraction(&run.elsewhere, w->arena, what);
    struct step_retraction *r = there ? arena_copy(w->arena, there, sizeof *there) : NULL;
    if (r) r->is_elsewhere = true;
    run.last = "an event taken back";
    publish_with(e, (struct step_input){.retracted_hash = h->hash, .retraction = here ? here : r});
}

/* Somebody has a good morning: everything that climbs is resolved, and half of the tasks are done. */
static void good_morning(void)
{
    run.last = "a good morning";
    for (int i = 0; i < 256 && w->record && w->record->n_escalations; i++) {
        Handoff__V1__Event *e = MESSAGE_NEW(w->arena, Handoff__V1__Event, event);
        e->body_case = HANDOFF__V1__EVENT__BODY_ESCALATION_RESOLVED;
        e->escalation_resolved = random_message(&handoff__v1__escalation_resolved__descriptor, 0);
        e->escalation_id = numbered("e", w->record->escalations[0]->number);
        e->occurred_at_ms = w->now_ms;
        publish(e);
    }
    for (size_t left = w->record ? w->record->n_tasks / 2 : 0; left && w->record->n_tasks; left--) {
        Handoff__V1__Event *e = MESSAGE_NEW(w->arena, Handoff__V1__Event, event);
        e->body_case = HANDOFF__V1__EVENT__BODY_TASK_COMPLETED;
        e->task_completed = random_message(&handoff__v1__task_completed__descriptor, 0);
        e->task_id = numbered("t", w->record->tasks[below((uint32_t)w->record->n_tasks)]->number);
        e->occurred_at_ms = w->now_ms;
        publish(e);
    }
}

static void random_step(void)
{
    static const int64_t leaps[] = {0, 0, 0, MS_PER_MINUTE, MS_PER_HOUR, 4 * MS_PER_HOUR, MS_PER_DAY, 2 * MS_PER_DAY, 3 * MS_PER_DAY, 9 * MS_PER_DAY};
    int64_t leap_ms = leaps[below(sizeof leaps / sizeof *leaps)];
    if (leap_ms) advance_to(w->now_ms + leap_ms + (int64_t)below(60000), one_in(6));
    Handoff__V1__Event *e = run.old && one_in(8) ? run.old : random_event();
    if (one_in(4)) run.old = e;
    publish(e);
    if (one_in(6)) good_morning();
    if (one_in(10)) take_back();
}

/* --- two that become one ---------------------------------------------------------------------------------------- */
static void begin_run(uint64_t patient_seed, const char *patient_id)
{
    memset(&run, 0, sizeof run);
    run.seed = patient_seed;
    run.patient_id = patient_id;
    run.day_ms = w->now_ms;
    run.last = "the beginning";
}

static void swap_lives(void)
{
    static struct run held;
    Handoff__V1__PatientRecord *record = w->record;
    held = run;
    run = aside;
    aside = held;
    w->record = record_aside;
    record_aside = record;
}

/* The life of another patient id in the days until now, and perhaps a little longer. */
static void live_as_other(void)
{
    static const char *const ids[OTHERS_MAX] = {"pat-2", "pat-3", "pat-4"};
    int64_t now_ms = w->now_ms;
    unsigned position = run.others++;
    swap_lives();
    w->record = NULL;
    w->now_ms -= (int64_t)(chance() % (uint64_t)(20 * MS_PER_DAY));
    begin_run(aside.seed, ids[position]);
    if (one_in(2)) refer();
    for (int i = 0; i < STEPS_OF_OTHER && w->now_ms < now_ms; i++) random_step();
    if (w->now_ms < now_ms) advance_to(now_ms, false);
    int64_t later_ms = w->now_ms;
    swap_lives();
    w->now_ms = now_ms;
    advance_to(later_ms, false);
}

/* Full is full: then the engine refuses the merge, and the two stay two. */
static bool is_full(const struct outcome *joined)
{
    return joined->journaled.verdict == VERDICT(PARKED) && strstr(joined->journaled.sentence, "than a record holds");
}

static void take_in(const Handoff__V1__PatientRecord *other)
{
    struct step_merge merge = {MERGE_POSSIBLE, run.patient_id};
    struct outcome alias, joined;
    Handoff__V1__Event *e = MESSAGE_NEW(w->arena, Handoff__V1__Event, event);
    Handoff__V1__PatientJoined *j = MESSAGE_NEW(w->arena, Handoff__V1__PatientJoined, patient_joined);
    e->body_case = HANDOFF__V1__EVENT__BODY_PATIENT_MERGED;
    e->patient_merged = MESSAGE_NEW(w->arena, Handoff__V1__PatientMerged, patient_merged);
    e->patient_id = other->patient_id;
    e->occurred_at_ms = w->now_ms;
    struct step_input leave = {.kind = STEP_EVENT, .sequence = ++w->sequence, .now_ms = w->now_ms, .event = e, .seen_hash = chance(), .merge = &merge};
    step(w->rules, other, &leave, w->arena, &alias);
    run.last = "two that become one";
    HOLD(alias.after->merged_into[0] && !alias.after->n_episodes && !alias.after->n_tasks && !alias.after->n_timers, "an alias that still waits");
    j->patient_id = other->patient_id;
    j->sequence = w->sequence;
    j->key.data = arena_alloc(w->arena, 16);
    j->key.len = 16;
    memset(j->key.data, (int)run.others, 16);
    struct step_input join = {.kind = STEP_JOIN, .sequence = w->sequence + 1, .now_ms = w->now_ms, .joined = j, .loser = other, .alias = alias.after};
    step(w->rules, w->record, &join, w->arena, &joined);
    if (!is_full(&joined)) take(join);
}

static void become_one(void)
{
    if (!w->record || run.others == OTHERS_MAX) return;
    live_as_other();
    if (!w->record || !record_aside) return;
    take_in(record_aside);
    run.elsewhere = aside.history;
    for (size_t i = 0; i < aside.heard_count && run.heard_count < HEARD_MAX; i++) run.heard[run.heard_count++] = aside.heard[i];
    record_aside = NULL;
    run.old = NULL;
}

static void live_one_patient(uint64_t patient_seed)
{
    chance_state = patient_seed;
    arena_reset(w->arena);
    w->record = record_aside = NULL;
    w->sequence = 0;
    w->now_ms = when("2026-03-02 09:00") + (int64_t)(chance() % (uint64_t)(300 * MS_PER_DAY));
    begin_run(patient_seed, "pat-1");
    if (!one_in(8)) refer();
    run.step = (unsigned)w->sequence;
    for (int i = 0; i < STEPS_PER_PATIENT; i++) {
        random_step();
        if (one_in(150)) become_one();
    }
    run.last = "the weeks after";
    if (w->record) advance_to(w->now_ms + 20 * MS_PER_DAY, one_in(4));
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void no_invariant_breaks_whatever_happens_in_whatever_order(void **state)
{
    (void)state;
    begin(SHIPPED);
    uint64_t patients = number_from("PATIENTS", getenv("SEED") ? 1 : PATIENTS);
    seed = number_from("SEED", 1);
    for (uint64_t i = 0; i < patients; i++) live_one_patient(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SENTENCE(no_invariant_breaks_whatever_happens_in_whatever_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
