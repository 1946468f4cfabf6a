/* Screening scores: kept as the first and the last since care began, and judged by the policy's rows.
 *
 * A score outside the ages of its instrument is kept and marked, not judged: it is no baseline, answers no rescreen and
 * alarms nobody. What it says of safety (an item, a level) is a finding all the same; see facts.c. */
#include "core/scores.h"
#include "core/consent.h"
#include "core/days.h"

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
enum { NEVER_DAYS = 100000, SCORES_MAX = RULES_INSTRUMENTS };

static const struct instrument_rule *rule_of(const struct policy *p, Handoff__V1__Instrument instrument)
{
    static const struct instrument_rule nothing;
    return (unsigned)instrument < RULES_INSTRUMENTS ? &p->instruments[instrument] : &nothing;
}

/* --- refusing ------------------------------------------------------------------------------------------------ */
const char *scores_out_of_range(const struct policy *policy, const Handoff__V1__Event *event)
{
    if (event->body_case != BODY(SCREENING_SCORED)) return NULL;
    const Handoff__V1__ScreeningScored *s = event->screening_scored;
    const struct instrument_rule *rule = rule_of(policy, s->instrument);
    if (rule->total_max && s->total && s->total->value > rule->total_max) return "screening_scored.total";
    for (size_t i = 0; i < s->n_items; i++) {
        const Handoff__V1__ItemScore *item = s->items[i];
        if (rule->item_max && item->score > rule->item_max) return "screening_scored.items.score";
        if (rule->item_count && (item->item == 0 || item->item > rule->item_count))
            return "screening_scored.items.item";
    }
    return NULL;
}

/* --- keeping ------------------------------------------------------------------------------------------------- */
static Handoff__V1__Score *find(const Handoff__V1__PatientRecord *r, Handoff__V1__Instrument instrument)
{
    for (size_t i = 0; i < r->n_scores; i++)
        if (r->scores[i]->instrument == instrument) return r->scores[i];
    return NULL;
}

/* An age that nobody knows is no reason to leave a score unjudged. */
static bool is_outside_ages(const struct moment *m, const struct instrument_rule *rule, int64_t at_ms)
{
    int32_t age = patient_age(m->site, m->record, at_ms);
    if (age < 0) return false;
    return (rule->youngest && age < (int32_t)rule->youngest) || (rule->oldest && age > (int32_t)rule->oldest);
}

static Handoff__V1__Score *find_or_add(struct moment *m, Handoff__V1__Instrument instrument)
{
    Handoff__V1__Score *score = find(m->record, instrument);
    if (score || m->record->n_scores >= SCORES_MAX) return score;
    score = MESSAGE_NEW(m->arena, Handoff__V1__Score, score);
    score->instrument = instrument;
    list_append(m->arena, &m->record->scores, &m->record->n_scores, score);
    return score;
}

/* The first since care began, or the first within the ages: later ones are measured from it. */
static void begin(Handoff__V1__Score *score, uint32_t value, int64_t at_ms)
{
    score->baseline = score->last = value;
    score->baseline_at_ms = score->last_at_ms = at_ms;
    score->previous = NULL;
}

void scores_keep(struct moment *m)
{
    const Handoff__V1__ScreeningScored *s = m->event->screening_scored;
    Handoff__V1__Score *score = s->total ? find_or_add(m, s->instrument) : NULL;
    if (!score || (score->last_at_ms && m->occurred_ms < score->last_at_ms)) return; /* a newer one is known */
    bool is_first = !score->last_at_ms || score->is_outside_ages;
    score->is_outside_ages = is_outside_ages(m, rule_of(&m->rules->policy, s->instrument), m->occurred_ms);
    if (is_first) {
        begin(score, s->total->value, m->occurred_ms);
        return;
    }
    score->previous = MESSAGE_NEW(m->arena, Handoff__V1__Count, count);
    score->previous->value = score->last;
    score->last = s->total->value;
    score->last_at_ms = m->occurred_ms;
}

void scores_rebase(struct moment *m, int64_t length_ms)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_scores; i-- > 0;) {
        Handoff__V1__Score *score = r->scores[i];
        if (score->last_at_ms < m->occurred_ms - length_ms)
            list_remove(&r->scores, &r->n_scores, i);
        else
            begin(score, score->last, score->last_at_ms);
    }
    m->is_changed = true;
}

/* --- judging ------------------------------------------------------------------------------------------------- */
/* Instruments with a cut-off measure how care works; the others look for risk. */
static bool is_measure(const struct moment *m, const Handoff__V1__Score *score)
{
    return rule_of(&m->rules->policy, score->instrument)->cut_off && !score->is_outside_ages;
}

int64_t ask_days_since_scored(const struct moment *m, const struct guard *g)
{
    (void)g;
    const struct calendar *c = &m->site->calendar;
    int64_t least = NEVER_DAYS;
    for (size_t i = 0; i < m->record->n_scores; i++) {
        const Handoff__V1__Score *score = m->record->scores[i];
        int64_t days = calendar_local_day(c, m->now_ms) - calendar_local_day(c, score->last_at_ms);
        if (is_measure(m, score) && days < least) least = days;
    }
    return least;
}

/* There is one that measures how care works at the patient's age. */
int64_t ask_has_instrument(const struct moment *m, const struct guard *g)
{
    (void)g;
    for (size_t i = 0; i < RULES_INSTRUMENTS; i++) {
        const struct instrument_rule *rule = &m->rules->policy.instruments[i];
        if (rule->cut_off && !is_outside_ages(m, rule, m->now_ms)) return true;
    }
    return false;
}

/* What the event told, if it can be judged and is the newest word. */
static const Handoff__V1__Score *judged(const struct moment *m)
{
    if (!m->event || m->event->body_case != BODY(SCREENING_SCORED) || !m->event->screening_scored->total) return NULL;
    const Handoff__V1__Score *score = find(m->record, m->event->screening_scored->instrument);
    return score && is_measure(m, score) && score->last_at_ms == m->occurred_ms ? score : NULL;
}

int64_t ask_is_judged(const struct moment *m, const struct guard *g)
{
    (void)g;
    return judged(m) != NULL;
}

/* Up by more than chance since the last time, or by now since the beginning; or newly in the severe band. */
int64_t ask_is_worse(const struct moment *m, const struct guard *g)
{
    (void)g;
    const Handoff__V1__Score *s = judged(m);
    if (!s) return false;
    const struct instrument_rule *rule = rule_of(&m->rules->policy, s->instrument);
    bool is_severe = rule->severe && s->last >= rule->severe;
    if (!s->previous) return is_severe;
    uint32_t previous = s->previous->value;
    bool is_jump = rule->worse_by && s->last >= previous + rule->worse_by;
    bool is_drift =
        rule->worse_by && s->last >= s->baseline + rule->worse_by && previous < s->baseline + rule->worse_by;
    return is_jump || is_drift || (is_severe && previous < rule->severe);
}

/* Less than half below the baseline, and not below the cut-off. */
int64_t ask_is_unresponsive(const struct moment *m, const struct guard *g)
{
    (void)g;
    const Handoff__V1__Score *s = judged(m);
    if (!s || !s->previous) return false;
    bool is_half = s->last <= s->baseline && 2 * (s->baseline - s->last) >= s->baseline;
    return !is_half && s->last >= rule_of(&m->rules->policy, s->instrument)->cut_off;
}
