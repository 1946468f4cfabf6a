/* Shared by the parts of the loader: load.c (the file), load_machine.c (states and transitions), load_actions.c,
 * loader.c (names, rules, delays and guards at a node). Every part reports into the error list and goes on, so that a
 * file's mistakes are told together; a result is used only when there was none. */
#ifndef HANDOFF_PATHWAY_LOADER_H
#define HANDOFF_PATHWAY_LOADER_H

#include "pathway/guard_parse.h"
#include "pathway/load.h"

struct loader {
    struct arena *arena;
    struct bytes text;
    struct yaml_errors *errors;
    struct pathway *pathway;
    struct pathway_source *source;
    struct pathway_names names;
    struct rule_text *rules;
    struct place *rule_places;
    uint32_t rule_count, rule_capacity;
    bool is_full; /* said that the file is too large; nothing more is built */
};

/* What surrounds an action. */
struct context {
    const struct event_kind *event; /* NULL: there is none */
    const char *words;              /* the reason of what has none of its own */
};

/* One of the events that a key names. */
struct event_name {
    const struct event_kind *kind;
    const char *name; /* signal.NAME, custom.NAME */
    bool is_signal;
};

/* --- loader.c ------------------------------------------------------------------------------------------------ */
bool loader_has_room(struct loader *l, struct yaml_node node);
struct place loader_place(struct yaml_node node);
char *loader_format(struct loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint32_t loader_rule(struct loader *l, struct yaml_node node, const char *text);

/* Position of the name at a node; -1: reported as an unknown `what`. */
int32_t loader_find(struct loader *l, struct yaml_node node, const char *what, const char *const names[]);
/* A list of names, or one; positions in the arena. */
const uint32_t *loader_find_all(struct loader *l, struct yaml_node node, const char *what, const char *const names[],
                                uint32_t *ret_count);
/* Items of a list; a single value counts as a list of one, absent as none. */
size_t loader_items(struct yaml_node node);
struct yaml_node loader_item(struct yaml_node node, size_t i);

bool loader_enum(struct loader *l, struct yaml_node node, const char *what, const ProtobufCEnumDescriptor *type,
                 int *ret_value); /* in kebab-case */
bool loader_party(struct loader *l, struct yaml_node node, Handoff__V1__Party *ret_party, enum party_from *ret_from);
const char *loader_text(struct loader *l, struct yaml_node node); /* copied; "" when refused */
const struct delay *loader_delay(struct loader *l, struct yaml_node node);
void loader_wait(struct loader *l, struct yaml_node node, struct wait *ret_wait);
void loader_length(struct loader *l, struct yaml_node node, int64_t *ret_ms);
/* NULL: absent or refused. */
const struct guard *loader_guard(struct loader *l, struct yaml_node node, const struct event_kind *event);
/* The events of a key such as `appointment.booked, signal.taken-over`; 0 when refused. */
uint32_t loader_events(struct loader *l, struct yaml_node key, struct event_name ret_events[PATHWAY_EVENTS_PER_KEY]);

/* --- load_machine.c ------------------------------------------------------------------------------------------- */
/* at: root of the file, or a region. place_of: room for the places of its states. */
void load_machine(struct loader *l, struct yaml_node at, const char *const states[], struct machine *ret_machine,
                  struct state **ret_states, struct place **ret_places);
/* `when event.outcome == VOICEMAIL`, behind what comes before it. */
const char *load_words(struct loader *l, const char *before, struct yaml_node when);

/* --- load_actions.c ------------------------------------------------------------------------------------------ */
/* do: absent gives none. */
const struct action *load_actions(struct loader *l, struct yaml_node node, const struct context *context,
                                  uint32_t *ret_count);

#endif
