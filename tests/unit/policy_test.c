/* The policy: the shipped file, and what is said about bad rows. */
#include "unit/pathways/pathway_testing.h"
#include "core/calendar.h"
#include "pathway/policy.h"
#include <stdlib.h>

static struct arena *arena;
static struct yaml_errors errors;
static char *shipped; /* zero-terminated */

static int read_text(const char *text, Handoff__V1__Policy **ret)
{
    errors.count = 0;
    return policy_read(arena, "policy.yaml", (struct bytes){(const uint8_t *)text, strlen(text)}, &errors, ret);
}

static struct policy compile_shipped(void)
{
    Handoff__V1__Policy *message = NULL;
    struct policy policy = {0};
    if (read_text(shipped, &message) || policy_compile(message, arena, &policy, &errors)) {
        yaml_errors_print(stderr, &errors);
        fail();
    }
    return policy;
}

/* The shipped file with one part replaced must be refused at that place. The place is the part's own line, found by
 * searching, and a column counted from the beginning of what was put in. */
static void refuse_with(const char *part, const char *instead, int column_from, const char *sentence)
{
    Handoff__V1__Policy *message = NULL;
    const char *at = strstr(shipped, part);
    assert_non_null(at);
    size_t before = (size_t)(at - shipped), bytes = strlen(shipped) + strlen(instead) + 1;
    char *text = arena_alloc(arena, bytes);
    snprintf(text, bytes, "%.*s%s%s", (int)before, shipped, instead, at + strlen(part));
    int line = 1, column = 1;
    for (const char *c = shipped; c < at; c++) {
        line += *c == '\n';
        column = *c == '\n' ? 1 : column + 1;
    }
    assert_int_not_equal(read_text(text, &message), 0);
    assert_null(message);
    testing_expect(&errors, column_from < 0 ? 0 : line, column_from < 0 ? 0 : column + column_from, sentence);
}

static void the_shipped_policy_has_a_row_for_every_task(void **state)
{
    (void)state;
    struct policy policy = compile_shipped();
    const ProtobufCEnumDescriptor *kinds = &handoff__v1__task_kind__descriptor;
    for (unsigned i = 0; i < kinds->n_values; i++) {
        const struct task_rule *rule = &policy.tasks[kinds->values[i].value];
        if (!kinds->values[i].value) continue;
        assert_true(rule->is_set && rule->owner && rule->max_attempts > 0);
        assert_true(strlen(rule->reason) > 20 && rule->reason[strlen(rule->reason) - 1] == '.');
    }
}

static void the_shipped_figures_are_those_of_the_sources(void **state)
{
    (void)state;
    struct policy p = compile_shipped();
    assert_int_equal(p.roi_days, 90);
    assert_int_equal(p.roi_max_days, 365);
    assert_int_equal(p.bh_signing_age, 14);
    assert_int_equal(p.adult_age, 18);
    assert_true(p.is_pcp_workforce);
    assert_int_equal(p.ladder[1].rung_count, 3);
    assert_int_equal(p.ladder[1].rungs[0], HANDOFF__V1__ROLE__ROLE_COORDINATOR);
    assert_int_equal(p.ladder[1].rungs[2], HANDOFF__V1__ROLE__ROLE_DIRECTOR);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE].due->op, DELAY_BUSINESS_DAYS);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE].due->amount, 2);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_URGENT].rung->amount, 1);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT].rung->amount, 30 * MS_PER_MINUTE);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT].repeat->amount, MS_PER_HOUR);
    assert_int_equal(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_POST_DISCHARGE_CONTACT].due[1]->amount, 24 * MS_PER_HOUR);
    assert_null(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY].due[1]);
    assert_null(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK].due[1]); /* given for the other two */
    assert_int_equal(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK].due[3]->amount, MS_PER_HOUR);
    assert_int_equal(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK].attempt_again[3]->amount, MS_PER_HOUR);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT].remind->amount, 15 * MS_PER_MINUTE);
    assert_int_equal(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT].rung_count, 4);
    assert_null(p.ladder[HANDOFF__V1__SEVERITY__SEVERITY_URGENT].remind);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_PHQ_9].total_max, 27);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_PHQ_9].severe, 20);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_PSC_17].youngest, 4);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_PSC_17].oldest, 17);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_ASQ].youngest, 8);
    assert_int_equal(p.instruments[HANDOFF__V1__INSTRUMENT__INSTRUMENT_ASQ].total_max, 5);
}

static void the_shipped_authority_matrix_is_the_one_of_the_domain(void **state)
{
    (void)state;
    enum { BH = 1 << HANDOFF__V1__PARTY__PARTY_BH_TEAM, PCP = 1 << HANDOFF__V1__PARTY__PARTY_PCP,
           FAMILY = 1 << HANDOFF__V1__PARTY__PARTY_PATIENT | 1 << HANDOFF__V1__PARTY__PARTY_GUARDIAN };
    struct policy p = compile_shipped();
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_INPATIENT], 0);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT], 0);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_RESIDENTIAL], BH);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_PARTIAL_HOSPITALIZATION], BH | PCP);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_INTENSIVE_OUTPATIENT], BH | PCP);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_COMMUNITY_BASED], BH | PCP);
    assert_int_equal(p.authority[HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_CASE_MANAGEMENT], BH | PCP | FAMILY);
}

static void the_shipped_switches_of_consent_are_those_of_the_domain(void **state)
{
    (void)state;
    struct policy p = compile_shipped();
    assert_true(p.is_guardian_asked_too);
    assert_false(p.is_guardian_needed_for_da);
    assert_int_equal(p.medical_personnel, 1 << HANDOFF__V1__PARTY__PARTY_PCP | 1 << HANDOFF__V1__PARTY__PARTY_PRESCRIBER |
                                              1 << HANDOFF__V1__PARTY__PARTY_HOSPITAL);
}

static void a_bad_row_is_refused_at_its_place(void **state)
{
    (void)state;
    refuse_with("close-loop: {owner: coordinator", "close-lop: {owner: coordinator", 0, "unknown task \"close-lop\"; did you mean \"close-loop\"?");
    refuse_with("close-loop: {owner: coordinator", "close-loop: {owner: nurse", 20, "unknown role \"nurse\"");
    refuse_with("verify-authority: {owner: coordinator, due: 1bd", "verify-authority: {owner: coordinator, due: 1bx", 45, "is not a unit of time");
    refuse_with("verify-authority: {owner: coordinator, due: 1bd", "verify-authority: {due: 1bd", 18, "the key \"owner\" is missing");
    refuse_with("verify-authority: {owner: coordinator, due: 1bd", "verify-authority: {owner: coordinator, attempts: 0", 49, "out of range");
    refuse_with("urgent: {due: 1bd, rung: 1bd", "urgent: {due: 1bd", 8, "the key \"rung\" is missing");
    refuse_with("residential: [BH_TEAM]", "residential: [BH_TEEM]", 14, "unknown party \"BH_TEEM\"; did you mean \"BH_TEAM\"?");
    refuse_with("residential: [BH_TEAM]", "residental: [BH_TEAM]", 0, "unknown level of care");
    refuse_with("bh_signing_age: 14", "bh_signing_age: 140", 16, "out of range");
    refuse_with("roi_days: 90 ", "roi_days: 900 ", 10, "longer than roi_max_days");
    refuse_with("pcp_is_workforce: true", "pcp_is_workforce: yes", 18, "neither true nor false");
    refuse_with("da_guardian_too: false", "da_guardian_too: perhaps", 17, "neither true nor false");
    refuse_with("medical_personnel: [PCP", "medical_personnel: [NURSE", 20, "unknown party \"NURSE\"");
    refuse_with("overdue: [coordinator, supervisor, director]", "overdue: []", 9, "1 to 8 rungs");
    refuse_with("rungs: [coordinator, supervisor, second-on-call, director]", "rungs: [coordinator, third-on-call]", 21, "unknown role \"third-on-call\"");
    refuse_with("remind: 15min", "remind: 15mni", 10, "is not a unit of time");
    refuse_with("emergent: 1h}, again", "stat: 1h}, again", 0, "stat");
}

static void a_task_without_a_row_is_refused(void **state)
{
    (void)state;
    char *text = arena_string(arena, shipped), *row = strstr(text, "  close-loop:");
    Handoff__V1__Policy *message;
    row[0] = '#'; /* the row becomes a comment */
    assert_int_not_equal(read_text(text, &message), 0);
    assert_int_equal(errors.count, 1);
    assert_non_null(strstr(errors.list[0].sentence, "the task close-loop has no row here"));
    assert_true(errors.list[0].line > 0);
}

static void what_repeats_must_wait(void **state)
{
    (void)state;
    refuse_with("repeat: 1h, rungs", "repeat: 0h, rungs", -1, "ladder, repeat may be zero");
    refuse_with("verify-authority: {owner: coordinator, due: 1bd", "verify-authority: {owner: coordinator, due: -1h", -1, "cannot lie in the past");
    refuse_with("verify-authority: {owner: coordinator, due: 1bd", "verify-authority: {owner: coordinator, due: 'compressed(1bd, 2, effective_at_ms)'", -1, "compressed(...) belongs to a pathway");
}

static void a_message_from_the_journal_is_not_trusted(void **state)
{
    (void)state;
    Handoff__V1__Policy *message = NULL;
    struct policy policy = {.roi_days = 7};
    assert_int_equal(read_text(shipped, &message), 0);
    message->tasks[0]->owner = (Handoff__V1__Role)99;
    message->n_ladder = 2;
    message->medical_personnel[0] = (Handoff__V1__Party)77;
    message->authority[1]->referrers[0] = (Handoff__V1__Party)77;
    assert_int_not_equal(policy_compile(message, arena, &policy, &errors), 0);
    testing_expect(&errors, 0, 0, "has no owner");
    testing_expect(&errors, 0, 0, "the ladder has no row for emergent");
    testing_expect(&errors, 0, 0, "a party of the medical personnel is unknown");
    testing_expect(&errors, 0, 0, "a referrer of the authority matrix is unknown");
    assert_int_equal(policy.roi_days, 7); /* untouched */
}

static void a_reason_of_its_own_where_a_message_did_not_arrive_is_the_rows(void **state)
{
    (void)state;
    struct policy p = compile_shipped();
    assert_non_null(strstr(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY].undelivered, "did not reach the family"));
    assert_string_equal(p.tasks[HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_AGENCY].undelivered, "");
    refuse_with("undelivered: \"A reminder of the next visit did not reach the family, or may not have; please call before the visit.\"",
                "undelivered: [no]", 13, "a single value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_policy_has_a_row_for_every_task),
        cmocka_unit_test(the_shipped_figures_are_those_of_the_sources),
        cmocka_unit_test(the_shipped_authority_matrix_is_the_one_of_the_domain),
        cmocka_unit_test(the_shipped_switches_of_consent_are_those_of_the_domain),
        cmocka_unit_test(a_bad_row_is_refused_at_its_place),
        cmocka_unit_test(a_task_without_a_row_is_refused),
        cmocka_unit_test(what_repeats_must_wait),
        cmocka_unit_test(a_reason_of_its_own_where_a_message_did_not_arrive_is_the_rows),
        cmocka_unit_test(a_message_from_the_journal_is_not_trusted),
    };
    arena = arena_new((size_t)256 * 1024 * 1024);
    shipped = (char *)(uintptr_t)testing_file(arena, "daemon/pathways/policy.yaml").data;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
