/* Two patient ids that become one, and events that are taken back: through publishing, reading, repeats, crashes, and
 * decided again from the journal. At the end a simulation that interleaves all of it.
 *
 *     SEED=17 build/tests/unit/engine_merge_test      the simulation with one seed again
 *     RUNS=500 ...                                    longer */
#include "engine/audit.h"
#include "engine/view.h"
#include "unit/engine_world.h"

#define VERDICT(NAME) HANDOFF__V1__VERDICT__VERDICT_##NAME

/* --- the shipped pathways ---------------------------------------------------------------------------------------- */
static void load_shipped(struct world *w)
{
    struct rules_folder folder;
    struct yaml_errors errors = {0};
    struct rules_changes changes = {0};
    const Handoff__V1__Site *site = world_site(w->arena);
    assert_int_equal(ruleset_read_folder("daemon/pathways", w->arena, &folder, &errors), 0);
    int code = ruleset_diff(engine_ruleset(w->engine), &folder, &site, 1, w->arena, &errors, &changes);
    if (code) yaml_errors_print(stderr, &errors);
    assert_int_equal(code, 0);
    assert_int_equal(engine_change_rules(w->engine, changes.list, changes.count), 0);
}

static struct world *new_world(bool is_lmdb)
{
    struct world *w = world_prepare(is_lmdb);
    assert_int_equal(world_start(w), 0);
    load_shipped(w);
    return w;
}

/* --- events ------------------------------------------------------------------------------------------------------ */
static Handoff__V1__Event *event_of(struct world *w, const char *id, const char *patient)
{
    Handoff__V1__Event *e = ARENA_NEW(w->arena, Handoff__V1__Event);
    handoff__v1__event__init(e);
    e->id = arena_string(w->arena, id);
    e->source = (char *)"ward";
    e->patient_id = arena_string(w->arena, patient);
    e->occurred_at_ms = engine_now_ms(w->engine);
    return e;
}

#define BODY(W, E, Type, field, NAME)                                                                                  \
    Handoff__V1__##Type *body = ARENA_NEW((W)->arena, Handoff__V1__##Type);                                            \
    handoff__v1__##field##__init(body);                                                                                \
    (E)->body_case = HANDOFF__V1__EVENT__BODY_##NAME;                                                                  \
    (E)->field = body

static struct bytes registered(struct world *w, const char *id, const char *patient)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    BODY(w, e, PatientRegistered, patient_registered, PATIENT_REGISTERED);
    body->birth_date = 20160501;
    body->category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
    return world_pack(w, e);
}

static struct bytes barrier(struct world *w, const char *id, const char *patient, Handoff__V1__BarrierKind kind)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    BODY(w, e, BarrierReported, barrier_reported, BARRIER_REPORTED);
    body->kind = kind;
    return world_pack(w, e);
}

static struct bytes requested(struct world *w, const char *id, const char *patient, const char *referral)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    e->referral_id = arena_string(w->arena, referral);
    BODY(w, e, ReferralRequested, referral_requested, REFERRAL_REQUESTED);
    body->priority = HANDOFF__V1__PRIORITY__PRIORITY_ROUTINE;
    body->level_of_care = HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT;
    body->referrer = HANDOFF__V1__PARTY__PARTY_PCP;
    body->category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
    return world_pack(w, e);
}

static struct bytes merged(struct world *w, const char *id, const char *loser, const char *survivor)
{
    Handoff__V1__Event *e = event_of(w, id, loser);
    BODY(w, e, PatientMerged, patient_merged, PATIENT_MERGED);
    body->survivor_patient_id = arena_string(w->arena, survivor);
    return world_pack(w, e);
}

static struct bytes completed(struct world *w, const char *id, const char *patient, const char *task)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    e->task_id = arena_string(w->arena, task);
    BODY(w, e, TaskCompleted, task_completed, TASK_COMPLETED);
    body->outcome = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE;
    body->by = (char *)"nurse-1";
    return world_pack(w, e);
}

static struct bytes retracted(struct world *w, const char *id, const char *patient, const char *wrong)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    BODY(w, e, EventRetracted, event_retracted, EVENT_RETRACTED);
    body->retracted_source = (char *)"ward";
    body->retracted_id = arena_string(w->arena, wrong);
    return world_pack(w, e);
}

static struct bytes found(struct world *w, const char *id, const char *patient, Handoff__V1__Severity severity)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    BODY(w, e, SafetyFlagRaised, safety_flag_raised, SAFETY_FLAG_RAISED);
    body->kind = HANDOFF__V1__RISK_KIND__RISK_KIND_SELF;
    body->severity = severity;
    return world_pack(w, e);
}

static struct bytes booked(struct world *w, const char *id, const char *patient, const char *visit, int64_t in_ms)
{
    Handoff__V1__Event *e = event_of(w, id, patient);
    e->appointment_id = arena_string(w->arena, visit);
    BODY(w, e, AppointmentBooked, appointment_booked, APPOINTMENT_BOOKED);
    body->starts_at_ms = engine_now_ms(w->engine) + in_ms;
    return world_pack(w, e);
}

/* --- looking ----------------------------------------------------------------------------------------------------- */
static Handoff__V1__PatientRecord *record_of(struct world *w, const char *patient)
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    struct patient_key key;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, patient, &key);
    assert_int_equal(engine_alias(w->engine, &key, INT64_MAX, w->arena), 0);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    return record;
}

static const char *key_text_of(struct world *w, const char *patient)
{
    struct patient_key key;
    char *text = arena_alloc(w->arena, 33);
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, patient, &key);
    engine_key_text(&key, text);
    return text;
}

static void on_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static void check_journal(struct world *w)
{
    struct audit audit = {"test", NULL, on_damage};
    struct audit_summary summary;
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
    assert_true(summary.decided_again > 0);
}

/* --- sentences --------------------------------------------------------------------------------------------------- */
static void what_was_known_of_either_is_known_under_both_names(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = new_world(is_lmdb);
        world_publish(w, registered(w, "e1", "ann"));
        world_publish(w, registered(w, "e2", "anna"));
        world_publish(w, barrier(w, "e3", "ann", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST));
        world_publish(w, requested(w, "e4", "anna", "ref-1"));
        uint64_t before = world_state(w).last_sequence;
        assert_int_equal(world_publish(w, merged(w, "e5", "anna", "ann"))->verdict, VERDICT(APPLIED));
        assert_int_equal(world_state(w).last_sequence, before + 2); /* the two are in one batch */
        assert_string_equal(record_of(w, "anna")->patient_id, "ann");
        assert_int_equal(record_of(w, "anna")->n_episodes, 3); /* the referral, its coverage, the barrier */
        assert_int_equal(record_of(w, "ann")->n_barriers, 1);
        world_publish(w, barrier(w, "e6", "anna", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_LANGUAGE));
        assert_int_equal(record_of(w, "ann")->n_barriers, 2);
        world_crash(w);
        assert_int_equal(record_of(w, "anna")->n_barriers, 2);
        assert_int_equal(world_state(w).totals[TOTAL_OPEN_EPISODES], 3);
        check_journal(w);
        world_free(w);
    }
    (void)state;
}

static void an_id_keeps_the_patient_under_which_it_was_made(void **state)
{
    struct world *w = new_world(false);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    world_publish(w, requested(w, "e3", "anna", "ref-1"));
    Handoff__V1__PatientRecord *anna = record_of(w, "anna");
    assert_true(anna->n_tasks >= 2);
    char *first = (char *)(uintptr_t)view_id(w->arena, key_text_of(w, "anna"), anna, "t", anna->tasks[0]->number);
    char *second = (char *)(uintptr_t)view_id(w->arena, key_text_of(w, "anna"), anna, "t", anna->tasks[1]->number);
    size_t tasks = anna->n_tasks;
    world_publish(w, merged(w, "e4", "anna", "ann"));
    Handoff__V1__PatientRecord *ann = record_of(w, "ann");
    assert_int_equal(ann->n_tasks, tasks);
    assert_string_equal(view_id(w->arena, key_text_of(w, "ann"), ann, "t", ann->tasks[0]->number), first);
    assert_string_equal(view_made_under(ann, ann->tasks[0]->origin), "anna");
    assert_int_equal(world_publish(w, completed(w, "e5", "anna", first))->verdict, VERDICT(APPLIED));
    assert_int_equal(world_publish(w, completed(w, "e6", "ann", second))->verdict, VERDICT(APPLIED));
    assert_int_equal(record_of(w, "ann")->n_tasks, tasks - 2);
    check_journal(w);
    world_free(w);
    (void)state;
}

static void a_short_id_is_of_the_patient_that_the_event_names(void **state)
{
    struct world *w = new_world(false);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    world_publish(w, requested(w, "e3", "ann", "ref-1"));
    world_publish(w, requested(w, "e4", "anna", "ref-2"));
    char t1[] = "t1";
    world_publish(w, completed(w, "e5", "anna", t1)); /* anna's t1 is done before the two become one */
    world_publish(w, merged(w, "e6", "anna", "ann"));
    size_t tasks = record_of(w, "ann")->n_tasks;
    world_publish(w, completed(w, "e7", "anna", t1));
    assert_int_equal(record_of(w, "ann")->n_tasks, tasks); /* ann's t1 is another */
    world_publish(w, completed(w, "e8", "ann", t1));
    assert_int_equal(record_of(w, "ann")->n_tasks, tasks - 1);
    check_journal(w);
    world_free(w);
    (void)state;
}

static void a_repeat_is_known_whoever_it_names(void **state)
{
    struct world *w = new_world(true);
    char id[16];
    struct bytes mine = barrier(w, "mine", "ann", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST);
    struct bytes others = barrier(w, "others", "anna", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_LANGUAGE);
    struct bytes merge = merged(w, "merge", "anna", "ann");
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    uint64_t first = world_publish(w, mine)->sequence, second = world_publish(w, others)->sequence;
    uint64_t third = world_publish(w, merge)->sequence;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(world_publish(w, mine)->sequence, first);
        assert_int_equal(world_publish(w, others)->sequence, second);
        assert_int_equal(world_publish(w, merge)->sequence, third);
        assert_int_equal(world_publish(w, merge)->code, CODE(DUPLICATE));
        for (int i = 0; i < 40; i++) { /* so that the record forgets them, and the chains must tell */
            snprintf(id, sizeof id, "n%d-%d", round, i);
            assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 1000, NULL), 0);
            world_publish(w, world_updated(w, id, i % 2 ? "ann" : "anna", "Ann"));
        }
    }
    world_crash(w);
    assert_int_equal(world_publish(w, others)->sequence, second);
    assert_int_equal(world_publish(w, merge)->sequence, third);
    world_free(w);
    (void)state;
}

static void the_timers_of_the_one_that_went_fire_once_on_the_one_that_stays(void **state)
{
    struct world *w = world_new(true);
    world_publish(w, world_opened(w, "e1", "anna"));
    world_publish(w, world_updated(w, "e2", "ann", "Ann"));
    world_publish(w, merged(w, "e3", "anna", "ann"));
    assert_int_equal(record_of(w, "ann")->n_timers, 1);
    assert_int_equal(engine_index_flush(w->engine), 0);
    world_crash(w);
    uint64_t fired = 0;
    while (engine_advance(w->engine, engine_now_ms(w->engine) + 2 * WORLD_HOUR, &fired) == 1) continue;
    assert_int_equal(w->firings, 1);
    assert_int_equal(record_of(w, "ann")->n_tasks, 1);
    check_journal(w);
    world_free(w);
    (void)state;
}

static void two_courses_of_one_pathway_become_one_and_the_other_is_a_duplicate(void **state)
{
    struct world *w = world_new(false);
    world_publish(w, world_opened(w, "e1", "ann"));
    engine_advance(w->engine, engine_now_ms(w->engine) + WORLD_HOUR, NULL); /* ann's call is asked for */
    world_publish(w, world_opened(w, "e2", "anna"));
    while (engine_advance(w->engine, engine_now_ms(w->engine) + 2 * WORLD_HOUR, NULL) == 1) continue; /* and anna's */
    assert_int_equal(record_of(w, "anna")->n_tasks, 1);
    world_publish(w, merged(w, "e3", "anna", "ann"));
    Handoff__V1__PatientRecord *r = record_of(w, "ann");
    assert_int_equal(r->n_episodes, 1);
    assert_int_equal(r->n_timers, 1);
    assert_int_equal(r->n_tasks, 1);
    assert_int_equal(r->n_closed_episodes, 1);
    assert_int_equal(r->closed_episodes[0]->reason, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_DUPLICATE);
    struct engine_state s = world_state(w);
    assert_int_equal(s.totals[TOTAL_OPEN_TASKS], 1);
    assert_int_equal(s.totals[TOTAL_OPEN_EPISODES], 1);
    check_journal(w);
    world_free(w);
    (void)state;
}

static void what_cannot_be_merged_is_journaled_and_looked_at_and_nothing_else(void **state)
{
    struct world *w = new_world(false);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    world_publish(w, registered(w, "e3", "joe"));
    assert_int_equal(world_publish(w, merged(w, "m1", "ann", "nobody"))->verdict, VERDICT(REVIEW));
    assert_int_equal(world_publish(w, merged(w, "m2", "nobody", "ann"))->verdict, VERDICT(REVIEW));
    assert_int_equal(world_publish(w, merged(w, "m3", "ann", "ann"))->verdict, VERDICT(REVIEW));
    assert_int_equal(record_of(w, "ann")->n_tasks, 1); /* one review for all of them */
    assert_int_equal(world_publish(w, merged(w, "m4", "anna", "ann"))->verdict, VERDICT(APPLIED));
    assert_int_equal(world_publish(w, merged(w, "m5", "ann", "anna"))->verdict, VERDICT(REVIEW)); /* round and round */
    assert_int_equal(world_publish(w, merged(w, "m6", "anna", "ann"))->verdict, VERDICT(RECORDED)); /* so it is */
    assert_int_equal(world_publish(w, merged(w, "m7", "anna", "joe"))->verdict, VERDICT(REVIEW)); /* ann is not meant */
    assert_string_equal(record_of(w, "ann")->patient_id, "ann");
    assert_string_equal(record_of(w, "joe")->patient_id, "joe");
    check_journal(w);
    world_free(w);
    (void)state;
}

static void aliases_are_followed_eight_deep_and_no_merge_makes_them_deeper(void **state)
{
    struct world *w = new_world(false);
    char loser[16], survivor[16], id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(loser, sizeof loser, "p%d", i);
        snprintf(id, sizeof id, "r%d", i);
        world_publish(w, registered(w, id, loser));
    }
    world_publish(w, barrier(w, "b", "p0", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST));
    for (int i = 0; i < 8; i++) {
        snprintf(loser, sizeof loser, "p%d", i);
        snprintf(survivor, sizeof survivor, "p%d", i + 1);
        snprintf(id, sizeof id, "m%d", i);
        assert_int_equal(world_publish(w, merged(w, id, loser, survivor))->verdict, VERDICT(APPLIED));
    }
    assert_string_equal(record_of(w, "p0")->patient_id, "p8");
    assert_int_equal(record_of(w, "p0")->n_barriers, 1);
    assert_int_equal(world_publish(w, merged(w, "m8", "p8", "p9"))->verdict, VERDICT(REVIEW));
    assert_non_null(strstr(w->results[0].sentence, "eight patients in a row"));
    assert_int_equal(world_publish(w, merged(w, "m9", "p9", "p0"))->verdict, VERDICT(APPLIED)); /* into p8, one deep */
    assert_string_equal(record_of(w, "p9")->patient_id, "p8");
    check_journal(w);
    world_free(w);
    (void)state;
}

struct seen_entries {
    uint64_t list[64];
    size_t count;
};
static bool note_entry(void *context, const struct entry *entry)
{
    struct seen_entries *s = context;
    if (s->count < 64) s->list[s->count++] = entry->sequence;
    return s->count % 3 != 0; /* pages of three */
}

static void the_history_of_both_is_read_as_one_newest_first(void **state)
{
    struct world *w = new_world(false);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    world_publish(w, barrier(w, "e3", "ann", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST));
    world_publish(w, barrier(w, "e4", "anna", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST));
    world_publish(w, merged(w, "e5", "anna", "ann"));
    world_publish(w, barrier(w, "e6", "anna", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_OTHER));
    struct patient_key key;
    struct seen_entries seen = {.count = 0};
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, "ann", &key);
    for (size_t before = 99; before != seen.count;) {
        before = seen.count;
        assert_int_equal(engine_walk(w->engine, &key, before ? seen.list[before - 1] : 0, &seen, note_entry), 0);
    }
    assert_int_equal(seen.count, 7); /* six events, and the survivor's part of the merge */
    for (size_t i = 1; i < seen.count; i++) assert_true(seen.list[i] < seen.list[i - 1]);
    world_free(w);
    (void)state;
}

static void an_event_of_before_the_merge_can_be_taken_back_after_it(void **state)
{
    struct world *w = new_world(false);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    world_publish(w, requested(w, "e3", "anna", "ref-1"));
    world_publish(w, barrier(w, "e4", "anna", HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST));
    world_publish(w, merged(w, "e5", "anna", "ann"));
    assert_int_equal(world_publish(w, retracted(w, "e6", "ann", "e3"))->verdict, VERDICT(APPLIED));
    assert_int_equal(world_publish(w, retracted(w, "e7", "anna", "e4"))->verdict, VERDICT(APPLIED));
    Handoff__V1__PatientRecord *r = record_of(w, "ann");
    assert_int_equal(r->n_episodes, 0);
    assert_int_equal(r->n_barriers, 0);
    assert_int_equal(r->n_tasks, 1); /* review-retraction */
    assert_int_equal(world_publish(w, retracted(w, "e8", "ann", "e5"))->verdict, VERDICT(APPLIED));
    assert_string_equal(record_of(w, "anna")->patient_id, "ann"); /* a human takes them apart, if they must be */
    check_journal(w);
    world_free(w);
    (void)state;
}

static void a_merge_whose_commit_fails_never_was(void **state)
{
    struct world *w = new_world(true);
    world_publish(w, registered(w, "e1", "ann"));
    world_publish(w, registered(w, "e2", "anna"));
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    assert_int_equal(world_publish(w, merged(w, "e3", "anna", "ann"))->code, CODE(UNAVAILABLE));
    assert_string_equal(record_of(w, "anna")->patient_id, "anna");
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    assert_int_equal(world_publish(w, merged(w, "e3", "anna", "ann"))->code, CODE(ACCEPTED));
    assert_string_equal(record_of(w, "anna")->patient_id, "ann");
    check_journal(w);
    world_free(w);
    (void)state;
}

/* --- everything at once ---------------------------------------------------------------------------------------------- */
static uint64_t chance_state;
static uint64_t chance(void) /* splitmix64 */
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static uint32_t below(uint32_t n) { return (uint32_t)(chance() % n); }

enum { STEPS = 120, PATIENTS = 5 };
static const char *const patients[PATIENTS] = {"ann", "anna", "joe", "joseph", "jo"};

struct said {
    struct bytes bytes;
    uint64_t sequence;
    char id[16];
};

/* What was told of tasks and escalations, by id: is it open, and which generation was the last? */
struct told {
    char id[64];
    uint32_t generation;
    bool is_open;
};
struct tellings {
    struct world *w;
    struct told list[4096];
    size_t count;
};

static struct told *told_of(struct tellings *t, const char *id)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->list[i].id, id) == 0) return &t->list[i];
    assert_true(t->count < 4096);
    struct told *new = &t->list[t->count++];
    *new = (struct told){.generation = 0};
    snprintf(new->id, sizeof new->id, "%s", id);
    return new;
}

static void note_emission(struct tellings *t, const char *key, const Handoff__V1__Emission *e)
{
    uint32_t generation = 0;
    bool is_open = false;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) {
        generation = e->task->generation;
        is_open = e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED ||
                  e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED ||
                  e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED ||
                  e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_ATTEMPTED;
    } else if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) {
        generation = e->escalation->generation;
        is_open = e->escalation->change != HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED;
    } else {
        return;
    }
    struct told *told = told_of(t, view_subject_id(t->w->arena, key, e));
    assert_int_equal(generation, told->generation + 1); /* nothing is told twice under one id, and nothing is left out */
    told->generation = generation;
    told->is_open = is_open;
}

static bool note_outcome(void *context, const struct entry *entry)
{
    struct tellings *t = context;
    char key[33];
    if (!entry->record.len) return true;
    engine_key_text(&entry->key, key);
    Handoff__V1__Outcome *outcome =
        handoff__v1__outcome__unpack(arena_protobuf(t->w->arena), entry->outcome.len, entry->outcome.data);
    assert_int_not_equal(outcome->verdict, VERDICT(PARKED));
    for (size_t i = 0; i < outcome->n_emissions; i++) note_emission(t, key, outcome->emissions[i]);
    return true;
}

/* What people were told is open is open, and nothing else is. */
static void check_open(struct tellings *t, enum subject_kind kind, const char *name)
{
    struct patient_key key;
    char text[33];
    Handoff__V1__PatientRecord *r;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(t->w->engine, kind, name, &key);
    if (engine_record(t->w->engine, &key, t->w->arena, &r, &sequence, &time_ms)) return;
    engine_key_text(&key, text);
    for (size_t i = 0; i < r->n_tasks; i++)
        told_of(t, view_id(t->w->arena, text, r, "t", r->tasks[i]->number))->is_open ^= true;
    for (size_t i = 0; i < r->n_escalations; i++)
        told_of(t, view_id(t->w->arena, text, r, "e", r->escalations[i]->number))->is_open ^= true;
}

static void check_tellings(struct world *w)
{
    struct tellings *t = calloc(1, sizeof *t);
    uint64_t last;
    t->w = w;
    assert_int_equal(engine_scan(w->engine, 1, UINT32_MAX, t, note_outcome, &last), 0);
    for (int i = 0; i < PATIENTS; i++) check_open(t, SUBJECT_IS_PATIENT, patients[i]);
    check_open(t, SUBJECT_IS_SOURCE, "ward");
    for (size_t i = 0; i < t->count; i++) {
        if (!t->list[i].is_open) continue;
        print_error("%s is told otherwise than it is\n", t->list[i].id);
        fail();
    }
    free(t);
}

static char *some_task(struct world *w, const char *patient)
{
    struct patient_key key;
    char text[33];
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    if (world_record(w, patient, &record, &sequence)) return NULL;
    record = record_of(w, patient);
    if (!record->n_tasks) return NULL;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, patient, &key);
    engine_alias(w->engine, &key, INT64_MAX, w->arena);
    engine_key_text(&key, text);
    return (char *)(uintptr_t)view_id(w->arena, text, record, "t", record->tasks[below((uint32_t)record->n_tasks)]->number);
}

static struct bytes something(struct world *w, const char *id, const struct said *said, size_t count)
{
    static const Handoff__V1__BarrierKind kinds[] = {HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_COST, HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_TRANSPORT};
    static const char *const referrals[] = {"ref-1", "ref-2", "ref-3"}, *const visits[] = {"visit-1", "visit-2"};
    const char *patient = patients[below(PATIENTS)];
    char *task;
    switch (below(16)) {
    case 0: case 1: return registered(w, id, patient);
    case 2: case 3: return barrier(w, id, patient, kinds[below(2)]);
    case 4: case 5: case 6: return requested(w, id, patient, referrals[below(3)]);
    case 7: return booked(w, id, patient, visits[below(2)], (1 + below(10)) * 24 * WORLD_HOUR);
    case 8: return found(w, id, patient, (Handoff__V1__Severity)(2 + below(2)));
    case 9: case 10: return merged(w, id, patient, patients[below(PATIENTS)]);
    case 11: case 12: return count ? retracted(w, id, patient, said[below((uint32_t)count)].id) : registered(w, id, patient);
    default: task = some_task(w, patient); return task ? completed(w, id, patient, task) : world_updated(w, id, patient, "X");
    }
}

static void run_once(uint64_t seed, bool is_lmdb)
{
    struct said said[STEPS];
    size_t count = 0;
    struct world *w = new_world(is_lmdb);
    chance_state = seed;
    for (int step = 0; step < STEPS; step++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", step);
        uint32_t what = below(8);
        if (what == 0 && count) {
            const struct said *again = &said[below((uint32_t)count)];
            const struct world_result *r = world_publish(w, again->bytes);
            assert_int_equal(r->code, CODE(DUPLICATE));
            assert_int_equal(r->sequence, again->sequence);
        } else if (what == 1) {
            int64_t to_ms = engine_now_ms(w->engine) + (int64_t)below(60) * WORLD_HOUR;
            while (engine_advance(w->engine, to_ms, NULL) == 1) continue;
        } else if (what == 2) {
            world_crash(w);
        } else {
            struct said *s = &said[count];
            s->bytes = something(w, id, said, count);
            const struct world_result *r = world_publish(w, s->bytes);
            if (r->code == CODE(BAD_ID)) continue; /* the task is of another patient */
            assert_int_equal(r->code, CODE(ACCEPTED));
            s->sequence = r->sequence;
            memcpy(s->id, id, sizeof id);
            count++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct world_result *r = world_publish(w, said[i].bytes);
        assert_int_equal(r->code, CODE(DUPLICATE));
        assert_int_equal(r->sequence, said[i].sequence);
    }
    check_journal(w);
    check_tellings(w);
    world_free(w);
}

static void whichever_order_things_come_in_nothing_is_lost_or_repeated(void **state)
{
    const char *one = getenv("SEED"), *runs = getenv("RUNS");
    uint64_t from = one ? strtoull(one, NULL, 10) : 1, until = one ? from : runs ? strtoull(runs, NULL, 10) : 12;
    for (uint64_t seed = from; seed <= until; seed++) {
        if (one || runs) print_message("# seed %llu\n", (unsigned long long)seed);
        run_once(seed, seed % 8 == 0);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_known_of_either_is_known_under_both_names),
        cmocka_unit_test(an_id_keeps_the_patient_under_which_it_was_made),
        cmocka_unit_test(a_short_id_is_of_the_patient_that_the_event_names),
        cmocka_unit_test(a_repeat_is_known_whoever_it_names),
        cmocka_unit_test(the_timers_of_the_one_that_went_fire_once_on_the_one_that_stays),
        cmocka_unit_test(two_courses_of_one_pathway_become_one_and_the_other_is_a_duplicate),
        cmocka_unit_test(what_cannot_be_merged_is_journaled_and_looked_at_and_nothing_else),
        cmocka_unit_test(aliases_are_followed_eight_deep_and_no_merge_makes_them_deeper),
        cmocka_unit_test(the_history_of_both_is_read_as_one_newest_first),
        cmocka_unit_test(an_event_of_before_the_merge_can_be_taken_back_after_it),
        cmocka_unit_test(a_merge_whose_commit_fails_never_was),
        cmocka_unit_test(whichever_order_things_come_in_nothing_is_lost_or_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
