/* Who may be told what, on what ground: rules 1 to 4 of core/README.md; and the gate before each delivery: rules 4, 11, 12. */
#include "unit/core_world.h"

/* Born on 2012-06-15, of separated parents; the site is in New York. */
#define MEMBERS "{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}, {party: GUARDIAN, id: dad, custody: NONE}, " \
                "{party: GUARDIAN, id: aunt, custody: UNKNOWN}, {party: GUARDIAN, id: grandpa}, " \
                "{party: COUNTY, id: county-office, custody: LEGAL_AUTHORITY}, " \
                "{party: GUARDIAN, id: ward, custody: LEGAL_AUTHORITY, is_court_appointed: true}"

static void begin_patient(void)
{
    begin(SHIPPED);
    tell("patient.registered", "with: {birth_date: 2012-06-15, category: BEHAVIORAL_HEALTH, care_team: [" MEMBERS "]}");
}

/* Only what a test is about is written in it; later fields win over none, so each comes once. */
static void grant(const char *signer, const char *rest)
{
    char text[1024];
    snprintf(text, sizeof text, "with: {consent_id: roi-1, %s, %s}", signer, rest);
    tell("consent.granted", text);
}
#define MOM "signer: GUARDIAN, signer_id: mom"
#define SELF "signer: PATIENT"
#define RIVERSIDE "recipients: [{party: AGENCY, id: riverside}]"
#define TO "direction: DISCLOSE_TO"
#define BH "category: BEHAVIORAL_HEALTH"
#define DA "category: DRUG_AND_ALCOHOL"
#define EVER "treatment_from: 2026-01-01"
#define ORDINARY RIVERSIDE ", " TO ", " BH ", " EVER

static bool covers_at(Handoff__V1__Party party, const char *id, Handoff__V1__DiagnosisCategory category, const char *time)
{
    return consent_for(w->rules, w->site, w->record, party, id, category, when(time)) != NULL;
}
static bool covers(const char *time)
{
    return covers_at(PARTY(AGENCY), "riverside", CATEGORY(BEHAVIORAL_HEALTH), time);
}
#define SOON "2026-03-02 10:00"

/* --- what a release must have ---------------------------------------------------------------------------------- */
static void a_release_completed_later_withdraws_what_its_draft_had_asked_for(void **state)
{
    (void)state;
    begin(NULL);
    register_child();
    tell("consent.granted", "with: {consent_id: roi-9, signer: GUARDIAN, signer_id: mom, recipients: [{party: AGENCY, id: riverside}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH}");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 1);
    assert_non_null(strstr(w->out.journaled.sentence, "dates of treatment"));
    tell("consent.granted", "with: {consent_id: roi-9, signer: GUARDIAN, signer_id: mom, recipients: [{party: AGENCY, id: riverside}], "
                            "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}");
    assert_int_equal(open_tasks(TASK(OBTAIN_ROI)), 0);
}

static void a_release_covers_the_recipient_it_names_and_nobody_else(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY);
    assert_true(covers(SOON));
    assert_false(covers_at(PARTY(AGENCY), "lakeside", CATEGORY(BEHAVIORAL_HEALTH), SOON));
    assert_false(covers_at(PARTY(SCHOOL), "riverside", CATEGORY(BEHAVIORAL_HEALTH), SOON));
    assert_false(covers_at(PARTY(AGENCY), "", CATEGORY(BEHAVIORAL_HEALTH), SOON));
}

static void a_release_for_some_agency_names_none(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, "recipients: [{party: AGENCY}], " TO ", " BH ", " EVER);
    assert_false(covers(SOON));
}

static void a_release_to_obtain_information_does_not_let_it_out(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, RIVERSIDE ", direction: OBTAIN_FROM, " BH ", " EVER);
    assert_false(covers(SOON));
    grant(MOM, RIVERSIDE ", direction: BOTH, " BH ", " EVER);
    assert_true(covers(SOON));
}

static void a_release_covers_its_category_only(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY);
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(DRUG_AND_ALCOHOL), SOON));
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(BOTH), SOON));
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(UNSPECIFIED), SOON));
    grant(MOM, RIVERSIDE ", " TO ", category: BOTH, " EVER);
    assert_true(covers(SOON));
}

static void a_release_covers_its_dates_of_treatment_first_and_last_day_included(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, RIVERSIDE ", " TO ", " BH ", treatment_from: 2026-03-10, treatment_to: 2026-03-20");
    assert_false(covers("2026-03-09 23:59"));
    assert_true(covers("2026-03-10 00:00"));
    assert_true(covers("2026-03-20 23:59"));
    assert_false(covers("2026-03-21 00:00"));
}

static void a_release_without_dates_of_treatment_stays_a_draft_and_is_asked_for(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, RIVERSIDE ", " TO ", " BH);
    assert_false(covers(SOON));
    assert_string_equal(state_of("release-of-information"), "draft");
    assert_non_null(task_of(TASK(OBTAIN_ROI)));
    assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_DRAFT), 1);
    assert_non_null(strstr(w->out.journaled.sentence, "dates of treatment"));
}

static void a_release_without_category_direction_recipient_or_signers_name_stays_a_draft(void **state)
{
    (void)state;
    static const struct {
        const char *signer, *rest, *says;
    } rows[] = {
        {MOM, RIVERSIDE ", " TO ", " EVER, "the category"},
        {MOM, RIVERSIDE ", " BH ", " EVER, "the direction"},
        {MOM, TO ", " BH ", " EVER, "the recipients"},
        {"signer: GUARDIAN", ORDINARY, "the signer's name"},
        {MOM, ORDINARY ", signed_at: 2026-03-04 09:00", "the date of the signature"},
        {"signer: GUARDIAN, signer_id: dad", ORDINARY, "a guardian with legal authority"},
        {"signer: GUARDIAN, signer_id: aunt", ORDINARY, "unknown whether this guardian"},
        {MOM, RIVERSIDE ", " TO ", " DA ", " EVER, "the patient has to sign"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin_patient();
        grant(rows[i].signer, rows[i].rest);
        assert_false(covers(SOON));
        assert_string_equal(state_of("release-of-information"), "draft");
        assert_int_equal(told_audits(HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_CONSENT_DRAFT), 1);
        assert_non_null(strstr(w->out.journaled.sentence, rows[i].says));
    }
}

/* --- validity ---------------------------------------------------------------------------------------------------- */
static void a_release_is_valid_for_90_days_from_its_signature(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY ", signed_at: 2026-03-01 09:00");
    assert_false(covers("2026-03-01 08:59"));
    assert_true(covers("2026-05-30 08:59"));
    assert_false(covers("2026-05-30 09:00"));
    assert_false(covers("2026-05-31 09:00"));
}

static void a_stated_end_counts_instead_of_the_90_days(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY ", signed_at: 2026-03-01 09:00, expires_at: 2026-04-01 00:00");
    assert_true(covers("2026-03-31 23:59"));
    assert_false(covers("2026-04-01 00:00"));
}

static void a_release_never_lasts_longer_than_a_year(void **state)
{
    (void)state;
    begin_patient();
    grant("signer: COUNTY, signer_id: county-office", ORDINARY ", signed_at: 2025-04-01 09:00, expires_at: 2030-01-01 00:00");
    assert_true(covers("2026-04-01 08:59"));
    assert_false(covers("2026-04-01 09:00"));
    assert_non_null(strstr(w->out.journaled.sentence, "a year"));
}

static void a_release_signed_tomorrow_does_not_cover_today(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY ", signed_at: 2026-03-03 09:00");
    assert_false(covers(SOON));
    assert_true(covers("2026-03-03 09:00"));
}

/* --- signers ----------------------------------------------------------------------------------------------------- */
static void until_the_14th_birthday_a_guardian_signs_for_behavioral_health_and_then_the_patient(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY ", signed_at: 2026-06-01 09:00");
    assert_true(covers("2026-06-14 23:59")); /* in New York; already the 15th in UTC */
    assert_false(covers("2026-06-15 00:00"));
    begin_patient();
    grant(SELF, ORDINARY ", signed_at: 2026-06-01 09:00");
    assert_false(covers("2026-06-14 23:59"));
    assert_true(covers("2026-06-15 00:00"));
}

static void at_the_18th_birthday_only_the_patient_or_a_court_appointed_guardian_signs(void **state)
{
    (void)state;
    begin_patient();
    grant(SELF, ORDINARY ", signed_at: 2030-06-01 09:00");
    assert_true(covers("2030-06-14 23:59"));
    assert_true(covers("2030-06-15 00:00"));
    begin_patient();
    grant("signer: GUARDIAN, signer_id: ward", ORDINARY ", signed_at: 2030-06-01 09:00");
    assert_false(covers("2030-06-14 23:59"));
    assert_true(covers("2030-06-15 00:00"));
    begin_patient();
    grant(MOM, ORDINARY ", signed_at: 2030-06-01 09:00");
    assert_false(covers("2030-06-15 00:00"));
}

static void for_drug_and_alcohol_the_patient_signs_at_any_age_and_a_guardian_does_not(void **state)
{
    (void)state;
    begin_patient();
    grant(SELF, RIVERSIDE ", " TO ", " DA ", " EVER);
    assert_true(covers_at(PARTY(AGENCY), "riverside", CATEGORY(DRUG_AND_ALCOHOL), SOON));
    begin_patient();
    grant(MOM, RIVERSIDE ", " TO ", " DA ", " EVER);
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(DRUG_AND_ALCOHOL), SOON));
}

static void a_childs_own_signature_does_not_cover_both_categories_nor_an_unknown_one(void **state)
{
    (void)state;
    begin_patient();
    grant(SELF, RIVERSIDE ", " TO ", category: BOTH, " EVER ", signed_at: 2026-06-01 09:00");
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(BOTH), "2026-06-14 12:00"));
    assert_false(covers_at(PARTY(AGENCY), "riverside", CATEGORY(UNSPECIFIED), "2026-06-14 12:00"));
    assert_true(covers_at(PARTY(AGENCY), "riverside", CATEGORY(DRUG_AND_ALCOHOL), "2026-06-14 12:00"));
    assert_true(covers_at(PARTY(AGENCY), "riverside", CATEGORY(BOTH), "2026-06-15 12:00"));
}

static void a_guardian_without_legal_authority_or_of_unknown_custody_cannot_sign(void **state)
{
    (void)state;
    begin_patient();
    grant("signer: GUARDIAN, signer_id: dad", ORDINARY);
    assert_false(covers(SOON));
    grant("signer: GUARDIAN, signer_id: aunt", ORDINARY);
    assert_false(covers(SOON));
    grant("signer: GUARDIAN, signer_id: grandpa", ORDINARY);
    assert_false(covers(SOON));
    grant("signer: GUARDIAN, signer_id: stranger", ORDINARY);
    assert_false(covers(SOON));
}

static void a_county_agency_with_legal_authority_can_be_the_guardian(void **state)
{
    (void)state;
    begin_patient();
    grant("signer: COUNTY, signer_id: county-office", ORDINARY);
    assert_true(covers(SOON));
}

static void a_guardian_who_loses_custody_no_longer_covers_anything(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY);
    tell("care_team.updated", "with: {members: [{party: GUARDIAN, id: mom, custody: NONE}]}");
    assert_false(covers(SOON));
}

static void without_a_birth_date_nobody_is_the_right_signer_for_behavioral_health(void **state)
{
    (void)state;
    begin(SHIPPED);
    tell("patient.registered", "with: {care_team: [" MEMBERS "]}");
    grant(MOM, ORDINARY);
    assert_false(covers(SOON));
    grant(SELF, ORDINARY);
    assert_false(covers(SOON));
}

/* --- revocation -------------------------------------------------------------------------------------------------- */
#define TWO "recipients: [{party: AGENCY, id: riverside}, {party: SCHOOL, id: school-1}], " TO ", " BH ", " EVER

static void a_revocation_of_one_recipient_leaves_the_others(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, TWO);
    tell("consent.revoked", "with: {recipients: [{party: AGENCY, id: riverside}]}");
    assert_false(covers(SOON));
    assert_true(covers_at(PARTY(SCHOOL), "school-1", CATEGORY(BEHAVIORAL_HEALTH), SOON));
}

static void a_revocation_that_names_a_party_without_an_id_ends_all_of_that_party(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, TWO);
    tell("consent.revoked", "with: {recipients: [{party: AGENCY}]}");
    assert_false(covers(SOON));
    assert_true(covers_at(PARTY(SCHOOL), "school-1", CATEGORY(BEHAVIORAL_HEALTH), SOON));
}

static void a_revocation_of_everything_ends_every_consent(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, TWO);
    tell("consent.revoked", "with: {}");
    assert_int_equal(w->record->n_consents, 0);
}

static void a_revocation_of_one_consent_leaves_another(void **state)
{
    (void)state;
    begin_patient();
    grant(MOM, ORDINARY);
    tell("consent.granted", "with: {consent_id: roi-2, " MOM ", " ORDINARY "}");
    tell("consent.revoked", "with: {consent_id: roi-1}");
    assert_true(covers(SOON));
    tell("consent.revoked", "with: {consent_id: roi-2}");
    assert_false(covers(SOON));
}

static void a_release_signed_before_a_revocation_does_not_come_back_when_it_is_told_after_it(void **state)
{
    (void)state;
    begin_patient();
    go("2026-03-03 09:00");
    tell("consent.revoked", "with: {recipients: [{party: AGENCY, id: riverside}]}");
    grant(MOM, TWO ", signed_at: 2026-03-02 09:00");
    assert_false(covers("2026-03-03 10:00"));
    assert_true(covers_at(PARTY(SCHOOL), "school-1", CATEGORY(BEHAVIORAL_HEALTH), "2026-03-03 10:00"));
    grant(MOM, ORDINARY ", signed_at: 2026-03-03 08:59");
    assert_false(covers("2026-03-03 10:00"));
    grant(MOM, ORDINARY ", signed_at: 2026-03-03 09:01");
    assert_true(covers("2026-03-03 10:00"));
}

/* --- outside, authority ------------------------------------------------------------------------------------------ */
static void everyone_but_the_workforce_and_the_pcp_is_outside(void **state)
{
    (void)state;
    begin(SHIPPED);
    assert_false(consent_is_outside(w->rules, PARTY(COORDINATOR), ""));
    assert_false(consent_is_outside(w->rules, PARTY(PCP), "family-practice"));
    assert_true(consent_is_outside(w->rules, PARTY(AGENCY), "riverside"));
    assert_true(consent_is_outside(w->rules, PARTY(SCHOOL), "school-1"));
    assert_true(consent_is_outside(w->rules, PARTY(INSURER), "plan-a"));
    assert_true(consent_is_outside(w->rules, PARTY(GUARDIAN), "mom"));
}

#define LEVEL(NAME) HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_##NAME
static void who_may_refer_follows_the_matrix(void **state)
{
    (void)state;
    begin(SHIPPED);
    static const struct {
        Handoff__V1__LevelOfCare level;
        bool bh, pcp, guardian, patient, school;
    } rows[] = {
        {LEVEL(INPATIENT), true, true, true, true, true},
        {LEVEL(RESIDENTIAL), true, false, false, false, false},
        {LEVEL(PARTIAL_HOSPITALIZATION), true, true, false, false, false},
        {LEVEL(INTENSIVE_OUTPATIENT), true, true, false, false, false},
        {LEVEL(COMMUNITY_BASED), true, true, false, false, false},
        {LEVEL(OUTPATIENT), true, true, true, true, true},
        {LEVEL(CASE_MANAGEMENT), true, true, true, true, false},
        {LEVEL(SUPPORT), true, true, true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(authority_allows(w->rules, PARTY(BH_TEAM), rows[i].level), rows[i].bh);
        assert_int_equal(authority_allows(w->rules, PARTY(PCP), rows[i].level), rows[i].pcp);
        assert_int_equal(authority_allows(w->rules, PARTY(GUARDIAN), rows[i].level), rows[i].guardian);
        assert_int_equal(authority_allows(w->rules, PARTY(PATIENT), rows[i].level), rows[i].patient);
        assert_int_equal(authority_allows(w->rules, PARTY(SCHOOL), rows[i].level), rows[i].school);
    }
    assert_false(authority_allows(w->rules, PARTY(BH_TEAM), (Handoff__V1__LevelOfCare)99));
}

/* The whole matrix: who may ask for each level, as bits by party; 0: anybody. */
static void each_cell_of_the_authority_matrix_is_as_the_domain_has_it(void **state)
{
    (void)state;
    begin(SHIPPED);
#define BIT(NAME) (UINT32_C(1) << PARTY(NAME))
    static const uint32_t allowed[] = {
        [LEVEL(INPATIENT)] = 0,
        [LEVEL(RESIDENTIAL)] = BIT(BH_TEAM),
        [LEVEL(PARTIAL_HOSPITALIZATION)] = BIT(BH_TEAM) | BIT(PCP),
        [LEVEL(INTENSIVE_OUTPATIENT)] = BIT(BH_TEAM) | BIT(PCP),
        [LEVEL(COMMUNITY_BASED)] = BIT(BH_TEAM) | BIT(PCP),
        [LEVEL(OUTPATIENT)] = 0,
        [LEVEL(PCP)] = 0,
        [LEVEL(CASE_MANAGEMENT)] = BIT(BH_TEAM) | BIT(PCP) | BIT(PATIENT) | BIT(GUARDIAN),
        [LEVEL(SUPPORT)] = 0,
    };
    for (int level = LEVEL(INPATIENT); level <= LEVEL(SUPPORT); level++)
        for (int party = PARTY(PATIENT); party <= PARTY(OTHER); party++)
            assert_int_equal(authority_allows(w->rules, (Handoff__V1__Party)party, (Handoff__V1__LevelOfCare)level),
                             !allowed[level] || (allowed[level] >> party & 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_release_completed_later_withdraws_what_its_draft_had_asked_for),
        SENTENCE(a_release_covers_the_recipient_it_names_and_nobody_else),
        SENTENCE(a_release_for_some_agency_names_none),
        SENTENCE(a_release_to_obtain_information_does_not_let_it_out),
        SENTENCE(a_release_covers_its_category_only),
        SENTENCE(a_release_covers_its_dates_of_treatment_first_and_last_day_included),
        SENTENCE(a_release_without_dates_of_treatment_stays_a_draft_and_is_asked_for),
        SENTENCE(a_release_without_category_direction_recipient_or_signers_name_stays_a_draft),
        SENTENCE(a_release_is_valid_for_90_days_from_its_signature),
        SENTENCE(a_stated_end_counts_instead_of_the_90_days),
        SENTENCE(a_release_never_lasts_longer_than_a_year),
        SENTENCE(a_release_signed_tomorrow_does_not_cover_today),
        SENTENCE(until_the_14th_birthday_a_guardian_signs_for_behavioral_health_and_then_the_patient),
        SENTENCE(at_the_18th_birthday_only_the_patient_or_a_court_appointed_guardian_signs),
        SENTENCE(for_drug_and_alcohol_the_patient_signs_at_any_age_and_a_guardian_does_not),
        SENTENCE(a_childs_own_signature_does_not_cover_both_categories_nor_an_unknown_one),
        SENTENCE(a_guardian_without_legal_authority_or_of_unknown_custody_cannot_sign),
        SENTENCE(a_county_agency_with_legal_authority_can_be_the_guardian),
        SENTENCE(a_guardian_who_loses_custody_no_longer_covers_anything),
        SENTENCE(without_a_birth_date_nobody_is_the_right_signer_for_behavioral_health),
        SENTENCE(a_revocation_of_one_recipient_leaves_the_others),
        SENTENCE(a_revocation_that_names_a_party_without_an_id_ends_all_of_that_party),
        SENTENCE(a_revocation_of_everything_ends_every_consent),
        SENTENCE(a_revocation_of_one_consent_leaves_another),
        SENTENCE(a_release_signed_before_a_revocation_does_not_come_back_when_it_is_told_after_it),
        SENTENCE(everyone_but_the_workforce_and_the_pcp_is_outside),
        SENTENCE(who_may_refer_follows_the_matrix),
        SENTENCE(each_cell_of_the_authority_matrix_is_as_the_domain_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
