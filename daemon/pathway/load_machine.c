/* See loader.h: states and transitions of the main machine or of a region. A key that names several events gives one
 * transition for each, since each event has fields of its own. */
#include "pathway/loader.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 200 };

struct transition_list {
    struct transition *items;
    uint32_t count, capacity;
};

static struct transition *add(struct loader *l, struct transition_list *list)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 8;
        struct transition *items = ARENA_ARRAY(l->arena, struct transition, capacity);
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        *list = (struct transition_list){items, list->count, capacity};
    }
    return &list->items[list->count++];
}

const char *load_words(struct loader *l, const char *before, struct yaml_node when)
{
    const char *guard = yaml_text(when);
    if (!guard) return arena_string(l->arena, before);
    return loader_format(l, "%s when %.*s", before, WORDS_MAX, guard);
}

/* What the event of a transition is called: contact.attempted, signal.taken-over, always. */
static const char *event_words(struct loader *l, const struct event_name *event)
{
    if (!event) return "always";
    if (!event->name) return event->kind->name;
    return loader_format(l, "%s.%s", event->is_signal ? "signal" : "custom", event->name);
}

struct place_of_transition {
    const char *const *states;      /* of its machine */
    const struct event_name *event; /* NULL: always */
};

/* {when: ..., ignore: true}: harmless on a condition. */
static void load_is_ignore(struct loader *l, struct yaml_node at, struct transition *t)
{
    struct yaml_node ignore = yaml_get(at, "ignore");
    if (!yaml_is_present(ignore) || !yaml_read_bool(ignore, &t->is_ignore, l->errors)) return;
    if (t->is_ignore && (t->target >= 0 || t->action_count || !t->event))
        yaml_error_add(l->errors, ignore, "what is ignored is an event, and neither does nor moves anything");
}

static void load_transition(struct loader *l, struct yaml_node at, const struct place_of_transition *where,
                            struct transition_list *list)
{
    static const char *const keys[] = {"when", "target", "do", "ignore", "reason", NULL};
    if (!loader_has_room(l, at) || !yaml_expect_keys(at, keys, l->errors)) return;
    const struct event_kind *event = where->event ? where->event->kind : NULL;
    struct yaml_node target = yaml_get(at, "target"), reason = yaml_get(at, "reason"), when = yaml_get(at, "when");
    const char *words =
        yaml_is_present(reason) ? loader_text(l, reason) : load_words(l, event_words(l, where->event), when);
    struct context context = {event, words};
    struct transition t = {.target = -1, .rule = loader_rule(l, at, words)};
    if (where->event) {
        t.event = event ? event->body : HANDOFF__V1__EVENT__BODY__NOT_SET;
        t.name = where->event->name;
        t.is_signal = where->event->is_signal;
    }
    t.when = loader_guard(l, when, event);
    if (yaml_is_present(target)) t.target = loader_find(l, target, "state", where->states);
    t.actions = load_actions(l, yaml_get(at, "do"), &context, &t.action_count);
    load_is_ignore(l, at, &t);
    if (yaml_size(at) == 0)
        yaml_error_add(l->errors, at,
                       "this transition does nothing; an event that is harmless here stands in `ignore`");
    *add(l, list) = t;
}

/* The mapping of one transition, or a list of them. */
static void load_alternatives(struct loader *l, struct yaml_node at, const struct place_of_transition *where,
                              struct transition_list *list)
{
    if (yaml_is_null(at)) {
        yaml_error_add(
            l->errors, at,
            "here must be a transition, such as {target: STATE}; in braces, quote a key that names several events");
        return;
    }
    for (size_t i = 0; i < loader_items(at); i++) load_transition(l, loader_item(at, i), where, list);
}

static void load_on(struct loader *l, struct yaml_node on, const char *const states[], struct transition_list *list)
{
    if (yaml_is_null(on) || !yaml_expect_kind(on, YAML_MAPPING, l->errors)) return;
    for (size_t i = 0; i < yaml_size(on); i++) {
        struct event_name events[PATHWAY_EVENTS_PER_KEY];
        uint32_t count = loader_events(l, yaml_key(on, i), events);
        for (uint32_t e = 0; e < count; e++) {
            size_t errors_before = l->errors->count;
            struct place_of_transition where = {states, &events[e]};
            load_alternatives(l, yaml_value(on, i), &where, list);
            if (l->errors->count > errors_before) break; /* the other events would say the same */
        }
    }
}

static void load_ignore(struct loader *l, struct yaml_node ignore, struct transition_list *list)
{
    for (size_t i = 0; i < loader_items(ignore); i++) {
        struct event_name events[PATHWAY_EVENTS_PER_KEY];
        struct yaml_node key = loader_item(ignore, i);
        uint32_t count = loader_has_room(l, key) ? loader_events(l, key, events) : 0;
        for (uint32_t e = 0; e < count; e++) {
            const char *words = loader_format(l, "%s is ignored here", event_words(l, &events[e]));
            struct transition t = {.target = -1,
                                   .is_ignore = true,
                                   .name = events[e].name,
                                   .is_signal = events[e].is_signal,
                                   .rule = loader_rule(l, key, words)};
            t.event = events[e].kind ? events[e].kind->body : HANDOFF__V1__EVENT__BODY__NOT_SET;
            *add(l, list) = t;
        }
    }
}

static const struct transition *load_events(struct loader *l, struct yaml_node at, const char *const states[],
                                            uint32_t *ret_count, struct event_set *ret_heard)
{
    struct transition_list list = {0};
    load_on(l, yaml_get(at, "on"), states, &list);
    load_ignore(l, yaml_get(at, "ignore"), &list);
    for (uint32_t i = 0; i < list.count; i++) event_set_add(ret_heard, list.items[i].event);
    *ret_count = list.count;
    return list.items;
}

static const struct transition *load_always(struct loader *l, struct yaml_node always, const char *const states[],
                                            uint32_t *ret_count)
{
    struct transition_list list = {0};
    struct place_of_transition where = {states, NULL};
    *ret_count = 0;
    if (yaml_is_null(always)) return NULL;
    load_alternatives(l, always, &where, &list);
    for (size_t i = 0; i < loader_items(always); i++) {
        struct yaml_node at = loader_item(always, i);
        if (yaml_kind(at) == YAML_MAPPING && !yaml_is_present(yaml_get(at, "target")))
            yaml_error_add(l->errors, at, "without a target this would be taken again and again; say where it leads");
    }
    *ret_count = list.count;
    return list.items;
}

static void load_state(struct loader *l, struct yaml_node key, struct yaml_node at, const char *const states[],
                       bool is_main, struct state *ret)
{
    static const char *const main_keys[] = {"about",  "do",          "after", "on", "always",
                                            "ignore", "max_silence", "final", "lapse", NULL};
    static const char *const region_keys[] = {"about", "do", "after", "on", "always", "ignore", NULL};
    ret->name = arena_string(l->arena, yaml_text(key));
    ret->line = (uint32_t)yaml_line(key);
    if (yaml_is_null(at) || !yaml_expect_keys(at, is_main ? main_keys : region_keys, l->errors)) return;
    struct context context = {NULL, loader_format(l, "on entering %s", ret->name)};
    struct yaml_node final = yaml_get(at, "final"), lapse = yaml_get(at, "lapse"), bound = yaml_get(at, "max_silence");
    if (is_main && yaml_is_present(final)) yaml_read_bool(final, &ret->is_final, l->errors);
    if (is_main && yaml_is_present(lapse)) yaml_read_bool(lapse, &ret->is_lapse, l->errors);
    if (is_main && yaml_is_present(bound)) loader_length(l, bound, &ret->max_silence_ms);
    ret->actions = load_actions(l, yaml_get(at, "do"), &context, &ret->action_count);
    ret->timers = loader_find_all(l, yaml_get(at, "after"), "timer", l->names.timers, &ret->timer_count);
    ret->on = load_events(l, at, states, &ret->on_count, &ret->heard);
    ret->always = load_always(l, yaml_get(at, "always"), states, &ret->always_count);
}

void load_machine(struct loader *l, struct yaml_node at, const char *const states[], struct machine *ret_machine,
                  struct state **ret_states, struct place **ret_places)
{
    static const char *const any_keys[] = {"on", "ignore", NULL};
    struct yaml_node list = yaml_get(at, "states"), any = yaml_get(at, "any");
    size_t count = yaml_kind(list) == YAML_MAPPING && yaml_size(list) <= PATHWAY_STATES_MAX ? yaml_size(list) : 0;
    struct state *items = ARENA_ARRAY(l->arena, struct state, count + 1);
    struct place *places = ARENA_ARRAY(l->arena, struct place, count + 1);
    bool is_main = ret_machine->name[0] == '\0';
    for (size_t i = 0; i < count; i++) {
        load_state(l, yaml_key(list, i), yaml_value(list, i), states, is_main, &items[i]);
        places[i] = loader_place(yaml_key(list, i));
    }
    struct yaml_node initial = yaml_require(at, "initial", l->errors);
    int32_t first = yaml_is_present(initial) ? loader_find(l, initial, "state", states) : -1;
    ret_machine->initial = first < 0 ? 0 : (uint32_t)first;
    ret_machine->states = items;
    ret_machine->state_count = (uint32_t)count;
    if (yaml_is_present(any) && yaml_expect_keys(any, any_keys, l->errors))
        ret_machine->any = load_events(l, any, states, &ret_machine->any_count, &ret_machine->heard);
    *ret_states = items;
    *ret_places = places;
}
