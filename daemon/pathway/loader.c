/* See loader.h: what every part of the loader reads at a node. */
#include "pathway/loader.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "pathway/delay_parse.h"

enum { ROOM_BYTES = 1024 * 1024, TEXT_MAX = 500, FORMAT_BYTES = 512 };

bool loader_has_room(struct loader *l, struct yaml_node node)
{
    if (l->is_full) return false;
    if (l->rule_count < PATHWAY_RULES_MAX && arena_left(l->arena) >= ROOM_BYTES) return true;
    yaml_error_add(l->errors, node,
                   "this pathway is too large; a file holds at most %d transitions, actions and firings",
                   PATHWAY_RULES_MAX);
    l->is_full = true;
    return false;
}

struct place loader_place(struct yaml_node node)
{
    return (struct place){(uint32_t)yaml_line(node), (uint32_t)yaml_column(node)};
}

char *loader_format(struct loader *l, const char *format, ...)
{
    char buffer[FORMAT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof buffer, format, args);
    va_end(args);
    return arena_string(l->arena, buffer);
}

static void grow_rules(struct loader *l)
{
    uint32_t capacity = l->rule_capacity ? l->rule_capacity * 2 : 64;
    struct rule_text *rules = ARENA_ARRAY(l->arena, struct rule_text, capacity);
    struct place *places = ARENA_ARRAY(l->arena, struct place, capacity);
    if (l->rule_count) {
        memcpy(rules, l->rules, l->rule_count * sizeof *rules);
        memcpy(places, l->rule_places, l->rule_count * sizeof *places);
    }
    l->rules = rules;
    l->rule_places = places;
    l->rule_capacity = capacity;
}

uint32_t loader_rule(struct loader *l, struct yaml_node node, const char *text)
{
    if (l->rule_count == l->rule_capacity) grow_rules(l);
    l->rules[l->rule_count] = (struct rule_text){(uint32_t)yaml_line(node), text};
    l->rule_places[l->rule_count] = loader_place(node);
    return l->rule_count++;
}

/* --- names --------------------------------------------------------------------------------------------------- */

static void add_unknown(struct loader *l, struct yaml_node node, const char *what, const char *text,
                        const char *nearest)
{
    struct parse_error error;
    word_explain(&error, 0, nearest, "unknown %s \"%.64s\"", what, text);
    yaml_error_add(l->errors, node, "%s", error.sentence);
}

int32_t loader_find(struct loader *l, struct yaml_node node, const char *what, const char *const names[])
{
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return -1;
    int position = name_find(names, yaml_text(node));
    if (position < 0) add_unknown(l, node, what, yaml_text(node), yaml_nearest(yaml_text(node), names));
    return position;
}

size_t loader_items(struct yaml_node node)
{
    if (yaml_is_null(node)) return 0;
    return yaml_kind(node) == YAML_SEQUENCE ? yaml_size(node) : 1;
}

struct yaml_node loader_item(struct yaml_node node, size_t i)
{
    return yaml_kind(node) == YAML_SEQUENCE ? yaml_item(node, i) : node;
}

const uint32_t *loader_find_all(struct loader *l, struct yaml_node node, const char *what, const char *const names[],
                                uint32_t *ret_count)
{
    size_t count = loader_items(node);
    uint32_t found = 0, *positions = ARENA_ARRAY(l->arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        int32_t position = loader_find(l, loader_item(node, i), what, names);
        if (position >= 0) positions[found++] = (uint32_t)position;
    }
    *ret_count = found;
    return positions;
}

bool loader_enum(struct loader *l, struct yaml_node node, const char *what, const ProtobufCEnumDescriptor *type,
                 int *ret_value)
{
    char nearest[WORD_BYTES];
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return false;
    if (word_find(type, WORD_KEBAB, yaml_text(node), ret_value)) return true;
    add_unknown(l, node, what, yaml_text(node), word_nearest(type, WORD_KEBAB, yaml_text(node), nearest));
    return false;
}

bool loader_party(struct loader *l, struct yaml_node node, Handoff__V1__Party *ret_party, enum party_from *ret_from)
{
    char nearest[WORD_BYTES];
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return false;
    if (party_find(yaml_text(node), ret_party, ret_from)) return true;
    add_unknown(l, node, "party", yaml_text(node),
                word_nearest(&handoff__v1__party__descriptor, WORD_UPPER, yaml_text(node), nearest));
    return false;
}

const char *loader_text(struct loader *l, struct yaml_node node)
{
    const char *text = "";
    if (!yaml_read_string(node, TEXT_MAX, &text, l->errors)) return "";
    return arena_string(l->arena, text);
}

/* --- places inside a text ------------------------------------------------------------------------------------ */

/* Bytes from the file's beginning to a line and column that count from 1; columns count characters. */
static size_t offset_of(struct bytes text, struct place place)
{
    size_t at = 0;
    for (uint32_t line = 1; line < place.line && at < text.len; at++) line += text.data[at] == '\n';
    for (uint32_t column = 1; column < place.column && at < text.len; column++) {
        at++;
        while (at < text.len && (text.data[at] & 0xC0) == 0x80) at++;
    }
    return at;
}

/* Where the scalar's own letters begin: behind a quote, or on the line after > or |. */
static size_t content_of(struct bytes text, size_t at)
{
    bool is_block = at < text.len && (text.data[at] == '>' || text.data[at] == '|');
    if (is_block)
        while (at < text.len && text.data[at] != '\n') at++;
    return at < text.len && (text.data[at] == '\'' || text.data[at] == '"') ? at + 1 : at;
}

/* The place in the file of a byte in a scalar's text. YAML folds white space and doubles single quotes, so that the
 * visible letters are what both texts have in common. */
static struct place place_inside(const struct loader *l, struct yaml_node node, size_t offset)
{
    struct place place = loader_place(node);
    const char *inner = yaml_text(node);
    size_t at = content_of(l->text, offset_of(l->text, place)), visible = 0;
    bool is_single = at > 0 && l->text.data[at - 1] == '\'' && yaml_is_quoted(node);
    for (size_t i = 0; i < offset && inner[i]; i++) visible += !isspace((unsigned char)inner[i]);
    bool wants_space = offset > 0 && !inner[offset];
    for (; at < l->text.len; at++) {
        if (isspace(l->text.data[at])) continue;
        if (visible == 0) break;
        if (is_single && l->text.data[at] == '\'') at++;
        visible--;
        if (visible == 0 && wants_space) {
            at++;
            break;
        }
    }
    struct place found = {1, 1};
    for (size_t i = 0; i < at && i < l->text.len; i++) {
        bool is_line_end = l->text.data[i] == '\n';
        found.line += is_line_end;
        if (is_line_end)
            found.column = 1;
        else
            found.column += (l->text.data[i] & 0xC0) != 0x80;
    }
    return found;
}

static void add_inside(struct loader *l, struct yaml_node node, const struct parse_error *error)
{
    struct place place = place_inside(l, node, error->offset);
    yaml_error_at(l->errors, l->source->file, (int)place.line, (int)place.column, "%s", error->sentence);
}

/* --- delays and guards --------------------------------------------------------------------------------------- */

const struct delay *loader_delay(struct loader *l, struct yaml_node node)
{
    struct parse_error error;
    const struct delay *delay = NULL;
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return NULL;
    if (delay_parse(l->arena, yaml_text(node), &delay, &error) == 0) return delay;
    add_inside(l, node, &error);
    return NULL;
}

void loader_wait(struct loader *l, struct yaml_node node, struct wait *ret_wait)
{
    static const char *const keys[] = {"routine", "urgent", NULL};
    if (yaml_kind(node) != YAML_MAPPING) {
        ret_wait->routine = ret_wait->urgent = loader_delay(l, node);
        return;
    }
    if (!yaml_expect_keys(node, keys, l->errors)) return;
    struct yaml_node routine = yaml_require(node, "routine", l->errors),
                     urgent = yaml_require(node, "urgent", l->errors);
    if (yaml_is_present(routine)) ret_wait->routine = loader_delay(l, routine);
    if (yaml_is_present(urgent)) ret_wait->urgent = loader_delay(l, urgent);
}

void loader_length(struct loader *l, struct yaml_node node, int64_t *ret_ms)
{
    struct parse_error error;
    if (!yaml_expect_kind(node, YAML_SCALAR, l->errors)) return;
    if (delay_parse_length(yaml_text(node), ret_ms, &error)) add_inside(l, node, &error);
}

const struct guard *loader_guard(struct loader *l, struct yaml_node node, const struct event_kind *event)
{
    struct parse_error error;
    struct guard_scope scope = {l->arena, &l->names, event};
    const struct guard *guard = NULL;
    if (!yaml_is_present(node) || !yaml_expect_kind(node, YAML_SCALAR, l->errors)) return NULL;
    if (guard_parse(&scope, yaml_text(node), &guard, &error) == 0) return guard;
    add_inside(l, node, &error);
    return NULL;
}

/* --- events -------------------------------------------------------------------------------------------------- */

static const char *nearest_event(const char *text)
{
    const char *names[160] = {NULL};
    for (size_t i = 0; i < event_kind_count && i < 159; i++) names[i] = event_kinds[i].name;
    return yaml_nearest(text, names);
}

static bool read_named(struct loader *l, struct yaml_node key, const char *text, struct event_name *ret)
{
    const char *name = strchr(text, '.') + 1;
    bool is_signal = strncmp(text, "signal.", 7) == 0;
    bool is_name = is_signal ? word_is_name(name, '-') : *name && strlen(name) < WORD_BYTES && !strpbrk(name, " \t");
    if (!is_name) {
        yaml_error_add(l->errors, key, "\"%.64s\" does not name anything", text);
        return false;
    }
    *ret = (struct event_name){is_signal ? NULL : event_kind_of(HANDOFF__V1__EVENT__BODY_CUSTOM),
                               arena_string(l->arena, name), is_signal};
    return true;
}

static bool read_event(struct loader *l, struct yaml_node key, const char *text, struct event_name *ret)
{
    if (strncmp(text, "signal.", 7) == 0 || strncmp(text, "custom.", 7) == 0) return read_named(l, key, text, ret);
    const struct event_kind *kind = event_kind_by_name(text);
    if (!kind || strcmp(kind->name, text) != 0) {
        add_unknown(l, key, "event", text, kind ? kind->name : nearest_event(text));
        return false;
    }
    if (kind->body == HANDOFF__V1__EVENT__BODY_CUSTOM) {
        yaml_error_add(l->errors, key, "a site's own event is named: custom.NAME");
        return false;
    }
    *ret = (struct event_name){.kind = kind};
    return true;
}

static bool is_repeated(const struct event_name events[], uint32_t count, const struct event_name *event)
{
    for (uint32_t i = 0; i < count; i++)
        if (events[i].kind == event->kind && events[i].is_signal == event->is_signal &&
            (!event->name || strcmp(events[i].name, event->name) == 0))
            return true;
    return false;
}

uint32_t loader_events(struct loader *l, struct yaml_node key, struct event_name ret_events[PATHWAY_EVENTS_PER_KEY])
{
    char text[FORMAT_BYTES], *rest = text, *part;
    uint32_t count = 0;
    if (!yaml_expect_kind(key, YAML_SCALAR, l->errors)) return 0;
    snprintf(text, sizeof text, "%s", yaml_text(key));
    while ((part = strsep(&rest, ",")) != NULL) { /* a round a comma */
        struct event_name event;
        part += strspn(part, " ");
        part[strcspn(part, " ")] = '\0';
        if (!read_event(l, key, part, &event)) return 0;
        if (count == PATHWAY_EVENTS_PER_KEY || is_repeated(ret_events, count, &event)) {
            yaml_error_add(l->errors, key, "a key names up to %d events, each once", PATHWAY_EVENTS_PER_KEY);
            return 0;
        }
        ret_events[count++] = event;
    }
    return count;
}
