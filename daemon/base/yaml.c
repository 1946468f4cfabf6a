/* See yaml.h. A load reads the text twice: first as events, where everything that this project does not want in
 * its files is refused while it is still cheap, then as a document. The files are small and read at start. */
#include "base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct yaml {
    yaml_document_t document;
    char file[sizeof ((struct yaml_error *)0)->file];
};

struct text { /* what is being loaded */
    const char *name;
    const unsigned char *data;
    size_t bytes;
};

/* --- errors ---------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 0))) static void add_error(struct yaml_errors *errors, const char *file, int line,
                                                            int column, const char *format, va_list args)
{
    size_t at = errors->count++;
    if (at >= YAML_MAX_ERRORS) return;
    struct yaml_error *error = &errors->list[at];
    snprintf(error->file, sizeof error->file, "%s", file);
    error->line = line;
    error->column = column;
    vsnprintf(error->sentence, sizeof error->sentence, format, args);
}

void yaml_error_add(struct yaml_errors *errors, struct yaml_node node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(errors, node.yaml ? node.yaml->file : "", yaml_line(node), yaml_column(node), format, args);
    va_end(args);
}

void yaml_error_at(struct yaml_errors *errors, const char *file, int line, int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_error(errors, file, line, column, format, args);
    va_end(args);
}

void yaml_error_write(const struct yaml_error *e, char *ret_text, size_t size)
{
    if (e->line)
        snprintf(ret_text, size, "%s:%d:%d: %s", e->file, e->line, e->column, e->sentence);
    else
        snprintf(ret_text, size, "%s%s%s", e->file, e->file[0] ? ": " : "", e->sentence);
}

void yaml_errors_print(FILE *to, const struct yaml_errors *errors)
{
    char text[YAML_ERROR_TEXT_BYTES];
    for (size_t i = 0; i < errors->count && i < YAML_MAX_ERRORS; i++) {
        yaml_error_write(&errors->list[i], text, sizeof text);
        fprintf(to, "%s\n", text);
    }
    if (errors->count > YAML_MAX_ERRORS) fprintf(to, "and %zu more\n", errors->count - YAML_MAX_ERRORS);
}

/* --- nearest name ---------------------------------------------------------------------------------------- */

enum { NEAREST_MAX = 63 }; /* longer names are not guessed at */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein: single letters added, left out or exchanged. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), row[NEAREST_MAX + 1];
    if (a_len > NEAREST_MAX || b_len > NEAREST_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++) row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *yaml_nearest(const char *text, const char *const candidates[])
{
    const char *nearest = NULL;
    size_t least = 2 + strlen(text) / 4; /* further away than that is another word, not a slip */
    for (size_t i = 0; candidates[i]; i++) {
        size_t distance = edit_distance(text, candidates[i]);
        if (distance >= least) continue;
        least = distance;
        nearest = candidates[i];
    }
    return nearest;
}

/* --- loading --------------------------------------------------------------------------------------------- */

static void refuse(const struct text *text, const yaml_mark_t *mark, struct yaml_errors *errors, const char *sentence)
{
    yaml_error_at(errors, text->name, (int)mark->line + 1, (int)mark->column + 1, "%s", sentence);
}

/* The reader's complaints (bad UTF-8, control characters) carry an offset in bytes instead of a mark. */
static void refuse_reader(const struct text *text, const yaml_parser_t *parser, struct yaml_errors *errors)
{
    size_t offset = parser->problem_offset < text->bytes ? parser->problem_offset : text->bytes;
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset; i++) {
        bool is_line_end = text->data[i] == '\n';
        mark.line += is_line_end;
        mark.column = is_line_end ? 0 : mark.column + 1;
    }
    refuse(text, &mark, errors, parser->problem);
}

static void refuse_syntax(const struct text *text, const yaml_parser_t *parser, struct yaml_errors *errors)
{
    if (parser->error == YAML_MEMORY_ERROR)
        yaml_error_at(errors, text->name, 0, 0, "there is not enough memory to read it");
    else if (parser->error == YAML_READER_ERROR)
        refuse_reader(text, parser, errors);
    else
        yaml_error_at(errors, text->name, (int)parser->problem_mark.line + 1, (int)parser->problem_mark.column + 1,
                      "%s%s%s", parser->problem, parser->context ? " " : "", parser->context ? parser->context : "");
}

struct survey { /* what the events have shown so far */
    size_t nodes, documents;
    int depth;
};

static const char *anchor_of(const yaml_event_t *e)
{
    const yaml_char_t *anchor = e->type == YAML_SCALAR_EVENT           ? e->data.scalar.anchor
                                : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
                                : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.anchor
                                                                       : NULL;
    return (const char *)anchor;
}

static const char *tag_of(const yaml_event_t *e)
{
    const yaml_char_t *tag = e->type == YAML_SCALAR_EVENT           ? e->data.scalar.tag
                             : e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.tag
                             : e->type == YAML_MAPPING_START_EVENT  ? e->data.mapping_start.tag
                                                                    : NULL;
    return (const char *)tag;
}

static void count_event(struct survey *survey, const yaml_event_t *e)
{
    bool is_start = e->type == YAML_SEQUENCE_START_EVENT || e->type == YAML_MAPPING_START_EVENT;
    bool is_end = e->type == YAML_SEQUENCE_END_EVENT || e->type == YAML_MAPPING_END_EVENT;
    survey->depth += is_start - is_end;
    survey->nodes += is_start || e->type == YAML_SCALAR_EVENT;
    survey->documents += e->type == YAML_DOCUMENT_START_EVENT;
}

/* The sentence to refuse this event with, or NULL. */
static const char *complaint(const struct survey *survey, const yaml_event_t *e)
{
    if (survey->documents > 1) return "a second document begins here; a file holds one";
    if (survey->depth > YAML_MAX_DEPTH) return "this is nested too deeply";
    if (survey->nodes > YAML_MAX_NODES) return "the file has too many entries";
    if (e->type == YAML_ALIAS_EVENT || anchor_of(e)) return "anchors and aliases are not used here: write it out";
    if (tag_of(e)) return "tags (!...) are not used here";
    if (e->type == YAML_SCALAR_EVENT && memchr(e->data.scalar.value, 0, e->data.scalar.length))
        return "a text must not hold a NUL character";
    return NULL;
}

/* Every round consumes input or ends, so the text bounds the loop. */
static bool survey_events(yaml_parser_t *parser, const struct text *text, struct yaml_errors *errors)
{
    struct survey survey = {0};
    for (bool at_end = false; !at_end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            refuse_syntax(text, parser, errors);
            return false;
        }
        count_event(&survey, &event);
        const char *sentence = complaint(&survey, &event);
        if (sentence) refuse(text, &event.start_mark, errors, sentence);
        at_end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (sentence) return false;
    }
    if (!survey.documents) yaml_error_at(errors, text->name, 0, 0, "the file is empty");
    return survey.documents == 1;
}

static bool start_parser(yaml_parser_t *parser, const struct text *text, struct yaml_errors *errors)
{
    if (!yaml_parser_initialize(parser)) {
        yaml_error_at(errors, text->name, 0, 0, "there is not enough memory to read it");
        return false;
    }
    yaml_parser_set_input_string(parser, text->data, text->bytes);
    return true;
}

static bool survey_text(const struct text *text, struct yaml_errors *errors)
{
    yaml_parser_t parser;
    if (!start_parser(&parser, text, errors)) return false;
    bool is_fine = survey_events(&parser, text, errors);
    yaml_parser_delete(&parser);
    return is_fine;
}

static struct yaml *parse_text(const struct text *text, struct yaml_errors *errors)
{
    struct yaml *yaml = calloc(1, sizeof *yaml);
    yaml_parser_t parser;
    if (!yaml || !start_parser(&parser, text, errors)) {
        if (!yaml) yaml_error_at(errors, text->name, 0, 0, "there is not enough memory to read it");
        free(yaml);
        return NULL;
    }
    snprintf(yaml->file, sizeof yaml->file, "%s", text->name);
    if (!yaml_parser_load(&parser, &yaml->document)) {
        refuse_syntax(text, &parser, errors);
        free(yaml);
        yaml = NULL;
    }
    yaml_parser_delete(&parser);
    return yaml;
}

static int by_text_then_place(const void *a, const void *b)
{
    struct yaml_node left = *(const struct yaml_node *)a, right = *(const struct yaml_node *)b;
    int order = strcmp(yaml_text(left), yaml_text(right));
    return order ? order : left.id - right.id;
}

static void refuse_repeated_keys(struct yaml_node keys[], size_t count, struct yaml_errors *errors)
{
    qsort(keys, count, sizeof keys[0], by_text_then_place);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(yaml_text(keys[i - 1]), yaml_text(keys[i])) != 0) continue;
        yaml_error_add(errors, keys[i], "the key \"%s\" stands twice in this mapping (first on line %d)",
                       yaml_text(keys[i]), yaml_line(keys[i - 1]));
    }
}

static void check_keys(struct yaml_node mapping, struct yaml_node scratch[], struct yaml_errors *errors)
{
    size_t count = 0;
    for (size_t i = 0; i < yaml_size(mapping); i++) {
        struct yaml_node key = yaml_key(mapping, i);
        if (yaml_text(key))
            scratch[count++] = key;
        else
            yaml_error_add(errors, key, "a key must be plain text");
    }
    if (count > 1) refuse_repeated_keys(scratch, count, errors);
}

/* Of every mapping, at load, so that no reader can forget it. */
static void check_all_keys(const struct yaml *yaml, struct yaml_errors *errors)
{
    int count = (int)(yaml->document.nodes.top - yaml->document.nodes.start);
    struct yaml_node *scratch = calloc((size_t)count, sizeof *scratch);
    if (!scratch) {
        yaml_error_at(errors, yaml->file, 0, 0, "there is not enough memory to read it");
        return;
    }
    for (int id = 1; id <= count; id++) {
        struct yaml_node node = {yaml, id};
        if (yaml_kind(node) == YAML_MAPPING) check_keys(node, scratch, errors);
    }
    free(scratch);
}

struct yaml *yaml_load_memory(const char *name, const void *data, size_t bytes, struct yaml_errors *errors)
{
    struct text text = {name, data, bytes};
    size_t errors_before = errors->count;
    if (bytes > YAML_MAX_BYTES) {
        yaml_error_at(errors, name, 0, 0, "the file is larger than %d bytes", YAML_MAX_BYTES);
        return NULL;
    }
    struct yaml *yaml = survey_text(&text, errors) ? parse_text(&text, errors) : NULL;
    if (yaml) check_all_keys(yaml, errors);
    if (errors->count == errors_before) return yaml;
    yaml_close(yaml);
    return NULL;
}

struct yaml *yaml_load_file(const char *path, struct yaml_errors *errors)
{
    FILE *file = fopen(path, "re");
    char *data = malloc(YAML_MAX_BYTES + 1);
    struct yaml *yaml = NULL;
    size_t bytes = file && data ? fread(data, 1, YAML_MAX_BYTES + 1, file) : 0;
    if (!file || !data || ferror(file))
        yaml_error_at(errors, path, 0, 0, "it cannot be read: %s", strerror(errno));
    else
        yaml = yaml_load_memory(path, data, bytes, errors);
    free(data);
    if (file) fclose(file);
    return yaml;
}

void yaml_close(struct yaml *yaml)
{
    if (!yaml) return;
    yaml_document_delete(&yaml->document);
    free(yaml);
}

/* --- looking --------------------------------------------------------------------------------------------- */

static const struct yaml_node absent = {NULL, 0};

/* libyaml's accessor wants a document it may write to and never writes; so the array is read directly. */
static const yaml_node_t *node_of(struct yaml_node node)
{
    if (!node.yaml || node.id < 1) return NULL;
    const yaml_node_t *at = node.yaml->document.nodes.start + (node.id - 1);
    assert(at < node.yaml->document.nodes.top);
    return at;
}

const char *yaml_file(const struct yaml *yaml)
{
    return yaml->file;
}

struct yaml_node yaml_root(const struct yaml *yaml)
{
    return (struct yaml_node){yaml, 1};
}

enum yaml_kind yaml_kind(struct yaml_node node)
{
    static const enum yaml_kind kinds[] = {
        [YAML_NO_NODE] = YAML_NONE,
        [YAML_SCALAR_NODE] = YAML_SCALAR,
        [YAML_SEQUENCE_NODE] = YAML_SEQUENCE,
        [YAML_MAPPING_NODE] = YAML_MAPPING,
    };
    const yaml_node_t *at = node_of(node);
    return at ? kinds[at->type] : YAML_NONE;
}

bool yaml_is_present(struct yaml_node node)
{
    return node_of(node) != NULL;
}

bool yaml_is_null(struct yaml_node node)
{
    if (!yaml_is_present(node)) return true;
    const char *text = yaml_text(node);
    return text && !yaml_is_quoted(node) && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

int yaml_line(struct yaml_node node)
{
    const yaml_node_t *at = node_of(node);
    return at ? (int)at->start_mark.line + 1 : 0;
}

int yaml_column(struct yaml_node node)
{
    const yaml_node_t *at = node_of(node);
    return at ? (int)at->start_mark.column + 1 : 0;
}

size_t yaml_size(struct yaml_node node)
{
    const yaml_node_t *at = node_of(node);
    if (at && at->type == YAML_SEQUENCE_NODE)
        return (size_t)(at->data.sequence.items.top - at->data.sequence.items.start);
    if (at && at->type == YAML_MAPPING_NODE)
        return (size_t)(at->data.mapping.pairs.top - at->data.mapping.pairs.start);
    return 0;
}

struct yaml_node yaml_item(struct yaml_node sequence, size_t i)
{
    if (yaml_kind(sequence) != YAML_SEQUENCE || i >= yaml_size(sequence)) return absent;
    return (struct yaml_node){sequence.yaml, node_of(sequence)->data.sequence.items.start[i]};
}

struct yaml_node yaml_key(struct yaml_node mapping, size_t i)
{
    if (yaml_kind(mapping) != YAML_MAPPING || i >= yaml_size(mapping)) return absent;
    return (struct yaml_node){mapping.yaml, node_of(mapping)->data.mapping.pairs.start[i].key};
}

struct yaml_node yaml_value(struct yaml_node mapping, size_t i)
{
    if (yaml_kind(mapping) != YAML_MAPPING || i >= yaml_size(mapping)) return absent;
    return (struct yaml_node){mapping.yaml, node_of(mapping)->data.mapping.pairs.start[i].value};
}

struct yaml_node yaml_get(struct yaml_node mapping, const char *key)
{
    if (yaml_kind(mapping) != YAML_MAPPING) return absent;
    for (size_t i = 0; i < yaml_size(mapping); i++)
        if (strcmp(yaml_text(yaml_key(mapping, i)), key) == 0) return yaml_value(mapping, i);
    return absent;
}

const char *yaml_text(struct yaml_node node)
{
    const yaml_node_t *at = node_of(node);
    return at && at->type == YAML_SCALAR_NODE ? (const char *)at->data.scalar.value : NULL;
}

bool yaml_is_quoted(struct yaml_node node)
{
    const yaml_node_t *at = node_of(node);
    return at && at->type == YAML_SCALAR_NODE && at->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

/* --- reading --------------------------------------------------------------------------------------------- */

static const char *article_and_kind(enum yaml_kind kind)
{
    static const char *const names[] = {"nothing", "a single value", "a list", "a mapping (key: value)"};
    return names[kind];
}

bool yaml_expect_kind(struct yaml_node node, enum yaml_kind kind, struct yaml_errors *errors)
{
    if (yaml_kind(node) == kind) return true;
    yaml_error_add(errors, node, "here must be %s, not %s", article_and_kind(kind),
                   yaml_is_null(node) ? "nothing" : article_and_kind(yaml_kind(node)));
    return false;
}

static bool contains(const char *const names[], const char *text, size_t *ret_index)
{
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], text) != 0) continue;
        *ret_index = i;
        return true;
    }
    return false;
}

static void add_unknown(struct yaml_node node, const char *what, const char *const names[], struct yaml_errors *errors)
{
    const char *nearest = yaml_nearest(yaml_text(node), names);
    if (nearest)
        yaml_error_add(errors, node, "unknown %s \"%.64s\"; did you mean \"%s\"?", what, yaml_text(node), nearest);
    else
        yaml_error_add(errors, node, "unknown %s \"%.64s\"", what, yaml_text(node));
}

bool yaml_expect_keys(struct yaml_node mapping, const char *const allowed[], struct yaml_errors *errors)
{
    if (!yaml_expect_kind(mapping, YAML_MAPPING, errors)) return false;
    bool is_fine = true;
    for (size_t i = 0; i < yaml_size(mapping); i++) {
        struct yaml_node key = yaml_key(mapping, i);
        size_t index;
        if (contains(allowed, yaml_text(key), &index)) continue;
        add_unknown(key, "key", allowed, errors);
        is_fine = false;
    }
    return is_fine;
}

struct yaml_node yaml_require(struct yaml_node mapping, const char *key, struct yaml_errors *errors)
{
    struct yaml_node value = yaml_get(mapping, key);
    if (!yaml_is_present(value)) yaml_error_add(errors, mapping, "the key \"%s\" is missing here", key);
    return value;
}

static bool is_integer(const char *text, int64_t *ret_value)
{
    char *end;
    if (!*text || strspn(text, "+-0123456789") != strlen(text)) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end) return false;
    *ret_value = value;
    return true;
}

bool yaml_read_int(struct yaml_node node, int64_t min, int64_t max, int64_t *ret_value, struct yaml_errors *errors)
{
    int64_t value;
    if (!yaml_expect_kind(node, YAML_SCALAR, errors)) return false;
    if (yaml_is_quoted(node) || !is_integer(yaml_text(node), &value)) {
        yaml_error_add(errors, node, "\"%.64s\" is not a whole number", yaml_text(node));
        return false;
    }
    if (value < min || value > max) {
        yaml_error_add(errors, node, "%lld is out of range: %lld to %lld", (long long)value, (long long)min,
                       (long long)max);
        return false;
    }
    *ret_value = value;
    return true;
}

bool yaml_read_bool(struct yaml_node node, bool *ret_value, struct yaml_errors *errors)
{
    static const char *const names[] = {"false", "true", NULL};
    size_t index;
    if (!yaml_expect_kind(node, YAML_SCALAR, errors)) return false;
    if (yaml_is_quoted(node) || !contains(names, yaml_text(node), &index)) {
        yaml_error_add(errors, node, "\"%.64s\" is neither true nor false", yaml_text(node));
        return false;
    }
    *ret_value = index == 1;
    return true;
}

bool yaml_read_string(struct yaml_node node, size_t max_bytes, const char **ret_text, struct yaml_errors *errors)
{
    if (!yaml_expect_kind(node, YAML_SCALAR, errors)) return false;
    size_t bytes = strlen(yaml_text(node));
    if (bytes == 0 || bytes > max_bytes) {
        yaml_error_add(errors, node, "this text has %zu bytes; 1 to %zu are allowed", bytes, max_bytes);
        return false;
    }
    *ret_text = yaml_text(node);
    return true;
}

bool yaml_read_name(struct yaml_node node, const char *what, const char *const names[], size_t *ret_index,
                    struct yaml_errors *errors)
{
    if (!yaml_expect_kind(node, YAML_SCALAR, errors)) return false;
    if (contains(names, yaml_text(node), ret_index)) return true;
    add_unknown(node, what, names, errors);
    return false;
}
