/* Names in a scenario that no pathway, region, timer, hold or kind of task has: "no timer of blah" would be met forever,
 * and says nothing. They are refused with their place before the first step. */
#include "pathway/scenario_inner.h"

#include <string.h>

/* --- who has such a name --------------------------------------------------------------------------------------- */
static bool is_pathway(const struct pathway *p, const char *name) { return strcmp(p->name, name) == 0; }

static bool has_timer(const struct pathway *p, const char *name)
{
    for (uint32_t i = 0; i < p->timer_count; i++)
        if (strcmp(p->timers[i].name, name) == 0) return true;
    return false;
}

static bool has_hold(const struct pathway *p, const char *name)
{
    for (uint32_t i = 0; i < p->hold_count; i++)
        if (strcmp(p->holds[i].name, name) == 0) return true;
    return false;
}

static bool has_region(const struct pathway *p, const char *name)
{
    for (uint32_t i = 0; i < p->region_count; i++)
        if (strcmp(p->regions[i].name, name) == 0) return true;
    return false;
}

static bool has_state(const struct machine *x, const char *name)
{
    for (uint32_t i = 0; i < x->state_count; i++)
        if (strcmp(x->states[i].name, name) == 0) return true;
    return false;
}

/* --- looking --------------------------------------------------------------------------------------------------- */
struct names {
    const struct rules *rules;
    struct yaml_errors *errors;
};

/* Do any of the pathways know it? One that is retired may still be what runs. */
static bool any_pathway(const struct rules *rules, bool (*does)(const struct pathway *, const char *), const char *name)
{
    for (uint32_t i = 0; i < rules->pathway_count; i++)
        if (rules->pathways[i] && does(rules->pathways[i], name)) return true;
    return false;
}

static void look(const struct names *n, struct yaml_node at, const char *what,
                 bool (*does)(const struct pathway *, const char *))
{
    const char *name = yaml_text(at);
    if (!name || !any_pathway(n->rules, does, name))
        yaml_error_add(n->errors, at, "no pathway has a %s \"%.64s\"", what, name ? name : "");
}

static void look_pathway(const struct names *n, struct yaml_node at)
{
    const char *name = yaml_text(at);
    if (!name || !any_pathway(n->rules, is_pathway, name))
        yaml_error_add(n->errors, at, "there is no pathway \"%.64s\"", name ? name : "");
}

/* `{referral: accepted}`, `{call-back: waiting}` */
static void look_state(const struct names *n, struct yaml_node key, struct yaml_node value, bool is_region, bool is_end)
{
    const char *name = yaml_text(key), *state = yaml_text(value);
    if (!state || strcmp(state, is_end ? "none ended" : "none open") == 0) return;
    for (uint32_t i = 0; name && i < n->rules->pathway_count; i++) {
        const struct pathway *p = n->rules->pathways[i];
        if (!p) continue;
        if (!is_region && strcmp(p->name, name) == 0 && has_state(&p->main, state)) return;
        for (uint32_t k = 0; is_region && k < p->region_count; k++)
            if (strcmp(p->regions[k].name, name) == 0 && has_state(&p->regions[k], state)) return;
    }
    yaml_error_add(n->errors, value, "%s \"%.64s\" has no state \"%.64s\"", is_region ? "region" : "pathway",
                   name ? name : "", state);
}

static void look_states(const struct names *n, struct yaml_node map, bool is_end)
{
    for (size_t i = 0; i < yaml_size(map); i++) {
        size_t before = n->errors->count;
        look_pathway(n, yaml_key(map, i));
        if (n->errors->count == before) look_state(n, yaml_key(map, i), yaml_value(map, i), false, is_end);
    }
}

static void look_regions(const struct names *n, struct yaml_node map)
{
    for (size_t i = 0; i < yaml_size(map); i++) {
        size_t before = n->errors->count;
        look(n, yaml_key(map, i), "region", has_region);
        if (n->errors->count == before) look_state(n, yaml_key(map, i), yaml_value(map, i), true, false);
    }
}

/* `all`, or a list of pathways. */
static void look_no_timers(const struct names *n, struct yaml_node at)
{
    const char *all = yaml_text(at);
    if (yaml_is_present(at) && yaml_kind(at) != YAML_SEQUENCE && (!all || strcmp(all, "all") != 0))
        yaml_error_add(n->errors, at, "`all`, or a list of pathways");
    for (size_t i = 0; yaml_kind(at) == YAML_SEQUENCE && i < yaml_size(at); i++) look_pathway(n, yaml_item(at, i));
}

/* Of maps by kind of task: `{blah: no such task}` would be met too. */
static void look_kinds(const struct names *n, struct yaml_node map)
{
    int kind;
    for (size_t i = 0; i < yaml_size(map); i++) {
        const char *name = yaml_text(yaml_key(map, i));
        if (!name || !word_find(&handoff__v1__task_kind__descriptor, WORD_KEBAB, name, &kind))
            yaml_error_add(n->errors, yaml_key(map, i), "there is no task \"%.64s\"", name ? name : "");
    }
}

/* A scalar where a list stands would be an empty one. */
static void look_shapes(const struct names *n, struct yaml_node expect)
{
    static const char *const maps[] = {"state", "ended", "region", "timers", "people", "matches", "due", "site"};
    static const char *const lists[] = {"tasks",     "escalations", "disclosures", "withheld", "joined",
                                        "withdrawn", "resolved",    "noted",       "holds",    "open"};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (yaml_is_present(yaml_get(expect, maps[i])))
            yaml_expect_kind(yaml_get(expect, maps[i]), YAML_MAPPING, n->errors);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (yaml_is_present(yaml_get(expect, lists[i])))
            yaml_expect_kind(yaml_get(expect, lists[i]), YAML_SEQUENCE, n->errors);
}

static void look_step(const struct names *n, struct yaml_node expect)
{
    static const char *const site_keys[] = {"tasks", "escalations", "resolved", "withdrawn", "list", NULL};
    struct yaml_node timers = yaml_get(expect, "timers"), holds = yaml_get(expect, "holds");
    size_t before = n->errors->count;
    look_shapes(n, expect);
    if (n->errors->count > before) return;
    look_states(n, yaml_get(expect, "state"), false);
    look_states(n, yaml_get(expect, "ended"), true);
    look_regions(n, yaml_get(expect, "region"));
    for (size_t i = 0; i < yaml_size(timers); i++) look(n, yaml_key(timers, i), "timer", has_timer);
    for (size_t i = 0; i < yaml_size(holds); i++) look(n, yaml_item(holds, i), "hold", has_hold);
    look_no_timers(n, yaml_get(expect, "no_timers"));
    look_kinds(n, yaml_get(expect, "people"));
    look_kinds(n, yaml_get(expect, "matches"));
    look_kinds(n, yaml_get(expect, "due"));
    if (yaml_is_present(yaml_get(expect, "site"))) yaml_expect_keys(yaml_get(expect, "site"), site_keys, n->errors);
}

void scenario_check_names(const struct rules *rules, struct yaml_node steps, struct yaml_errors *errors)
{
    struct names n = {rules, errors};
    for (size_t i = 0; i < yaml_size(steps); i++) look_step(&n, yaml_get(yaml_item(steps, i), "expect"));
}
