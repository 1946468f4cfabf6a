/* The resource directory: who is offered to whom, in which order, and with which reasons. */
#include "unit/core_world.h"

#include "core/directory.h"

#define LEVEL(NAME) HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_##NAME

static struct directory_matches found;

/* --- a directory ----------------------------------------------------------------------------------------------- */
static void apply(const struct ruleset_event_change *said)
{
    static struct yaml_errors errors;
    errors.count = 0;
    assert_int_equal(ruleset_apply(w->ruleset, &said->change, ++w->sequence, &errors), 0);
    w->rules = ruleset_build(w->ruleset);
}

static void make_known(const char *name, const char *with)
{
    char rest[2048];
    snprintf(rest, sizeof rest, "with: {%s}", with);
    Handoff__V1__Event *event = core_event(name, rest);
    struct ruleset_event_change said;
    event->patient_id = arena_string(w->arena, "");
    assert_true(ruleset_change_by_event(event, &(struct ruleset_said){"main", w->now_ms, w->sequence + 1}, &said));
    apply(&said);
}

static void list(const char *id, const char *more)
{
    char with[1800];
    snprintf(with, sizeof with, "agency_id: %s, name: %s, intake_number: 555-0100%s%s", id, id, *more ? ", " : "", more);
    make_known("agency.listed", with);
}
static void delist(const char *id)
{
    char with[200];
    snprintf(with, sizeof with, "agency_id: %s", id);
    make_known("agency.delisted", with);
}

static void doubt(const char *id)
{
    Handoff__V1__Outcome *o = MESSAGE_NEW(w->arena, Handoff__V1__Outcome, outcome);
    Handoff__V1__Emission *e = MESSAGE_NEW(w->arena, Handoff__V1__Emission, emission);
    struct ruleset_event_change said;
    e->body_case = HANDOFF__V1__EMISSION__BODY_AUDIT;
    e->audit = MESSAGE_NEW(w->arena, Handoff__V1__AuditEmission, audit_emission);
    e->audit->kind = HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIRECTORY_DOUBTFUL;
    e->audit->text = arena_string(w->arena, id);
    list_append(w->arena, &o->emissions, &o->n_emissions, e);
    assert_true(ruleset_change_by_outcome(o, &said));
    apply(&said);
}

/* --- asking ---------------------------------------------------------------------------------------------------- */
static struct directory_query query(Handoff__V1__LevelOfCare level)
{
    return (struct directory_query){.rules = w->rules, .record = w->record, .now_ms = w->now_ms, .level = level,
                                    .is_alternate = true};
}

static const char *ask_level(Handoff__V1__LevelOfCare level)
{
    struct directory_query q = query(level);
    directory_match(&q, w->arena, &found);
    char *ids = arena_alloc(w->arena, 1024);
    for (size_t i = 0; i < found.count; i++)
        snprintf(ids + strlen(ids), 1024 - strlen(ids), "%s%s", i ? " " : "", found.list[i]->agency_id);
    return ids;
}
static const char *ask(void) { return ask_level(LEVEL(OUTPATIENT)); }

static const char *reasons(size_t at)
{
    char *text = arena_alloc(w->arena, 2048);
    assert_true(at < found.count);
    for (size_t i = 0; i < found.list[at]->n_reasons; i++)
        snprintf(text + strlen(text), 2048 - strlen(text), "%s%s", i ? "; " : "", found.list[at]->reasons[i]);
    return text;
}

static bool says(const char *reason)
{
    for (size_t i = 0; i < found.list[0]->n_reasons; i++)
        if (strcmp(found.list[0]->reasons[i], reason) == 0) return true;
    fprintf(stderr, "the reasons are: %s\n", reasons(0));
    return false;
}

static void begin_with_child(void)
{
    begin(SHIPPED);
    register_child(); /* 9 years old */
}

/* --- what keeps an agency out ---------------------------------------------------------------------------------- */
static void an_alternate_has_the_same_level_of_care(void **state)
{
    (void)state;
    begin_with_child();
    list("hillside", "levels: [OUTPATIENT, INPATIENT]");
    list("riverside", "levels: [INTENSIVE_OUTPATIENT]");
    assert_string_equal(ask(), "hillside");
    assert_true(says("same level of care: outpatient"));
    assert_string_equal(ask_level(LEVEL(INTENSIVE_OUTPATIENT)), "riverside");
    assert_true(says("same level of care: intensive outpatient"));
    assert_string_equal(ask_level(LEVEL(RESIDENTIAL)), "");
    assert_string_equal(ask_level(LEVEL(UNSPECIFIED)), "");
}

static void ages_are_inclusive_and_an_unknown_age_excludes_nobody(void **state)
{
    (void)state;
    begin_with_child();
    list("adults", "levels: [OUTPATIENT], youngest_age: 18");
    list("exactly", "levels: [OUTPATIENT], youngest_age: 9, oldest_age: 9");
    list("older", "levels: [OUTPATIENT], youngest_age: 10");
    list("younger", "levels: [OUTPATIENT], oldest_age: 8");
    assert_string_equal(ask(), "exactly");
    assert_true(says("sees this age"));
    w->now_ms = when("2026-05-01 00:00"); /* the tenth birthday */
    assert_string_equal(ask(), "older");
    w->record->birth_date = 0;
    assert_string_equal(ask(), "adults exactly older younger");
    assert_true(says("age unknown: ask about ages seen"));
}

static void an_insurance_that_is_not_accepted_excludes_and_an_unknown_one_does_not(void **state)
{
    (void)state;
    begin_with_child();
    list("hillside", "levels: [OUTPATIENT], insurers: [plan-a, plan-b]");
    list("riverside", "levels: [OUTPATIENT], insurers: [plan-c]");
    list("silent", "levels: [OUTPATIENT]");
    assert_string_equal(ask(), "hillside riverside silent");
    list("several", "levels: [OUTPATIENT], insurers: [plan-c], takes_other_insurers: true");
    tell("coverage.updated", "with: {kind: PRIVATE, status: ACTIVE, insurer_id: plan-d}");
    assert_string_equal(ask(), "several silent");
    tell("coverage.updated", "with: {kind: PRIVATE, status: LOST, insurer_id: plan-d}");
    delist("several");
    ask();
    assert_true(says("coverage unknown: ask about insurance and cost"));
    tell("coverage.updated", "with: {kind: PRIVATE, status: ACTIVE, insurer_id: plan-b}");
    assert_string_equal(ask(), "hillside silent");
    assert_true(says("accepts plan-b"));
    assert_string_equal(reasons(1), "same level of care: outpatient; ask whether it accepts the patient's insurance");
    tell("coverage.updated", "with: {kind: PRIVATE, status: LOST, insurer_id: plan-b}");
    assert_string_equal(ask(), "hillside riverside silent");
    tell("coverage.updated", "with: {kind: MEDICAL_ASSISTANCE, status: APPLIED, insurer_id: plan-c}");
    assert_string_equal(ask(), "hillside riverside silent"); /* applied for is not covered */
}

static void a_county_that_is_not_served_excludes_and_the_same_county_comes_first(void **state)
{
    (void)state;
    begin_with_child();
    w->record->county = arena_string(w->arena, "Allegheny");
    list("beyond", "levels: [OUTPATIENT], county: Butler");
    list("here", "levels: [OUTPATIENT], county: allegheny county");
    list("nowhere", "levels: [OUTPATIENT], county: Butler, counties: [Butler, Beaver]");
    list("serves", "levels: [OUTPATIENT], county: Butler, counties: [Butler, Allegheny]");
    list("unsaid", "levels: [OUTPATIENT]");
    assert_string_equal(ask(), "here serves unsaid beyond");
    assert_true(says("in the same county: allegheny county"));
    assert_non_null(strstr(reasons(1), "serves this county: Allegheny"));
    assert_non_null(strstr(reasons(3), "in another county: Butler"));
    w->record->county = arena_string(w->arena, "");
    assert_string_equal(ask(), "beyond here nowhere serves unsaid");
}

static void who_takes_nobody_new_or_is_delisted_is_not_offered(void **state)
{
    (void)state;
    begin_with_child();
    list("closed", "levels: [OUTPATIENT], capacity: CLOSED");
    list("gone", "levels: [OUTPATIENT]");
    list("open", "levels: [OUTPATIENT], capacity: OPEN");
    list("waits", "levels: [OUTPATIENT], capacity: WAITLIST");
    delist("gone");
    assert_string_equal(ask(), "open waits");
    assert_true(says("has places"));
    assert_non_null(strstr(reasons(1), "waitlist"));
    list("gone", "levels: [OUTPATIENT]"); /* it is back */
    assert_string_equal(ask(), "open gone waits");
}

static void insurers_and_offices_are_no_agencies(void **state)
{
    (void)state;
    begin_with_child();
    list("plan-a", "kind: INSURER, levels: [OUTPATIENT]");
    list("line", "kind: CRISIS_LINE, levels: [OUTPATIENT]");
    list("said", "kind: AGENCY, levels: [OUTPATIENT]");
    assert_string_equal(ask(), "said");
}

/* --- the agency that was left ---------------------------------------------------------------------------------- */
static void the_agency_that_was_asked_is_no_alternate(void **state)
{
    (void)state;
    begin(SHIPPED);
    list("hillside", "levels: [OUTPATIENT, INTENSIVE_OUTPATIENT]");
    list("riverside", "levels: [OUTPATIENT, INTENSIVE_OUTPATIENT]");
    refer(); /* to riverside, outpatient */
    assert_string_equal(ask(), "hillside");
    assert_string_equal(ask_level(LEVEL(INTENSIVE_OUTPATIENT)), "hillside riverside"); /* it was not asked for that */
}

static void an_agency_that_rejected_is_not_offered_again(void **state)
{
    (void)state;
    begin(SHIPPED);
    list("hillside", "levels: [OUTPATIENT]");
    list("riverside", "levels: [OUTPATIENT]");
    refer();
    Handoff__V1__ClosedEpisode *closed = MESSAGE_NEW(w->arena, Handoff__V1__ClosedEpisode, closed_episode);
    const struct pathway *p = rules_pathway_by_name(w->rules, "referral");
    closed->pathway = p->number;
    closed->agency_id = arena_string(w->arena, "hillside");
    list_append(w->arena, &w->record->closed_episodes, &w->record->n_closed_episodes, closed);
    for (uint32_t i = 0; i < p->main.state_count; i++) {
        if (!p->main.states[i].is_final) continue;
        closed->state = i;
        bool is_offered = strcmp(p->main.states[i].name, "completed") == 0;
        assert_string_equal(ask(), is_offered ? "hillside" : "");
    }
}

/* --- the order ------------------------------------------------------------------------------------------------- */
static void who_speaks_the_language_comes_first_and_interpreters_second(void **state)
{
    (void)state;
    begin_with_child();
    list("english", "levels: [OUTPATIENT], languages: [en]");
    list("interprets", "levels: [OUTPATIENT], languages: [en], has_interpreters: true");
    list("silent", "levels: [OUTPATIENT]");
    list("spanish", "levels: [OUTPATIENT], languages: [en, es]");
    assert_string_equal(ask(), "english interprets silent spanish");
    w->record->language = arena_string(w->arena, "es-MX");
    assert_string_equal(ask(), "spanish interprets silent english");
    assert_true(says("speaks Spanish"));
    assert_non_null(strstr(reasons(1), "has interpreters: ask for Spanish"));
    assert_non_null(strstr(reasons(2), "languages not told: ask for Spanish"));
    assert_non_null(strstr(reasons(3), "an interpreter is needed: Spanish"));
}

static void the_language_of_a_guardian_counts_too(void **state)
{
    (void)state;
    begin_with_child();
    list("a-english", "levels: [OUTPATIENT], languages: [en]");
    list("nepali", "levels: [OUTPATIENT], languages: [ne]");
    tell("preference.updated", "with: {person: GUARDIAN, person_id: mom, language: ne, needs_interpreter: true}");
    assert_string_equal(ask(), "nepali a-english");
    assert_true(says("speaks Nepali"));
}

static void without_a_car_help_with_transport_home_visits_and_telehealth_count(void **state)
{
    (void)state;
    begin_with_child();
    list("drives", "levels: [OUTPATIENT], helps_with_transport: true");
    list("home", "levels: [OUTPATIENT], has_home_visits: true");
    list("none", "levels: [OUTPATIENT]");
    list("online", "levels: [OUTPATIENT], has_telehealth: true");
    assert_string_equal(ask(), "drives home none online"); /* by name: nobody asked for it */
    assert_string_equal(reasons(0), "same level of care: outpatient; coverage unknown: ask about insurance and cost");
    tell("barrier.reported", "with: {kind: TRANSPORT}");
    assert_string_equal(ask(), "drives home online none");
    assert_true(says("helps with transport"));
    assert_non_null(strstr(reasons(1), "visits at home"));
    assert_non_null(strstr(reasons(2), "telehealth"));
}

static void cost_and_childcare_are_barriers_that_some_lift(void **state)
{
    (void)state;
    begin_with_child();
    list("a-plain", "levels: [OUTPATIENT]");
    list("childcare", "levels: [OUTPATIENT], has_childcare: true");
    list("reduced", "levels: [OUTPATIENT], has_reduced_fees: true");
    tell("barrier.reported", "with: {kind: COST}");
    assert_string_equal(ask(), "reduced a-plain childcare");
    assert_true(says("reduced fees"));
    tell("barrier.resolved", "with: {kind: COST}");
    tell("barrier.reported", "with: {kind: CHILDCARE}");
    assert_string_equal(ask(), "childcare a-plain reduced");
    assert_true(says("childcare during visits"));
}

static void a_doubtful_intake_number_is_said_until_the_next_listing(void **state)
{
    (void)state;
    begin_with_child();
    list("doubted", "levels: [OUTPATIENT]");
    list("sure", "levels: [OUTPATIENT]");
    doubt("doubted");
    doubt("unheard-of"); /* nothing to mark */
    assert_string_equal(ask(), "sure doubted");
    assert_non_null(strstr(reasons(1), "its intake number is doubtful: confirm it first"));
    list("doubted", "levels: [OUTPATIENT]");
    assert_string_equal(ask(), "doubted sure");
}

static void services_are_judged_by_themselves(void **state)
{
    (void)state;
    begin_with_child();
    list("family-works",
         "levels: [OUTPATIENT, INTENSIVE_OUTPATIENT], services: ["
         "{level_of_care: OUTPATIENT, youngest_age: 18, capacity: OPEN}, "
         "{level_of_care: OUTPATIENT, youngest_age: 6, oldest_age: 17, capacity: WAITLIST}, "
         "{level_of_care: INTENSIVE_OUTPATIENT, youngest_age: 18}]");
    assert_string_equal(ask(), "family-works");
    assert_true(says("waitlist"));
    assert_string_equal(ask_level(LEVEL(INTENSIVE_OUTPATIENT)), "");
}

static void of_many_the_ten_best_are_told_always_in_the_same_order(void **state)
{
    (void)state;
    char id[32];
    begin_with_child();
    for (int i = 40; i-- > 0;) {
        snprintf(id, sizeof id, "agency-%02d", i);
        list(id, i == 33 ? "levels: [OUTPATIENT], capacity: OPEN" : "levels: [OUTPATIENT]");
    }
    const char *first = ask();
    assert_int_equal(found.count, DIRECTORY_MATCHES_MAX);
    assert_string_equal(first, "agency-33 agency-00 agency-01 agency-02 agency-03 agency-04 agency-05 agency-06 "
                               "agency-07 agency-08");
    assert_true(found.list[0]->score > found.list[1]->score);
    assert_string_equal(ask(), first);
}

/* --- supports, crisis lines, offices --------------------------------------------------------------------------- */
static const char *ids_of(void (*match)(const struct directory_query *, struct arena *, struct directory_matches *))
{
    struct directory_query q = query(LEVEL(UNSPECIFIED));
    char *ids = arena_alloc(w->arena, 1024);
    match(&q, w->arena, &found);
    for (size_t i = 0; i < found.count; i++)
        snprintf(ids + strlen(ids), 1024 - strlen(ids), "%s%s", i ? " " : "", found.list[i]->agency_id);
    return ids;
}

static void begin_in_county(void)
{
    begin_with_child();
    list("988", "kind: CRISIS_LINE");
    list("crisis-allegheny", "kind: CRISIS_LINE, county: Allegheny");
    list("crisis-butler", "kind: CRISIS_LINE, county: Butler");
    list("office-allegheny", "kind: COUNTY_OFFICE, county: Allegheny");
    list("office-butler", "kind: COUNTY_OFFICE, county: Butler");
    list("pantry", "kind: COMMUNITY_SUPPORT, supports: [FOOD], county: Allegheny");
    list("rides", "kind: COMMUNITY_SUPPORT, supports: [TRANSPORT], county: Allegheny");
    list("hillside", "levels: [OUTPATIENT]");
    w->record->county = arena_string(w->arena, "Allegheny");
}

static void crisis_lines_and_offices_are_those_of_the_county(void **state)
{
    (void)state;
    begin_in_county();
    assert_string_equal(ids_of(directory_crisis_lines), "crisis-allegheny 988");
    assert_string_equal(ids_of(directory_county_offices), "office-allegheny");
    tell("patient.updated", "with: {county: Butler}");
    assert_string_equal(ids_of(directory_crisis_lines), "crisis-butler 988");
    assert_string_equal(ids_of(directory_county_offices), "office-butler");
    w->record->county = arena_string(w->arena, "");
    assert_string_equal(ids_of(directory_crisis_lines), "988");
    assert_string_equal(ids_of(directory_county_offices), "");
}

static void supports_that_help_with_a_barrier_come_first(void **state)
{
    (void)state;
    begin_in_county();
    assert_string_equal(ids_of(directory_supports), "pantry rides");
    tell("barrier.reported", "with: {kind: TRANSPORT}");
    assert_string_equal(ids_of(directory_supports), "rides pantry");
    assert_true(says("helps with a barrier: transport"));
    assert_string_equal(ask_level(LEVEL(SUPPORT)), "rides pantry");
}

/* --- what tasks carry ------------------------------------------------------------------------------------------ */
static const char *carried_by(Handoff__V1__TaskKind kind, uint32_t episode)
{
    char *ids = arena_alloc(w->arena, 1024);
    if (!directory_for_task(w->rules, w->record, kind, episode, w->now_ms, w->arena, &found)) return "nothing";
    for (size_t i = 0; i < found.count; i++)
        snprintf(ids + strlen(ids), 1024 - strlen(ids), "%s%s", i ? " " : "", found.list[i]->agency_id);
    return ids;
}

static void tasks_carry_what_their_kind_asks_for(void **state)
{
    (void)state;
    begin_in_county();
    grant_to("riverside");
    request("ref-1", "riverside");
    assert_string_equal(carried_by(TASK(OFFER_ALTERNATES), 1), "hillside");
    assert_true(says("same level of care: outpatient"));
    assert_string_equal(carried_by(TASK(SHARE_RESOURCES), 1),
                        "hillside pantry rides crisis-allegheny office-allegheny");
    assert_true(says("level of care: outpatient"));
    assert_string_equal(carried_by(TASK(SHARE_RESOURCES), 0), carried_by(TASK(SHARE_RESOURCES), 1));
    assert_string_equal(carried_by(TASK(CONFIRM_CRISIS_NUMBERS), 0), "crisis-allegheny 988");
    assert_string_equal(carried_by(TASK(CHECK_COVERAGE), 0), "office-allegheny");
    assert_string_equal(carried_by(TASK(CALL_FAMILY), 1), "nothing");
}

static void without_a_directory_nothing_is_matched(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    assert_string_equal(ask(), "");
    assert_string_equal(carried_by(TASK(SHARE_RESOURCES), 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(an_alternate_has_the_same_level_of_care),
        SENTENCE(ages_are_inclusive_and_an_unknown_age_excludes_nobody),
        SENTENCE(an_insurance_that_is_not_accepted_excludes_and_an_unknown_one_does_not),
        SENTENCE(a_county_that_is_not_served_excludes_and_the_same_county_comes_first),
        SENTENCE(who_takes_nobody_new_or_is_delisted_is_not_offered),
        SENTENCE(insurers_and_offices_are_no_agencies),
        SENTENCE(the_agency_that_was_asked_is_no_alternate),
        SENTENCE(an_agency_that_rejected_is_not_offered_again),
        SENTENCE(who_speaks_the_language_comes_first_and_interpreters_second),
        SENTENCE(the_language_of_a_guardian_counts_too),
        SENTENCE(without_a_car_help_with_transport_home_visits_and_telehealth_count),
        SENTENCE(cost_and_childcare_are_barriers_that_some_lift),
        SENTENCE(a_doubtful_intake_number_is_said_until_the_next_listing),
        SENTENCE(services_are_judged_by_themselves),
        SENTENCE(of_many_the_ten_best_are_told_always_in_the_same_order),
        SENTENCE(crisis_lines_and_offices_are_those_of_the_county),
        SENTENCE(supports_that_help_with_a_barrier_come_first),
        SENTENCE(tasks_carry_what_their_kind_asks_for),
        SENTENCE(without_a_directory_nothing_is_matched),
    };
    return cmocka_run_group_tests_name("core: the resource directory", tests, NULL, NULL);
}
