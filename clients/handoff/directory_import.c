/* handoff directory import: a directory in the Open Referral format becomes listings.
 *
 * What the daemon has already is asked first, and only what differs is published. So a second import says nothing; a
 * row that changed, or came back, is a new listing. The id of an event is made of what is listed and of what it takes
 * the place of: the same import sent twice, by whatever accident, is the same events. */
#include "cli.h"
#include "directory.h"
#include "hsds/hsds.h"
#include "table.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IMPORT_TIMEOUT_MS 60000
#define REPORTS_SHOWN     200 /* of each gravity; all of them with --json */
#define RETRIES_MOST      8   /* of a listing whose words were there before, and something else since */

struct report {
    enum hsds_gravity gravity;
    char where[160];
    char sentence[HSDS_SENTENCE_BYTES];
};

struct change {
    const Handoff__V1__AgencyListed *listing; /* NULL: delisted */
    const char *agency_id;
    uint64_t before; /* hash of what it takes the place of */
    uint64_t first;  /* sequence of an earlier event of the same words; 0: none */
};

struct import {
    struct cli *cli;
    const char *path, *map_path, *source, *site;
    bool is_dry, is_complete, is_many;
    struct hsds_map *map;
    struct hsds_directory *read;
    Handoff__V1__DirectoryListReply *known;
    bool is_compared;
    struct report *reports;
    size_t report_count, fault_count, note_count;
    struct change *changes;
    size_t change_count;
    size_t added, changed, unchanged, gone;
    size_t accepted, again, refused, unanswered;
    int64_t now_ms, shown_at_ms;
    bool has_progress;
};

/* --- progress
 * ------------------------------------------------------------------------------------------------------ */

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(struct import *in, const char *what, size_t done, size_t all)
{
    bool is_last = done == all;
    if (!in->has_progress || (!is_last && monotonic_ms() - in->shown_at_ms < 100)) return;
    in->shown_at_ms = monotonic_ms();
    fprintf(stderr, "\r\033[K%s", what);
    if (all) fprintf(stderr, " %zu of %zu", done, all);
    fflush(stderr);
}

static void hide(struct import *in)
{
    if (in->has_progress) fputs("\r\033[K", stderr);
}

/* --- reports
 * ------------------------------------------------------------------------------------------------------- */

static void add_report(struct import *in, enum hsds_gravity gravity, const char *where, const char *sentence)
{
    struct report *more = realloc(in->reports, (in->report_count + 1) * sizeof *more);
    if (gravity == HSDS_FAULT) in->fault_count++;
    else in->note_count++;
    if (!more) return; /* counted all the same */
    in->reports = more;
    struct report *r = &in->reports[in->report_count++];
    r->gravity = gravity;
    snprintf(r->where, sizeof r->where, "%s", where);
    snprintf(r->sentence, sizeof r->sentence, "%s", sentence);
}

static void on_report(void *context, const struct hsds_report *report)
{
    add_report(context, report->gravity, report->where, report->sentence);
}

static void on_progress(void *context, const char *file)
{
    char what[160];
    snprintf(what, sizeof what, "reading %s", file);
    show(context, what, 0, 0);
}

/* Control characters of a file must not steer the terminal. */
static void print_reports(const struct import *in, enum hsds_gravity gravity, const char *word)
{
    size_t shown = 0;
    for (size_t i = 0; i < in->report_count; i++) {
        const struct report *r = &in->reports[i];
        if (r->gravity != gravity) continue;
        if (shown++ == REPORTS_SHOWN) {
            fprintf(stderr, "and more: --json has them all\n");
            return;
        }
        fprintf(stderr, "%s: %s: ", r->where, word);
        for (const char *c = r->sentence; *c; c++) fputc((unsigned char)*c < 32 || *c == 127 ? ' ' : *c, stderr);
        fputc('\n', stderr);
    }
}

/* --- what is new
 * --------------------------------------------------------------------------------------------------- */

#define HASH_START UINT64_C(14695981039346656037)
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t hash_message(const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(bytes + 1);
    if (!packed) return 0;
    protobuf_c_message_pack(message, packed);
    uint64_t hash = hash_bytes(HASH_START, packed, bytes);
    free(packed);
    return hash;
}

static bool is_same(const Handoff__V1__AgencyListed *a, const Handoff__V1__AgencyListed *b)
{
    size_t bytes = handoff__v1__agency_listed__get_packed_size(a);
    if (handoff__v1__agency_listed__get_packed_size(b) != bytes) return false;
    uint8_t *left = malloc(2 * bytes + 1), *right = left ? left + bytes : NULL;
    bool same = false;
    if (left) {
        handoff__v1__agency_listed__pack(a, left);
        handoff__v1__agency_listed__pack(b, right);
        same = memcmp(left, right, bytes) == 0;
    }
    free(left);
    return same;
}

static void add_change(struct import *in, const Handoff__V1__AgencyListed *listing,
                       const Handoff__V1__DirectoryRow *row)
{
    struct change *c = &in->changes[in->change_count++];
    c->listing = listing;
    c->agency_id = listing ? listing->agency_id : row->listing->agency_id;
    c->before = row ? hash_message(&row->base) : 0;
}

static void leave_out(struct import *in, const Handoff__V1__DirectoryRow *row)
{
    if (!in->is_complete || row->is_delisted) return;
    in->gone++;
    add_change(in, NULL, row);
}

static void take_in(struct import *in, const Handoff__V1__AgencyListed *listing, const Handoff__V1__DirectoryRow *row)
{
    if (!row) in->added++;
    else if (!row->is_delisted && is_same(listing, row->listing)) in->unchanged++;
    else in->changed++;
    /* a doubt ends with a listing that says something else, not with the same words again */
    if (!row || row->is_delisted || !is_same(listing, row->listing)) add_change(in, listing, row);
}

/* Both lists are ordered by id. */
static int compare(struct import *in)
{
    size_t known = in->known->n_rows, read = in->read->count, k = 0, r = 0;
    in->changes = calloc(known + read + 1, sizeof *in->changes);
    if (!in->changes) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    while (k < known || r < read) {
        int order = k == known   ? 1
                    : r == read ? -1
                                : strcmp(in->known->rows[k]->listing->agency_id, in->read->agencies[r]->agency_id);
        if (order < 0) leave_out(in, in->known->rows[k++]);
        else if (order > 0) take_in(in, in->read->agencies[r++], NULL);
        else take_in(in, in->read->agencies[r++], in->known->rows[k++]);
    }
    return EXIT_DONE;
}

/* Delisting reaches every patient of an agency, so a file that is half there must not do it. */
static int check_gone(const struct import *in)
{
    if (in->gone == 0) return EXIT_DONE;
    if (in->fault_count)
        return cli_say(EXIT_REFUSED, "nothing was imported: --complete would delist %zu, but rows could not be read",
                       in->gone);
    if (in->is_many || in->gone * 4 <= in->known->n_rows || in->gone <= 3) return EXIT_DONE;
    return cli_say(EXIT_REFUSED,
                   "nothing was imported: --complete would delist %zu of %zu; if that is right, add --many", in->gone,
                   in->known->n_rows);
}

/* --- publishing
 * ---------------------------------------------------------------------------------------------------- */

static void on_result(void *context, void *event_context, const struct handoff_result *result)
{
    struct import *in = context;
    struct change *c = event_context;
    c->first = 0;
    if (result->code == HANDOFF__V1__CODE__CODE_ACCEPTED) {
        in->accepted++;
    } else if (result->code == HANDOFF__V1__CODE__CODE_UNAVAILABLE) {
        in->unanswered++;
    } else if (result->code == HANDOFF__V1__CODE__CODE_DUPLICATE ||
               result->code == HANDOFF__V1__CODE__CODE_DUPLICATE_DIFFERS) {
        c->first = result->sequence; /* the same words were there before, but something else is now */
        in->again++;
    } else {
        in->refused++;
        add_report(in, HSDS_FAULT, c->agency_id, result->sentence);
    }
}

static int add_event(struct import *in, handoff_publisher *publisher, struct change *c, int64_t at_ms)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__AgencyDelisted delisted = HANDOFF__V1__AGENCY_DELISTED__INIT;
    char id[128];
    uint64_t what = c->listing ? hash_message(&c->listing->base) : 0;
    uint64_t before = c->first ? hash_bytes(c->before, &c->first, sizeof c->first) : c->before;
    snprintf(id, sizeof id, "%.80s@%016" PRIx64 "%016" PRIx64, c->agency_id, what, before);
    event.id = id;
    event.source = (char *)(uintptr_t)in->source;
    event.site = (char *)(uintptr_t)in->site;
    event.occurred_at_ms = at_ms;
    if (c->listing) {
        event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_LISTED;
        event.agency_listed = (Handoff__V1__AgencyListed *)(uintptr_t)c->listing;
    } else {
        delisted.agency_id = (char *)(uintptr_t)c->agency_id;
        delisted.reason = (char *)(uintptr_t)"no longer in the imported directory";
        event.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED;
        event.agency_delisted = &delisted;
    }
    return handoff_publisher_add(publisher, &event, c);
}

/* One round over all changes, then over those whose id was used up: see `first`. Each has a moment of its own, since
 * the daemon finds repeats by time. */
static int publish_round(struct import *in, handoff_publisher *publisher, bool is_first)
{
    size_t done = 0;
    int error = 0;
    for (size_t i = 0; i < in->change_count && !error && !in->unanswered; i++) {
        struct change *c = &in->changes[i];
        if (!is_first && !c->first) continue;
        int64_t at_ms = in->now_ms - (int64_t)(in->change_count - i);
        error = add_event(in, publisher, c, at_ms);
        if (error == HANDOFF_TOO_LARGE) {
            in->refused++;
            add_report(in, HSDS_FAULT, c->agency_id, "its listing is larger than 64 KiB");
            error = 0;
        }
        show(in, "publishing", ++done, in->change_count);
    }
    int flush_error = handoff_publisher_flush(publisher);
    return error ? error : flush_error;
}

static int publish(struct import *in)
{
    const struct handoff_publisher_options options = {.on_result = on_result, .context = in};
    handoff_publisher *publisher = NULL;
    int error = handoff_publisher_open(in->cli->client, &options, &publisher);
    for (int round = 0; round < RETRIES_MOST && !error; round++) {
        in->again = 0;
        error = publish_round(in, publisher, round == 0);
        if (in->again == 0) break;
    }
    handoff_publisher_close(&publisher);
    hide(in);
    if (in->unanswered)
        return cli_say(EXIT_UNREACHABLE, "%zu listings were not answered; repeating the command is safe", in->unanswered);
    return error ? cli_failed(in->cli, error) : EXIT_DONE;
}

/* --- summary
 * ------------------------------------------------------------------------------------------------------- */

static json_t *reports_json(const struct import *in, enum hsds_gravity gravity)
{
    json_t *list = json_array();
    for (size_t i = 0; i < in->report_count; i++)
        if (in->reports[i].gravity == gravity)
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "where", in->reports[i].where, "sentence", in->reports[i].sentence));
    return list;
}

static void print_summary_json(const struct import *in)
{
    json_t *summary = json_pack(
        "{s:I, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "rows", (json_int_t)in->read->rows, "agencies",
        (json_int_t)in->read->count, "dryRun", in->is_dry, "compared", in->is_compared, "new", (json_int_t)in->added,
        "changed", (json_int_t)in->changed, "unchanged", (json_int_t)in->unchanged, "delisted", (json_int_t)in->gone,
        "accepted", (json_int_t)in->accepted, "refused", (json_int_t)in->refused, "faults",
        reports_json(in, HSDS_FAULT), "notes", reports_json(in, HSDS_NOTE));
    json_dumpf(summary, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(summary);
}

static void print_summary(const struct import *in)
{
    print_reports(in, HSDS_NOTE, "note");
    print_reports(in, HSDS_FAULT, "not read");
    if (in->cli->is_json) {
        print_summary_json(in);
        return;
    }
    printf("%zu agencies in %zu rows", in->read->count, in->read->rows);
    if (in->is_compared)
        printf(": %zu new, %zu changed, %zu unchanged, %zu delisted", in->added, in->changed, in->unchanged, in->gone);
    printf("; %zu not read, %zu notes%s\n", in->fault_count, in->note_count,
           !in->is_dry ? "" : in->is_compared ? "; nothing was published" : "; nothing was compared or published");
}

/* --- the command
 * --------------------------------------------------------------------------------------------------- */

enum { KEY_DRY_RUN = 0x2000, KEY_COMPLETE, KEY_MANY, KEY_MAP, KEY_SOURCE, KEY_SITE };

static error_t parse_import(int key, char *argument, struct argp_state *state)
{
    struct import *in = state->input;
    switch (key) {
    case KEY_DRY_RUN:
        in->is_dry = true;
        return 0;
    case KEY_COMPLETE:
        in->is_complete = true;
        return 0;
    case KEY_MANY:
        in->is_many = true;
        return 0;
    case KEY_MAP:
        in->map_path = argument;
        return 0;
    case KEY_SOURCE:
        in->source = argument;
        return 0;
    case KEY_SITE:
        in->site = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int read_files(struct import *in)
{
    char sentence[HSDS_SENTENCE_BYTES];
    const struct hsds_listener listener = {in, on_report, on_progress};
    in->map = in->map_path ? hsds_map_load(in->map_path, sentence, sizeof sentence) : hsds_map_default();
    if (!in->map) return cli_say(EXIT_REFUSED, "%s", in->map_path ? sentence : handoff_error(HANDOFF_NO_MEMORY));
    int error = hsds_read(in->path, in->map, &listener, &in->read);
    hide(in);
    if (!error) return EXIT_DONE;
    print_reports(in, HSDS_FAULT, "not read");
    return cli_say(EXIT_REFUSED, "%s cannot be imported", in->path);
}

static int ask_time(struct import *in)
{
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    Handoff__V1__Reply *reply = NULL;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    int code = cli_request(in->cli, &request, &reply);
    if (!code) in->now_ms = reply->info->now_ms;
    handoff_reply_free(&reply);
    return code;
}

static int ask_daemon(struct import *in)
{
    Handoff__V1__DirectoryListRequest filter = HANDOFF__V1__DIRECTORY_LIST_REQUEST__INIT;
    filter.with_delisted = true;
    in->known = malloc(sizeof *in->known);
    if (!in->known) return cli_failed(in->cli, HANDOFF_NO_MEMORY);
    handoff__v1__directory_list_reply__init(in->known);
    int code = cli_connect_patiently(in->cli, IMPORT_TIMEOUT_MS);
    if (!code) code = ask_time(in);
    if (!code) code = fetch_directory(in->cli, &filter, in->known);
    in->is_compared = !code;
    return code;
}

static int run(struct import *in)
{
    int code = read_files(in);
    if (code) return code;
    code = ask_daemon(in);
    if (code && !(in->is_dry && code == EXIT_UNREACHABLE)) return code; /* reading alone needs no daemon */
    code = in->is_compared ? compare(in) : EXIT_DONE;
    if (!code) code = check_gone(in);
    if (!code && !in->is_dry) code = publish(in);
    print_summary(in);
    if (code) return code;
    return in->fault_count || in->refused ? EXIT_REFUSED : EXIT_DONE;
}

int run_directory_import(struct cli *cli, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"dry-run", KEY_DRY_RUN, NULL, 0, "say what would be done, and do nothing", 0},
        {"complete", KEY_COMPLETE, NULL, 0, "this is the whole directory: delist who is not in it", 0},
        {"many", KEY_MANY, NULL, 0, "also when that is more than a quarter of all", 0},
        {"map", KEY_MAP, "FILE", 0, "the table of what texts mean (see handoff directory map)", 0},
        {"source", KEY_SOURCE, "NAME", 0, "who says it (directory)", 0},
        {"site", KEY_SITE, "NAME", 0, "for whose record (the daemon's first)", 0},
        {0},
    };
    struct import in = {.cli = cli, .source = "directory", .site = "", .has_progress = isatty(STDERR_FILENO)};
    const char *arguments[1];
    const struct syntax syntax = {
        .arguments = "FILE|FOLDER",
        .summary = "Imports a resource directory in the Open Referral format (HSDS 3.0 or 2.0.1): a folder or a zip archive "
                   "of CSV, or JSON. Rows that cannot be read are listed with file and line, the rest is imported. Safe to "
                   "repeat.",
        .options = options,
        .parse = parse_import,
        .input = &in,
        .least = 1,
        .most = 1};
    cli_parse(cli, &syntax, argc, argv, arguments);
    in.path = arguments[0];
    int code = run(&in);
    if (in.known) handoff__v1__directory_list_reply__free_unpacked(in.known, NULL);
    hsds_free(&in.read);
    hsds_map_free(&in.map);
    free(in.reports);
    free(in.changes);
    return code;
}
