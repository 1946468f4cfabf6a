/* See config.h. A key is a row of the table below and nothing else: reading, checking, overriding and printing
 * all walk the table. */
#include "ops/config.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ops/config_site.h"
#include "ops/http.h"

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

/* A file within yaml.h's limits has 50,000 nodes of which none needs more than a person does, twice for padding,
 * and 1 MiB of text; reserved, not used. */
#define ARENA_BYTES ((size_t)YAML_MAX_NODES * sizeof(struct person_config) * 2 + 2 * YAML_MAX_BYTES)

enum { SENTENCE_BYTES = 256, PATH_BYTES = 64, GROUP_MAX_KEYS = 16 };

struct row;
struct type {
    /* Into the field of the row; false with a sentence when the text will not do. */
    bool (*parse)(const struct row *row, const char *text, struct config *config, char sentence[SENTENCE_BYTES]);
    void (*print)(FILE *to, const void *field);
};

struct row {
    const char *key; /* path with dots */
    const struct type *type;
    const char *fallback;
    int64_t min, max; /* of a number, or of the length of a text */
    size_t offset;    /* in struct config */
    const char *doc;
};

static void *field_of(const struct row *row, struct config *config)
{
    return (char *)config + row->offset;
}

/* --- types ----------------------------------------------------------------------------------------------- */

static bool say(char sentence[SENTENCE_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool say(char sentence[SENTENCE_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, SENTENCE_BYTES, format, args);
    va_end(args);
    return false;
}

static bool keep_text(const struct row *row, const char *text, struct config *config)
{
    *(const char **)field_of(row, config) = arena_string(config->arena, text);
    return true;
}

static bool has_control_character(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text)) return true;
    return false;
}

static bool parse_text(const struct row *row, const char *text, struct config *config, char sentence[])
{
    int64_t bytes = (int64_t)strlen(text);
    if (bytes < row->min || bytes > row->max)
        return say(sentence, "it has %" PRId64 " bytes; %" PRId64 " to %" PRId64 " are allowed", bytes, row->min,
                   row->max);
    if (has_control_character(text)) return say(sentence, "it holds a control character");
    return keep_text(row, text, config);
}

static void print_text(FILE *to, const void *field)
{
    config_print_quoted(to, *(const char *const *)field);
}

static bool take_digits(const char **text, int64_t *ret_value)
{
    int64_t value = 0;
    size_t digits = 0;
    for (; isdigit((unsigned char)**text); digits++, (*text)++) {
        if (digits == 15) return false;
        value = value * 10 + (**text - '0');
    }
    *ret_value = value;
    return digits > 0;
}

static bool keep_number(const struct row *row, int64_t value, struct config *config, char sentence[])
{
    if (value < row->min || value > row->max)
        return say(sentence, "it is out of range: %" PRId64 " to %" PRId64, row->min, row->max);
    *(int64_t *)field_of(row, config) = value;
    return true;
}

static bool parse_number(const struct row *row, const char *text, struct config *config, char sentence[])
{
    int64_t value;
    if (!take_digits(&text, &value) || *text) return say(sentence, "it is not a whole number");
    return keep_number(row, value, config, sentence);
}

static void print_number(FILE *to, const void *field)
{
    fprintf(to, "%" PRId64, *(const int64_t *)field);
}

static const struct unit {
    const char *name;
    int64_t bytes;
} units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};

static bool parse_size(const struct row *row, const char *text, struct config *config, char sentence[])
{
    int64_t value;
    if (!take_digits(&text, &value)) return say(sentence, "it is not a size such as 256MiB");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text, units[i].name) == 0)
            return keep_number(row, value > row->max / units[i].bytes ? INT64_MAX : value * units[i].bytes, config,
                               sentence);
    return say(sentence, "a size is a number with KiB, MiB or GiB");
}

static void print_size(FILE *to, const void *field)
{
    int64_t bytes = *(const int64_t *)field;
    size_t i = 0;
    while (bytes == 0 || bytes % units[i].bytes != 0)
        if (!units[++i].name[0]) break;
    fprintf(to, "%" PRId64 "%s", bytes / units[i].bytes, units[i].name);
}

/* Up to a day, so that it always fits. */
static const struct period_unit {
    const char *name;
    int64_t ms;
} period_units[] = {{"h", MS_PER_HOUR}, {"min", MS_PER_MINUTE}, {"s", 1000}};
enum { PERIOD_UNITS = sizeof period_units / sizeof *period_units };

static bool parse_period(const struct row *row, const char *text, struct config *config, char sentence[])
{
    int64_t value;
    if (!take_digits(&text, &value)) return say(sentence, "it is not a period such as 5min");
    if (value == 0 && !*text) return keep_number(row, 0, config, sentence);
    for (size_t i = 0; i < PERIOD_UNITS; i++) {
        if (strcmp(text, period_units[i].name) != 0) continue;
        if (value == 0 || value > row->max / period_units[i].ms)
            return say(sentence, "it is out of range: 1s to 24h, or 0 for none");
        return keep_number(row, value * period_units[i].ms, config, sentence);
    }
    return say(sentence, "a period is a number with s, min or h, or 0 for none");
}

static void print_period(FILE *to, const void *field)
{
    int64_t ms = *(const int64_t *)field;
    size_t i = 0;
    if (ms == 0) fputc('0', to);
    while (ms % period_units[i].ms != 0) i++;
    if (ms != 0) fprintf(to, "%" PRId64 "%s", ms / period_units[i].ms, period_units[i].name);
}

static bool parse_level(const struct row *row, const char *text, struct config *config, char sentence[])
{
    for (int i = 0; log_level_names[i]; i++) {
        if (strcmp(text, log_level_names[i]) != 0) continue;
        *(enum log_level *)field_of(row, config) = (enum log_level)i;
        return true;
    }
    return say(sentence, "it is none of debug, info, warn, error");
}

static void print_level(FILE *to, const void *field)
{
    fputs(log_level_names[*(const enum log_level *)field], to);
}

static bool parse_clock(const struct row *row, const char *text, struct config *config, char sentence[])
{
    static const char scaled[] = "scaled:";
    int64_t factor = 1;
    bool is_scaled = strncmp(text, scaled, sizeof scaled - 1) == 0;
    const char *rest = is_scaled ? text + sizeof scaled - 1 : "";
    if (!is_scaled && strcmp(text, "system") != 0 && strcmp(text, "manual") != 0)
        return say(sentence, "a clock is system, manual or scaled:N");
    if (is_scaled && (!take_digits(&rest, &factor) || *rest || factor < row->min || factor > row->max))
        return say(sentence, "a scaled clock runs %" PRId64 " to %" PRId64 " times as fast", row->min, row->max);
    return keep_text(row, text, config);
}

static bool parse_socket(const struct row *row, const char *text, struct config *config, char sentence[])
{
    bool is_socket = strncmp(text, "tcp://", 6) == 0 || strncmp(text, "ipc://", 6) == 0;
    if (!is_socket || !text[6]) return say(sentence, "a socket is tcp://ADDRESS:PORT or ipc://PATH");
    return parse_text(row, text, config, sentence);
}

static bool parse_address(const struct row *row, const char *text, struct config *config, char sentence[])
{
    struct sockaddr_in address;
    if (*text && !http_address(text, &address)) return say(sentence, "it is not an address such as 127.0.0.1:7449");
    return parse_text(row, text, config, sentence);
}

static const struct type type_text = {parse_text, print_text}, type_number = {parse_number, print_number},
                         type_size = {parse_size, print_size}, type_level = {parse_level, print_level},
                         type_clock = {parse_clock, print_text}, type_socket = {parse_socket, print_text},
                         type_address = {parse_address, print_text}, type_period = {parse_period, print_period};

/* --- the table ------------------------------------------------------------------------------------------- */

#define FIELD(name) offsetof(struct config, name)

static const struct row rows[] = {
    {"data", &type_text, "/var/lib/handoff", 1, 1024, FIELD(data), "Folder of the journal and its index."},
    {"pathways", &type_text, "/usr/local/share/handoff/pathways", 1, 1024, FIELD(pathways),
     "Folder of the pathways and the policy (*.yaml)."},
    {"retired_pathways", &type_text, "", 0, 1024, FIELD(retired_pathways),
     "Pathways whose file may be gone while episodes run on it: they go on with the text they began with."},
    {"clock", &type_clock, "system", 1, 1000000, FIELD(clock),
     "system; scaled:N runs N times as fast; manual moves by command only. A data folder keeps its kind of clock."},
    {"listen.front", &type_socket, "tcp://127.0.0.1:7447", 1, 256, FIELD(listen_front),
     "ZeroMQ socket for publishers, workers and questions."},
    {"listen.stream", &type_socket, "tcp://127.0.0.1:7448", 1, 256, FIELD(listen_stream),
     "ZeroMQ socket of the live stream (a doorbell; content is read from the front)."},
    {"listen.http", &type_address, "127.0.0.1:7449", 0, 64, FIELD(listen_http),
     "Address of /metrics, /healthz and /readyz. It asks nobody who they are; \"\" turns it off."},
    {"limits.batch_events", &type_number, "1024", 4, LIMIT_BATCH_EVENTS, FIELD(limit_batch_events),
     "Entries in one commit; the rest waits a turn."},
    {"limits.fire_per_turn", &type_number, "256", 1, LIMIT_BATCH_EVENTS, FIELD(limit_fire_per_turn),
     "Timers fired in one turn; the rest waits, events go first."},
    {"limits.changes", &type_number, "1000000", 1000, 100000000, FIELD(limit_changes),
     "Patients not yet in the index; at this many, intake pauses until it catches up."},
    {"journal.ahead", &type_size, "256MiB", 0, INT64_C(64) << 30, FIELD(journal_ahead_bytes),
     "Disk space prepared beyond the journal's end, so that commits need not grow the file."},
    {"heartbeat.every", &type_period, "0", 0, MS_PER_DAY, FIELD(heartbeat_every_ms),
     "A synthetic patient's timer travels the whole path to a worker so often; two that did not come through are "
     "on-call's. 0: none."},
    {"log.level", &type_level, "info", 0, 0, FIELD(log_level), "debug, info, warn or error."},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* --- reading --------------------------------------------------------------------------------------------- */

/* The next name of a dotted path after this prefix ("" or "listen."), or false when the path is not below it. */
static bool name_below(const char *path, const char *prefix, char ret_name[PATH_BYTES])
{
    size_t prefix_len = strlen(prefix);
    if (strncmp(path, prefix, prefix_len) != 0) return false;
    snprintf(ret_name, PATH_BYTES, "%.*s", (int)strcspn(path + prefix_len, "."), path + prefix_len);
    return true;
}

static void expect_keys_below(struct yaml_node mapping, const char *prefix, struct yaml_errors *errors)
{
    char names[GROUP_MAX_KEYS][PATH_BYTES];
    const char *allowed[GROUP_MAX_KEYS + 2];
    size_t count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        assert(count < GROUP_MAX_KEYS);
        if (!name_below(rows[i].key, prefix, names[count])) continue;
        bool is_new = count == 0 || strcmp(names[count], names[count - 1]) != 0;
        allowed[count] = names[count];
        count += is_new;
    }
    if (!*prefix) allowed[count++] = "sites";
    allowed[count] = NULL;
    yaml_expect_keys(mapping, allowed, errors);
}

static void expect_groups(struct yaml_node root, struct yaml_errors *errors)
{
    char group[PATH_BYTES], before[PATH_BYTES] = "", prefix[PATH_BYTES + 1];
    expect_keys_below(root, "", errors);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        name_below(rows[i].key, "", group);
        if (!strchr(rows[i].key, '.') || strcmp(group, before) == 0) continue;
        memcpy(before, group, sizeof before);
        snprintf(prefix, sizeof prefix, "%s.", group);
        struct yaml_node mapping = yaml_get(root, group);
        if (!yaml_is_null(mapping)) expect_keys_below(mapping, prefix, errors);
    }
}

static struct yaml_node find(struct yaml_node root, const char *path)
{
    char name[PATH_BYTES];
    name_below(path, "", name);
    const char *dot = strchr(path, '.');
    return dot ? yaml_get(yaml_get(root, name), dot + 1) : yaml_get(root, name);
}

static void read_row(const struct row *row, struct yaml_node root, struct config *config, struct yaml_errors *errors)
{
    char sentence[SENTENCE_BYTES];
    struct yaml_node node = find(root, row->key);
    if (!yaml_is_present(node)) {
        bool is_parsed = row->type->parse(row, row->fallback, config, sentence);
        assert(is_parsed);
        (void)is_parsed;
        return;
    }
    if (!yaml_is_null(node) && !yaml_expect_kind(node, YAML_SCALAR, errors)) return;
    const char *text = yaml_is_null(node) ? "" : yaml_text(node);
    if (!row->type->parse(row, text, config, sentence))
        yaml_error_add(errors, node, "%s is \"%.64s\": %s", row->key, text, sentence);
}

static struct config *read_config(const struct yaml *yaml, struct yaml_errors *errors)
{
    struct arena *arena = arena_new(ARENA_BYTES);
    if (!arena) {
        yaml_error_at(errors, yaml_file(yaml), 0, 0, "there is not enough memory to read it");
        return NULL;
    }
    struct config *config = ARENA_NEW(arena, struct config);
    config->arena = arena;
    struct yaml_node root = yaml_root(yaml);
    if (!yaml_expect_kind(root, YAML_MAPPING, errors)) return config;
    expect_groups(root, errors);
    for (size_t i = 0; i < ROW_COUNT; i++) read_row(&rows[i], root, config, errors);
    config_sites_read(config, root, errors);
    return config;
}

static struct config *read_and_close(struct yaml *yaml, struct yaml_errors *errors)
{
    if (!yaml) return NULL;
    size_t before = errors->count;
    struct config *config = read_config(yaml, errors);
    yaml_close(yaml);
    if (errors->count == before) return config;
    config_free(config);
    return NULL;
}

struct config *config_load(const char *path, struct yaml_errors *errors)
{
    return read_and_close(yaml_load_file(path, errors), errors);
}

struct config *config_load_memory(const char *name, const void *data, size_t bytes, struct yaml_errors *errors)
{
    return read_and_close(yaml_load_memory(name, data, bytes, errors), errors);
}

void config_free(struct config *config)
{
    if (!config) return;
    config_sites_free(config);
    arena_free(config->arena);
}

bool config_override(struct config *config, const char *key, const char *value, struct yaml_errors *errors)
{
    static const char from[] = "command line";
    const char *keys[ROW_COUNT + 1] = {0};
    char sentence[SENTENCE_BYTES];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        keys[i] = rows[i].key;
        if (strcmp(rows[i].key, key) != 0) continue;
        if (rows[i].type->parse(&rows[i], value, config, sentence)) return true;
        yaml_error_at(errors, from, 0, 0, "%s is \"%.64s\": %s", key, value, sentence);
        return false;
    }
    const char *nearest = yaml_nearest(key, keys);
    yaml_error_at(errors, from, 0, 0, "unknown key \"%.64s\"%s%s%s", key, nearest ? "; did you mean \"" : "",
                  nearest ? nearest : "", nearest ? "\"?" : "");
    return false;
}

/* --- printing -------------------------------------------------------------------------------------------- */

void config_print_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void config_print(FILE *to, const struct config *config)
{
    char group[PATH_BYTES], before[PATH_BYTES] = "";
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &rows[i];
        const char *dot = strchr(row->key, '.');
        name_below(row->key, "", group);
        if (dot && strcmp(group, before) != 0) fprintf(to, "%s:\n", group);
        memcpy(before, group, sizeof before);
        const char *indent = dot ? "  " : "";
        fprintf(to, "%s# %s\n%s%s: ", indent, row->doc, indent, dot ? dot + 1 : row->key);
        row->type->print(to, (const char *)config + row->offset);
        fputc('\n', to);
    }
    config_sites_print(to, config);
}
