/* See loader.h: `do`, a table of action words. One word of the file may become several actions. */
#include "pathway/loader.h"

#include <string.h>

struct action_list {
    struct action *items;
    uint32_t count, capacity;
};
typedef void action_reader(struct loader *l, struct yaml_node value, const struct context *context,
                           struct action_list *list);

static const ProtobufCEnumDescriptor *const task_kinds = &handoff__v1__task_kind__descriptor;

/* The next action of the list, valid until the next is added. */
static struct action *add(struct loader *l, struct action_list *list, enum action_op op, struct yaml_node node,
                          const char *reason)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : 4;
        struct action *items = ARENA_ARRAY(l->arena, struct action, capacity);
        if (list->count) memcpy(items, list->items, list->count * sizeof *items);
        *list = (struct action_list){items, list->count, capacity};
    }
    struct action *action = &list->items[list->count++];
    action->op = op;
    action->rule = loader_rule(l, node, reason);
    return action;
}

static const char *reason_of(struct loader *l, struct yaml_node mapping, const struct context *context)
{
    struct yaml_node reason = yaml_get(mapping, "reason");
    return yaml_is_present(reason) ? loader_text(l, reason) : context->words;
}

static bool expect_event(struct loader *l, struct yaml_node node, const struct context *context, const char *what)
{
    if (context->event) return true;
    yaml_error_add(l->errors, node, "there is no event here to %s", what);
    return false;
}

/* --- work ---------------------------------------------------------------------------------------------------- */

static bool is_word(struct yaml_node node, const char *word)
{
    return yaml_kind(node) == YAML_SCALAR && strcmp(yaml_text(node), word) == 0;
}

static void read_severity(struct loader *l, struct yaml_node node, struct action *action)
{
    int value = 0;
    if (!yaml_is_present(node)) return;
    action->is_as_found = is_word(node, "as-found");
    if (action->is_as_found) return;
    if (loader_enum(l, node, "severity", &handoff__v1__severity__descriptor, &value))
        action->severity = (Handoff__V1__Severity)value;
}

/* `before: visit`: what is asked has to be done when the patient is seen next. */
static void read_before(struct loader *l, struct yaml_node node, struct action *action)
{
    static const char *const names[] = {"visit", NULL};
    action->is_before_visit = yaml_is_present(node) && loader_find(l, node, "choice", names) == 0;
}

static void read_subject(struct loader *l, struct yaml_node task, struct action *action)
{
    struct yaml_node subject = yaml_get(task, "subject"), each = yaml_get(task, "each");
    if (yaml_is_present(subject) && yaml_is_present(each)) {
        yaml_error_add(l->errors, each, "a task has a subject or is asked for each of a party, not both");
    } else if (yaml_kind(subject) == YAML_SCALAR && strcmp(yaml_text(subject), "RECIPIENT") == 0) {
        action->party_from = PARTY_FROM_RECIPIENT;
    } else if (yaml_is_present(subject)) {
        loader_party(l, subject, &action->party, &action->party_from);
    } else if (yaml_is_present(each)) {
        action->is_each = loader_party(l, each, &action->party, &action->party_from);
        if (action->party_from != PARTY_FROM_REFERRER) return;
        yaml_error_add(l->errors, each, "there is one referrer; write subject: REFERRER");
    }
}

static void read_task(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    static const char *const keys[] = {"kind",    "owner", "due",   "before", "severity",
                                       "subject", "each",  "again", "reason", NULL};
    bool is_short = yaml_kind(value) == YAML_SCALAR;
    if (!is_short && !yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node kind = is_short ? value : yaml_require(value, "kind", l->errors);
    struct yaml_node owner = yaml_get(value, "owner"), due = yaml_get(value, "due");
    struct context wordless = {context->event, ""}; /* without a reason of its own it speaks the policy's */
    struct action *action = add(l, list, ACTION_TASK, value, reason_of(l, value, &wordless));
    int number = 0;
    if (yaml_is_present(kind) && loader_enum(l, kind, "task", task_kinds, &number))
        action->task = (Handoff__V1__TaskKind)number;
    action->is_reporters = yaml_is_present(owner) && is_word(owner, "reporter");
    if (yaml_is_present(owner) && !action->is_reporters &&
        loader_enum(l, owner, "role", &handoff__v1__role__descriptor, &number))
        action->role = (Handoff__V1__Role)number;
    if (yaml_is_present(due)) loader_wait(l, due, &action->due);
    read_before(l, yaml_get(value, "before"), action);
    if (yaml_is_present(yaml_get(value, "again"))) yaml_read_bool(yaml_get(value, "again"), &action->is_again, l->errors);
    read_severity(l, yaml_get(value, "severity"), action);
    read_subject(l, value, action);
}

static void read_withdraw(struct loader *l, struct yaml_node value, const struct context *context,
                          struct action_list *list)
{
    for (size_t i = 0; i < loader_items(value); i++) {
        int number = 0;
        if (is_word(loader_item(value, i), "family")) {
            add(l, list, ACTION_WITHDRAW_FAMILY, loader_item(value, i), context->words);
            continue;
        }
        if (!loader_enum(l, loader_item(value, i), "task", task_kinds, &number)) continue;
        add(l, list, ACTION_WITHDRAW, loader_item(value, i), context->words)->task = (Handoff__V1__TaskKind)number;
    }
}

static uint32_t read_roles(struct loader *l, struct yaml_node list)
{
    uint32_t roles = 0;
    for (size_t i = 0; i < loader_items(list); i++) {
        int role = 0;
        if (loader_enum(l, loader_item(list, i), "role", &handoff__v1__role__descriptor, &role))
            roles |= UINT32_C(1) << role;
    }
    return roles;
}

static void read_raise(struct loader *l, struct yaml_node value, const struct context *context,
                       struct action_list *list)
{
    static const char *const keys[] = {"to", "out_of_hours", "severity", "reason", NULL};
    bool is_short = yaml_kind(value) != YAML_MAPPING;
    if (!is_short && !yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node to = is_short ? value : yaml_require(value, "to", l->errors);
    struct action *action = add(l, list, ACTION_RAISE, value, reason_of(l, value, context));
    action->roles = read_roles(l, to);
    action->roles_out_of_hours = read_roles(l, yaml_get(value, "out_of_hours"));
    if (loader_items(to) == 0 && yaml_is_present(to)) yaml_error_add(l->errors, to, "a raise needs somebody to tell");
    read_severity(l, yaml_get(value, "severity"), action);
}

static void read_resolve(struct loader *l, struct yaml_node value, const struct context *context,
                         struct action_list *list)
{
    static const char *const names[] = {"all", NULL};
    if (loader_find(l, value, "choice", names) < 0) return;
    add(l, list, ACTION_RESOLVE, value, context->words);
}

/* --- timers, holds, concerns, variables ----------------------------------------------------------------------- */

static void add_positions(struct loader *l, struct yaml_node value, const struct context *context,
                          struct action_list *list, enum action_op op, const char *what, const char *const names[])
{
    for (size_t i = 0; i < loader_items(value); i++) {
        int32_t position = loader_find(l, loader_item(value, i), what, names);
        if (position < 0) continue;
        add(l, list, op, loader_item(value, i), context->words)->position = (uint32_t)position;
    }
}

static void read_start(struct loader *l, struct yaml_node value, const struct context *context,
                       struct action_list *list)
{
    add_positions(l, value, context, list, ACTION_START, "timer", l->names.timers);
}

static void read_stop(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    if (is_word(value, "visit")) add(l, list, ACTION_STOP_VISIT, value, context->words);
    else add_positions(l, value, context, list, ACTION_STOP, "timer", l->names.timers);
}

static void read_concern(struct loader *l, struct yaml_node value, const struct context *context,
                         struct action_list *list)
{
    add_positions(l, value, context, list, ACTION_CONCERN, "concern", l->names.concerns);
}

static void read_settle(struct loader *l, struct yaml_node value, const struct context *context,
                        struct action_list *list)
{
    add_positions(l, value, context, list, ACTION_SETTLE, "concern", l->names.concerns);
}

static void read_count(struct loader *l, struct yaml_node value, const struct context *context,
                       struct action_list *list)
{
    add_positions(l, value, context, list, ACTION_COUNT, "variable", l->names.variables);
}

static void add_hold(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list,
                     enum action_op op)
{
    static const char *const keys[] = {"name", "recipient", NULL};
    bool is_short = yaml_kind(value) == YAML_SCALAR;
    if (!is_short && !yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node name = is_short ? value : yaml_require(value, "name", l->errors);
    int32_t position = yaml_is_present(name) ? loader_find(l, name, "hold", l->names.holds) : -1;
    if (position < 0) return;
    struct action *action = add(l, list, op, value, context->words);
    struct yaml_node recipient = yaml_get(value, "recipient");
    action->position = (uint32_t)position;
    if (yaml_is_present(recipient)) loader_party(l, recipient, &action->party, &action->party_from);
}

static void read_hold(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    for (size_t i = 0; i < loader_items(value); i++) add_hold(l, loader_item(value, i), context, list, ACTION_HOLD);
}

static void read_lift(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    for (size_t i = 0; i < loader_items(value); i++) add_hold(l, loader_item(value, i), context, list, ACTION_LIFT);
}

static void read_set(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    if (!yaml_expect_kind(value, YAML_MAPPING, l->errors)) return;
    for (size_t i = 0; i < yaml_size(value); i++) {
        int32_t position = loader_find(l, yaml_key(value, i), "variable", l->names.variables);
        int64_t number = 0;
        if (position < 0 || !yaml_read_int(yaml_value(value, i), -1000000, 1000000, &number, l->errors)) continue;
        struct action *action = add(l, list, ACTION_SET, yaml_key(value, i), context->words);
        action->position = (uint32_t)position;
        action->number = number;
    }
}

/* --- episodes, regions ---------------------------------------------------------------------------------------- */

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message, name);
}

static void take_field(struct loader *l, struct yaml_node node, const struct context *context, struct action_list *list)
{
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return;
    const char *name = yaml_text(node);
    const ProtobufCFieldDescriptor *from = field_named(context->event->message, name);
    const ProtobufCFieldDescriptor *to = field_named(&handoff__v1__episode__descriptor, name);
    if (!from) {
        const char *nearest = word_nearest_field(context->event->message, name);
        yaml_error_add(l->errors, node, "%s has no field \"%.64s\"%s%s%s", context->event->name, name,
                       nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    } else if (!to || to->type != from->type || to->descriptor != from->descriptor ||
               from->label == PROTOBUF_C_LABEL_REPEATED ||
               (from->type == PROTOBUF_C_TYPE_MESSAGE && from->descriptor != &handoff__v1__count__descriptor)) {
        yaml_error_add(l->errors, node, "an episode has no field \"%.64s\" that could keep it", name);
    } else {
        struct action *action = add(l, list, ACTION_TAKE, node, context->words);
        action->from = from;
        action->to = to;
    }
}

static void read_take(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    if (!expect_event(l, value, context, "take a field from")) return;
    for (size_t i = 0; i < loader_items(value); i++) take_field(l, loader_item(value, i), context, list);
}

static const ProtobufCFieldDescriptor *time_field(struct loader *l, struct yaml_node node)
{
    const ProtobufCFieldDescriptor *f = field_named(&handoff__v1__episode__descriptor, loader_text(l, node));
    if (f && f->type == PROTOBUF_C_TYPE_INT64 && ((f->id >= 10 && f->id <= 21) || f->id >= 60)) return f;
    yaml_error_add(l->errors, node, "an episode has no time \"%.64s\" that could be marked", yaml_text(node));
    return NULL;
}

/* A text of the episode that is no longer so: the agency that the family left. */
static void read_forget(struct loader *l, struct yaml_node value, const struct context *context,
                        struct action_list *list)
{
    const ProtobufCFieldDescriptor *to = field_named(&handoff__v1__episode__descriptor, loader_text(l, value));
    if (!to || to->type != PROTOBUF_C_TYPE_STRING || strcmp(to->name, "referral_id") == 0) {
        yaml_error_add(l->errors, value, "an episode has no text \"%.64s\" that could be forgotten", yaml_text(value));
        return;
    }
    add(l, list, ACTION_FORGET, value, context->words)->to = to;
}

/* The episode keeps when the event happened. */
static void read_time(struct loader *l, struct yaml_node value, enum action_op op, const struct context *context,
                      struct action_list *list)
{
    const ProtobufCFieldDescriptor *to = time_field(l, value);
    if (to) add(l, list, op, value, context->words)->to = to;
}

/* A time of the episode: as the event states it, within bounds. */
static void read_plan(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    static const char *const keys[] = {"time", "default", "latest", NULL};
    if (!yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node time = yaml_require(value, "time", l->errors), latest = yaml_require(value, "latest", l->errors);
    struct yaml_node otherwise = yaml_require(value, "default", l->errors);
    if (!yaml_is_present(time) || !yaml_is_present(latest) || !yaml_is_present(otherwise)) return;
    struct action *action = add(l, list, ACTION_PLAN, value, context->words);
    action->to = time_field(l, time);
    const char *name = action->to ? action->to->name : "";
    action->from = context->event ? field_named(context->event->message, name) : NULL;
    if (action->from && action->from->type != PROTOBUF_C_TYPE_INT64) action->from = NULL;
    loader_wait(l, otherwise, &action->due);
    loader_wait(l, latest, &action->latest);
}

static void read_mark(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    if (expect_event(l, value, context, "take the time of")) read_time(l, value, ACTION_MARK, context, list);
}

static void read_unmark(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    read_time(l, value, ACTION_UNMARK, context, list);
}

/* Scores older than this are none to measure from. */
static void read_baseline(struct loader *l, struct yaml_node value, const struct context *context,
                          struct action_list *list)
{
    int64_t length_ms = 0;
    loader_length(l, value, &length_ms);
    add(l, list, ACTION_BASELINE, value, context->words)->number = length_ms;
}

static void read_open(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    static const char *const keys[] = {"pathway", "replacing", NULL};
    bool is_short = yaml_kind(value) == YAML_SCALAR;
    if (!is_short && !yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node name = is_short ? value : yaml_require(value, "pathway", l->errors);
    struct yaml_node replacing = yaml_get(value, "replacing");
    if (!yaml_is_present(name)) return;
    struct action *action = add(l, list, ACTION_OPEN, name, context->words);
    action->text = loader_text(l, name); /* whether there is one is asked of the whole set of pathways */
    if (yaml_is_present(replacing)) yaml_read_bool(replacing, &action->is_replacing, l->errors);
}

static void read_signal(struct loader *l, struct yaml_node value, const struct context *context,
                        struct action_list *list)
{
    static const char *const keys[] = {"name", "to", NULL}, *const receivers[] = {"replaced", "all", NULL};
    bool is_short = yaml_kind(value) == YAML_SCALAR;
    if (!is_short && !yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node node = is_short ? value : yaml_require(value, "name", l->errors), to = yaml_get(value, "to");
    const char *name = yaml_is_present(node) ? loader_text(l, node) : "";
    if (*name && !word_is_name(name, '-')) {
        yaml_error_add(l->errors, node, "a signal's name has lower-case letters, digits and '-'");
        return;
    }
    struct action *action = add(l, list, ACTION_SIGNAL, value, context->words);
    action->text = name;
    if (yaml_is_present(to)) action->is_to_all = loader_find(l, to, "receiver of a signal", receivers) == 1;
}

static void read_move(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    if (!yaml_expect_kind(value, YAML_MAPPING, l->errors)) return;
    for (size_t i = 0; i < yaml_size(value); i++) {
        int32_t region = loader_find(l, yaml_key(value, i), "region", l->names.regions);
        int32_t state =
            region < 0 ? -1
                       : loader_find(l, yaml_value(value, i), "state of that region", l->names.region_states[region]);
        if (state < 0) continue;
        struct action *action = add(l, list, ACTION_MOVE, yaml_key(value, i), context->words);
        action->position = (uint32_t)region;
        action->state = (uint32_t)state;
    }
}

/* --- words and disclosures ------------------------------------------------------------------------------------ */

static void read_status(struct loader *l, struct yaml_node value, const struct context *context,
                        struct action_list *list)
{
    static const char *const keys[] = {"kind", "to", "reason", NULL};
    int kind = 0;
    if (!yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node kind_node = yaml_require(value, "kind", l->errors), to = yaml_require(value, "to", l->errors);
    struct action *action = add(l, list, ACTION_STATUS, value, reason_of(l, value, context));
    if (yaml_is_present(kind_node) && loader_enum(l, kind_node, "status", &handoff__v1__status_kind__descriptor, &kind))
        action->status = (Handoff__V1__StatusKind)kind;
    if (kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT)
        yaml_error_add(l->errors, kind_node, "a heartbeat is the daemon's own; no pathway sends one");
    if (yaml_is_present(to)) loader_party(l, to, &action->party, &action->party_from);
}

static void read_withhold(struct loader *l, struct yaml_node value, const struct context *context,
                          struct action_list *list)
{
    static const char *const keys[] = {"to", "reason", NULL};
    if (!yaml_expect_keys(value, keys, l->errors)) return;
    struct yaml_node to = yaml_require(value, "to", l->errors);
    struct action *action = add(l, list, ACTION_WITHHOLD, value, reason_of(l, value, context));
    if (yaml_is_present(to)) loader_party(l, to, &action->party, &action->party_from);
}

static void read_doubt(struct loader *l, struct yaml_node value, const struct context *context,
                       struct action_list *list)
{
    struct action *action = add(l, list, ACTION_DOUBT, value, context->words);
    loader_party(l, value, &action->party, &action->party_from);
}

static void read_refuse(struct loader *l, struct yaml_node value, const struct context *context,
                        struct action_list *list)
{
    if (expect_event(l, value, context, "refuse"))
        add(l, list, ACTION_REFUSE, value, context->words)->text = loader_text(l, value);
}

static void read_note(struct loader *l, struct yaml_node value, const struct context *context, struct action_list *list)
{
    add(l, list, ACTION_NOTE, value, context->words)->text = loader_text(l, value);
}

/* --- the table ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    action_reader *read;
} action_words[] = {
    {"task", read_task},       {"withdraw", read_withdraw}, {"start", read_start},   {"stop", read_stop},
    {"raise", read_raise},     {"resolve", read_resolve},   {"hold", read_hold},     {"lift", read_lift},
    {"concern", read_concern}, {"settle", read_settle},     {"set", read_set},       {"count", read_count},
    {"take", read_take},       {"open", read_open},         {"signal", read_signal}, {"status", read_status},
    {"move", read_move},       {"refuse", read_refuse},     {"note", read_note},     {"doubt", read_doubt},
    {"mark", read_mark},       {"baseline", read_baseline}, {"forget", read_forget}, {"plan", read_plan},
    {"unmark", read_unmark},   {"withhold", read_withhold},
};
const char *const pathway_action_names[] = {"task",   "withdraw", "start",  "stop",   "raise", "resolve", "hold",
                                            "lift",   "concern",  "settle", "set",    "count", "take",    "open",
                                            "signal", "status",   "move",   "refuse", "note",  "doubt",   "mark",
                                            "baseline", "forget", "plan",   "unmark", "withhold", NULL};

static void read_if(struct loader *l, struct yaml_node item, const struct context *context, struct action_list *list)
{
    static const char *const keys[] = {"when", "do", "else", NULL};
    if (!yaml_expect_keys(item, keys, l->errors)) return;
    struct action condition = {.op = ACTION_IF};
    struct yaml_node then = yaml_require(item, "do", l->errors);
    condition.when = loader_guard(l, yaml_get(item, "when"), context->event);
    condition.then = load_actions(l, then, context, &condition.then_count);
    condition.otherwise = load_actions(l, yaml_get(item, "else"), context, &condition.otherwise_count);
    struct action *action = add(l, list, ACTION_IF, item, context->words);
    condition.rule = action->rule;
    *action = condition;
}

static void read_word(struct loader *l, struct yaml_node item, const struct context *context, struct action_list *list)
{
    size_t word = 0;
    if (yaml_size(item) != 1) {
        yaml_error_add(l->errors, item, "an item of `do` is one action; begin each with its own dash");
        return;
    }
    if (yaml_read_name(yaml_key(item, 0), "action", pathway_action_names, &word, l->errors))
        action_words[word].read(l, yaml_value(item, 0), context, list);
}

static void read_action(struct loader *l, struct yaml_node item, const struct context *context,
                        struct action_list *list)
{
    static const char *const bare[] = {"remind", NULL};
    if (!loader_has_room(l, item)) return;
    if (yaml_kind(item) == YAML_SCALAR) {
        size_t word = 0;
        if (yaml_read_name(item, "action", bare, &word, l->errors)) add(l, list, ACTION_REMIND, item, context->words);
    } else if (yaml_expect_kind(item, YAML_MAPPING, l->errors)) {
        if (yaml_is_present(yaml_get(item, "when")))
            read_if(l, item, context, list);
        else
            read_word(l, item, context, list);
    }
}

const struct action *load_actions(struct loader *l, struct yaml_node node, const struct context *context,
                                  uint32_t *ret_count)
{
    struct action_list list = {0};
    *ret_count = 0;
    if (!yaml_is_present(node) || !yaml_expect_kind(node, YAML_SEQUENCE, l->errors)) return NULL;
    for (size_t i = 0; i < yaml_size(node); i++) read_action(l, yaml_item(node, i), context, &list);
    *ret_count = list.count;
    return list.items;
}
