/* Do the scenarios notice? Takes each transition, opening, timer and action out of the shipped pathways, one at a time,
 * and runs the scenarios, which must fail. The rules are loaded and verified once; what is taken out afterwards no
 * verifier sees. A mutant that no scenario notices is a line that nobody has said the meaning of: it is listed, with
 * its place in the file, and wants an expectation, or to be deleted.
 *
 *     mutate SITE.yaml PATHWAYS SCENARIO...
 *
 * Works on the compiled pathway, not on its text: taken out means that a transition or opening never matches, a timer
 * is a century late, one state, hold or concern does not list it, an action is passed over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"
#include "pathway/scenario.h"

enum { MUTANTS_MAX = 16384, SCENARIOS_MAX = 1024, WORKERS = 2, WHAT_BYTES = 192 };
enum { ALIVE = -1, NOT_RUN = -2 };

enum part { PART_TRANSITION, PART_OPENING, PART_TIMER, PART_LISTING, PART_ACTION };
struct mutant {
    enum part part;
    const struct pathway *pathway;
    void *at;        /* transition, opening rule, timer kind or action; of a listing the count */
    uint32_t **list; /* of a listing: where the positions stand */
    uint32_t item;
    uint32_t line;
    char what[WHAT_BYTES];
};

static struct mutant mutants[MUTANTS_MAX];
static size_t mutant_count;
static const char *scenarios[SCENARIOS_MAX];
static size_t scenario_count;

/* --- finding them --------------------------------------------------------------------------------------------- */
static struct mutant *add(enum part part, const struct pathway *p, const void *at, uint32_t line)
{
    for (size_t i = 0; part != PART_LISTING && i < mutant_count; i++)
        if (mutants[i].at == at) return &mutants[i]; /* several events may share one list of actions */
    if (mutant_count == MUTANTS_MAX) {
        fprintf(stderr, "more than %d mutants\n", MUTANTS_MAX);
        exit(2);
    }
    struct mutant *m = &mutants[mutant_count++];
    *m = (struct mutant){.part = part, .pathway = p, .at = (void *)(uintptr_t)at, .line = line};
    return m;
}

static uint32_t line_of(const struct pathway *p, uint32_t rule)
{
    return p->rules[rule].line;
}

static const char *const op_names[] = {
    [ACTION_TASK] = "task",     [ACTION_WITHDRAW] = "withdraw", [ACTION_START] = "start",
    [ACTION_STOP] = "stop",     [ACTION_RAISE] = "raise",       [ACTION_RESOLVE] = "resolve",
    [ACTION_HOLD] = "hold",     [ACTION_LIFT] = "lift",         [ACTION_CONCERN] = "concern",
    [ACTION_SETTLE] = "settle", [ACTION_SET] = "set",           [ACTION_COUNT] = "count",
    [ACTION_TAKE] = "take",     [ACTION_MARK] = "mark",         [ACTION_OPEN] = "open",
    [ACTION_SIGNAL] = "signal", [ACTION_STATUS] = "status",     [ACTION_MOVE] = "move",
    [ACTION_REFUSE] = "refuse", [ACTION_NOTE] = "note",         [ACTION_REMIND] = "remind",
    [ACTION_IF] = "when",       [ACTION_DOUBT] = "doubt",       [ACTION_FORGET] = "forget",
    [ACTION_WITHDRAW_FAMILY] = "withdraw family", [ACTION_STOP_VISIT] = "stop visit",
    [ACTION_BASELINE] = "baseline", [ACTION_UNMARK] = "unmark", [ACTION_PLAN] = "plan",
    [ACTION_WITHHOLD] = "withhold"};

static const char *detail(const struct pathway *p, const struct action *a)
{
    switch (a->op) {
    case ACTION_TASK:
    case ACTION_WITHDRAW:
        return protobuf_c_enum_descriptor_get_value(&handoff__v1__task_kind__descriptor, (int)a->task)->name + 10;
    case ACTION_START:
    case ACTION_STOP:
        return p->timers[a->position].name;
    case ACTION_HOLD:
    case ACTION_LIFT:
        return p->holds[a->position].name;
    case ACTION_CONCERN:
    case ACTION_SETTLE:
        return p->concerns[a->position].name;
    case ACTION_SET:
    case ACTION_COUNT:
        return p->variables[a->position];
    case ACTION_TAKE:
    case ACTION_FORGET:
    case ACTION_MARK:
    case ACTION_PLAN:
    case ACTION_UNMARK:
        return a->to->name;
    case ACTION_MOVE:
        return p->regions[a->position].name;
    case ACTION_OPEN:
    case ACTION_SIGNAL:
    case ACTION_REFUSE:
    case ACTION_NOTE:
        return a->text;
    case ACTION_RAISE:
    case ACTION_RESOLVE:
    case ACTION_STATUS:
    case ACTION_REMIND:
    case ACTION_IF:
    case ACTION_BASELINE:
    case ACTION_DOUBT:
    case ACTION_WITHHOLD:
    case ACTION_WITHDRAW_FAMILY:
    case ACTION_STOP_VISIT:
        return "";
    }
    return "";
}

static void add_actions(const struct pathway *p, const struct action *list, uint32_t count, const char *where)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mutant *m = add(PART_ACTION, p, &list[i], line_of(p, list[i].rule));
        snprintf(m->what, sizeof m->what, "%s: %s %s", where, op_names[list[i].op], detail(p, &list[i]));
        add_actions(p, list[i].then, list[i].then_count, where);
        add_actions(p, list[i].otherwise, list[i].otherwise_count, where);
    }
}

static const char *event_name(const struct transition *t)
{
    if (t->name) return t->name;
    const struct event_kind *k = t->event ? event_kind_of(t->event) : NULL;
    return k ? k->name : "always";
}

static void add_transitions(const struct pathway *p, const struct transition *list, uint32_t count, const char *where)
{
    char place[WHAT_BYTES / 2];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(place, sizeof place, "%s, %s%s", where, list[i].is_ignore ? "ignore " : "", event_name(&list[i]));
        snprintf(add(PART_TRANSITION, p, &list[i], line_of(p, list[i].rule))->what, WHAT_BYTES, "%s", place);
        add_actions(p, list[i].actions, list[i].action_count, place);
    }
}

/* `after: [a, b]` of a state, hold or concern: one mutant for each that is listed. */
static void add_listings(const struct pathway *p, const uint32_t *const *timers, const uint32_t *count, uint32_t line,
                         const char *where)
{
    for (uint32_t i = 0; i < *count; i++) {
        struct mutant *m = add(PART_LISTING, p, count, line);
        m->list = (uint32_t **)(uintptr_t)timers;
        m->item = i;
        snprintf(m->what, sizeof m->what, "%s: after %s", where, p->timers[(*timers)[i]].name);
    }
}

static void add_machine(const struct pathway *p, const struct machine *x)
{
    char where[WHAT_BYTES / 4];
    for (uint32_t i = 0; i < x->state_count; i++) {
        const struct state *s = &x->states[i];
        snprintf(where, sizeof where, "%s%s%s", x->name, *x->name ? "." : "", s->name);
        add_transitions(p, s->on, s->on_count, where);
        add_transitions(p, s->always, s->always_count, where);
        add_actions(p, s->actions, s->action_count, where);
        add_listings(p, &s->timers, &s->timer_count, s->line, where);
    }
    snprintf(where, sizeof where, "%s%sany", x->name, *x->name ? "." : "");
    add_transitions(p, x->any, x->any_count, where);
}

static void add_pathway(const struct pathway *p)
{
    char where[WHAT_BYTES / 4];
    for (uint32_t i = 0; i < p->open_count; i++) {
        snprintf(add(PART_OPENING, p, &p->opens[i], line_of(p, p->opens[i].rule))->what, WHAT_BYTES, "opens");
        add_actions(p, p->opens[i].actions, p->opens[i].action_count, "opens");
    }
    add_machine(p, &p->main);
    for (uint32_t i = 0; i < p->region_count; i++) add_machine(p, &p->regions[i]);
    for (uint32_t i = 0; i < p->timer_count; i++) {
        const struct timer_kind *k = &p->timers[i];
        snprintf(where, sizeof where, "timer %s", k->name);
        snprintf(add(PART_TIMER, p, k, k->line)->what, WHAT_BYTES, "%s", where);
        for (uint32_t f = 0; f < k->firing_count; f++)
            add_actions(p, k->firings[f].actions, k->firings[f].action_count, where);
    }
    for (uint32_t i = 0; i < p->hold_count; i++) {
        snprintf(where, sizeof where, "hold %s", p->holds[i].name);
        add_actions(p, p->holds[i].actions, p->holds[i].action_count, where);
        add_listings(p, &p->holds[i].timers, &p->holds[i].timer_count, p->holds[i].line, where);
    }
    for (uint32_t i = 0; i < p->concern_count; i++) {
        snprintf(where, sizeof where, "concern %s", p->concerns[i].name);
        add_actions(p, p->concerns[i].actions, p->concerns[i].action_count, where);
        add_listings(p, &p->concerns[i].timers, &p->concerns[i].timer_count, p->concerns[i].line, where);
    }
}

/* --- taking one out ------------------------------------------------------------------------------------------- */
static const struct guard never = {.op = GUARD_NUMBER, .number = 0};
static const struct delay century = {.op = DELAY_DAYS, .amount = 36525};

static void run_scenarios(const struct rules *rules, int *ret_killer, int first);

static void run_transition(struct mutant *m, const struct rules *rules, int *ret_killer, int first)
{
    struct transition *t = m->at, was = *t;
    t->when = &never;
    run_scenarios(rules, ret_killer, first);
    *t = was;
}

static void run_opening(struct mutant *m, const struct rules *rules, int *ret_killer, int first)
{
    struct opening_rule *o = m->at, was = *o;
    o->when = &never;
    run_scenarios(rules, ret_killer, first);
    *o = was;
}

static void run_timer(struct mutant *m, const struct rules *rules, int *ret_killer, int first)
{
    struct timer_kind *k = m->at;
    struct firing *f = (struct firing *)(uintptr_t)k->firings, was = *f;
    f->wait = (struct wait){&century, &century};
    run_scenarios(rules, ret_killer, first);
    *f = was;
}

static void run_listing(struct mutant *m, const struct rules *rules, int *ret_killer, int first)
{
    uint32_t *count = m->at, was_count = *count, *was = *m->list, shorter[PATHWAY_TIMERS_MAX];
    memcpy(shorter, was, was_count * sizeof *was);
    memmove(shorter + m->item, shorter + m->item + 1, (was_count - m->item - 1) * sizeof *was);
    *count = was_count - 1;
    *m->list = shorter;
    run_scenarios(rules, ret_killer, first);
    *count = was_count;
    *m->list = was;
}

static void run_action(struct mutant *m, const struct rules *rules, int *ret_killer, int first)
{
    struct action *a = m->at, was = *a;
    *a = (struct action){.op = ACTION_IF, .rule = was.rule, .when = &never};
    run_scenarios(rules, ret_killer, first);
    *a = was;
}

static void (*const run_part[])(struct mutant *, const struct rules *, int *,
                                int) = {[PART_TRANSITION] = run_transition,
                                        [PART_OPENING] = run_opening,
                                        [PART_TIMER] = run_timer,
                                        [PART_LISTING] = run_listing,
                                        [PART_ACTION] = run_action};

/* --- running -------------------------------------------------------------------------------------------------- */
static FILE *nowhere;

/* Do all expectations of this file hold? */
static bool passes(const char *file, const struct rules *rules)
{
    static struct yaml_errors errors;
    uint64_t sequence = 0;
    struct scenario_report report = {.tap = nowhere, .sequence = &sequence, .is_brief = true};
    errors.count = 0;
    return scenario_run(file, rules, &report, &errors) == 0 && report.failed == 0;
}

/* The one that noticed the last mutant is asked first: neighbours in the file are usually noticed by the same. */
static void run_scenarios(const struct rules *rules, int *ret_killer, int first)
{
    *ret_killer = ALIVE;
    for (size_t i = 0; i < scenario_count && *ret_killer == ALIVE; i++) {
        size_t at = ((size_t)first + i) % scenario_count;
        if (!passes(scenarios[at], rules)) *ret_killer = (int)at;
    }
}

static void work(const struct rules *rules, size_t worker, int *killers)
{
    int last = 0;
    for (size_t i = worker; i < mutant_count; i += WORKERS) {
        int killer = ALIVE;
        run_part[mutants[i].part](&mutants[i], rules, &killer, last);
        killers[i] = killer;
        if (killer >= 0) last = killer;
    }
}

static int run_workers(const struct rules *rules, int *killers)
{
    pid_t children[WORKERS];
    int broken = 0;
    for (size_t w = 0; w < WORKERS; w++) {
        children[w] = fork();
        if (children[w] == 0) {
            work(rules, w, killers);
            _exit(0);
        }
    }
    for (size_t w = 0; w < WORKERS; w++) {
        int status = 0;
        if (children[w] < 0 || waitpid(children[w], &status, 0) < 0 || status != 0) broken++;
    }
    return broken;
}

/* --- beginning ------------------------------------------------------------------------------------------------ */
static const struct rules *load(const char *site, const char *pathways, struct yaml_errors *errors)
{
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    struct config *config = config_load(site, errors);
    struct ruleset *rs = ruleset_new();
    struct rules_folder folder;
    struct rules_changes changes;
    if (!arena || !config || !rs || ruleset_read_folder(pathways, arena, &folder, errors)) return NULL;
    Handoff__V1__Site **sites = site_messages(config, arena);
    if (ruleset_diff(rs, &folder, (const Handoff__V1__Site *const *)sites, config->site_count, arena, errors, &changes))
        return NULL;
    for (size_t i = 0; i < changes.count; i++)
        if (ruleset_apply(rs, changes.list[i], i + 1, errors)) return NULL;
    return ruleset_build(rs); /* and it stays to the end */
}

static int report(const int *killers)
{
    size_t killed = 0, alive = 0;
    for (size_t i = 0; i < mutant_count; i++) {
        if (killers[i] >= 0) {
            killed++;
            continue;
        }
        alive++;
        printf("%s.yaml:%u: %s: %s\n", mutants[i].pathway->name, mutants[i].line,
               killers[i] == ALIVE ? "no scenario notices when this is taken out" : "not run", mutants[i].what);
    }
    printf("%zu passed, %zu failed\n", killed, alive);
    return alive != 0;
}

int main(int argc, char **argv)
{
    static struct yaml_errors errors;
    if (argc < 4 || argc - 3 > SCENARIOS_MAX) {
        fputs("usage: mutate SITE.yaml PATHWAYS SCENARIO...\n", stderr);
        return 2;
    }
    const struct rules *rules = load(argv[1], argv[2], &errors);
    nowhere = fopen("/dev/null", "w");
    if (!rules || !nowhere) {
        yaml_errors_print(stderr, &errors);
        return 2;
    }
    for (int i = 3; i < argc; i++) scenarios[scenario_count++] = argv[i];
    for (size_t i = 0; i < scenario_count; i++)
        if (!passes(scenarios[i], rules)) {
            fprintf(stderr, "%s fails already, so it can notice nothing\n", scenarios[i]);
            return 2;
        }
    for (uint32_t i = 0; i < rules->pathway_count; i++)
        if (rules->pathways[i]) add_pathway(rules->pathways[i]);
    size_t bytes = MUTANTS_MAX * sizeof(int);
    int *killers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (killers == MAP_FAILED) return 2;
    for (size_t i = 0; i < mutant_count; i++) killers[i] = NOT_RUN;
    if (run_workers(rules, killers)) fputs("a worker died: what is \"not run\" may have killed it\n", stderr);
    return report(killers);
}
