/* Rounds: what one event of a site means for many patients: the agency closes with eighty patients, patients change
 * hands, somebody is away or has left. Each patient hears once and somebody gets one list, also when the power fails. */
#include "engine/audit.h"
#include "unit/engine_world.h"

#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME
#define TASK(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME

static const char care[] = "pathway: care\n"
                           "subject: referral\n"
                           "max_silence: 40d\n"
                           "timers: {check: {fires: [{wait: 30d, do: [{task: call-agency}]}]}}\n"
                           "opens: [{on: referral.requested, target: open, do: [{task: call-family}]}]\n"
                           "initial: open\n"
                           "states:\n"
                           "  open:\n"
                           "    after: [check]\n"
                           "    on:\n"
                           "      agency.delisted: {do: [{task: speak-with-agency}]}\n"
                           "      referral.cancelled: {target: closed}\n"
                           "  closed: {final: true}\n";

/* --- a site with people --------------------------------------------------------------------------------------------- */

static bool has_ann_left;

static void furnish(struct world *w, Handoff__V1__Site *site)
{
    site->people = ARENA_ARRAY(w->arena, Handoff__V1__Person *, 5);
    if (!has_ann_left) site->people[site->n_people++] = world_person(w, "ann", ROLE(COORDINATOR));
    site->people[site->n_people++] = world_person(w, "bob", ROLE(COORDINATOR));
    site->people[site->n_people++] = world_person(w, "sup", ROLE(SUPERVISOR));
    site->people[site->n_people++] = world_person(w, "desk", ROLE(UNSPECIFIED));
}

static struct world *begin(uint32_t batch_events)
{
    struct world *w = world_prepare(false);
    has_ann_left = false;
    w->more = care;
    w->furnish = furnish;
    w->options.batch_events = batch_events;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    return w;
}

/* --- events --------------------------------------------------------------------------------------------------------- */

static int event_count;
static const char *site_of_events = "";

static Handoff__V1__Event next_event(struct world *w, const char *patient)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    char id[32];
    snprintf(id, sizeof id, "event-%d", ++event_count);
    event.id = arena_string(w->arena, id);
    event.source = (char *)"ward";
    event.site = (char *)(uintptr_t)site_of_events;
    event.patient_id = (char *)(uintptr_t)patient;
    event.occurred_at_ms = engine_now_ms(w->engine);
    return event;
}

static void publish(struct world *w, const Handoff__V1__Event *event)
{
    const struct world_result *r = world_publish(w, world_pack(w, event));
    if (r->code != CODE(ACCEPTED)) fprintf(stderr, "%s %s\n", r->field, r->sentence);
    assert_int_equal(r->code, CODE(ACCEPTED));
}

static void refer(struct world *w, const char *patient, const char *agency)
{
    Handoff__V1__Event event = next_event(w, patient);
    Handoff__V1__ReferralRequested body = HANDOFF__V1__REFERRAL_REQUESTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_REFERRAL_REQUESTED;
    event.referral_requested = &body;
    event.referral_id = (char *)(uintptr_t)patient;
    body.priority = HANDOFF__V1__PRIORITY__PRIORITY_ROUTINE;
    body.level_of_care = HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT;
    body.referrer = HANDOFF__V1__PARTY__PARTY_PCP;
    body.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
    body.agency_id = (char *)(uintptr_t)agency;
    publish(w, &event);
}

static void cancel(struct world *w, const char *patient)
{
    Handoff__V1__Event event = next_event(w, patient);
    Handoff__V1__ReferralCancelled body = HANDOFF__V1__REFERRAL_CANCELLED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_REFERRAL_CANCELLED;
    event.referral_cancelled = &body;
    event.referral_id = (char *)(uintptr_t)patient;
    publish(w, &event);
}

static void flag(struct world *w, const char *patient)
{
    Handoff__V1__Event event = next_event(w, patient);
    Handoff__V1__SafetyFlagRaised body = HANDOFF__V1__SAFETY_FLAG_RAISED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_SAFETY_FLAG_RAISED;
    event.safety_flag_raised = &body;
    body.kind = HANDOFF__V1__RISK_KIND__RISK_KIND_SELF;
    body.severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
    publish(w, &event);
}

static void assign(struct world *w, const char *patient, const char *person_id)
{
    Handoff__V1__Event event = next_event(w, patient);
    Handoff__V1__StaffAssigned body = HANDOFF__V1__STAFF_ASSIGNED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ASSIGNED;
    event.staff_assigned = &body;
    body.role = ROLE(COORDINATOR);
    body.person_id = (char *)(uintptr_t)person_id;
    publish(w, &event);
}

static void away(struct world *w, const char *person_id, const char *delegate, int64_t from_at_ms, int64_t to_at_ms)
{
    Handoff__V1__Event event = next_event(w, "");
    Handoff__V1__StaffAbsent body = HANDOFF__V1__STAFF_ABSENT__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    event.staff_absent = &body;
    body.person_id = (char *)(uintptr_t)person_id;
    body.delegate_id = (char *)(uintptr_t)delegate;
    body.from_at_ms = from_at_ms;
    body.to_at_ms = to_at_ms;
    publish(w, &event);
}

static void delist(struct world *w, const char *agency)
{
    Handoff__V1__Event event = next_event(w, "");
    Handoff__V1__AgencyDelisted body = HANDOFF__V1__AGENCY_DELISTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED;
    event.agency_delisted = &body;
    body.agency_id = (char *)(uintptr_t)agency;
    publish(w, &event);
}

/* Of the event with this number; for one patient, or for the site. */
static void take_back_for(struct world *w, const char *patient, int number)
{
    char id[32];
    snprintf(id, sizeof id, "event-%d", number);
    Handoff__V1__Event event = next_event(w, patient);
    Handoff__V1__EventRetracted body = HANDOFF__V1__EVENT_RETRACTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    event.event_retracted = &body;
    body.retracted_source = (char *)"ward";
    body.retracted_id = id;
    body.reason = (char *)"a mistake of the registry";
    publish(w, &event);
}

static void take_back(struct world *w, int number) { take_back_for(w, "", number); }

static void merge(struct world *w, const char *loser, const char *survivor)
{
    Handoff__V1__Event event = next_event(w, loser);
    Handoff__V1__PatientMerged body = HANDOFF__V1__PATIENT_MERGED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_MERGED;
    event.patient_merged = &body;
    body.survivor_patient_id = (char *)(uintptr_t)survivor;
    publish(w, &event);
}

static const char *patient_name(int i)
{
    static char names[8][16];
    static int next;
    char *name = names[next++ % 8];
    snprintf(name, sizeof names[0], "p%03d", i);
    return name;
}

static void refer_many(struct world *w, int from, int to, const char *agency)
{
    for (int i = from; i < to; i++) refer(w, patient_name(i), agency);
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

/* As the loop does while there is something to do: true when there was. */
static bool take_turn(struct world *w)
{
    engine_index_flush(w->engine);
    bool has_work = engine_next_due(w->engine) <= engine_now_ms(w->engine);
    engine_turn_begin(w->engine);
    engine_fire(w->engine, 256);
    engine_turn_commit(w->engine);
    return has_work;
}

static int settle(struct world *w)
{
    int turns = 0;
    while (take_turn(w)) assert_true(++turns < 1000);
    return turns;
}

static void go_to(struct world *w, int64_t at_ms)
{
    int code = 1;
    while (code == 1) code = engine_advance(w->engine, at_ms, NULL);
    assert_int_equal(code, 0);
}

/* --- looking -------------------------------------------------------------------------------------------------------- */

static Handoff__V1__PatientRecord *site_record(struct world *w)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    return record;
}

static size_t tasks_of(struct world *w, const char *patient, Handoff__V1__TaskKind kind)
{
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    size_t n = 0;
    assert_int_equal(world_record(w, patient, &record, &sequence), 0);
    for (size_t i = 0; i < record->n_tasks; i++) n += record->tasks[i]->kind == kind;
    return n;
}

struct lists { /* what the site was told, oldest first */
    const Handoff__V1__TaskEmission *tasks[16];
    const Handoff__V1__EscalationEmission *escalations[16];
    size_t task_count, escalation_count;
    struct world *w;
};

static bool note_lists(void *context, const struct entry *entry)
{
    struct lists *l = context;
    Handoff__V1__Outcome *o = handoff__v1__outcome__unpack(arena_protobuf(l->w->arena), entry->outcome.len, entry->outcome.data);
    for (size_t i = 0; o && i < o->n_emissions; i++) {
        if (o->emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_TASK && o->emissions[i]->task->n_lines)
            l->tasks[l->task_count++] = o->emissions[i]->task;
        if (o->emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && o->emissions[i]->escalation->n_lines)
            l->escalations[l->escalation_count++] = o->emissions[i]->escalation;
    }
    return true;
}

/* Newest first. */
static struct lists told(struct world *w)
{
    struct lists l = {.w = w};
    struct patient_key key;
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    engine_walk(w->engine, &key, 0, &l, note_lists);
    return l;
}

static void note_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static void end(struct world *w)
{
    struct audit_summary summary;
    struct audit audit = {"test", NULL, note_damage};
    assert_int_equal(audit_journal(w->journal, &audit, &summary), 0);
    assert_int_equal(summary.damages, 0);
    world_free(w);
}

/* --- the agency closes ------------------------------------------------------------------------------------------------ */

static void expect_eighty(struct world *w)
{
    for (int i = 0; i < 100; i++)
        assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), i < 80);
    struct lists l = told(w);
    assert_int_equal(l.escalation_count, 1);
    assert_int_equal(l.task_count, 0);
    const Handoff__V1__EscalationEmission *e = l.escalations[0];
    assert_int_equal(e->n_lines, 80);
    assert_int_equal(e->total, 80);
    assert_int_equal(e->rung, ROLE(SUPERVISOR));
    assert_int_equal(e->severity, HANDOFF__V1__SEVERITY__SEVERITY_URGENT);
    assert_string_equal(e->about, "riverside");
    assert_string_equal(e->lines[0]->patient_id, "p042");
    assert_true(e->lines[0]->is_flagged);
    for (size_t i = 2; i < e->n_lines; i++) assert_true(strcmp(e->lines[i - 1]->patient_id, e->lines[i]->patient_id) < 0);
    assert_int_equal(site_record(w)->n_rounds, 0);
    assert_int_equal(site_record(w)->n_escalations, 1);
}

static struct world *eighty_at_riverside(uint32_t batch_events)
{
    struct world *w = begin(batch_events);
    refer_many(w, 0, 80, "riverside");
    refer_many(w, 80, 100, "hillside");
    flag(w, "p042");
    return w;
}

static void an_agency_with_eighty_patients_closes_and_the_supervisor_gets_one_list(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(0);
    delist(w, "riverside");
    settle(w);
    expect_eighty(w);
    end(w);
}

static void killed_at_any_point_each_patient_hears_once_and_there_is_one_list(void **state)
{
    (void)state;
    for (int kill_after = 0; kill_after < 16; kill_after += 3) { /* five patients a turn */
        struct world *w = eighty_at_riverside(8);
        delist(w, "riverside");
        for (int turn = 0; turn < kill_after; turn++) take_turn(w);
        assert_int_equal(told(w).escalation_count, 0);
        world_crash(w);
        assert_true(settle(w) > 1);
        expect_eighty(w);
        end(w);
    }
}

static void a_batch_that_is_not_written_is_made_good_by_going_round_again(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(8);
    delist(w, "riverside");
    take_turn(w);
    take_turn(w);
    w->failing.appends_left = 0;
    w->failing.code = JOURNAL_E_FULL;
    take_turn(w);
    w->failing.appends_left = -1;
    assert_int_equal(engine_retry(w->engine), 0);
    settle(w);
    expect_eighty(w);
    end(w);
}

static void what_arrives_for_the_patients_meanwhile_is_decided_as_ever(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(8);
    delist(w, "riverside");
    for (int i = 0; i < 80; i++) { /* every other patient leaves the agency while the round is under way */
        if (i % 2) cancel(w, patient_name(i));
        if (i % 8 == 0) take_turn(w);
    }
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.escalation_count, 1);
    assert_true(l.escalations[0]->total >= 40 && l.escalations[0]->total <= 80);
    for (int i = 0; i < 80; i += 2) assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), 1);
    assert_int_equal(site_record(w)->n_rounds, 0);
    end(w);
}

static void two_agencies_close_one_after_the_other(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(8);
    delist(w, "riverside");
    take_turn(w);
    delist(w, "hillside");
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.escalation_count, 2);
    assert_string_equal(l.escalations[0]->about, "hillside");
    assert_int_equal(l.escalations[0]->total, 20);
    assert_int_equal(l.escalations[1]->total, 80);
    assert_int_equal(site_record(w)->n_escalations, 2);
    end(w);
}

static void an_agency_without_patients_closes_without_a_word(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(0);
    delist(w, "nowhere");
    settle(w);
    assert_int_equal(told(w).escalation_count, 0);
    assert_int_equal(site_record(w)->n_rounds, 0);
    end(w);
}

static void a_list_shows_five_hundred_and_counts_the_rest(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer_many(w, 0, 600, "riverside");
    delist(w, "riverside");
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.escalations[0]->n_lines, 500);
    assert_int_equal(l.escalations[0]->total, 600);
    end(w);
}

static void the_same_news_twice_repeats_the_escalation_and_adds_none(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(0);
    delist(w, "riverside");
    settle(w);
    delist(w, "riverside"); /* another event, with a correction say */
    settle(w);
    assert_int_equal(site_record(w)->n_escalations, 1);
    assert_int_equal(told(w).escalation_count, 2);
    assert_int_equal(tasks_of(w, "p000", TASK(SPEAK_WITH_AGENCY)), 1);
    end(w);
}

static void add_site(struct world *w, const char *name)
{
    Handoff__V1__Site *site = world_site(w->arena);
    Handoff__V1__RulesChange change = HANDOFF__V1__RULES_CHANGE__INIT;
    const Handoff__V1__RulesChange *list = &change;
    site->name = arena_string(w->arena, name);
    furnish(w, site);
    change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_SITE;
    change.site = site;
    assert_int_equal(engine_change_rules(w->engine, &list, 1), 0);
}

static size_t escalations_at(struct world *w, const char *site)
{
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SITE, site, &key);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), 0);
    return record->n_escalations;
}

static void what_is_taken_back_is_over_at_another_site_too(void **state)
{
    (void)state;
    struct world *w = begin(4);
    add_site(w, "north");
    refer_many(w, 0, 3, "riverside");
    site_of_events = "north";
    refer_many(w, 3, 8, "riverside");
    site_of_events = "";
    delist(w, "riverside");
    settle(w);
    assert_int_equal(escalations_at(w, "main") + escalations_at(w, "north"), 2);
    take_back(w, event_count);
    settle(w);
    assert_int_equal(escalations_at(w, "main") + escalations_at(w, "north"), 0);
    for (int i = 0; i < 8; i++) assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), 0);
    end(w);
}

static void whoever_has_become_another_patient_since_hears_it_there(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer(w, "anna", "riverside");
    refer(w, "ann", "hillside");
    delist(w, "riverside");
    int number = event_count;
    settle(w);
    merge(w, "anna", "ann");
    assert_int_equal(tasks_of(w, "ann", TASK(SPEAK_WITH_AGENCY)), 1);
    take_back(w, number);
    settle(w);
    assert_int_equal(tasks_of(w, "ann", TASK(SPEAK_WITH_AGENCY)), 0);
    assert_int_equal(tasks_of(w, "ann", TASK(REVIEW_RETRACTION)), 1);
    end(w);
}

static void for_one_patient_alone_the_end_of_an_agency_is_taken_back_with_their_id(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer_many(w, 0, 2, "riverside");
    delist(w, "riverside");
    int number = event_count;
    settle(w);
    take_back_for(w, "p000", number);
    settle(w);
    assert_int_equal(tasks_of(w, "p000", TASK(SPEAK_WITH_AGENCY)), 0);
    assert_int_equal(tasks_of(w, "p001", TASK(SPEAK_WITH_AGENCY)), 1);
    assert_int_equal(site_record(w)->n_escalations, 1);
    take_back(w, number);
    settle(w);
    assert_int_equal(tasks_of(w, "p001", TASK(SPEAK_WITH_AGENCY)), 0);
    assert_int_equal(tasks_of(w, "p000", TASK(REVIEW_RETRACTION)), 1);
    end(w);
}

static void patients_of_another_site_come_in_a_list_of_that_site(void **state)
{
    (void)state;
    struct world *w = begin(4);
    struct lists north = {.w = w};
    struct patient_key key;
    add_site(w, "north");
    refer_many(w, 0, 3, "riverside");
    site_of_events = "north";
    refer_many(w, 3, 8, "riverside");
    site_of_events = "";
    delist(w, "riverside");
    settle(w);
    assert_int_equal(told(w).escalations[0]->total, 3);
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "north", &key);
    engine_walk(w->engine, &key, 0, &north, note_lists);
    assert_int_equal(north.escalation_count, 1);
    assert_int_equal(north.escalations[0]->total, 5);
    end(w);
}

/* --- the agency does not close after all ------------------------------------------------------------------------------ */

static void expect_nobody_asked(struct world *w, int reviews)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), 0);
        assert_int_equal(tasks_of(w, patient_name(i), TASK(CALL_FAMILY)), 1); /* what others asked for stands */
        assert_int_equal(tasks_of(w, patient_name(i), TASK(REVIEW_RETRACTION)), i < reviews);
    }
    assert_int_equal(site_record(w)->n_rounds, 0);
    assert_int_equal(site_record(w)->n_escalations, 0);
    assert_int_equal(site_record(w)->n_tasks, 1);
    assert_int_equal(site_record(w)->tasks[0]->kind, TASK(REVIEW_RETRACTION));
}

static bool note_resolved(void *context, const struct entry *entry)
{
    struct lists *l = context;
    Handoff__V1__Outcome *o = handoff__v1__outcome__unpack(arena_protobuf(l->w->arena), entry->outcome.len, entry->outcome.data);
    for (size_t i = 0; o && i < o->n_emissions; i++)
        if (o->emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && o->emissions[i]->escalation->is_taken_back)
            l->escalations[l->escalation_count++] = o->emissions[i]->escalation;
    return true;
}

static void an_end_that_is_taken_back_asks_nobody_any_more_and_each_is_looked_at(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(0);
    struct lists resolved = {.w = w};
    struct patient_key key;
    delist(w, "riverside");
    settle(w);
    int number = event_count;
    take_back(w, number);
    settle(w);
    expect_nobody_asked(w, 80);
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    engine_walk(w->engine, &key, 0, &resolved, note_resolved);
    assert_int_equal(resolved.escalation_count, 1);
    assert_int_equal(resolved.escalations[0]->change, HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED);
    assert_string_equal(resolved.escalations[0]->taken_back, "a mistake of the registry");
    take_back(w, number); /* once more */
    settle(w);
    expect_nobody_asked(w, 80);
    delist(w, "riverside"); /* and then it does close */
    settle(w);
    assert_int_equal(tasks_of(w, "p079", TASK(SPEAK_WITH_AGENCY)), 1);
    assert_int_equal(site_record(w)->n_escalations, 1);
    end(w);
}

static void killed_while_it_is_taken_back_each_patient_hears_once(void **state)
{
    (void)state;
    for (int kill_after = 0; kill_after < 18; kill_after += 4) {
        struct world *w = eighty_at_riverside(8);
        delist(w, "riverside");
        settle(w);
        take_back(w, event_count);
        for (int turn = 0; turn < kill_after; turn++) take_turn(w);
        world_crash(w);
        settle(w);
        expect_nobody_asked(w, 80);
        for (int i = 0; i < 80; i += 13) {
            Handoff__V1__PatientRecord *record;
            uint64_t sequence;
            assert_int_equal(world_record(w, patient_name(i), &record, &sequence), 0);
            assert_int_equal(record->n_retracted, 1);
        }
        end(w);
    }
}

static void taken_back_in_the_middle_of_its_round_it_stops_and_whoever_heard_hears_that(void **state)
{
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        struct world *w = eighty_at_riverside(8);
        int heard = 0;
        delist(w, "riverside");
        for (int turn = 0; turn < 5; turn++) take_turn(w);
        for (int i = 0; i < 80; i++) heard += (int)tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY));
        assert_true(heard > 0 && heard < 80);
        take_back(w, event_count);
        if (kill) world_crash(w);
        settle(w);
        int reviews = 0;
        for (int i = 0; i < 100; i++) {
            reviews += (int)tasks_of(w, patient_name(i), TASK(REVIEW_RETRACTION));
            assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), 0);
        }
        assert_in_range(reviews, heard, 79);
        assert_int_equal(told(w).escalation_count, 0);
        assert_int_equal(site_record(w)->n_rounds, 0);
        end(w);
    }
}

static void an_end_that_was_taken_back_before_it_came_reaches_nobody(void **state)
{
    (void)state;
    struct world *w = eighty_at_riverside(0);
    take_back(w, event_count + 2);
    delist(w, "riverside");
    settle(w);
    expect_nobody_asked(w, 0);
    end(w);
}

static void list(struct world *w, const char *agency)
{
    Handoff__V1__Event event = next_event(w, "");
    Handoff__V1__AgencyListed body = HANDOFF__V1__AGENCY_LISTED__INIT;
    event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_LISTED;
    event.agency_listed = &body;
    body.agency_id = (char *)(uintptr_t)agency;
    publish(w, &event);
}

static void what_one_of_two_said_stands_for_the_list_and_for_the_patients(void **state)
{
    (void)state;
    for (int first = 0; first < 4; first++) {
        struct world *w = eighty_at_riverside(0);
        list(w, "riverside");
        delist(w, "riverside");
        if (first & 2) settle(w);
        delist(w, "riverside"); /* another system's word */
        settle(w);
        int number = event_count;
        take_back(w, first & 1 ? number - 1 : number);
        settle(w);
        assert_int_equal(site_record(w)->n_escalations, 1);
        for (int i = 0; i < 80; i++) assert_int_equal(tasks_of(w, patient_name(i), TASK(SPEAK_WITH_AGENCY)), 1);
        world_crash(w);
        settle(w);
        take_back(w, first & 1 ? number : number - 1);
        settle(w);
        expect_nobody_asked(w, 80);
        end(w);
    }
}

static void of_an_agency_that_the_directory_does_not_know_the_list_stands_while_another_says_the_same(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct world *w = eighty_at_riverside(0);
        delist(w, "riverside");
        delist(w, "riverside");
        settle(w);
        int number = event_count;
        take_back(w, first ? number - 1 : number);
        settle(w);
        assert_int_equal(site_record(w)->n_escalations, 1);
        take_back(w, first ? number : number - 1);
        settle(w);
        expect_nobody_asked(w, 80);
        end(w);
    }
}

/* --- patients change hands -------------------------------------------------------------------------------------------- */

static void a_new_owner_of_forty_patients_gets_one_list_and_due_times_stay(void **state)
{
    (void)state;
    struct world *w = begin(0);
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    refer_many(w, 0, 60, "riverside");
    for (int i = 0; i < 60; i++) assign(w, patient_name(i), "ann");
    assert_int_equal(world_record(w, "p007", &record, &sequence), 0);
    int64_t due_at_ms = record->tasks[0]->due_at_ms, now_ms = engine_now_ms(w->engine);
    for (int i = 0; i < 40; i++) assign(w, patient_name(i), "bob");
    settle(w);
    assert_int_equal(told(w).task_count, 0); /* more may be given */
    go_to(w, now_ms + 15 * 60000);
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.task_count, 1);
    assert_int_equal(l.tasks[0]->kind, TASK(TAKE_OVER));
    assert_string_equal(l.tasks[0]->subject->id, "bob");
    assert_int_equal(l.tasks[0]->n_lines, 40);
    for (size_t i = 0; i < 40; i++) assert_int_equal(l.tasks[0]->lines[i]->kind, TASK(CALL_FAMILY));
    assert_int_equal(world_record(w, "p007", &record, &sequence), 0);
    assert_int_equal(record->tasks[0]->due_at_ms, due_at_ms);
    assert_int_equal(site_record(w)->n_tasks, 1);
    end(w);
}

static void a_first_assignment_hands_over_nothing(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer(w, "mary", "riverside");
    assign(w, "mary", "bob");
    go_to(w, engine_now_ms(w->engine) + WORLD_HOUR);
    struct patient_key key;
    Handoff__V1__PatientRecord *record;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_SITE, "main", &key);
    assert_int_equal(engine_record(w->engine, &key, w->arena, &record, &sequence, &time_ms), ENGINE_E_UNKNOWN);
    end(w);
}

static void a_delegate_gets_the_list_when_the_absence_begins_and_the_owner_when_it_ends(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer_many(w, 0, 20, "riverside");
    for (int i = 0; i < 20; i++) assign(w, patient_name(i), i < 12 ? "ann" : "bob");
    int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR, to_ms = from_ms + WORLD_HOUR;
    away(w, "ann", "bob", from_ms, to_ms);
    settle(w);
    assert_int_equal(told(w).task_count, 0);
    world_crash(w);
    go_to(w, from_ms + 1);
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.task_count, 1);
    assert_string_equal(l.tasks[0]->subject->id, "bob");
    assert_int_equal(l.tasks[0]->n_lines, 12);
    go_to(w, to_ms + 1);
    settle(w);
    l = told(w);
    assert_int_equal(l.task_count, 2);
    assert_string_equal(l.tasks[0]->subject->id, "ann");
    assert_int_equal(l.tasks[0]->n_lines, 12);
    assert_int_equal(site_record(w)->n_rounds, 0);
    end(w);
}

static void an_absence_that_was_taken_back_hands_over_nothing(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer(w, "mary", "riverside");
    assign(w, "mary", "ann");
    int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR;
    away(w, "ann", "bob", from_ms, from_ms + WORLD_HOUR);
    away(w, "ann", "bob", from_ms, from_ms);
    go_to(w, from_ms + 2 * WORLD_HOUR);
    settle(w);
    assert_int_equal(told(w).task_count, 0);
    assert_int_equal(site_record(w)->n_rounds, 0);
    end(w);
}

static void an_absence_that_is_taken_back_after_it_began_gives_the_work_back_in_one_list(void **state)
{
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        struct world *w = begin(0);
        refer_many(w, 0, 20, "riverside");
        for (int i = 0; i < 20; i++) assign(w, patient_name(i), i < 12 ? "ann" : "bob");
        int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR;
        away(w, "ann", "bob", from_ms, from_ms + 9 * WORLD_HOUR);
        int number = event_count;
        go_to(w, from_ms + WORLD_HOUR);
        settle(w);
        assert_int_equal(told(w).task_count, 1);
        take_back(w, number);
        if (kill) world_crash(w);
        settle(w);
        struct lists l = told(w);
        assert_int_equal(l.task_count, 2);
        assert_string_equal(l.tasks[0]->subject->id, "ann");
        assert_int_equal(l.tasks[0]->n_lines, 12);
        for (size_t i = 0; i < site_record(w)->n_tasks; i++) /* what the other was to take over is the other's no more */
            assert_true(site_record(w)->tasks[i]->kind == TASK(REVIEW_RETRACTION) ||
                        strcmp(site_record(w)->tasks[i]->subject->id, "ann") == 0);
        take_back(w, number);
        go_to(w, from_ms + 10 * WORLD_HOUR);
        settle(w);
        assert_int_equal(told(w).task_count, 2); /* the end that was to come makes no list */
        assert_int_equal(site_record(w)->n_rounds, 0);
        end(w);
    }
}

static void taken_back_before_it_begins_an_absence_hands_over_nothing(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer(w, "mary", "riverside");
    assign(w, "mary", "ann");
    int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR;
    away(w, "ann", "bob", from_ms, from_ms + WORLD_HOUR);
    take_back(w, event_count);
    go_to(w, from_ms + 2 * WORLD_HOUR);
    settle(w);
    assert_int_equal(told(w).task_count, 0);
    assert_int_equal(site_record(w)->n_rounds, 0);
    end(w);
}

static void two_absences_taken_back_together_give_each_their_own_list(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer_many(w, 0, 20, "riverside");
    for (int i = 0; i < 20; i++) assign(w, patient_name(i), i < 12 ? "ann" : "bob");
    int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR;
    away(w, "ann", "", from_ms, from_ms + 9 * WORLD_HOUR);
    away(w, "bob", "", from_ms, from_ms + 9 * WORLD_HOUR);
    int number = event_count;
    go_to(w, from_ms + WORLD_HOUR);
    settle(w);
    size_t before = told(w).task_count;
    take_back(w, number - 1);
    take_back(w, number);
    settle(w);
    struct lists l = told(w);
    for (size_t i = 0; i < l.task_count - before; i++)
        assert_true(strcmp(l.tasks[i]->subject->id, "ann") == 0 || strcmp(l.tasks[i]->subject->id, "bob") == 0);
    assert_true(l.task_count >= before + 2);
    end(w);
}

static void a_return_that_is_taken_back_gives_the_delegate_the_list_again(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer(w, "mary", "riverside");
    assign(w, "mary", "ann");
    int64_t from_ms = engine_now_ms(w->engine) + WORLD_HOUR;
    away(w, "ann", "bob", from_ms, from_ms + 9 * WORLD_HOUR);
    away(w, "ann", "bob", from_ms, from_ms + 2 * WORLD_HOUR);
    int number = event_count;
    go_to(w, from_ms + 3 * WORLD_HOUR);
    settle(w);
    assert_int_equal(told(w).task_count, 2);
    take_back(w, number);
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.task_count, 3);
    assert_string_equal(l.tasks[0]->subject->id, "bob");
    go_to(w, from_ms + 10 * WORLD_HOUR);
    settle(w);
    l = told(w);
    assert_int_equal(l.task_count, 4);
    assert_string_equal(l.tasks[0]->subject->id, "ann");
    end(w);
}

static void what_somebody_leaves_behind_goes_to_the_queue_in_one_list(void **state)
{
    (void)state;
    struct world *w = begin(0);
    refer_many(w, 0, 10, "riverside");
    for (int i = 0; i < 10; i++) assign(w, patient_name(i), i < 7 ? "ann" : "bob");
    has_ann_left = true;
    world_adopt_rules(w);
    world_crash(w);
    settle(w);
    struct lists l = told(w);
    assert_int_equal(l.task_count, 1);
    assert_string_equal(l.tasks[0]->subject->id, "desk");
    assert_int_equal(l.tasks[0]->n_lines, 7);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agency_with_eighty_patients_closes_and_the_supervisor_gets_one_list),
        cmocka_unit_test(killed_at_any_point_each_patient_hears_once_and_there_is_one_list),
        cmocka_unit_test(a_batch_that_is_not_written_is_made_good_by_going_round_again),
        cmocka_unit_test(what_arrives_for_the_patients_meanwhile_is_decided_as_ever),
        cmocka_unit_test(two_agencies_close_one_after_the_other),
        cmocka_unit_test(an_agency_without_patients_closes_without_a_word),
        cmocka_unit_test(a_list_shows_five_hundred_and_counts_the_rest),
        cmocka_unit_test(the_same_news_twice_repeats_the_escalation_and_adds_none),
        cmocka_unit_test(patients_of_another_site_come_in_a_list_of_that_site),
        cmocka_unit_test(a_new_owner_of_forty_patients_gets_one_list_and_due_times_stay),
        cmocka_unit_test(a_first_assignment_hands_over_nothing),
        cmocka_unit_test(a_delegate_gets_the_list_when_the_absence_begins_and_the_owner_when_it_ends),
        cmocka_unit_test(an_absence_that_was_taken_back_hands_over_nothing),
        cmocka_unit_test(an_end_that_is_taken_back_asks_nobody_any_more_and_each_is_looked_at),
        cmocka_unit_test(killed_while_it_is_taken_back_each_patient_hears_once),
        cmocka_unit_test(taken_back_in_the_middle_of_its_round_it_stops_and_whoever_heard_hears_that),
        cmocka_unit_test(an_end_that_was_taken_back_before_it_came_reaches_nobody),
        cmocka_unit_test(what_one_of_two_said_stands_for_the_list_and_for_the_patients),
        cmocka_unit_test(of_an_agency_that_the_directory_does_not_know_the_list_stands_while_another_says_the_same),
        cmocka_unit_test(what_is_taken_back_is_over_at_another_site_too),
        cmocka_unit_test(whoever_has_become_another_patient_since_hears_it_there),
        cmocka_unit_test(for_one_patient_alone_the_end_of_an_agency_is_taken_back_with_their_id),
        cmocka_unit_test(an_absence_that_is_taken_back_after_it_began_gives_the_work_back_in_one_list),
        cmocka_unit_test(taken_back_before_it_begins_an_absence_hands_over_nothing),
        cmocka_unit_test(two_absences_taken_back_together_give_each_their_own_list),
        cmocka_unit_test(a_return_that_is_taken_back_gives_the_delegate_the_list_again),
        cmocka_unit_test(what_somebody_leaves_behind_goes_to_the_queue_in_one_list),
    };
    return cmocka_run_group_tests_name("rounds", tests, NULL, NULL);
}
