/* What subscriptions gave up, and what else they set aside. A letter is named by its place, SEQUENCE.POSITION, and by
 * /ADDRESSEE where an emission has several. Neighbours: subscriptions.c. */
#include "cli.h"
#include "describe.h"
#include "table.h"
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS    1000
#define PAGES_MOST   10000
#define LETTER_BYTES 160

/* --- letters
 * --------------------------------------------------------------------------------------------------- */

static const char *letter_name(const Handoff__V1__AsideView *row, char name[LETTER_BYTES])
{
    snprintf(name, LETTER_BYTES, "%" PRIu64 ".%u%s%s", row->sequence, row->position, *row->addressee ? "/" : "",
             row->addressee);
    return make_printable(name);
}

struct letter {
    uint64_t sequence;
    uint32_t position;
    const char *addressee; /* borrowed */
};

static bool parse_letter(const char *text, struct letter *ret_letter)
{
    char *end = NULL;
    errno = 0;
    bool has_digits = *text >= '0' && *text <= '9';
    unsigned long long sequence = strtoull(text, &end, 10);
    if (!has_digits || errno || !sequence || *end != '.' || end[1] < '0' || end[1] > '9') return false;
    unsigned long position = strtoul(end + 1, &end, 10);
    if (errno || position > UINT32_MAX || (*end && *end != '/')) return false;
    *ret_letter = (struct letter){sequence, (uint32_t)position, *end ? end + 1 : ""};
    return true;
}

static int say_no_letter(const char *text)
{
    return cli_say(EXIT_MISUSED, "\"%s\" is no letter as `handoff deadletters` shows it, like 112.0", text);
}

/* --- pages
 * ------------------------------------------------------------------------------------------------------ */

static int move_rows(Handoff__V1__AsideReply *all, Handoff__V1__AsideReply *page)
{
    Handoff__V1__AsideView **rows = realloc(all->rows, (all->n_rows + page->n_rows) * sizeof *rows + 1);
    if (!rows) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    if (page->n_rows) memcpy(rows + all->n_rows, page->rows, page->n_rows * sizeof *rows);
    all->rows = rows;
    all->n_rows += page->n_rows;
    page->n_rows = 0;
    return EXIT_DONE;
}

static int fetch(struct cli *cli, const char *name, Handoff__V1__AsideKind kind, Handoff__V1__AsideReply *all)
{
    Handoff__V1__AsideRequest aside = HANDOFF__V1__ASIDE_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    int code = EXIT_DONE;
    bool has_more = true;
    if (name) aside.name = (char *)(uintptr_t)name;
    aside.kind = kind;
    aside.limit = PAGE_ROWS;
    request.body_case = HANDOFF__V1__REQUEST__BODY_ASIDE;
    request.aside = &aside;
    for (int page = 0; !code && has_more; page++) {
        Handoff__V1__Reply *next = NULL;
        if (page == PAGES_MOST) return cli_say(EXIT_REFUSED, "the list does not end");
        code = cli_request(cli, &request, &next);
        handoff_reply_free(&reply);
        if (code) break;
        reply = next; /* its cursor is in the next request */
        code = move_rows(all, reply->aside);
        aside.after = reply->aside->next;
        has_more = *aside.after != 0;
    }
    handoff_reply_free(&reply);
    return code;
}

/* --- list
 * ------------------------------------------------------------------------------------------------------- */

struct list_input {
    Handoff__V1__AsideKind kind;
};

static error_t parse_list(int key, char *argument, struct argp_state *state)
{
    struct list_input *input = state->input;
    if (key != 'k') return ARGP_ERR_UNKNOWN;
    input->kind = (Handoff__V1__AsideKind)cli_enum(state, &handoff__v1__aside_kind__descriptor, argument);
    return 0;
}

static const struct argp_option kind_option[] = {
    {"kind", 'k', "KIND", 0, "dead, retry, waits (for permitted hours) or withheld; dead unless given", 0}, {0}};

static void add_row(struct libscols_table *table, const Handoff__V1__AsideView *row)
{
    struct libscols_line *line = table_line(table, NULL);
    char when[WHEN_TEXT_BYTES], letter[LETTER_BYTES];
    table_cell(line, 0, row->name);
    table_cell(line, 1, letter_name(row, letter));
    table_cell(line, 2, row->patient_id);
    table_cellf(line, 3, "%s %s", row->emission_kind, short_id(row->emission_id));
    table_cell(line, 4, when_format(row->at_ms, when));
    if (row->attempts) table_cellf(line, 5, "%u", row->attempts);
    table_cell(line, 6, when_format(row->until_ms, when));
    table_cell(line, 7, row->reason);
}

static void print_rows(const Handoff__V1__AsideReply *all, const char *if_empty)
{
    static const struct column columns[] = {{.name = "SUBSCRIPTION"}, {.name = "LETTER"},
                                            {.name = "PATIENT"},      {.name = "WHAT"},
                                            {.name = "SINCE"},        {.name = "TRIES", .is_right = true},
                                            {.name = "UNTIL"},        {.name = "REASON", .share = 0.4}};
    struct libscols_table *table = table_open(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < all->n_rows; i++) add_row(table, all->rows[i]);
    table_print(table, NULL, if_empty);
}

static const char *if_none(Handoff__V1__AsideKind kind)
{
    static const char *const sentences[] = {
        [HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_UNSPECIFIED] = "no dead letters",
        [HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_RETRY] = "nothing is tried again",
        [HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_WAITS] = "nothing waits for permitted hours",
        [HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_WITHHELD] = "nothing is withheld",
        [HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_DEAD] = "no dead letters",
    };
    return sentences[kind];
}

int run_deadletters(struct cli *cli, int argc, char **argv)
{
    struct list_input input = {0};
    const struct syntax syntax = {
        .arguments = "[NAME]",
        .summary = "Lists what a subscription, or all of them, gave up: after its last attempt, or because no attempt "
                   "could succeed. With --kind also what they set aside for a while. `handoff deadletters show`, "
                   "`retry` and `drop` are about one of them.",
        .options = kind_option,
        .parse = parse_list,
        .input = &input,
        .most = 1};
    const char *name = NULL;
    cli_parse(cli, &syntax, argc, argv, &name);
    Handoff__V1__AsideReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__aside_reply__init(all);
    int code = fetch(cli, name, input.kind, all);
    if (!code && cli->is_json) code = cli_print_json(&all->base, true);
    if (!code && !cli->is_json) print_rows(all, if_none(input.kind));
    handoff__v1__aside_reply__free_unpacked(all, NULL);
    return code;
}

/* --- show
 * ------------------------------------------------------------------------------------------------------- */

static void print_row(Handoff__V1__AsideView *row)
{
    char when[WHEN_TEXT_BYTES], letter[LETTER_BYTES];
    printf("letter        %s of %s: %s\n", letter_name(row, letter), row->name,
           WORD(handoff__v1__aside_kind__descriptor, row->kind));
    printf("patient       %s\n", make_printable(row->patient_id));
    printf("what          %s %s\n", row->emission_kind, row->emission_id);
    printf("since         %s\n", when_format_zone(row->at_ms, when));
    if (row->attempts) printf("attempts      %u\n", row->attempts);
    if (row->until_ms) printf("until         %s\n", when_format_zone(row->until_ms, when));
    if (*row->reason) printf("reason        %s\n", make_printable(row->reason));
}

static Handoff__V1__AsideView *find_row(const Handoff__V1__AsideReply *all, const struct letter *letter)
{
    for (size_t i = 0; i < all->n_rows; i++) {
        Handoff__V1__AsideView *row = all->rows[i];
        if (row->sequence == letter->sequence && row->position == letter->position &&
            strcmp(row->addressee, letter->addressee) == 0)
            return row;
    }
    return NULL;
}

int run_deadletters_show(struct cli *cli, int argc, char **argv)
{
    struct list_input input = {0};
    const struct syntax syntax = {.arguments = "NAME LETTER",
                                  .summary = "Shows a dead letter of a subscription, or with --kind what it set aside "
                                             "for a while. NAME and LETTER as `handoff deadletters` shows them.",
                                  .options = kind_option,
                                  .parse = parse_list,
                                  .input = &input,
                                  .least = 2,
                                  .most = 2};
    const char *arguments[2];
    struct letter letter;
    cli_parse(cli, &syntax, argc, argv, arguments);
    if (!parse_letter(arguments[1], &letter)) return say_no_letter(arguments[1]);
    Handoff__V1__AsideReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__aside_reply__init(all);
    int code = fetch(cli, arguments[0], input.kind, all);
    Handoff__V1__AsideView *row = code ? NULL : find_row(all, &letter);
    if (!code && !row) code = cli_say(EXIT_REFUSED, "%s has no letter %s", arguments[0], arguments[1]);
    if (row && cli->is_json) code = cli_print_json(&row->base, true);
    if (row && !cli->is_json) print_row(row);
    handoff__v1__aside_reply__free_unpacked(all, NULL);
    return code;
}

/* --- retry and drop
 * --------------------------------------------------------------------------------------------- */

static error_t parse_decide(int key, char *argument, struct argp_state *state)
{
    bool *is_all = state->input;
    (void)argument;
    if (key != 'a') return ARGP_ERR_UNKNOWN;
    *is_all = true;
    return 0;
}

static int ask_decide(struct cli *cli, Handoff__V1__DeadLetterRequest *decide, const char *done)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    request.body_case = HANDOFF__V1__REQUEST__BODY_DEAD_LETTER;
    request.dead_letter = decide;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    uint32_t count = reply->dead_letter->count;
    if (cli->is_json) {
        code = cli_print_json(&reply->dead_letter->base, true);
    } else {
        printf("%u %s %s\n", count, count == 1 ? "letter is" : "letters are", done);
    }
    handoff_reply_free(&reply);
    return code;
}

/* All of them only when that was said; one only when it was named. */
static int decide(struct cli *cli, int argc, char **argv, const char *summary, bool is_dropped)
{
    static const struct argp_option own[] = {{"all", 'a', NULL, 0, "all dead letters of the subscription", 0}, {0}};
    bool is_all = false;
    const struct syntax syntax = {.arguments = "NAME [LETTER]",
                                  .summary = summary,
                                  .options = own,
                                  .parse = parse_decide,
                                  .input = &is_all,
                                  .least = 1,
                                  .most = 2};
    const char *arguments[2];
    struct letter letter = {.addressee = ""};
    cli_parse(cli, &syntax, argc, argv, arguments);
    if (is_all == (arguments[1] != NULL)) return cli_say(EXIT_MISUSED, "name one letter, or say --all");
    if (!is_all && !parse_letter(arguments[1], &letter)) return say_no_letter(arguments[1]);
    Handoff__V1__DeadLetterRequest request = HANDOFF__V1__DEAD_LETTER_REQUEST__INIT;
    request.name = (char *)(uintptr_t)arguments[0];
    request.sequence = letter.sequence;
    request.position = letter.position;
    request.addressee = (char *)(uintptr_t)letter.addressee;
    request.is_dropped = is_dropped;
    return ask_decide(cli, &request, is_dropped ? "dropped" : "tried again");
}

int run_deadletters_retry(struct cli *cli, int argc, char **argv)
{
    return decide(cli, argc, argv, "Tries a dead letter again, from its first attempt; the gate is asked anew.", false);
}

int run_deadletters_drop(struct cli *cli, int argc, char **argv)
{
    return decide(cli, argc, argv, "Gives a dead letter up for good; the patient's record keeps that it failed.", true);
}
