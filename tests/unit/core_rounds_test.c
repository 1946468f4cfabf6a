/* Rounds: whom the end of an agency concerns, and the order of a list. */
#include "core/rounds.h"
#include "unit/core_world.h"

static Handoff__V1__Round *ending(const char *agency)
{
    Handoff__V1__Round *r = MESSAGE_NEW(w->arena, Handoff__V1__Round, round);
    r->kind = HANDOFF__V1__ROUND_KIND__ROUND_KIND_AGENCY_ENDS;
    r->about = arena_string(w->arena, agency);
    return r;
}

static bool is_concerned(const char *agency) { return round_concerns(w->rules, w->record, ending(agency)); }

/* A referral that ended in this state. */
static void ended(const char *agency, const char *state, const char *at)
{
    const struct pathway *p = rules_pathway_by_name(w->rules, "referral");
    Handoff__V1__ClosedEpisode *c = MESSAGE_NEW(w->arena, Handoff__V1__ClosedEpisode, closed_episode);
    c->pathway = p->number;
    c->agency_id = arena_string(w->arena, agency);
    c->closed_at_ms = when(at);
    while (c->state < p->main.state_count && strcmp(p->main.states[c->state].name, state) != 0) c->state++;
    assert_true(c->state < p->main.state_count);
    list_append(w->arena, &w->record->closed_episodes, &w->record->n_closed_episodes, c);
}

static void visit(const char *agency, Handoff__V1__VisitStatus status, const char *at)
{
    Handoff__V1__Appointment *a = MESSAGE_NEW(w->arena, Handoff__V1__Appointment, appointment);
    a->agency_id = arena_string(w->arena, agency);
    a->status = status;
    a->starts_at_ms = when(at);
    list_append(w->arena, &w->record->appointments, &w->record->n_appointments, a);
}

static void a_patient_with_an_open_episode_there_is_concerned(void **state)
{
    (void)state;
    begin(SHIPPED);
    refer();
    assert_true(is_concerned("riverside"));
    assert_false(is_concerned("hillside"));
    w->record->is_deceased = true;
    assert_false(is_concerned("riverside"));
}

static void so_is_one_whose_newest_referral_was_completed_there(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    assert_false(is_concerned("riverside"));
    ended("riverside", "completed", "2025-06-02 09:00");
    assert_true(is_concerned("riverside"));
    ended("hillside", "cancelled", "2025-09-01 09:00"); /* newer, whatever became of it */
    assert_false(is_concerned("riverside"));
    assert_false(is_concerned("hillside"));
}

static void but_not_one_who_has_been_seen_elsewhere_since(void **state)
{
    (void)state;
    begin(SHIPPED);
    register_child();
    ended("riverside", "completed", "2025-06-02 09:00");
    visit("hillside", HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED, "2025-09-01 09:00");
    visit("riverside", HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED, "2025-09-02 09:00");
    visit("hillside", HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED, "2025-05-02 09:00");
    assert_true(is_concerned("riverside"));
    visit("hillside", HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED, "2025-09-03 09:00");
    assert_false(is_concerned("riverside"));
}

static Handoff__V1__ListLine line(bool is_flagged, Handoff__V1__Severity severity, int64_t due_at_ms, const char *patient)
{
    Handoff__V1__ListLine l = HANDOFF__V1__LIST_LINE__INIT;
    l.is_flagged = is_flagged;
    l.severity = severity;
    l.due_at_ms = due_at_ms;
    l.patient_id = (char *)(uintptr_t)patient;
    return l;
}

static void a_list_has_flags_first_then_severity_then_what_is_due_first(void **state)
{
    (void)state;
    const Handoff__V1__ListLine lines[] = {
        line(true, SEVERITY(ROUTINE), 900, "e"),  line(false, SEVERITY(EMERGENT), 900, "d"),
        line(false, SEVERITY(URGENT), 100, "c"),  line(false, SEVERITY(URGENT), 200, "a"),
        line(false, SEVERITY(URGENT), 200, "b"),  line(false, SEVERITY(URGENT), 0, "a"), /* no time known: last */
        line(false, SEVERITY(ROUTINE), 1, "a"),
    };
    size_t count = sizeof lines / sizeof *lines;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            int order = round_order(&lines[i], &lines[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENTENCE(a_patient_with_an_open_episode_there_is_concerned),
        SENTENCE(so_is_one_whose_newest_referral_was_completed_there),
        SENTENCE(but_not_one_who_has_been_seen_elsewhere_since),
        SENTENCE(a_list_has_flags_first_then_severity_then_what_is_due_first),
    };
    return cmocka_run_group_tests_name("rounds", tests, NULL, NULL);
}
