/* Durable subscriptions for operators: what there is, how far it is, begun anew, ended. Neighbours: deadletters.c shows
 * what they gave up, subscribe.c works for one. */
#include "cli.h"
#include "describe.h"
#include "table.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- asking
 * --------------------------------------------------------------------------------------------------- */

static int ask(struct cli *cli, const char *name, Handoff__V1__Reply **ret_reply)
{
    Handoff__V1__SubscriptionsRequest subscriptions = HANDOFF__V1__SUBSCRIPTIONS_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    if (name) subscriptions.name = (char *)(uintptr_t)name;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIPTIONS;
    request.subscriptions = &subscriptions;
    return cli_request(cli, &request, ret_reply);
}

/* --- list
 * ----------------------------------------------------------------------------------------------------- */

/* What there is none of takes no room. */
static void count_cell(struct libscols_line *line, size_t column, uint64_t count, const char *more)
{
    if (count || *more) table_cellf(line, column, "%" PRIu64 "%s", count, more);
}

static void add_row(struct libscols_table *table, const Handoff__V1__SubscriptionView *view)
{
    struct libscols_line *line = table_line(table, NULL);
    char when[WHEN_TEXT_BYTES];
    table_cell(line, 0, view->name);
    if (view->settings)
        table_cellf(line, 1, "%s%s", WORD(handoff__v1__stream__descriptor, view->settings->stream),
                    view->settings->n_also ? " ..." : "");
    table_cellf(line, 2, "#%" PRIu64, view->through_sequence);
    table_cellf(line, 3, "%u", view->workers);
    count_cell(line, 4, view->in_flight, "");
    count_cell(line, 5, view->waiting, view->has_more ? "+" : "");
    table_cell(line, 6, when_format_duration(view->oldest_waiting_ms, when));
    count_cell(line, 7, view->retrying, "");
    count_cell(line, 8, view->waiting_for_hours, "");
    count_cell(line, 9, view->withheld, "");
    count_cell(line, 10, view->dead, "");
    table_cell(line, 11, view->sentence);
}

static void print_list(const Handoff__V1__SubscriptionsReply *reply)
{
    static const struct column columns[] = {{.name = "NAME"},
                                            {.name = "STREAM"},
                                            {.name = "THROUGH", .is_right = true},
                                            {.name = "WORKERS", .is_right = true},
                                            {.name = "OUT", .is_right = true},
                                            {.name = "WAITING", .is_right = true},
                                            {.name = "FOR", .is_right = true},
                                            {.name = "RETRYING", .is_right = true},
                                            {.name = "FOR HOURS", .is_right = true},
                                            {.name = "WITHHELD", .is_right = true},
                                            {.name = "DEAD", .is_right = true},
                                            {.name = "STATE", .share = 0.4}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < reply->n_subscriptions; i++) add_row(table, reply->subscriptions[i]);
    table_print(table, NULL, "no subscriptions");
}

int run_subscriptions(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .summary = "Lists the durable subscriptions: up to which entry everything is settled or set aside, who works "
                   "for them, what is out, what waits and since when, what is tried again, waits for permitted hours, "
                   "is withheld or was given up. `handoff subscriptions show`, `reset` and `delete` are about one of "
                   "them."};
    cli_parse(cli, &syntax, argc, argv, NULL);
    Handoff__V1__Reply *reply = NULL;
    int code = ask(cli, NULL, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->subscriptions->base, true);
    } else {
        print_list(reply->subscriptions);
    }
    handoff_reply_free(&reply);
    return code;
}

/* --- show
 * ----------------------------------------------------------------------------------------------------- */

static void print_words(const char *name, char **words, size_t count)
{
    char text[DESCRIPTION_BYTES];
    if (count) printf("%-14s%s\n", name, make_printable((char *)(uintptr_t)describe_list(words, count, text, sizeof text)));
}

static void print_enums(const char *name, const ProtobufCEnumDescriptor *descriptor, const int *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%-14s%s\n", i ? "" : name, word_of(descriptor, values[i], (char[64]){0}));
}

static void print_filter(const Handoff__V1__SubscriptionFilter *filter)
{
    if (!filter) return;
    print_words("kinds", filter->kinds, filter->n_kinds);
    print_enums("severities", &handoff__v1__severity__descriptor, (const int *)filter->severities, filter->n_severities);
    print_enums("roles", &handoff__v1__role__descriptor, (const int *)filter->roles, filter->n_roles);
    if (*filter->site) printf("site          %s\n", make_printable(filter->site));
    if (!filter->recipient_party && !*filter->recipient_id) return;
    printf("recipient     %s %s\n", WORD(handoff__v1__party__descriptor, filter->recipient_party),
           make_printable(filter->recipient_id));
}

static void print_settings(const Handoff__V1__SubscriptionSettings *settings)
{
    char lease[WHEN_TEXT_BYTES], first[WHEN_TEXT_BYTES], most[WHEN_TEXT_BYTES];
    printf("stream        %s", WORD(handoff__v1__stream__descriptor, settings->stream));
    for (size_t i = 0; i < settings->n_also; i++)
        printf(" and %s", WORD(handoff__v1__stream__descriptor, settings->also[i]));
    printf("%s%s\n", settings->is_addressed ? ", a message for each addressee" : "",
           settings->is_unordered ? ", in no order" : "");
    print_filter(settings->filter);
    printf("lease         %s\n", when_format_duration(settings->lease_ms, lease));
    printf("attempts      %u, %s to %s apart\n", settings->attempts,
           when_format_duration(settings->backoff_first_ms, first), when_format_duration(settings->backoff_most_ms, most));
    printf("tells when    without a worker for %s", when_format_duration(settings->absent_ms, first));
    printf(", or behind by %s\n", when_format_duration(settings->behind_ms, most));
}

static void print_view(Handoff__V1__SubscriptionView *view)
{
    char when[WHEN_TEXT_BYTES];
    printf("name          %s\n", make_printable(view->name));
    if (*view->sentence) printf("state         %s\n", make_printable(view->sentence));
    if (view->settings) print_settings(view->settings);
    printf("through       #%" PRIu64 "\n", view->through_sequence);
    printf("workers       %u, with a credit of %u\n", view->workers, view->credit);
    printf("out           %u\n", view->in_flight);
    printf("waiting       %u%s%s%s\n", view->waiting, view->has_more ? " and more" : "",
           view->oldest_waiting_ms ? ", since " : "", when_format_duration(view->oldest_waiting_ms, when));
    printf("retrying      %u\n", view->retrying);
    printf("for hours     %u\n", view->waiting_for_hours);
    printf("withheld      %u\n", view->withheld);
    printf("dead          %u\n", view->dead);
    printf("acknowledged  %" PRIu64 "\n", view->acknowledged);
    printf("dropped       %" PRIu64 " by the gate\n", view->dropped);
    printf("redelivered   %" PRIu64 " since the daemon began\n", view->redelivered);
}

int run_subscriptions_show(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {.arguments = "NAME",
                                  .summary = "Shows a durable subscription with its settings and counts.",
                                  .least = 1,
                                  .most = 1};
    const char *name = NULL;
    cli_parse(cli, &syntax, argc, argv, &name);
    Handoff__V1__Reply *reply = NULL;
    int code = ask(cli, name, &reply);
    if (code) return code;
    if (!reply->subscriptions->n_subscriptions) {
        code = cli_say(EXIT_REFUSED, "there is no subscription \"%s\"", name);
    } else if (cli->is_json) {
        code = cli_print_json(&reply->subscriptions->subscriptions[0]->base, true);
    } else {
        print_view(reply->subscriptions->subscriptions[0]);
    }
    handoff_reply_free(&reply);
    return code;
}

/* --- reset and delete
 * ------------------------------------------------------------------------------------------- */

static error_t parse_reset(int key, char *argument, struct argp_state *state)
{
    Handoff__V1__SubscriptionStart *start = state->input;
    switch (key) {
    case 'f':
        cli_start(state, argument, start);
        return 0;
    case ARGP_KEY_END:
        if (start->from_case == HANDOFF__V1__SUBSCRIPTION_START__FROM__NOT_SET)
            argp_error(state, "--from is missing: now, beginning, a sequence or a time");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Asks for a change; nothing is said of one that was made, but in JSON. */
static int change(struct cli *cli, const Handoff__V1__Request *request, const char *name, const char *what)
{
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, request, &reply);
    if (code) return code;
    if (cli->is_json) {
        puts("{}");
    } else {
        printf("%s %s\n", name, what);
    }
    handoff_reply_free(&reply);
    return EXIT_DONE;
}

int run_subscriptions_reset(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option own[] = {
        {"from", 'f', "now|beginning|SEQUENCE|TIME", 0, "where it begins: with what comes after it", 0}, {0}};
    Handoff__V1__SubscriptionStart start = HANDOFF__V1__SUBSCRIPTION_START__INIT;
    const struct syntax syntax = {
        .arguments = "NAME",
        .summary = "Begins a subscription anew at another place. What it holds, tries again, withholds or gave up is let "
                   "go; what comes after the place is handed out, though it may have been before. Settings stay.",
        .options = own,
        .parse = parse_reset,
        .input = &start,
        .least = 1,
        .most = 1};
    const char *name = NULL;
    cli_parse(cli, &syntax, argc, argv, &name);
    Handoff__V1__SubscriptionResetRequest reset = HANDOFF__V1__SUBSCRIPTION_RESET_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    reset.name = (char *)(uintptr_t)name;
    reset.start = &start;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_RESET;
    request.subscription_reset = &reset;
    return change(cli, &request, name, "begins anew");
}

int run_subscriptions_delete(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .arguments = "NAME",
        .summary = "Ends a subscription. What it had not delivered is handed to nobody; a worker that goes on makes it "
                   "again, at the place that the worker asks for: stop its workers first.",
        .least = 1,
        .most = 1};
    const char *name = NULL;
    cli_parse(cli, &syntax, argc, argv, &name);
    Handoff__V1__SubscriptionDeleteRequest delete = HANDOFF__V1__SUBSCRIPTION_DELETE_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    delete.name = (char *)(uintptr_t)name;
    request.body_case = HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_DELETE;
    request.subscription_delete = &delete;
    return change(cli, &request, name, "is deleted");
}
