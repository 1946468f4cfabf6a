/* handoff publish: one event from flags, or a file of them. Also what publishes an event for other commands.
 * Neighbours: flags.c makes the options, bulk.c reads files. */
#include "bulk.h"
#include "cli.h"
#include "flags.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define GIVEN_MOST 512

/* --- one event
 * ----------------------------------------------------------------------------------------------------- */

static int replace_text(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    if (*field != (const char *)protobuf_c_empty_string) free(*field);
    *field = copy;
    return EXIT_DONE;
}

static int set_random_id(Handoff__V1__Event *event)
{
    uint8_t b[16];
    char text[37];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return cli_say(EXIT_REFUSED, "the system gives no random numbers");
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x40); /* RFC 9562, version 4 */
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return replace_text(&event->id, text);
}

static int set_source(Handoff__V1__Event *event)
{
    char host[80] = "", text[100];
    if (gethostname(host, sizeof host - 1)) snprintf(host, sizeof host, "unknown");
    snprintf(text, sizeof text, "handoff-cli@%s", host);
    return replace_text(&event->source, text);
}

/* The daemon's clock, which may be a manual one. */
static int set_occurred_now(struct cli *cli, Handoff__V1__Event *event)
{
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    event->occurred_at_ms = reply->info->now_ms;
    handoff_reply_free(&reply);
    return EXIT_DONE;
}

static int complete_envelope(struct cli *cli, Handoff__V1__Event *event)
{
    int code = EXIT_DONE;
    if (!*event->id) code = set_random_id(event);
    if (!code && !*event->source) code = set_source(event);
    if (!code && !event->occurred_at_ms) code = set_occurred_now(cli, event);
    return code;
}

static int exit_code_of(const struct handoff_result *result)
{
    if (handoff_is_accepted(result)) return EXIT_DONE;
    return result->code == HANDOFF__V1__CODE__CODE_UNAVAILABLE ? EXIT_UNREACHABLE : EXIT_REFUSED;
}

static int print_result_json(const struct handoff_result *result)
{
    char sentence[HANDOFF_SENTENCE_BYTES], field[sizeof result->field];
    memcpy(sentence, result->sentence, sizeof sentence);
    memcpy(field, result->field, sizeof field);
    Handoff__V1__PublishResult message = HANDOFF__V1__PUBLISH_RESULT__INIT;
    message.code = result->code;
    message.sequence = result->sequence;
    message.sentence = sentence;
    message.field = field;
    message.verdict = result->verdict;
    return cli_print_json(&message.base, true);
}

static int print_result(const Handoff__V1__Event *event, const struct handoff_result *result)
{
    char type[64] = "event", verdict[64], word[64];
    const ProtobufCFieldDescriptor *body =
        protobuf_c_message_descriptor_get_field(&handoff__v1__event__descriptor, (unsigned)event->body_case);
    if (body) handoff_event_type(body, type, sizeof type);
    handoff_enum_word(&handoff__v1__verdict__descriptor, (int)result->verdict, verdict, sizeof verdict);
    cli_code_word(result->code, word, sizeof word);
    int code = exit_code_of(result);
    const char *colon = *result->sentence ? ": " : "";
    if (code) {
        return cli_say(code, "%s not accepted (%s%s%s)%s%s", type, word, *result->field ? ", field " : "",
                       result->field, colon, result->sentence);
    }
    printf("%s %s, sequence %llu%s%s%s%s\n", type,
           result->code == HANDOFF__V1__CODE__CODE_DUPLICATE ? "was accepted before" : "accepted",
           (unsigned long long)result->sequence, *verdict ? ", " : "", verdict, colon, result->sentence);
    return code;
}

static int publish_one(struct cli *cli, Handoff__V1__Event *event, struct handoff_result *ret_result)
{
    int code = cli_connect(cli);
    if (!code) code = complete_envelope(cli, event);
    if (code) return code;
    int error = handoff_publish(cli->client, event, 1, ret_result);
    return error ? cli_failed(cli, error) : EXIT_DONE;
}

static int show_result(struct cli *cli, const Handoff__V1__Event *event, const struct handoff_result *result)
{
    if (!cli->is_json) return print_result(event, result);
    print_result_json(result);
    return exit_code_of(result);
}

int publish_event(struct cli *cli, Handoff__V1__Event *event)
{
    struct handoff_result result;
    int code = publish_one(cli, event, &result);
    return code ? code : show_result(cli, event, &result);
}

int publish_answer(struct cli *cli, Handoff__V1__Event *event)
{
    struct handoff_result result;
    int code = publish_one(cli, event, &result);
    if (code) return code;
    bool is_in_vain = handoff_is_accepted(&result) && *result.sentence &&
                      result.verdict == HANDOFF__V1__VERDICT__VERDICT_RECORDED;
    if (is_in_vain && !cli->is_json) return cli_say(EXIT_REFUSED, "%s", result.sentence);
    code = show_result(cli, event, &result);
    return is_in_vain ? EXIT_REFUSED : code;
}

/* --- flags
 * ---------------------------------------------------------------------------------------------------------
 */

/* Values are read when the whole line is known: --time-zone may come last. */
struct typed_input {
    struct flags *flags;
    const struct flag *given[GIVEN_MOST];
    const char *texts[GIVEN_MOST];
    size_t count;
};

static error_t parse_typed(int key, char *argument, struct argp_state *state)
{
    struct typed_input *input = state->input;
    const struct flag *flag = flags_of_key(input->flags, key);
    if (flag) {
        if (input->count == GIVEN_MOST) argp_error(state, "more than %d flags", GIVEN_MOST);
        input->given[input->count] = flag;
        input->texts[input->count++] = argument;
        return 0;
    }
    if (key != ARGP_KEY_END) return ARGP_ERR_UNKNOWN;
    for (size_t i = 0; i < input->count; i++) {
        char mistake[1024];
        if (flags_set(input->flags, input->given[i], input->texts[i], mistake, sizeof mistake)) {
            argp_error(state, "%s", mistake);
        }
    }
    return 0;
}

static int set_presets(struct flags *flags, const struct typed_event *typed, const char *const *arguments)
{
    for (int i = 0; typed->preset_fields && typed->preset_fields[i]; i++) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
            &handoff__v1__event__descriptor, typed->preset_fields[i]);
        char mistake[256] = "";
        int error = field_set(&flags->event->base, field, arguments[i], mistake, sizeof mistake);
        if (error) return cli_say(EXIT_REFUSED, "%s", *mistake ? mistake : handoff_error(error));
    }
    return EXIT_DONE;
}

/* Who answers a task or an escalation is who is logged in, unless said otherwise. */
static int set_by(struct flags *flags)
{
    const ProtobufCFieldDescriptor *by =
        protobuf_c_message_descriptor_get_field_by_name(flags->body->descriptor, "by");
    if (!by || by->type != PROTOBUF_C_TYPE_STRING) return EXIT_DONE;
    char **field = (char **)(void *)((uint8_t *)flags->body + by->offset);
    const struct passwd *login = getpwuid(geteuid());
    return **field || !login ? EXIT_DONE : replace_text(field, login->pw_name);
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(name, *names) == 0) return true;
    }
    return false;
}

/* Help shows what goes with the answer, not what else an event may speak of. */
static void hide_other_flags(struct flags *flags, const char *const *preset_fields)
{
    static const char *const shown[] = {"id", "source", "site", "patient_id", "occurred_at_ms", NULL};
    for (struct argp_option *option = flags->options; option->name || option->doc; option++) {
        const struct flag *flag = flags_of_key(flags, option->key);
        if (!flag || flag->is_body) continue;
        bool is_preset = is_one_of(flag->field->name, preset_fields);
        if (is_preset || !is_one_of(flag->field->name, shown)) option->flags |= OPTION_HIDDEN;
    }
}

int typed_event_parse(struct cli *cli, const struct typed_event *typed, int argc, char **argv,
                      struct flags **ret_flags)
{
    struct typed_input input = {0};
    int error = flags_open(handoff_event_field(typed->type), &input.flags);
    if (error) return cli_failed(cli, error);
    int count = 0;
    while (typed->preset_fields && typed->preset_fields[count]) count++;
    if (typed->preset_fields) hide_other_flags(input.flags, typed->preset_fields);
    const char *arguments[4];
    const struct syntax syntax = {.arguments = typed->arguments,
                                  .summary = typed->summary,
                                  .options = input.flags->options,
                                  .parse = parse_typed,
                                  .input = &input,
                                  .least = count,
                                  .most = count};
    cli_parse(cli, &syntax, argc, argv, arguments);
    int code = set_presets(input.flags, typed, arguments);
    if (!code && typed->preset_fields) code = set_by(input.flags);
    if (code) {
        flags_close(&input.flags);
        return code;
    }
    *ret_flags = input.flags;
    return EXIT_DONE;
}

/* What a person asks for rather than tells. */
static bool is_request(const Handoff__V1__Event *event)
{
    static const char *const begins[] = {"episode.", "task.", "escalation."};
    const ProtobufCFieldDescriptor *body =
        protobuf_c_message_descriptor_get_field(&handoff__v1__event__descriptor, (unsigned)event->body_case);
    char type[64] = "";
    if (body) handoff_event_type(body, type, sizeof type);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (strncmp(type, begins[i], strlen(begins[i])) == 0) return true;
    }
    return false;
}

int publish_typed(struct cli *cli, const struct typed_event *typed, int argc, char **argv)
{
    struct flags *flags = NULL;
    int code = typed_event_parse(cli, typed, argc, argv, &flags);
    if (code) return code;
    code = is_request(flags->event) ? publish_answer(cli, flags->event) : publish_event(cli, flags->event);
    flags_close(&flags);
    return code;
}

/* --- the command
 * --------------------------------------------------------------------------------------------------- */

struct untyped_input {
    bool is_list;
    const char *path;
};

static error_t parse_untyped(int key, char *argument, struct argp_state *state)
{
    struct untyped_input *input = state->input;
    switch (key) {
    case 'l':
        input->is_list = true;
        return 0;
    case 'j':
        input->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (!input->is_list && !input->path)
            argp_error(state, "say which TYPE of event, --jsonl FILE or --list");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int list_types(void)
{
    const ProtobufCMessageDescriptor *event = &handoff__v1__event__descriptor;
    for (unsigned i = 0; i < event->n_fields; i++) {
        char type[64];
        if (!handoff_is_event_body(&event->fields[i])) continue;
        handoff_event_type(&event->fields[i], type, sizeof type);
        puts(type);
    }
    return EXIT_DONE;
}

static int run_untyped(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"list", 'l', NULL, 0, "list the types of events", 0},
        {"jsonl", 'j', "FILE", 0,
         "publish a file (- for standard input) of one event a line, in protobuf's JSON", 0},
        {0},
    };
    struct untyped_input input = {0};
    const struct syntax syntax = {
        .arguments = "TYPE [--FIELD VALUE ...]",
        .summary =
            "Publishes an event. Each type has its own flags: handoff publish contact.attempted --help",
        .options = options,
        .parse = parse_untyped,
        .input = &input};
    cli_parse(cli, &syntax, argc, argv, NULL);
    if (input.is_list) return list_types();
    const struct bulk_options bulk = {.path = input.path, .is_each_named = true};
    return bulk_publish(cli, &bulk);
}

/* The first word that is neither an option nor the value of a global one. */
static int find_type(int argc, char **argv)
{
    static const char *const with_value[] = {"--front", "--stream", "--timeout", "--time-zone", "--jsonl"};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') return i;
        for (size_t k = 0; k < sizeof with_value / sizeof *with_value; k++) {
            if (strcmp(argv[i], with_value[k]) == 0) i++;
        }
    }
    return 0;
}

int run_publish(struct cli *cli, int argc, char **argv)
{
    int at = find_type(argc, argv);
    if (!at || at >= argc) return run_untyped(cli, argc, argv);
    const char *type = argv[at];
    if (strncmp(type, "custom.", 7) == 0) {
        return cli_say(EXIT_MISUSED, "a site's own event is published as: handoff publish custom --name %s", type + 7);
    }
    if (!handoff_event_field(type)) {
        return cli_say(EXIT_MISUSED, "there is no event type \"%s\"; see handoff publish --list", type);
    }
    char name[128], summary[128];
    snprintf(name, sizeof name, "handoff publish %s", type);
    snprintf(summary, sizeof summary,
             "Publishes %s. What is not given stays empty; id, source and time are filled in.", type);
    memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv); /* the NULL at the end too */
    argv[0] = name;
    const struct typed_event typed = {.type = type, .summary = summary};
    return publish_typed(cli, &typed, argc - 1, argv);
}

int run_import(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .arguments = "FILE",
        .summary = "Publishes a file (- for standard input) of one event a line, in protobuf's JSON. "
                   "Ids come from the file, so importing it again changes nothing.",
        .least = 1,
        .most = 1};
    const char *path = NULL;
    cli_parse(cli, &syntax, argc, argv, &path);
    const struct bulk_options bulk = {.path = path, .has_progress = true};
    return bulk_publish(cli, &bulk);
}
