/* Scores: what is kept, what is judged, and at which week. */
#include "unit/core_world.h"
#include "core/scores.h"

static void scored(const char *instrument, int total)
{
    char rest[128];
    snprintf(rest, sizeof rest, "with: {instrument: %s, total: %d}", instrument, total);
    tell("screening.scored", rest);
}
static void begin_monitoring(const char *born)
{
    char rest[64];
    begin(SHIPPED);
    snprintf(rest, sizeof rest, "with: {birth_date: %s}", born);
    tell("patient.registered", rest);
    tell("episode.opened", "with: {pathway: monitoring, by: coordinator-1}"); /* on Monday, 2026-03-02 */
    assert_string_equal(state_of("monitoring"), "watching");
}

/* --- what is kept ---------------------------------------------------------------------------------------------- */
static void the_first_and_the_last_score_are_kept(void **state)
{
    (void)state;
    begin_monitoring("2010-05-01");
    scored("PHQ_A", 16);
    go("2026-03-10 09:00");
    scored("PHQ_A", 12);
    tell("screening.scored", "occurred: 2026-03-05 09:00, with: {instrument: PHQ_A, total: 3}"); /* told late: an older word */
    assert_int_equal(w->record->n_scores, 1);
    assert_int_equal(w->record->scores[0]->baseline, 16);
    assert_int_equal(w->record->scores[0]->previous->value, 16);
    assert_int_equal(w->record->scores[0]->last, 12);
    tell("screening.scored", "with: {instrument: C_SSRS, level: NONE}");
    assert_int_equal(w->record->n_scores, 1);
}

static void a_score_outside_its_ages_is_kept_and_marked_and_not_judged(void **state)
{
    (void)state;
    begin_monitoring("2008-03-11"); /* 17 until the 10th */
    go("2026-03-10 23:00");
    scored("PSC_17", 10);
    assert_false(w->record->scores[0]->is_outside_ages);
    go("2026-03-11 00:30");
    forget();
    scored("PSC_17", 30);
    assert_true(w->record->scores[0]->is_outside_ages);
    assert_int_equal(w->record->scores[0]->last, 30);
    assert_int_equal(told_tasks(TASK(CLINICAL_REVIEW), CHANGE(OPENED)), 0);
    begin_monitoring("2014-03-03"); /* twelve on the third */
    scored("PHQ_9", 22);
    assert_true(w->record->scores[0]->is_outside_ages);
    assert_non_null(task_of(TASK(RESCREEN)));
    go("2026-03-03 09:00");
    scored("PHQ_9", 21);
    assert_false(w->record->scores[0]->is_outside_ages);
    assert_int_equal(w->record->scores[0]->baseline, 21); /* what could not be judged is no baseline */
    assert_null(task_of(TASK(RESCREEN)));
}

static void an_item_that_shows_risk_is_a_finding_at_any_age(void **state)
{
    (void)state;
    begin_monitoring("2018-03-11");
    tell("screening.scored", "with: {instrument: PHQ_9, total: 4, items: [{item: 9, score: 1}]}");
    assert_true(w->record->n_flags > 0);
}

static void a_score_of_thirty_days_ago_is_a_baseline_and_an_older_one_is_not(void **state)
{
    (void)state;
    static const char *const when_scored[] = {"2026-01-31 09:30", "2026-01-30 09:00"};
    for (int i = 0; i < 2; i++) {
        char rest[128];
        begin(SHIPPED);
        tell("patient.registered", "with: {birth_date: 2010-05-01}");
        snprintf(rest, sizeof rest, "occurred: %s, with: {instrument: PHQ_A, total: 20}", when_scored[i]);
        tell("screening.scored", rest);
        tell("episode.opened", "with: {pathway: monitoring, by: coordinator-1}");
        assert_int_equal(open_tasks(TASK(RESCREEN)), (size_t)i);
        assert_int_equal(w->record->n_scores, 1 - (size_t)i);
    }
}

static void nobody_is_asked_for_a_score_that_no_instrument_gives_at_that_age(void **state)
{
    (void)state;
    begin_monitoring("2022-03-03"); /* three */
    assert_null(task_of(TASK(RESCREEN)));
    begin_monitoring("2022-03-02"); /* four today */
    assert_non_null(task_of(TASK(RESCREEN)));
}

/* --- what is judged -------------------------------------------------------------------------------------------- */
static size_t reviews_after(const char *time, int first, int second)
{
    begin_monitoring("2010-05-01");
    scored("PHQ_A", first);
    go(time);
    forget();
    scored("PHQ_A", second);
    return told_tasks(TASK(PSYCHIATRIC_REVIEW), CHANGE(OPENED)) + told_tasks(TASK(PSYCHIATRIC_REVIEW), CHANGE(JOINED));
}

static void response_is_half_of_the_first_score_or_below_the_cut_off(void **state)
{
    (void)state;
    assert_int_equal(reviews_after("2026-04-28 09:00", 22, 12), 1); /* 45 % less */
    assert_int_equal(reviews_after("2026-04-28 09:00", 22, 11), 0); /* half */
    assert_int_equal(reviews_after("2026-04-28 09:00", 15, 10), 1); /* a third, and not below 10 */
    assert_int_equal(reviews_after("2026-04-28 09:00", 15, 9), 0);  /* below 10 */
}

static void response_is_judged_from_week_eight_to_week_twelve(void **state)
{
    (void)state;
    assert_int_equal(reviews_after("2026-04-26 23:00", 16, 15), 0); /* day 55 */
    assert_int_equal(reviews_after("2026-04-27 00:30", 16, 15), 1); /* day 56: week 8 begins */
    assert_int_equal(reviews_after("2026-05-31 23:00", 16, 15), 1); /* day 90: week 12 ends */
    assert_int_equal(reviews_after("2026-06-01 00:30", 16, 15), 0);
}

static size_t clinical_reviews(const char *instrument, int first, int second)
{
    begin_monitoring("2010-05-01");
    scored(instrument, first);
    go("2026-03-12 09:00");
    forget();
    scored(instrument, second);
    return told_tasks(TASK(CLINICAL_REVIEW), CHANGE(OPENED));
}

static void five_points_more_or_the_severe_band_come_before_a_clinician(void **state)
{
    (void)state;
    assert_int_equal(clinical_reviews("PHQ_A", 8, 12), 0);
    assert_int_equal(clinical_reviews("PHQ_A", 8, 13), 1);
    assert_int_equal(clinical_reviews("PHQ_A", 18, 19), 0);
    assert_int_equal(clinical_reviews("PHQ_A", 18, 20), 1); /* into the severe band */
    assert_int_equal(clinical_reviews("PHQ_A", 20, 21), 0); /* it is in it already */
    assert_int_equal(clinical_reviews("GAD_7", 14, 15), 1);
    begin_monitoring("2010-05-01");
    scored("PHQ_A", 20);
    assert_non_null(task_of(TASK(CLINICAL_REVIEW))); /* the first score of all */
    begin_monitoring("2010-05-01");
    scored("PHQ_A", 8);
    scored("PHQ_A", 11);
    assert_null(task_of(TASK(CLINICAL_REVIEW)));
    go("2026-03-12 09:00");
    scored("PHQ_A", 13); /* by now five since the first */
    assert_non_null(task_of(TASK(CLINICAL_REVIEW)));
}

/* --- what is no score ------------------------------------------------------------------------------------------ */
static void what_lies_out_of_an_instruments_range_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *with, *field;
    } cases[] = {
        {"with: {instrument: PHQ_9, total: 27}", NULL},
        {"with: {instrument: PHQ_9, total: 28}", "screening_scored.total"},
        {"with: {instrument: PHQ_A, total: 28}", "screening_scored.total"},
        {"with: {instrument: GAD_7, total: 21}", NULL},
        {"with: {instrument: GAD_7, total: 22}", "screening_scored.total"},
        {"with: {instrument: PSC_17, total: 34}", NULL},
        {"with: {instrument: PSC_17, total: 35}", "screening_scored.total"},
        {"with: {instrument: PHQ_9, items: [{item: 9, score: 4}]}", "screening_scored.items.score"},
        {"with: {instrument: PHQ_9, items: [{item: 10, score: 1}]}", "screening_scored.items.item"},
        {"with: {instrument: PHQ_9, items: [{item: 0, score: 1}]}", "screening_scored.items.item"},
        {"with: {instrument: PSC_17, items: [{item: 17, score: 3}]}", "screening_scored.items.score"},
        {"with: {instrument: C_SSRS, total: 25, level: HIGH}", NULL},
        {"with: {instrument: C_SSRS, items: [{item: 1, score: 6}]}", "screening_scored.items.score"},
        {"with: {instrument: ASQ, level: HIGH}", NULL},
        {"with: {instrument: ASQ, total: 6}", "screening_scored.total"},
        {"with: {instrument: ASQ, items: [{item: 6, score: 1}]}", "screening_scored.items.item"},
    };
    begin(SHIPPED);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *field = scores_out_of_range(&w->rules->policy, core_event("screening.scored", cases[i].with));
        if (cases[i].field) assert_string_equal(field, cases[i].field);
        else assert_null(field);
    }
    assert_null(scores_out_of_range(&w->rules->policy, core_event("encounter.admitted", "with: {encounter_class: INPATIENT}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(the_first_and_the_last_score_are_kept),
        SENTENCE(a_score_outside_its_ages_is_kept_and_marked_and_not_judged),
        SENTENCE(an_item_that_shows_risk_is_a_finding_at_any_age),
        SENTENCE(a_score_of_thirty_days_ago_is_a_baseline_and_an_older_one_is_not),
        SENTENCE(nobody_is_asked_for_a_score_that_no_instrument_gives_at_that_age),
        SENTENCE(response_is_half_of_the_first_score_or_below_the_cut_off),
        SENTENCE(response_is_judged_from_week_eight_to_week_twelve),
        SENTENCE(five_points_more_or_the_severe_band_come_before_a_clinician),
        SENTENCE(what_lies_out_of_an_instruments_range_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
