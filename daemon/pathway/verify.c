/* See verify.h. */
#include "pathway/verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "pathway/delay_bounds.h"
#include "pathway/delay_parse.h"
#include "pathway/silence.h"
#include "pathway/verify_parts.h"
#include "pathway/walk.h"

void verify_add(const struct verifier *v, struct place place, const char *format, ...)
{
    char sentence[sizeof v->errors->list[0].sentence];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    yaml_error_at(v->errors, v->source->file, (int)place.line, (int)place.column, "%s", sentence);
}

const struct machine *verify_machine(const struct verifier *v, uint32_t i)
{
    return i == 0 ? &v->pathway->main : &v->pathway->regions[i - 1];
}

bool verify_is_passed(const struct state *state)
{
    return state->always_count && !state->always[state->always_count - 1].when;
}

/* --- silence -------------------------------------------------------------------------------------------------- */

enum { HOLDS_BYTES = 160 };

/* ", while held by consent and waitlist," or nothing. */
static const char *holds_in_words(const struct pathway *p, uint32_t holds, char buffer[HOLDS_BYTES])
{
    size_t at = 0;
    buffer[0] = '\0';
    for (uint32_t h = 0; h < p->hold_count && at < HOLDS_BYTES; h++) {
        if (!(holds >> h & 1)) continue;
        at += (size_t)snprintf(buffer + at, HOLDS_BYTES - at, "%s%s", at ? " and " : ", while held by ",
                               p->holds[h].name);
    }
    if (at && at + 1 < HOLDS_BYTES) memcpy(buffer + at, ",", 2);
    return buffer;
}

static void refuse_silence(const struct verifier *v, uint32_t s)
{
    const struct state *state = &v->pathway->main.states[s];
    const struct silence *silence = &v->source->silences[s];
    int64_t bound_ms = state->max_silence_ms ? state->max_silence_ms : v->pathway->max_silence_ms;
    char holds[HOLDS_BYTES], length[WORD_BYTES], bound[WORD_BYTES];
    holds_in_words(v->pathway, silence->holds, holds);
    if (silence->is_lapsing) return; /* a document may lie still until it runs out */
    if (silence->ms == SILENCE_ENDLESS && silence->timer < 0)
        verify_add(v, v->source->states[0][s],
                   "in the state \"%s\"%s no timer runs that bounds silence; list one in `after` that repeats",
                   state->name, holds);
    else if (silence->ms == SILENCE_ENDLESS)
        verify_add(v, v->source->states[0][s],
                   "in the state \"%s\"%s no timer ever surely tells a human; give the last firing of \"%s\" a task or "
                   "a raise",
                   state->name, holds, v->pathway->timers[silence->timer].name);
    else if (silence->ms > bound_ms)
        verify_add(v, v->source->states[0][s],
                   "in the state \"%s\"%s everybody may stay untold for %s (timer \"%s\"), longer than max_silence %s; "
                   "tell somebody sooner",
                   state->name, holds, delay_length_in_words(silence->ms, length),
                   v->pathway->timers[silence->timer].name, delay_length_in_words(bound_ms, bound));
}

static void refuse_silences(const struct verifier *v)
{
    for (uint32_t s = 0; s < v->pathway->main.state_count; s++)
        if (!v->pathway->main.states[s].is_final && !verify_is_passed(&v->pathway->main.states[s]))
            refuse_silence(v, s);
}

/* --- one pathway ---------------------------------------------------------------------------------------------- */

/* What the caller left out. */
struct defaults {
    const struct calendar *calendar;
    struct delay_memo memo;
};

static struct verify_options filled(const struct verify_options *options, struct defaults *defaults)
{
    struct verify_options all = *options;
    *defaults = (struct defaults){.calendar = calendar_for_checks()};
    if (!all.memo) all.memo = &defaults->memo;
    if (all.calendar_count) return all;
    all.calendars = &defaults->calendar;
    all.calendar_count = 1;
    return all;
}

void pathway_measure(const struct pathway_source *source, const struct verify_options *options)
{
    struct defaults defaults;
    struct verify_options all = filled(options, &defaults);
    silence_measure(source, &all);
}

int pathway_verify(const struct pathway_source *source, const struct verify_options *options,
                   struct yaml_errors *errors)
{
    struct defaults defaults;
    struct verify_options all = filled(options, &defaults);
    struct verifier v = {source, source->pathway, &all, errors};
    size_t errors_before = errors->count;
    verify_graph(&v);
    verify_use(&v);
    silence_measure(source, &all);
    refuse_silences(&v);
    return errors->count > errors_before ? -EINVAL : 0;
}

/* --- a set of pathways ---------------------------------------------------------------------------------------- */

struct set {
    const struct pathway_source *const *sources;
    size_t count;
    struct verifier v; /* whose actions are looked at */
};

static const char *nearest_pathway(const struct set *set, const char *name)
{
    const char *names[128] = {NULL};
    for (size_t i = 0; i < set->count && i < 127; i++) names[i] = set->sources[i]->pathway->name;
    return yaml_nearest(name, names);
}

static void expect_pathway(const struct set *set, const char *name, uint32_t rule)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->sources[i]->pathway->name, name) == 0) return;
    struct parse_error error;
    word_explain(&error, 0, nearest_pathway(set, name), "there is no pathway \"%.48s\"", name);
    VERIFY_AT_RULE(&set->v, rule, "%s", error.sentence);
}

static bool ends_on_signal(const struct machine *m, const struct transition *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i].is_signal && strcmp(list[i].name, name) == 0 && list[i].target >= 0 &&
            m->states[list[i].target].is_final && !m->states[list[i].target].is_lapse)
            return true;
    return false;
}

static bool is_ended_by(const struct pathway *p, const char *name)
{
    bool is_ended = ends_on_signal(&p->main, p->main.any, p->main.any_count, name);
    for (uint32_t s = 0; s < p->main.state_count; s++)
        is_ended |= ends_on_signal(&p->main, p->main.states[s].on, p->main.states[s].on_count, name);
    return is_ended;
}

static void check_set_action(const struct action *a, enum walk_origin origin, void *data)
{
    const struct set *set = data;
    if (a->op == ACTION_OPEN) expect_pathway(set, a->text, a->rule);
    for (size_t i = 0; i < set->count && a->op == ACTION_SIGNAL && origin == WALK_FIRING; i++)
        if (is_ended_by(set->sources[i]->pathway, a->text))
            VERIFY_AT_RULE(&set->v, a->rule,
                           "a timer sends the signal \"%s\", which ends an episode of %s; let an event send it",
                           a->text, set->sources[i]->pathway->name);
}

static void check_call(const struct set *set, const struct guard *g, uint32_t rule)
{
    if (!g) return;
    if (g->op == GUARD_CALL && g->predicate->argument == ARGUMENT_PATHWAY) expect_pathway(set, g->argument_text, rule);
    check_call(set, g->left, rule);
    check_call(set, g->right, rule);
}

static void check_set_guard(const struct guard *guard, uint32_t rule, void *data)
{
    check_call(data, guard, rule);
}

int pathway_verify_set(const struct pathway_source *const *sources, size_t count, size_t checked,
                       struct yaml_errors *errors)
{
    size_t errors_before = errors->count;
    struct set set = {.sources = sources, .count = count};
    for (size_t i = 0; i < checked; i++) {
        set.v = (struct verifier){sources[i], sources[i]->pathway, NULL, errors};
        for (size_t j = 0; j < i; j++)
            if (strcmp(sources[i]->pathway->name, sources[j]->pathway->name) == 0)
                yaml_error_at(errors, sources[i]->file, 1, 1,
                              "%s already defines a pathway \"%s\"; give this one another name", sources[j]->file,
                              sources[i]->pathway->name);
        walk_pathway(sources[i]->pathway, &(struct walk){check_set_action, check_set_guard, &set});
    }
    return errors->count > errors_before ? -EINVAL : 0;
}
