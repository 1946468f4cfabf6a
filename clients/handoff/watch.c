/* handoff watch: follows a stream, a line an emission. The library sees to it that none is missed or told twice while it
 * runs; a position file (position.h) sees to it from one run to the next:
 *
 *     marked "telling" -> printed and flushed -> marked "told"
 *
 * It goes on behind what is "told". What is still "telling" is told again, since nobody knows whether it was seen: never
 * a gap, and a possible repeat of that one line is announced as such. */
#include "cli.h"
#include "describe.h"
#include "position.h"
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 1000 /* only how often the loop turns, and looks whether it was told to end */

struct watch_input {
    const char *from;
    const char *position_path; /* NULL: none */
    uint64_t count;            /* 0: for ever */
    bool has_file;
    bool is_new; /* the file: nothing was told yet */
    struct position_file file;
};

static error_t parse_watch(int key, char *argument, struct argp_state *state)
{
    struct watch_input *input = state->input;
    switch (key) {
    case 'f':
        input->from = argument;
        return 0;
    case 'p':
        input->position_path = argument;
        return 0;
    case 'n':
        input->count = cli_number(state, argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

#define LINE_BYTES 4096 /* longer sentences are cut */

static void print_emission(const Handoff__V1__Emission *emission)
{
    char line[LINE_BYTES], what[DESCRIPTION_BYTES], when[WHEN_TEXT_BYTES];
    snprintf(line, sizeof line, "#%" PRIu64 "  %s  %s  %s%s%s", emission->sequence,
             when_format(emission->at_ms, when), emission->patient_id,
             describe_emission(emission, what, sizeof what), *emission->reason ? ": " : "", emission->reason);
    puts(make_printable(line));
}

static void print_record(const Handoff__V1__RecordEmission *record)
{
    const Handoff__V1__TimelineEntry *entry = record->entry;
    char line[LINE_BYTES], when[WHEN_TEXT_BYTES];
    if (!entry) return;
    snprintf(line, sizeof line, "#%" PRIu64 "  %s  %s  %s (%s)", entry->sequence,
             when_format(entry->at_ms, when), record->patient_id, entry->input,
             WORD(handoff__v1__verdict__descriptor, entry->verdict));
    puts(make_printable(line));
    for (size_t i = 0; i < entry->n_steps; i++) {
        char step[DESCRIPTION_BYTES];
        if (entry->steps[i]->kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_FIRED) continue; /* the input */
        snprintf(line, sizeof line, "    %s%s%s", describe_step(entry->steps[i], step, sizeof step),
                 *entry->steps[i]->rule ? ": " : "", entry->steps[i]->rule);
        puts(make_printable(line));
    }
}

static int print_item(struct cli *cli, const struct handoff_watch_item *item)
{
    if (cli->is_json)
        return cli_print_json(item->record ? &item->record->base : &item->emission->base, false);
    if (item->record) {
        print_record(item->record);
    } else {
        print_emission(item->emission);
    }
    return EXIT_DONE;
}

/* A reader that goes away (head) ends the watch. */
static int tell(struct cli *cli, struct watch_input *input, const struct handoff_watch_item *item)
{
    struct position position = {.sequence = item->sequence, .item = item->position, .is_telling = true};
    int code = input->has_file ? position_mark(&input->file, &position) : EXIT_DONE;
    if (!code) code = print_item(cli, item);
    if (!code && fflush(stdout)) code = EXIT_REFUSED;
    position.is_telling = false;
    return !code && input->has_file ? position_mark(&input->file, &position) : code;
}

/* The next one; before it waits, the position is on the disk. */
static int await_item(struct watch_input *input, handoff_watch *watch, struct handoff_watch_item *item)
{
    int error = handoff_watch_next(watch, 0, item);
    if (error != HANDOFF_TIMEOUT || cli_is_told_to_end()) return error;
    if (input->has_file) position_sync(&input->file); /* what is wrong with it is said at the next mark */
    return handoff_watch_next(watch, WAIT_MS, item);
}

static int follow(struct cli *cli, struct watch_input *input, handoff_watch *watch)
{
    uint64_t seen = 0;
    while (!cli_is_told_to_end() && (!input->count || seen < input->count)) {
        struct handoff_watch_item item;
        int error = await_item(input, watch, &item);
        if (error == HANDOFF_TIMEOUT || error == HANDOFF_INTERRUPTED) continue;
        if (error) return cli_failed(cli, error);
        int code = tell(cli, input, &item);
        if (code) return code;
        seen++;
    }
    return input->has_file ? position_sync(&input->file) : EXIT_DONE;
}

/* Where the position file says, or --from as long as it says nothing. */
static int go_on_from_file(struct watch_input *input, const char *stream, struct handoff_watch_options *options)
{
    struct position position = {0};
    int code = position_open(input->position_path, stream, &input->file, &position, &input->is_new);
    if (code) return code;
    input->has_file = true;
    if (input->is_new) return EXIT_DONE;
    options->is_from_now = false;
    options->after_sequence = position.sequence;
    options->is_within = !position.is_whole;
    options->after_position = position.item;
    if (!position.is_telling) return EXIT_DONE;
    cli_say(EXIT_DONE, "the first line may have been shown before: the last watch ended while it was written");
    options->is_within = position.item > 0;
    if (position.item) options->after_position--;
    if (!position.item) options->after_sequence--;
    return EXIT_DONE;
}

/* So that what comes while nobody watches is not left out, though nothing was told yet. */
static int mark_begin(struct watch_input *input, const handoff_watch *watch)
{
    if (!input->is_new) return EXIT_DONE;
    const struct position position = {.sequence = handoff_watch_position(watch), .is_whole = true};
    int code = position_mark(&input->file, &position);
    return code ? code : position_sync(&input->file);
}

static int read_from(const char *from, struct handoff_watch_options *options)
{
    char *end = NULL;
    options->is_from_now = strcmp(from, "now") == 0;
    if (options->is_from_now || strcmp(from, "beginning") == 0) return EXIT_DONE;
    errno = 0;
    options->after_sequence = strtoull(from, &end, 10);
    bool is_number = *from >= '0' && *from <= '9' && !*end && !errno;
    return is_number ? EXIT_DONE
                     : cli_say(EXIT_MISUSED, "--from is now, beginning or a sequence, not \"%s\"", from);
}

static int watch_stream(struct cli *cli, struct watch_input *input, const struct handoff_watch_options *options)
{
    handoff_watch *watch = NULL;
    int code = cli_connect(cli);
    if (code) return code;
    int error = handoff_watch_open(cli->client, options, &watch);
    if (error == HANDOFF_SOCKET)
        return cli_say(EXIT_MISUSED, "the stream's endpoint is none like tcp://HOST:PORT");
    if (error) return cli_failed(cli, error);
    code = mark_begin(input, watch);
    if (!code) code = follow(cli, input, watch);
    handoff_watch_close(&watch);
    return code;
}

int run_watch(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option own[] = {
        {"from", 'f', "now|beginning|SEQUENCE", 0, "what comes after it (now)", 0},
        {"count", 'n', "N", 0, "end after this many (never)", 0},
        {"position", 'p', "FILE", 0, "keep there what was shown, and go on behind it; --from is for the first time", 0},
        {0},
    };
    struct watch_input input = {.from = "now"};
    const struct syntax syntax = {.arguments = "STREAM",
                                  .summary =
                                      "Follows a stream: task, escalation, status, record or audit. Survives "
                                      "restarts of the daemon; misses nothing and repeats nothing. With --position that "
                                      "holds over its own restarts too; if it is killed while it writes a line, that "
                                      "line comes again, and it says so.",
                                  .options = own,
                                  .parse = parse_watch,
                                  .input = &input,
                                  .least = 1,
                                  .most = 1};
    const char *name = NULL;
    cli_parse(cli, &syntax, argc, argv, &name);
    const ProtobufCEnumValue *stream = handoff_enum_find(&handoff__v1__stream__descriptor, name);
    if (!stream || !stream->value) {
        return cli_say(EXIT_MISUSED, "there is no stream \"%s\": task, escalation, status, record, audit",
                       name);
    }
    struct handoff_watch_options options = {.stream = (Handoff__V1__Stream)stream->value,
                                            .endpoint = cli->stream};
    char word[64];
    handoff_enum_word(&handoff__v1__stream__descriptor, stream->value, word, sizeof word);
    int code = read_from(input.from, &options);
    if (!code && input.position_path) code = go_on_from_file(&input, word, &options);
    if (code) return code;
    if (input.has_file) cli_mind_signals(); /* ends between two lines */
    code = watch_stream(cli, &input, &options);
    if (input.has_file) position_close(&input.file);
    return code;
}
