/* Releases of information over time: boundary days, leap years, daylight saving, two signatures, objections, late
 * words, and what a release does when it ends. Rules 2 to 6 of core/README.md. */
#include "unit/core_world.h"

#define RIVERSIDE "recipients: [{party: AGENCY, id: riverside}]"
#define EVER "treatment_from: 2020-01-01"
#define ORDINARY RIVERSIDE ", direction: BOTH, category: BEHAVIORAL_HEALTH, " EVER
#define MOM "signer: GUARDIAN, signer_id: mom"
#define DAD "signer: GUARDIAN, signer_id: dad"
#define SELF "signer: PATIENT"
#define RELEASE "release-of-information"

static void begin_born(const char *birth_date)
{
    char rest[512];
    begin(SHIPPED);
    snprintf(rest, sizeof rest, "with: {birth_date: %s, category: BEHAVIORAL_HEALTH, care_team: [{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}, "
             "{party: GUARDIAN, id: dad, custody: LEGAL_AUTHORITY}]}", birth_date);
    tell("patient.registered", rest);
}

static void grant(const char *id, const char *signer, const char *rest)
{
    char text[1024];
    snprintf(text, sizeof text, "with: {consent_id: %s, %s, %s}", id, signer, rest);
    tell("consent.granted", text);
}

static enum consent_answer answer_at(const char *id, Handoff__V1__DiagnosisCategory category, const char *time)
{
    struct consent_question q = {w->rules, w->site, w->record, PARTY(AGENCY), id, category, when(time), NULL};
    struct consent_ground ground;
    return consent_ask(&q, &ground);
}
static bool covers(const char *time) { return answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), time) == CONSENT_COVERS; }

static struct policy *policy(void) { return (struct policy *)(uintptr_t)&w->rules->policy; }

/* --- boundary days ----------------------------------------------------------------------------------------------- */
static void signed_at(const char *signature, const char *stated, const char *last, const char *first_not)
{
    char rest[512];
    begin_born("2016-05-01");
    w->now_ms = when(signature);
    snprintf(rest, sizeof rest, ORDINARY "%s%s", *stated ? ", expires_at: " : "", stated);
    grant("roi-1", MOM, rest);
    assert_true(covers(last));
    assert_false(covers(first_not));
}

static void a_release_lasts_90_days_to_the_minute_through_daylight_saving(void **state)
{
    (void)state;
    signed_at("2026-03-02 09:00", "", "2026-05-31 08:59", "2026-05-31 09:00"); /* spring */
    signed_at("2026-10-01 09:00", "", "2026-12-30 08:59", "2026-12-30 09:00"); /* autumn */
    signed_at("2026-12-08 02:30", "", "2027-03-08 02:29", "2027-03-08 02:30");
    signed_at("2026-12-14 02:30", "", "2027-03-14 01:59", "2027-03-14 03:30"); /* 02:30 does not exist that day */
    signed_at("2026-08-03 01:30", "", "2026-11-01 01:29", "2026-11-01 02:30"); /* 01:30 comes twice: the first */
}

static void a_release_lasts_365_days_and_not_one_more(void **state)
{
    (void)state;
    signed_at("2026-03-02 09:00", "2027-03-02 09:00", "2027-03-02 08:59", "2027-03-02 09:00");
    signed_at("2026-03-02 09:00", "2027-03-03 09:00", "2027-03-02 08:59", "2027-03-02 09:00");
    signed_at("2026-03-02 09:00", "2027-03-01 09:00", "2027-03-01 08:59", "2027-03-01 09:00");
    signed_at("2027-06-01 09:00", "2028-06-01 09:00", "2028-05-31 08:59", "2028-05-31 09:00"); /* a leap year has 366 */
    signed_at("2028-02-29 09:00", "2029-06-01 09:00", "2029-02-28 08:59", "2029-02-28 09:00"); /* signed on a leap day */
}

static void a_release_that_is_capped_says_so_to_the_sender_and_to_the_audit(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-1", MOM, ORDINARY ", expires_at: 2027-03-02 09:00");
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_CAPPED), 0);
    grant("roi-2", MOM, ORDINARY ", expires_at: 2027-03-02 09:01");
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_CAPPED), 1);
    assert_non_null(strstr(w->out.journaled.sentence, "capped"));
}

static void the_14th_birthday_is_the_sites_local_day_also_for_who_was_born_on_a_leap_day(void **state)
{
    (void)state;
    static const struct {
        const char *born, *eve, *day;
    } rows[] = {
        {"2012-05-08", "2026-05-07 23:59", "2026-05-08 00:00"}, /* 04:00 of the 8th in UTC */
        {"2012-12-08", "2026-12-07 23:59", "2026-12-08 00:00"},
        {"2012-02-29", "2026-02-28 23:59", "2026-03-01 00:00"}, /* no 29 February that year */
        {"2014-03-08", "2028-03-07 23:59", "2028-03-08 00:00"},
        {"2012-03-08", "2026-03-07 23:59", "2026-03-08 00:00"}, /* the clock changes two hours later */
        {"2012-11-01", "2026-10-31 23:59", "2026-11-01 00:00"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_born(rows[i].born);
        w->now_ms = when(rows[i].eve);
        grant("roi-1", MOM, ORDINARY);
        grant("roi-2", SELF, "recipients: [{party: AGENCY, id: hillside}], direction: BOTH, category: BEHAVIORAL_HEALTH, " EVER);
        assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), rows[i].eve), CONSENT_COVERS);
        assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), rows[i].day), CONSENT_NONE);
        assert_int_equal(answer_at("hillside", CATEGORY(BEHAVIORAL_HEALTH), rows[i].eve), CONSENT_NONE);
        assert_int_equal(answer_at("hillside", CATEGORY(BEHAVIORAL_HEALTH), rows[i].day), CONSENT_COVERS);
    }
}

static void the_times_of_a_release_follow_the_birth_date_and_the_policy(void **state)
{
    (void)state;
    begin_born("2012-02-29");
    w->now_ms = when("2026-01-12 09:00");
    grant("roi-1", MOM, ORDINARY);
    assert_when(timer_of("signer-end")->due_at_ms, "2026-03-01 00:00");
    assert_when(timer_of("new-signer")->due_at_ms, "2026-01-30 00:00");
    assert_when(timer_of("expiry")->due_at_ms, "2026-04-12 09:00");
    assert_when(timer_of("renewal")->due_at_ms, "2026-03-29 09:00");
    tell("patient.updated", "with: {birth_date: 2016-05-01}");
    assert_null(timer_of("signer-end"));
    assert_null(timer_of("new-signer"));
    policy()->bh_signing_age = 10; /* a state exception */
    tell("patient.updated", "with: {birth_date: 2016-02-20}");
    assert_when(timer_of("signer-end")->due_at_ms, "2026-02-20 00:00");
}

/* --- two signatures ---------------------------------------------------------------------------------------------- */
#define BOTH_KINDS RIVERSIDE ", direction: BOTH, category: BOTH, " EVER
#define DA RIVERSIDE ", direction: BOTH, category: DRUG_AND_ALCOHOL, " EVER

static void both_categories_of_a_child_need_the_guardian_and_the_patient(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-1", MOM, BOTH_KINDS);
    assert_string_equal(state_of(RELEASE), "draft");
    assert_int_equal(answer_at("riverside", CATEGORY(BOTH), "2026-03-02 10:00"), CONSENT_NONE);
    assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-02 10:00"), CONSENT_COVERS);
    grant("roi-1", SELF, BOTH_KINDS); /* the same form, signed by both */
    assert_string_equal(state_of(RELEASE), "active");
    assert_int_equal(answer_at("riverside", CATEGORY(BOTH), "2026-03-02 10:00"), CONSENT_COVERS);
}

static void two_releases_may_carry_the_two_signatures_and_both_are_named(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-bh", MOM, ORDINARY);
    grant("roi-da", SELF, DA);
    struct consent_question q = {w->rules, w->site, w->record, PARTY(AGENCY), "riverside", CATEGORY(BOTH), w->now_ms, NULL};
    struct consent_ground ground;
    assert_int_equal(consent_ask(&q, &ground), CONSENT_COVERS);
    assert_string_equal(ground.consent->id, "roi-da");
    assert_string_equal(ground.also->id, "roi-bh");
    tell("consent.revoked", "with: {consent_id: roi-da}");
    q.record = w->record;
    assert_int_equal(consent_ask(&q, &ground), CONSENT_NONE);
    assert_null(ground.consent);
}

static void a_state_may_ask_for_a_guardians_signature_for_drug_and_alcohol_until_the_18th_birthday(void **state)
{
    (void)state;
    begin_born("2008-05-01"); /* 17 */
    policy()->is_guardian_needed_for_da = true;
    grant("roi-1", SELF, DA);
    assert_string_equal(state_of(RELEASE), "signed-ahead"); /* of the adult, two months ahead */
    assert_int_equal(answer_at("riverside", CATEGORY(DRUG_AND_ALCOHOL), "2026-04-30 23:59"), CONSENT_NONE);
    assert_int_equal(answer_at("riverside", CATEGORY(DRUG_AND_ALCOHOL), "2026-05-01 00:00"), CONSENT_COVERS);
    grant("roi-1", MOM, DA);
    assert_int_equal(answer_at("riverside", CATEGORY(DRUG_AND_ALCOHOL), "2026-04-30 23:59"), CONSENT_COVERS);
    assert_string_equal(state_of(RELEASE), "active");
}

static void a_guardians_signature_is_asked_for_too_only_where_the_site_says_so(void **state)
{
    (void)state;
    begin_born("2010-05-01"); /* 15 */
    grant("roi-1", SELF, ORDINARY);
    assert_string_equal(state_of(RELEASE), "active");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 1);
    begin_born("2010-05-01");
    policy()->is_guardian_asked_too = false;
    grant("roi-1", SELF, ORDINARY);
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 0);
    begin_born("2007-05-01"); /* 18 */
    grant("roi-1", SELF, ORDINARY);
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 0);
}

/* --- uncertain --------------------------------------------------------------------------------------------------- */
static void a_guardian_who_objects_makes_it_uncertain_for_those_recipients(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-1", MOM, "recipients: [{party: AGENCY, id: riverside}, {party: AGENCY, id: hillside}], direction: BOTH, category: BEHAVIORAL_HEALTH, " EVER);
    tell("consent.declined", "with: {by: GUARDIAN, by_id: dad, recipients: [{party: AGENCY, id: hillside}]}");
    assert_true(covers("2026-03-02 10:00"));
    assert_int_equal(answer_at("hillside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-02 10:00"), CONSENT_UNCERTAIN);
    tell("consent.declined", "with: {by: GUARDIAN, by_id: dad}");
    assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-02 10:00"), CONSENT_UNCERTAIN);
    assert_int_equal(open_tasks(TASK(ASK_COMPLIANCE)), 1);
    grant("roi-2", DAD, ORDINARY);
    assert_true(covers("2026-03-02 10:00"));
}

static void nobody_but_a_guardian_with_a_say_can_object(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-1", MOM, ORDINARY);
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: dad, custody: NONE}]}");
    tell("consent.declined", "with: {by: GUARDIAN, by_id: dad}");
    tell("consent.declined", "with: {by: SCHOOL, by_id: school-1}");
    assert_true(covers("2026-03-02 10:00"));
    tell("consent.declined", "with: {by: GUARDIAN, by_id: a-stranger}");
    assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-02 10:00"), CONSENT_UNCERTAIN);
}

static void an_objection_has_no_weight_where_the_patient_signs(void **state)
{
    (void)state;
    begin_born("2010-05-01");
    grant("roi-1", SELF, ORDINARY);
    tell("consent.declined", "with: {by: GUARDIAN, by_id: dad}");
    assert_true(covers("2026-03-02 10:00"));
    assert_string_equal(state_of(RELEASE), "active");
}

static void an_objection_told_after_the_same_guardians_later_signature_is_overtaken(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    go("2026-03-04 09:00");
    grant("roi-1", DAD, ORDINARY);
    tell("consent.declined", "occurred: 2026-03-03 09:00, with: {by: GUARDIAN, by_id: dad}");
    assert_true(covers("2026-03-04 10:00"));
}

/* --- late words -------------------------------------------------------------------------------------------------- */
static void a_revocation_told_late_does_not_end_what_was_signed_after_it(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    go("2026-03-05 09:00");
    grant("roi-2", MOM, ORDINARY ", signed_at: 2026-03-04 09:00");
    tell("consent.revoked", "occurred: 2026-03-03 09:00, with: {recipients: [{party: AGENCY, id: riverside}]}");
    assert_true(covers("2026-03-05 10:00"));
    tell("consent.revoked", "occurred: 2026-03-04 10:00, with: {recipients: [{party: AGENCY, id: riverside}]}");
    assert_false(covers("2026-03-05 10:00"));
}

static void an_older_form_of_the_same_release_that_is_told_late_does_not_replace_the_newer(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    go("2026-03-05 09:00");
    grant("roi-1", MOM, ORDINARY ", signed_at: 2026-03-04 09:00");
    grant("roi-1", MOM, "recipients: [{party: AGENCY, id: hillside}], direction: BOTH, category: BEHAVIORAL_HEALTH, " EVER ", signed_at: 2026-03-03 09:00");
    assert_true(covers("2026-03-05 10:00"));
    assert_int_equal(answer_at("hillside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-05 10:00"), CONSENT_NONE);
}

/* --- guardians as recipients ------------------------------------------------------------------------------------- */
static enum consent_answer guardian_at(const char *id, Handoff__V1__DiagnosisCategory category)
{
    struct consent_question q = {w->rules, w->site, w->record, PARTY(GUARDIAN), id, category, w->now_ms, NULL};
    struct consent_ground ground;
    return consent_is_needed(&q) ? consent_ask(&q, &ground) : CONSENT_COVERS;
}

static void a_childs_guardian_needs_no_release_for_behavioral_health_but_does_for_drug_and_alcohol(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_COVERS);
    assert_int_equal(guardian_at("mom", CATEGORY(DRUG_AND_ALCOHOL)), CONSENT_NONE);
    assert_int_equal(guardian_at("a-stranger", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_NONE);
}

static void from_the_signing_age_on_guardians_are_named_by_default_and_may_be_struck(void **state)
{
    (void)state;
    begin_born("2010-05-01");
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_NONE);
    grant("roi-1", SELF, ORDINARY);
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_COVERS);
    tell("consent.revoked", "with: {recipients: [{party: GUARDIAN, id: mom}], by: PATIENT}");
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_NONE);
    assert_int_equal(guardian_at("dad", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_COVERS);
    assert_true(covers("2026-03-02 10:00"));
    begin_born("2010-05-01");
    grant("roi-1", SELF, ORDINARY ", is_guardian_struck: true");
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_NONE);
    begin_born("2007-05-01"); /* an adult's parents are no guardians */
    grant("roi-1", SELF, ORDINARY);
    assert_int_equal(guardian_at("mom", CATEGORY(BEHAVIORAL_HEALTH)), CONSENT_NONE);
}

/* --- in a referral ----------------------------------------------------------------------------------------------- */
static void a_release_that_ends_while_a_referral_is_closing_asks_nobody(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    tell("referral.cancelled", "referral: ref-1, with: {}");
    assert_string_equal(state_of("referral"), "closing");
    go("2026-06-01 09:00");
    assert_string_equal(state_of(RELEASE), "none");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 0);
}

static void the_revocation_of_one_release_is_not_that_of_an_agency_it_never_named(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-school", MOM, "recipients: [{party: SCHOOL, id: school-1}], direction: BOTH, category: BEHAVIORAL_HEALTH, " EVER);
    request("ref-1", "riverside");
    tell("consent.revoked", "with: {consent_id: roi-school}");
    assert_int_equal(told_tasks(TASK(CALL_FAMILY), CHANGE(OPENED)), 0);
    assert_non_null(timer_of("roi-chase"));
}

static void more_objections_than_a_record_holds_are_taken_to_mean_everybody(void **state)
{
    (void)state;
    begin_born("2016-05-01");
    grant("roi-1", MOM, ORDINARY);
    for (int i = 0; i < 9; i++) {
        char rest[160];
        snprintf(rest, sizeof rest, "with: {by: GUARDIAN, by_id: dad, recipients: [{party: SCHOOL, id: school-%d}]}", i);
        tell("consent.declined", rest);
    }
    assert_int_equal(w->record->n_objections, 8);
    assert_int_equal(answer_at("riverside", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-02 10:00"), CONSENT_UNCERTAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_release_lasts_90_days_to_the_minute_through_daylight_saving),
        SENTENCE(a_release_lasts_365_days_and_not_one_more),
        SENTENCE(a_release_that_is_capped_says_so_to_the_sender_and_to_the_audit),
        SENTENCE(the_14th_birthday_is_the_sites_local_day_also_for_who_was_born_on_a_leap_day),
        SENTENCE(the_times_of_a_release_follow_the_birth_date_and_the_policy),
        SENTENCE(both_categories_of_a_child_need_the_guardian_and_the_patient),
        SENTENCE(two_releases_may_carry_the_two_signatures_and_both_are_named),
        SENTENCE(a_state_may_ask_for_a_guardians_signature_for_drug_and_alcohol_until_the_18th_birthday),
        SENTENCE(a_guardians_signature_is_asked_for_too_only_where_the_site_says_so),
        SENTENCE(a_guardian_who_objects_makes_it_uncertain_for_those_recipients),
        SENTENCE(nobody_but_a_guardian_with_a_say_can_object),
        SENTENCE(an_objection_has_no_weight_where_the_patient_signs),
        SENTENCE(an_objection_told_after_the_same_guardians_later_signature_is_overtaken),
        SENTENCE(a_revocation_told_late_does_not_end_what_was_signed_after_it),
        SENTENCE(an_older_form_of_the_same_release_that_is_told_late_does_not_replace_the_newer),
        SENTENCE(a_childs_guardian_needs_no_release_for_behavioral_health_but_does_for_drug_and_alcohol),
        SENTENCE(from_the_signing_age_on_guardians_are_named_by_default_and_may_be_struck),
        SENTENCE(a_release_that_ends_while_a_referral_is_closing_asks_nobody),
        SENTENCE(the_revocation_of_one_release_is_not_that_of_an_agency_it_never_named),
        SENTENCE(more_objections_than_a_record_holds_are_taken_to_mean_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
