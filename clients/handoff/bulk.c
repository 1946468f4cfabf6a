/* A file of events: one a line in protobuf's JSON, published in batches with several on the way. Safe to
 * repeat, since every event brings its id; a line without one is refused here. Bounds: a line of 1 MiB; the
 * first GROUPS_MOST kinds of refusal; memory by the publisher's batches. */
#include "bulk.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES      (1024 * 1024)
#define GROUPS_MOST     100
#define GROUP_LINES     5
#define BAR_WIDTH       30
#define BULK_TIMEOUT_MS 60000 /* a daemon's restart in the middle is waited for */

/* Refusals for the same reason. */
struct group {
    Handoff__V1__Code code;
    char sentence[HANDOFF_SENTENCE_BYTES];
    char field[128];
    uint64_t count;
    uint64_t lines[GROUP_LINES]; /* the first few */
};

struct bulk {
    struct cli *cli;
    const struct bulk_options *options;
    FILE *file;
    handoff_publisher *publisher;
    char *line;
    uint64_t line_number;
    uint64_t published, accepted, duplicates, refused, unanswered;
    struct group groups[GROUPS_MOST];
    size_t group_count;
    uint64_t other_refusals;
    off_t file_bytes; /* 0: not known */
    int64_t shown_at_ms;
    bool has_bar;
};

/* --- refusals
 * ------------------------------------------------------------------------------------------------------ */

static struct group *find_group(struct bulk *bulk, const struct handoff_result *result)
{
    for (size_t i = 0; i < bulk->group_count; i++) {
        struct group *group = &bulk->groups[i];
        bool is_same = group->code == result->code && strcmp(group->sentence, result->sentence) == 0 &&
                       strcmp(group->field, result->field) == 0;
        if (is_same) return group;
    }
    if (bulk->group_count == GROUPS_MOST) return NULL;
    struct group *group = &bulk->groups[bulk->group_count++];
    group->code = result->code;
    memcpy(group->sentence, result->sentence, sizeof group->sentence);
    memcpy(group->field, result->field, sizeof group->field);
    return group;
}

static void hide_bar(struct bulk *bulk)
{
    if (bulk->has_bar) fputs("\r\033[K", stderr);
    bulk->shown_at_ms = 0;
}

static void refuse(struct bulk *bulk, uint64_t line, const struct handoff_result *result)
{
    bulk->refused++;
    struct group *group = find_group(bulk, result);
    if (group && group->count < GROUP_LINES) group->lines[group->count] = line;
    if (group) group->count++;
    if (!group) bulk->other_refusals++;
    if (!bulk->options->is_each_named) return;
    char word[64];
    cli_code_word(result->code, word, sizeof word);
    hide_bar(bulk);
    cli_say(0, "line %" PRIu64 ": refused (%s%s%s): %s", line, word, *result->field ? ", field " : "",
            result->field, result->sentence);
}

__attribute__((format(printf, 4, 5))) static void refuse_here(struct bulk *bulk, Handoff__V1__Code code,
                                                              const char *field, const char *format, ...)
{
    struct handoff_result result = {.code = code};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result.sentence, sizeof result.sentence, format, arguments);
    va_end(arguments);
    snprintf(result.field, sizeof result.field, "%s", field);
    refuse(bulk, bulk->line_number, &result);
}

static void on_result(void *context, void *event_context, const struct handoff_result *result)
{
    struct bulk *bulk = context;
    uint64_t line = (uint64_t)(uintptr_t)event_context;
    if (result->code == HANDOFF__V1__CODE__CODE_ACCEPTED) {
        bulk->accepted++;
    } else if (result->code == HANDOFF__V1__CODE__CODE_DUPLICATE) {
        bulk->duplicates++;
    } else if (result->code == HANDOFF__V1__CODE__CODE_UNAVAILABLE) {
        bulk->unanswered++;
    } else {
        refuse(bulk, line, result);
    }
}

/* --- progress
 * ------------------------------------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show_bar(struct bulk *bulk)
{
    if (!bulk->has_bar || now_ms() - bulk->shown_at_ms < 100) return;
    bulk->shown_at_ms = now_ms();
    uint64_t done = bulk->accepted + bulk->duplicates + bulk->refused;
    off_t at = bulk->file_bytes ? ftello(bulk->file) : 0;
    int percent = bulk->file_bytes && at > 0 ? (int)(at * 100 / bulk->file_bytes) : 0;
    int filled = percent * BAR_WIDTH / 100;
    fprintf(stderr, "\r\033[K[%.*s%*s] %3d %%  %" PRIu64 " events, %" PRIu64 " refused", filled,
            "##############################", BAR_WIDTH - filled, "", percent, done, bulk->refused);
    fflush(stderr);
}

/* --- lines
 * ---------------------------------------------------------------------------------------------------------
 */

static void skip_line(FILE *file)
{
    int c;
    while ((c = getc(file)) != EOF && c != '\n') {
    }
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r\n")] == 0;
}

/* False at the end. A line that is too long is refused and skipped. */
static bool next_line(struct bulk *bulk, size_t *ret_len)
{
    while (fgets(bulk->line, LINE_BYTES, bulk->file)) {
        bulk->line_number++;
        size_t len = strlen(bulk->line);
        bool is_whole = len + 1 < LINE_BYTES || bulk->line[len - 1] == '\n';
        if (!is_whole) {
            skip_line(bulk->file);
            refuse_here(bulk, HANDOFF__V1__CODE__CODE_TOO_LARGE, "", "the line is longer than 1 MiB");
            continue;
        }
        if (is_blank(bulk->line)) continue;
        *ret_len = len;
        return true;
    }
    return false;
}

static int publish_line(struct bulk *bulk, size_t len)
{
    struct handoff_json_error error;
    ProtobufCMessage *message = NULL;
    int code = handoff_json_parse(&handoff__v1__event__descriptor, bulk->line, len, &error, &message);
    if (code == HANDOFF_BAD_JSON) {
        refuse_here(bulk, HANDOFF__V1__CODE__CODE_MALFORMED, error.path, "%s %s",
                    *error.path ? error.path : "the line", error.sentence);
        return 0;
    }
    if (code) return code;
    Handoff__V1__Event *event = (Handoff__V1__Event *)message;
    if (!*event->id) {
        refuse_here(bulk, HANDOFF__V1__CODE__CODE_BAD_ID, "id",
                    "the line has no id; without one it is not safe to repeat");
    } else {
        code = handoff_publisher_add(bulk->publisher, event, (void *)(uintptr_t)bulk->line_number);
        if (!code) bulk->published++;
        if (code == HANDOFF_TOO_LARGE) {
            refuse_here(bulk, HANDOFF__V1__CODE__CODE_TOO_LARGE, "", "the event is larger than 64 KiB");
            code = 0;
        }
    }
    handoff__v1__event__free_unpacked(event, NULL);
    return code;
}

static int publish_lines(struct bulk *bulk)
{
    size_t len = 0;
    int error = 0;
    while (!error && !bulk->unanswered && next_line(bulk, &len)) {
        error = publish_line(bulk, len);
        show_bar(bulk);
    }
    int flush_error = handoff_publisher_flush(bulk->publisher);
    hide_bar(bulk);
    if (!error && ferror(bulk->file)) return cli_say(EXIT_REFUSED, "cannot read %s", bulk->options->path);
    if (!error && bulk->unanswered) {
        return cli_say(EXIT_UNREACHABLE,
                       "%" PRIu64 " events were not answered; read up to line %" PRIu64
                       "; repeating the command is safe",
                       bulk->unanswered, bulk->line_number);
    }
    if (!error) error = flush_error;
    return error ? cli_failed(bulk->cli, error) : EXIT_DONE;
}

/* --- summary
 * ------------------------------------------------------------------------------------------------------- */

static json_t *group_json(const struct group *group)
{
    char word[64];
    cli_code_word(group->code, word, sizeof word);
    json_t *lines = json_array();
    for (uint64_t i = 0; i < group->count && i < GROUP_LINES; i++) {
        json_array_append_new(lines, json_integer((json_int_t)group->lines[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:o}", "code", word, "sentence", group->sentence, "field",
                     group->field, "count", (json_int_t)group->count, "firstLines", lines);
}

static void print_summary_json(const struct bulk *bulk)
{
    json_t *refusals = json_array();
    for (size_t i = 0; i < bulk->group_count; i++)
        json_array_append_new(refusals, group_json(&bulk->groups[i]));
    json_t *summary =
        json_pack("{s:I, s:I, s:I, s:I, s:o}", "accepted", (json_int_t)bulk->accepted, "duplicates",
                  (json_int_t)bulk->duplicates, "refused", (json_int_t)bulk->refused, "unanswered",
                  (json_int_t)bulk->unanswered, "refusals", refusals);
    json_dumpf(summary, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(summary);
}

static void print_groups(const struct bulk *bulk)
{
    static const struct column columns[] = {{.name = "REFUSED", .is_right = true},
                                            {.name = "CODE"},
                                            {.name = "FIRST LINES"},
                                            {.name = "BECAUSE", .share = 0.5}};
    struct libscols_table *table = table_open(columns, 4);
    for (size_t i = 0; i < bulk->group_count; i++) {
        const struct group *group = &bulk->groups[i];
        struct libscols_line *line = table_line(table, NULL);
        char word[64], lines[128] = "";
        cli_code_word(group->code, word, sizeof word);
        for (uint64_t k = 0; k < group->count && k < GROUP_LINES; k++) {
            size_t len = strlen(lines);
            snprintf(lines + len, sizeof lines - len, "%s%" PRIu64, k ? ", " : "", group->lines[k]);
        }
        table_cellf(line, 0, "%" PRIu64, group->count);
        table_cell(line, 1, word);
        table_cellf(line, 2, "%s%s", lines, group->count > GROUP_LINES ? ", ..." : "");
        table_cellf(line, 3, "%s%s%s%s", group->sentence, *group->field ? " (field " : "", group->field,
                    *group->field ? ")" : "");
    }
    table_print(table, NULL, NULL);
    if (bulk->other_refusals) printf("and %" PRIu64 " refused for other reasons\n", bulk->other_refusals);
}

static void print_summary(const struct bulk *bulk)
{
    if (bulk->cli->is_json) {
        print_summary_json(bulk);
        return;
    }
    printf("%" PRIu64 " accepted, %" PRIu64 " duplicates, %" PRIu64 " refused\n", bulk->accepted,
           bulk->duplicates, bulk->refused);
    if (!bulk->options->is_each_named) print_groups(bulk);
}

/* --- opening
 * ------------------------------------------------------------------------------------------------------- */

static int open_file(struct bulk *bulk)
{
    const char *path = bulk->options->path;
    bulk->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!bulk->file) return cli_say(EXIT_REFUSED, "cannot open %s: %s", path, strerror(errno));
    struct stat status;
    if (fstat(fileno(bulk->file), &status) == 0 && S_ISREG(status.st_mode)) bulk->file_bytes = status.st_size;
    bulk->has_bar = bulk->options->has_progress && isatty(STDERR_FILENO);
    return EXIT_DONE;
}

static int run_bulk(struct bulk *bulk)
{
    int code = open_file(bulk);
    if (!code) code = cli_connect_patiently(bulk->cli, BULK_TIMEOUT_MS);
    if (code) return code;
    const struct handoff_publisher_options options = {.on_result = on_result, .context = bulk};
    int error = handoff_publisher_open(bulk->cli->client, &options, &bulk->publisher);
    if (error) return cli_failed(bulk->cli, error);
    code = publish_lines(bulk);
    print_summary(bulk);
    if (code) return code;
    return bulk->refused ? EXIT_REFUSED : EXIT_DONE;
}

int bulk_publish(struct cli *cli, const struct bulk_options *options)
{
    struct bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk) bulk->line = malloc(LINE_BYTES);
    int code = EXIT_REFUSED;
    if (bulk && bulk->line) {
        bulk->cli = cli;
        bulk->options = options;
        code = run_bulk(bulk);
    } else {
        cli_say(code, "%s", handoff_error(HANDOFF_NO_MEMORY));
    }
    if (bulk) {
        handoff_publisher_close(&bulk->publisher);
        if (bulk->file && bulk->file != stdin) fclose(bulk->file);
        free(bulk->line);
        free(bulk);
    }
    return code;
}
