/* handoff watch: follows a stream, a line an emission. The library sees to it that none is missed or told
 * twice. */
#include "cli.h"
#include "describe.h"
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000 /* only how often the loop turns */

struct watch_input {
    const char *from;
    uint64_t count; /* 0: for ever */
};

static error_t parse_watch(int key, char *argument, struct argp_state *state)
{
    struct watch_input *input = state->input;
    switch (key) {
    case 'f':
        input->from = argument;
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
static int follow(struct cli *cli, handoff_watch *watch, uint64_t count)
{
    uint64_t seen = 0;
    while (!count || seen < count) {
        struct handoff_watch_item item;
        int error = handoff_watch_next(watch, WAIT_MS, &item);
        if (error == HANDOFF_TIMEOUT || error == HANDOFF_INTERRUPTED) continue;
        if (error) return cli_failed(cli, error);
        int code = print_item(cli, &item);
        if (code || fflush(stdout)) return EXIT_REFUSED;
        seen++;
    }
    return EXIT_DONE;
}

int run_watch(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option own[] = {
        {"from", 'f', "now|beginning|SEQUENCE", 0, "what comes after it (now)", 0},
        {"count", 'n', "N", 0, "end after this many (never)", 0},
        {0},
    };
    struct watch_input input = {.from = "now"};
    const struct syntax syntax = {.arguments = "STREAM",
                                  .summary =
                                      "Follows a stream: task, escalation, status, record or audit. Survives "
                                      "restarts of the daemon; misses nothing and repeats nothing.",
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
    options.is_from_now = strcmp(input.from, "now") == 0;
    if (!options.is_from_now && strcmp(input.from, "beginning") != 0) {
        char *end = NULL;
        errno = 0;
        options.after_sequence = strtoull(input.from, &end, 10);
        bool is_number = *input.from >= '0' && *input.from <= '9' && !*end && !errno;
        if (!is_number)
            return cli_say(EXIT_MISUSED, "--from is now, beginning or a sequence, not \"%s\"", input.from);
    }
    int code = cli_connect(cli);
    if (code) return code;
    handoff_watch *watch = NULL;
    int error = handoff_watch_open(cli->client, &options, &watch);
    if (error == HANDOFF_SOCKET)
        return cli_say(EXIT_MISUSED, "the stream's endpoint is none like tcp://HOST:PORT");
    if (error) return cli_failed(cli, error);
    code = follow(cli, watch, input.count);
    handoff_watch_close(&watch);
    return code;
}
