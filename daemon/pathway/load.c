/* See load.h. Two passes: first every name of the file, then everything that uses them, so that a timer may be
 * spoken of before it is defined. */
#include "pathway/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "pathway/delay_parse.h"

static const char *const no_names[] = {NULL};

/* --- first pass: names ---------------------------------------------------------------------------------------- */

struct naming {
    const char *what; /* "state" */
    size_t max;
    char joint; /* '-' or '_' */
};

static bool is_usable(const struct naming *naming, const char *text)
{
    static const char *const words[] = {"and", "or", "not", "in", "true", "false", "always", NULL};
    return word_is_name(text, naming->joint) && name_find(words, text) < 0;
}

/* Keys of a mapping or items of a list. */
static const char *const *collect(struct loader *l, struct yaml_node at, const struct naming *naming)
{
    size_t count = yaml_is_null(at) ? 0 : yaml_size(at);
    if (count > naming->max) {
        yaml_error_add(l->errors, at, "there are %zu of these; a pathway has at most %zu", count, naming->max);
        return no_names;
    }
    const char **names = ARENA_ARRAY(l->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct yaml_node key = yaml_kind(at) == YAML_MAPPING ? yaml_key(at, i) : yaml_item(at, i);
        const char *text = yaml_text(key);
        if (!text || !is_usable(naming, text))
            yaml_error_add(l->errors, key, "\"%.48s\" cannot be the name of a %s: lower-case letters, digits and '%c'",
                           text ? text : "", naming->what, naming->joint);
        names[i] = arena_string(l->arena, text ? text : "");
    }
    return names;
}

static const char *const *collect_map(struct loader *l, struct yaml_node at, const struct naming *naming)
{
    if (yaml_is_null(at)) return no_names;
    return yaml_expect_kind(at, YAML_MAPPING, l->errors) ? collect(l, at, naming) : no_names;
}

static const char *const *collect_variables(struct loader *l, struct yaml_node at)
{
    static const struct naming naming = {"variable", PATHWAY_VARIABLES_MAX, '_'};
    if (yaml_is_null(at) || !yaml_expect_kind(at, YAML_SEQUENCE, l->errors)) return no_names;
    const char *const *names = collect(l, at, &naming);
    for (int i = 0; names[i]; i++) {
        if (predicate_find(names[i], strlen(names[i])))
            yaml_error_add(l->errors, yaml_item(at, (size_t)i), "\"%s\" is a predicate; give the variable another name",
                           names[i]);
        if (name_find(names, names[i]) < i)
            yaml_error_add(l->errors, yaml_item(at, (size_t)i), "the variable \"%s\" stands twice", names[i]);
    }
    return names;
}

static void collect_regions(struct loader *l, struct yaml_node at)
{
    static const struct naming naming = {"region", PATHWAY_REGIONS_MAX, '-'},
                               states = {"state", PATHWAY_STATES_MAX, '-'};
    l->names.regions = collect_map(l, at, &naming);
    size_t count = l->names.regions == no_names ? 0 : yaml_size(at);
    const char *const **lists = ARENA_ARRAY(l->arena, const char *const *, count + 1);
    for (size_t i = 0; i < count; i++) lists[i] = collect_map(l, yaml_get(yaml_value(at, i), "states"), &states);
    l->names.region_states = lists;
}

static void collect_names(struct loader *l, struct yaml_node root)
{
    static const struct naming timer = {"timer", PATHWAY_TIMERS_MAX, '-'}, hold = {"hold", PATHWAY_HOLDS_MAX, '-'},
                               concern = {"concern", PATHWAY_CONCERNS_MAX, '-'},
                               state = {"state", PATHWAY_STATES_MAX, '-'};
    struct yaml_node timers = yaml_get(root, "timers");
    l->names.variables = collect_variables(l, yaml_get(root, "variables"));
    l->names.timers = collect_map(l, timers, &timer);
    l->names.holds = collect_map(l, yaml_get(root, "holds"), &hold);
    l->names.concerns = collect_map(l, yaml_get(root, "concerns"), &concern);
    l->names.states = collect_map(l, yaml_require(root, "states", l->errors), &state);
    for (int i = 0; l->names.timers[i]; i++)
        if (aspect_find(l->names.timers[i]))
            yaml_error_add(l->errors, yaml_key(timers, (size_t)i),
                           "\"%s\" is what a hold may pause; give the timer another name", l->names.timers[i]);
    collect_regions(l, yaml_get(root, "regions"));
}

static uint32_t count_names(const char *const names[])
{
    uint32_t count = 0;
    while (names[count]) count++;
    return count;
}

static struct place *places_of(struct loader *l, struct yaml_node at, uint32_t count)
{
    struct place *places = ARENA_ARRAY(l->arena, struct place, count + 1);
    for (uint32_t i = 0; i < count; i++) places[i] = loader_place(yaml_key(at, i));
    return places;
}

/* --- timers --------------------------------------------------------------------------------------------------- */

static bool lists_timer(const struct machine *machine, uint32_t timer)
{
    for (uint32_t s = 0; s < machine->state_count; s++)
        for (uint32_t t = 0; t < machine->states[s].timer_count; t++)
            if (machine->states[s].timers[t] == timer) return true;
    return false;
}

/* The states of the machine that lists a timer; NULL: none does. */
static const char *const *states_around(const struct loader *l, uint32_t timer)
{
    if (lists_timer(&l->pathway->main, timer)) return l->names.states;
    for (uint32_t r = 0; r < l->pathway->region_count; r++)
        if (lists_timer(&l->pathway->regions[r], timer)) return l->names.region_states[r];
    return NULL;
}

static void load_firing(struct loader *l, struct yaml_node at, uint32_t timer, size_t i, struct firing *ret)
{
    static const char *const keys[] = {"wait", "do", "target", "reason", NULL};
    ret->target = -1;
    if (!loader_has_room(l, at) || !yaml_expect_keys(at, keys, l->errors)) return;
    struct yaml_node wait = yaml_require(at, "wait", l->errors), target = yaml_get(at, "target"),
                     reason = yaml_get(at, "reason");
    struct context context = {NULL, yaml_is_present(reason)
                                        ? loader_text(l, reason)
                                        : loader_format(l, "timer %s, firing %zu", l->names.timers[timer], i + 1)};
    ret->rule = loader_rule(l, at, context.words);
    if (yaml_is_present(wait)) loader_wait(l, wait, &ret->wait);
    ret->actions = load_actions(l, yaml_get(at, "do"), &context, &ret->action_count);
    if (!yaml_is_present(target)) return;
    const char *const *states = states_around(l, timer);
    if (states)
        ret->target = loader_find(l, target, "state", states);
    else
        yaml_error_add(l->errors, target, "no state lists the timer %s, so its firing has no machine to move",
                       l->names.timers[timer]);
}

/* Some event tells this time, or core computes it (..._until_ms, a day to come); else only `mark` sets it, to when
 * something happened. */
static bool is_told(const char *name)
{
    if (strstr(name, "_until_ms")) return true;
    for (size_t i = 0; i < event_kind_count; i++)
        if (protobuf_c_message_descriptor_get_field_by_name(event_kinds[i].message, name)) return true;
    return false;
}

static void read_from(struct loader *l, struct yaml_node from, struct timer_kind *timer)
{
    static const char *const names[] = {"event", "opened", "visit", "effective_at_ms", "appeal_by_at_ms", NULL};
    if (!yaml_is_present(from) || !yaml_expect_kind(from, YAML_SCALAR, l->errors)) return;
    int position = name_find(names, yaml_text(from));
    timer->field = delay_field(yaml_text(from));
    timer->is_of_past = timer->field && !is_told(timer->field->name);
    if (timer->field)
        timer->from = TIMER_FROM_FIELD;
    else if (position >= 0)
        timer->from = position == 1 ? TIMER_FROM_OPENED : position == 2 ? TIMER_FROM_VISIT : TIMER_FROM_EVENT;
    else
        loader_find(l, from, "beginning", names);
}

static void read_per(struct loader *l, struct yaml_node per, struct timer_kind *timer)
{
    static const char *const names[] = {"appointment", NULL};
    if (yaml_is_present(per)) timer->is_per_appointment = loader_find(l, per, "choice", names) >= 0;
}

static void load_timer(struct loader *l, struct yaml_node key, struct yaml_node at, uint32_t position,
                       struct timer_kind *ret)
{
    static const char *const keys[] = {"about", "from", "per", "once", "reminder", "fires", NULL};
    ret->name = l->names.timers[position];
    ret->line = (uint32_t)yaml_line(key);
    if (!yaml_expect_keys(at, keys, l->errors)) return;
    struct yaml_node fires = yaml_require(at, "fires", l->errors), once = yaml_get(at, "once"),
                     reminder = yaml_get(at, "reminder");
    read_from(l, yaml_get(at, "from"), ret);
    read_per(l, yaml_get(at, "per"), ret);
    if (yaml_is_present(once)) yaml_read_bool(once, &ret->is_once, l->errors);
    if (yaml_is_present(reminder)) yaml_read_bool(reminder, &ret->is_reminder, l->errors);
    if (ret->from == TIMER_FROM_VISIT && !ret->is_per_appointment)
        yaml_error_add(l->errors, yaml_get(at, "from"), "a timer that counts from a visit needs per: appointment");
    if (!yaml_is_present(fires) || !yaml_expect_kind(fires, YAML_SEQUENCE, l->errors)) return;
    if (yaml_size(fires) == 0) yaml_error_add(l->errors, fires, "a timer needs at least one firing");
    struct firing *firings = ARENA_ARRAY(l->arena, struct firing, yaml_size(fires) + 1);
    for (size_t i = 0; i < yaml_size(fires); i++) load_firing(l, yaml_item(fires, i), position, i, &firings[i]);
    ret->firings = firings;
    ret->firing_count = (uint32_t)yaml_size(fires);
}

static void load_timers(struct loader *l, struct yaml_node at)
{
    uint32_t count = count_names(l->names.timers);
    struct timer_kind *timers = ARENA_ARRAY(l->arena, struct timer_kind, count + 1);
    for (uint32_t i = 0; i < count; i++) load_timer(l, yaml_key(at, i), yaml_value(at, i), i, &timers[i]);
    l->pathway->timers = timers;
    l->pathway->timer_count = count;
    l->source->timers = places_of(l, at, count);
}

/* --- holds and concerns --------------------------------------------------------------------------------------- */

static void read_pauses(struct loader *l, struct yaml_node at, struct hold_kind *hold)
{
    uint32_t *timers = ARENA_ARRAY(l->arena, uint32_t, loader_items(at) + 1);
    for (size_t i = 0; i < loader_items(at); i++) {
        struct yaml_node item = loader_item(at, i);
        uint32_t aspect = yaml_text(item) ? aspect_find(yaml_text(item)) : 0;
        int32_t timer =
            aspect ? -1 : loader_find(l, item, "timer (or sending, reminders, misses, family)", l->names.timers);
        hold->aspects |= aspect;
        if (timer >= 0) timers[hold->pause_count++] = (uint32_t)timer;
    }
    hold->pauses = timers;
}

static void load_hold(struct loader *l, struct yaml_node key, struct yaml_node at, struct hold_kind *ret)
{
    static const char *const keys[] = {"about", "pauses", "after", "do", "per", NULL}, *const pers[] = {"recipient",
                                                                                                        NULL};
    ret->name = arena_string(l->arena, yaml_text(key));
    ret->line = (uint32_t)yaml_line(key);
    if (yaml_is_null(at) || !yaml_expect_keys(at, keys, l->errors)) return;
    struct context context = {NULL, loader_format(l, "hold %s begins", ret->name)};
    struct yaml_node per = yaml_get(at, "per");
    read_pauses(l, yaml_get(at, "pauses"), ret);
    ret->timers = loader_find_all(l, yaml_get(at, "after"), "timer", l->names.timers, &ret->timer_count);
    ret->actions = load_actions(l, yaml_get(at, "do"), &context, &ret->action_count);
    if (yaml_is_present(per)) ret->is_per_recipient = loader_find(l, per, "choice", pers) >= 0;
}

static void load_holds(struct loader *l, struct yaml_node at)
{
    uint32_t count = count_names(l->names.holds);
    struct hold_kind *holds = ARENA_ARRAY(l->arena, struct hold_kind, count + 1);
    for (uint32_t i = 0; i < count; i++) load_hold(l, yaml_key(at, i), yaml_value(at, i), &holds[i]);
    l->pathway->holds = holds;
    l->pathway->hold_count = count;
    l->source->holds = places_of(l, at, count);
}

static void load_concern(struct loader *l, struct yaml_node key, struct yaml_node at, struct concern_kind *ret)
{
    static const char *const keys[] = {"about", "after", "do", NULL};
    ret->name = arena_string(l->arena, yaml_text(key));
    ret->line = (uint32_t)yaml_line(key);
    if (yaml_is_null(at) || !yaml_expect_keys(at, keys, l->errors)) return;
    struct context context = {NULL, loader_format(l, "concern %s begins", ret->name)};
    ret->timers = loader_find_all(l, yaml_get(at, "after"), "timer", l->names.timers, &ret->timer_count);
    ret->actions = load_actions(l, yaml_get(at, "do"), &context, &ret->action_count);
}

static void load_concerns(struct loader *l, struct yaml_node at)
{
    uint32_t count = count_names(l->names.concerns);
    struct concern_kind *concerns = ARENA_ARRAY(l->arena, struct concern_kind, count + 1);
    for (uint32_t i = 0; i < count; i++) load_concern(l, yaml_key(at, i), yaml_value(at, i), &concerns[i]);
    l->pathway->concerns = concerns;
    l->pathway->concern_count = count;
    l->source->concerns = places_of(l, at, count);
}

/* --- openings ------------------------------------------------------------------------------------------------- */

struct openings {
    struct opening_rule *rules;
    uint32_t count;
};

static void load_opening(struct loader *l, struct yaml_node at, const struct event_kind *event, struct openings *list)
{
    struct yaml_node target = yaml_require(at, "target", l->errors), reason = yaml_get(at, "reason"),
                     when = yaml_get(at, "when");
    struct opening_rule rule = {.event = event ? event->body : HANDOFF__V1__EVENT__BODY__NOT_SET};
    struct context context = {event, yaml_is_present(reason) ? loader_text(l, reason)
                                                             : load_words(l, event ? event->name : "opened", when)};
    rule.rule = loader_rule(l, at, context.words);
    rule.when = loader_guard(l, when, event);
    rule.target = yaml_is_present(target) ? loader_find(l, target, "state", l->names.states) : -1;
    rule.actions = load_actions(l, yaml_get(at, "do"), &context, &rule.action_count);
    if (yaml_is_present(yaml_get(at, "offered"))) yaml_read_bool(yaml_get(at, "offered"), &rule.is_offered, l->errors);
    list->rules[list->count++] = rule;
}

static void load_opening_events(struct loader *l, struct yaml_node at, struct openings *list)
{
    static const char *const keys[] = {"on", "when", "target", "do", "offered", "reason", NULL};
    struct event_name events[PATHWAY_EVENTS_PER_KEY];
    struct yaml_node on = yaml_get(at, "on");
    if (!loader_has_room(l, at) || !yaml_expect_keys(at, keys, l->errors)) return;
    if (!yaml_is_present(on)) return load_opening(l, at, NULL, list);
    uint32_t count = loader_events(l, on, events);
    for (uint32_t i = 0; i < count; i++) {
        size_t errors_before = l->errors->count;
        if (events[i].name)
            yaml_error_add(l->errors, on, "an episode cannot open by a %s event; without `on` a person or another pathway opens it",
                           events[i].is_signal ? "signal" : "custom");
        else
            load_opening(l, at, events[i].kind, list);
        if (l->errors->count > errors_before) return;
    }
}

static void load_opens(struct loader *l, struct yaml_node at)
{
    if (yaml_is_null(at) || !yaml_expect_kind(at, YAML_SEQUENCE, l->errors)) return;
    if (yaml_size(at) > PATHWAY_STATES_MAX) {
        yaml_error_add(l->errors, at, "a pathway has at most %d openings", PATHWAY_STATES_MAX);
        return;
    }
    struct openings list = {ARENA_ARRAY(l->arena, struct opening_rule, yaml_size(at) * PATHWAY_EVENTS_PER_KEY + 1), 0};
    for (size_t i = 0; i < yaml_size(at); i++) load_opening_events(l, yaml_item(at, i), &list);
    l->pathway->opens = list.rules;
    for (uint32_t i = 0; i < list.count; i++) event_set_add(&l->pathway->opening_events, list.rules[i].event);
    l->pathway->open_count = list.count;
}

/* --- the file ------------------------------------------------------------------------------------------------- */

static void load_main(struct loader *l, struct yaml_node root, const struct place **places)
{
    struct place *place_list;
    l->pathway->main.name = "";
    load_machine(l, root, l->names.states, &l->pathway->main, &l->source->main_states, &place_list);
    places[0] = place_list;
    if (l->pathway->main.state_count == 0 && yaml_is_present(yaml_get(root, "states")))
        yaml_error_add(l->errors, yaml_get(root, "states"), "a pathway needs states");
}

static void load_regions(struct loader *l, struct yaml_node at, const struct place **places)
{
    static const char *const keys[] = {"about", "initial", "states", "any", NULL};
    uint32_t count = count_names(l->names.regions);
    struct machine *regions = ARENA_ARRAY(l->arena, struct machine, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct state *states;
        struct place *place_list;
        regions[i].name = l->names.regions[i];
        yaml_expect_keys(yaml_value(at, i), keys, l->errors);
        load_machine(l, yaml_value(at, i), l->names.region_states[i], &regions[i], &states, &place_list);
        places[1 + i] = place_list;
    }
    l->pathway->regions = regions;
    l->pathway->region_count = count;
}

static void load_head(struct loader *l, struct yaml_node root)
{
    static const char *const subjects[] = {"referral", "patient", "risk", "consent", NULL};
    struct pathway *p = l->pathway;
    struct yaml_node name = yaml_require(root, "pathway", l->errors), about = yaml_get(root, "about");
    struct yaml_node version = yaml_get(root, "version"), bound = yaml_require(root, "max_silence", l->errors);
    struct yaml_node subject = yaml_require(root, "subject", l->errors);
    int64_t number = 1;
    p->name = yaml_is_present(name) ? loader_text(l, name) : "";
    p->about = yaml_is_present(about) ? loader_text(l, about) : "";
    if (*p->name && !word_is_name(p->name, '-'))
        yaml_error_add(l->errors, name, "\"%.48s\" cannot be the name of a pathway: lower-case letters, digits and '-'",
                       p->name);
    if (yaml_is_present(version)) yaml_read_int(version, 1, 1000000, &number, l->errors);
    p->version = (uint32_t)number;
    if (yaml_is_present(bound)) loader_length(l, bound, &p->max_silence_ms);
    int32_t chosen = yaml_is_present(subject) ? loader_find(l, subject, "subject", subjects) : -1;
    if (chosen >= 0) p->subject = (enum pathway_subject)chosen; /* the names stand in its order */
    loader_rule(l, root, *p->about ? p->about : p->name); /* rule 0 is the pathway itself, so that 0 is nobody's */
}

static void load_root(struct loader *l, struct yaml_node root)
{
    static const char *const keys[] = {"pathway",   "version", "about", "subject",  "max_silence",
                                       "variables", "timers",  "holds", "concerns", "opens",
                                       "initial",   "states",  "any",   "regions",  NULL};
    if (!yaml_expect_kind(root, YAML_MAPPING, l->errors)) return;
    yaml_expect_keys(root, keys, l->errors);
    collect_names(l, root);
    load_head(l, root);
    l->pathway->variables = l->names.variables;
    l->pathway->variable_count = count_names(l->names.variables);
    const struct place **places = ARENA_ARRAY(l->arena, const struct place *, PATHWAY_REGIONS_MAX + 1);
    load_main(l, root, places);
    load_regions(l, yaml_get(root, "regions"), places);
    load_timers(l, yaml_get(root, "timers"));
    load_holds(l, yaml_get(root, "holds"));
    load_concerns(l, yaml_get(root, "concerns"));
    load_opens(l, yaml_get(root, "opens"));
    l->source->states = places;
    l->source->rules = l->rule_places;
    l->pathway->rules = l->rules;
    l->pathway->rule_count = l->rule_count;
}

static bool is_loadable(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors)
{
    const char *sentence = text.len > PATHWAY_TEXT_MAX ? "a pathway's file has at most 256 KiB"
                           : arena_left(arena) < PATHWAY_ARENA_BYTES
                               ? "there is not enough memory left for another pathway"
                               : NULL;
    if (sentence) yaml_error_at(errors, file_name, 0, 0, "%s", sentence);
    return !sentence;
}

int pathway_read(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                 struct pathway_source **ret_source)
{
    size_t errors_before = errors->count, mark = arena_used(arena);
    struct yaml *yaml =
        is_loadable(arena, file_name, text, errors) ? yaml_load_memory(file_name, text.data, text.len, errors) : NULL;
    if (!yaml) return -EINVAL;
    struct loader l = {.arena = arena, .text = text, .errors = errors};
    l.pathway = ARENA_NEW(arena, struct pathway);
    l.source = ARENA_NEW(arena, struct pathway_source);
    l.source->pathway = l.pathway;
    l.source->file = arena_string(arena, file_name);
    load_root(&l, yaml_root(yaml));
    yaml_close(yaml);
    if (errors->count > errors_before) {
        arena_rewind(arena, mark);
        return -EINVAL;
    }
    l.source->silences = ARENA_ARRAY(arena, struct silence, l.pathway->main.state_count);
    *ret_source = l.source;
    return 0;
}

int pathway_load(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                 struct pathway **ret_pathway)
{
    struct pathway_source *source;
    int error = pathway_read(arena, file_name, text, errors, &source);
    if (!error) *ret_pathway = source->pathway;
    return error;
}
