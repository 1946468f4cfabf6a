/* A small world for the tests of core: rules, one patient's record, a clock, and events written as in a scenario.
 *
 *     static struct core_world *w;  begin(SHIPPED)  or  begin("pathway: ...")
 *     go("2026-03-02 09:00");                          fires what is due on the way
 *     tell("referral.received", "referral: ref-1");    one event; the outcome is in w->out
 *
 * The site works Monday to Friday, 08:00 to 17:00, New York (tests/site.yaml). */
#ifndef HANDOFF_TESTS_UNIT_CORE_WORLD_H
#define HANDOFF_TESTS_UNIT_CORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "core/consent.h"
#include "core/gate.h"
#include "core/message.h"
#include "core/roster.h"
#include "core/rules.h"
#include "core/step.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"
#include "pathway/scenario.h"
#include "pathway/words.h"

#define TASK(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME) HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME
#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define PARTY(NAME) HANDOFF__V1__PARTY__PARTY_##NAME
#define VERDICT(NAME) HANDOFF__V1__VERDICT__VERDICT_##NAME
#define CATEGORY(NAME) HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_##NAME
#define ACKNOWLEDGED HANDOFF__V1__ESCALATION_STATE__ESCALATION_STATE_ACKNOWLEDGED
#define DUE_TIMER HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER
#define SHIPPED NULL

struct core_world {
    struct arena *arena;
    struct ruleset *ruleset;
    const struct rules *rules;
    const struct site *site;
    struct config *config;
    Handoff__V1__PatientRecord *record;
    int64_t now_ms;
    uint64_t sequence, hash;
    struct outcome out;                                  /* of the newest step */
    const Handoff__V1__Emission *told[4096];             /* since forget() */
    size_t told_count;
    unsigned firings;
};
static struct core_world *w;

/* --- rules ----------------------------------------------------------------------------------------------------- */
static inline struct bytes core_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    assert_non_null(file);
    uint8_t *data = arena_alloc(w->arena, 256 * 1024);
    size_t len = fread(data, 1, 256 * 1024, file);
    fclose(file);
    return (struct bytes){data, len};
}

static inline void core_rules(const char *inline_pathway)
{
    static struct yaml_errors errors;
    errors.count = 0;
    struct rules_folder folder;
    struct rules_changes changes;
    w->config = config_load("tests/site.yaml", &errors);
    if (w->config) assert_int_equal(ruleset_read_folder("daemon/pathways", w->arena, &folder, &errors), 0);
    struct rules_file file = {"inline.yaml", {(const uint8_t *)inline_pathway, inline_pathway ? strlen(inline_pathway) : 0}};
    if (inline_pathway) folder.pathways = &file, folder.pathway_count = 1;
    Handoff__V1__Site **sites = site_messages(w->config, w->arena);
    int code = ruleset_diff(w->ruleset, &folder, (const Handoff__V1__Site *const *)sites, w->config->site_count, w->arena, &errors, &changes);
    if (code) yaml_errors_print(stderr, &errors);
    assert_int_equal(code, 0);
    for (size_t i = 0; i < changes.count; i++) assert_int_equal(ruleset_apply(w->ruleset, changes.list[i], i + 1, &errors), 0);
    w->rules = ruleset_build(w->ruleset);
    assert_non_null(w->rules);
    w->site = rules_site(w->rules, "");
}

/* A pathway that the verifier would refuse, for what core does when one slips through. */
static inline void core_load_unverified(const char *text)
{
    static struct yaml_errors errors;
    errors.count = 0;
    Handoff__V1__PathwayText *pathway = MESSAGE_NEW(w->arena, Handoff__V1__PathwayText, pathway_text);
    Handoff__V1__RulesChange *change = MESSAGE_NEW(w->arena, Handoff__V1__RulesChange, rules_change);
    pathway->number = w->rules->pathway_count + 1;
    pathway->name = arena_string(w->arena, "unverified");
    pathway->file = arena_string(w->arena, "unverified.yaml");
    pathway->text.data = (uint8_t *)(uintptr_t)text;
    pathway->text.len = strlen(text);
    change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY;
    change->pathway = pathway;
    int code = ruleset_apply(w->ruleset, change, 100, &errors);
    if (code) yaml_errors_print(stderr, &errors);
    assert_int_equal(code, 0);
    w->rules = ruleset_build(w->ruleset);
    w->site = rules_site(w->rules, "");
}

static inline int64_t when(const char *text)
{
    int64_t at_ms = 0;
    assert_true(scenario_time(text, &w->site->calendar, &at_ms));
    return at_ms;
}

static inline int end(void **state)
{
    (void)state;
    if (!w) return 0;
    config_free(w->config);
    ruleset_free(w->ruleset);
    arena_free(w->arena);
    free(w);
    w = NULL;
    return 0;
}

static inline void begin(const char *inline_pathway)
{
    end(NULL);
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->arena = arena_new(LIMIT_ARENA_BYTES);
    w->ruleset = ruleset_new();
    core_rules(inline_pathway);
    w->now_ms = when("2026-03-02 09:00"); /* a Monday */
}

/* --- steps ----------------------------------------------------------------------------------------------------- */
static inline void forget(void) { w->told_count = 0; }

static inline void core_step(struct step_input input)
{
    input.sequence = ++w->sequence;
    input.now_ms = w->now_ms;
    input.subject_name = input.subject_name ? input.subject_name : "pat-1";
    step(w->rules, w->record, &input, w->arena, &w->out);
    w->record = w->out.after;
    for (size_t i = 0; i < w->out.journaled.n_emissions && w->told_count < 4096; i++) w->told[w->told_count++] = w->out.journaled.emissions[i];
}

static inline void fire(Handoff__V1__TimerInput firing)
{
    w->firings++;
    core_step((struct step_input){.kind = STEP_FIRING, .firing = message_copy(&firing, w->arena)});
}

/* Moves the clock and fires each thing at its time. */
static inline void go(const char *time)
{
    int64_t to_ms = when(time), due_ms;
    Handoff__V1__TimerInput firing;
    assert_true(to_ms >= w->now_ms);
    for (int i = 0; i < 20000 && w->record && (due_ms = step_next_due(w->record, &firing)) <= to_ms; i++) {
        if (due_ms > w->now_ms) w->now_ms = due_ms;
        fire(firing);
    }
    w->now_ms = to_ms;
}

/* As after downtime: the clock has moved and nothing fired yet. */
static inline void sleep_until(const char *time)
{
    w->now_ms = when(time);
}
static inline void wake(void)
{
    Handoff__V1__TimerInput firing;
    for (int i = 0; i < 20000 && step_next_due(w->record, &firing) <= w->now_ms; i++) fire(firing);
}

static inline const char *core_text(struct yaml_node root, const char *key)
{
    const char *text = yaml_text(yaml_get(root, key));
    return arena_string(w->arena, text ? text : "");
}

/* An event from "occurred: ..., referral: ..., appointment: ..., task: t1, escalation: e1, episode: ep1, with: {...}". */
static inline Handoff__V1__Event *core_event(const char *name, const char *rest)
{
    static struct yaml_errors errors;
    char text[4096], id[32];
    errors.count = 0;
    snprintf(text, sizeof text, "{event: %s, %s}", name, rest);
    struct yaml *yaml = yaml_load_memory("event", text, strlen(text), &errors);
    Handoff__V1__Event *e = yaml ? scenario_event(yaml_root(yaml), &w->site->calendar, w->arena, &errors) : NULL;
    if (errors.count) yaml_errors_print(stderr, &errors);
    assert_non_null(e);
    assert_int_equal(errors.count, 0);
    snprintf(id, sizeof id, "event-%llu", (unsigned long long)++w->hash);
    e->id = arena_string(w->arena, id);
    e->source = arena_string(w->arena, "test");
    e->patient_id = arena_string(w->arena, "pat-1");
    e->occurred_at_ms = w->now_ms;
    const char *occurred = yaml_text(yaml_get(yaml_root(yaml), "occurred"));
    if (occurred) e->occurred_at_ms = when(occurred);
    e->referral_id = (char *)(uintptr_t)core_text(yaml_root(yaml), "referral");
    e->appointment_id = (char *)(uintptr_t)core_text(yaml_root(yaml), "appointment");
    e->task_id = (char *)(uintptr_t)core_text(yaml_root(yaml), "task");
    e->escalation_id = (char *)(uintptr_t)core_text(yaml_root(yaml), "escalation");
    e->episode_id = (char *)(uintptr_t)core_text(yaml_root(yaml), "episode");
    yaml_close(yaml);
    return e;
}

static inline Handoff__V1__Verdict tell(const char *name, const char *rest)
{
    Handoff__V1__Event *e = core_event(name, rest);
    core_step((struct step_input){.kind = STEP_EVENT, .event = e, .seen_hash = w->hash});
    return w->out.journaled.verdict;
}

/* --- looking --------------------------------------------------------------------------------------------------- */
static inline size_t told_tasks(Handoff__V1__TaskKind kind, Handoff__V1__TaskChange change)
{
    size_t n = 0;
    for (size_t i = 0; i < w->told_count; i++)
        n += w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_TASK && (!kind || w->told[i]->task->kind == kind) && w->told[i]->task->change == change;
    return n;
}

static inline size_t told_escalations(Handoff__V1__Role rung, Handoff__V1__EscalationChange change)
{
    size_t n = 0;
    for (size_t i = 0; i < w->told_count; i++)
        n += w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && (!rung || w->told[i]->escalation->rung == rung) &&
             w->told[i]->escalation->change == change;
    return n;
}

static inline size_t told_audits(Handoff__V1__AuditKind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < w->told_count; i++) n += w->told[i]->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT && w->told[i]->audit->kind == kind;
    return n;
}

static inline size_t told_kind(Handoff__V1__Emission__BodyCase body)
{
    size_t n = 0;
    for (size_t i = 0; i < w->told_count; i++) n += w->told[i]->body_case == body;
    return n;
}

static inline Handoff__V1__Task *task_of(Handoff__V1__TaskKind kind)
{
    for (size_t i = 0; w->record && i < w->record->n_tasks; i++)
        if (w->record->tasks[i]->kind == kind) return w->record->tasks[i];
    return NULL;
}

static inline size_t open_tasks(Handoff__V1__TaskKind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < w->record->n_tasks; i++) n += w->record->tasks[i]->kind == kind;
    return n;
}

static inline Handoff__V1__Timer *timer_of(const char *name)
{
    for (size_t i = 0; w->record && i < w->record->n_timers; i++)
        for (size_t e = 0; e < w->record->n_episodes; e++) {
            if (w->record->episodes[e]->number != w->record->timers[i]->episode) continue;
            const struct pathway *p = rules_pathway(w->rules, w->record->episodes[e]->pathway);
            if (strcmp(p->timers[w->record->timers[i]->kind].name, name) == 0) return w->record->timers[i];
        }
    return NULL;
}

static inline bool is_on(uint32_t episode, const char *pathway)
{
    for (size_t i = 0; i < w->record->n_episodes; i++)
        if (w->record->episodes[i]->number == episode)
            return strcmp(rules_pathway(w->rules, w->record->episodes[i]->pathway)->name, pathway) == 0;
    return false;
}

static inline bool is_open(uint32_t episode)
{
    bool is = false;
    for (size_t i = 0; i < w->record->n_episodes; i++) is |= w->record->episodes[i]->number == episode;
    return is;
}

/* Open episodes, and pending timers, on a pathway. */
static inline size_t episodes_on(const char *pathway)
{
    size_t count = 0;
    for (size_t i = 0; i < w->record->n_episodes; i++) count += is_on(w->record->episodes[i]->number, pathway);
    return count;
}
static inline size_t timers_on(const char *pathway)
{
    size_t count = 0;
    for (size_t i = 0; i < w->record->n_timers; i++) count += is_on(w->record->timers[i]->episode, pathway);
    return count;
}

static inline const char *state_of(const char *pathway)
{
    for (size_t i = 0; w->record && i < w->record->n_episodes; i++) {
        const struct pathway *p = rules_pathway(w->rules, w->record->episodes[i]->pathway);
        if (strcmp(p->name, pathway) == 0) return p->main.states[w->record->episodes[i]->state].name;
    }
    return "none";
}

#define assert_when(AT_MS, TEXT) assert_int_equal((AT_MS), when(TEXT))

/* --- a patient to begin with ----------------------------------------------------------------------------------- */
static inline void register_child(void)
{
    tell("patient.registered", "with: {birth_date: 2016-05-01, category: BEHAVIORAL_HEALTH, care_team: ["
                               "{party: GUARDIAN, id: mom, custody: LEGAL_AUTHORITY}, {party: PCP, id: family-practice}]}");
}
static inline void grant_to(const char *agency)
{
    char rest[512];
    snprintf(rest, sizeof rest, "with: {consent_id: roi-%s, signer: GUARDIAN, signer_id: mom, recipients: [{party: AGENCY, id: %s}], "
             "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 2026-01-01}", agency, agency);
    tell("consent.granted", rest);
}
static inline void request(const char *referral, const char *agency)
{
    char rest[512];
    snprintf(rest, sizeof rest, "referral: %s, with: {priority: ROUTINE, level_of_care: OUTPATIENT, referrer: PCP, referrer_id: family-practice, "
             "agency_id: '%s', category: BEHAVIORAL_HEALTH}", referral, agency);
    tell("referral.requested", rest);
}
static inline void refer(void)
{
    register_child();
    grant_to("riverside");
    request("ref-1", "riverside");
    assert_string_equal(state_of("referral"), "requested");
}

#define SENTENCE(NAME) cmocka_unit_test_teardown(NAME, end)

#endif
