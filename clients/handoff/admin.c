/* The daemon itself: numbers, clock, backup, reload. */
#include "cli.h"
#include "table.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_TIMEOUT_MS 600000 /* an advance over months fires much; a backup copies all */

static void parse_plain(struct cli *cli, const char *summary, int argc, char **argv)
{
    const struct syntax syntax = {.summary = summary};
    cli_parse(cli, &syntax, argc, argv, NULL);
}

/* --- stats and info
 * ------------------------------------------------------------------------------------------------ */

static void print_statistics(const Handoff__V1__StatisticsReply *reply)
{
    static const struct column columns[] = {{.name = "NAME"}, {.name = "VALUE", .is_right = true}};
    struct libscols_table *table = table_open(columns, 2);
    for (size_t i = 0; i < reply->n_statistics; i++) {
        struct libscols_line *line = table_line(table, NULL);
        table_cell(line, 0, reply->statistics[i]->name);
        table_cellf(line, 1, "%" PRId64, reply->statistics[i]->value);
    }
    table_print(table, NULL, "no statistics");
}

int run_stats(struct cli *cli, int argc, char **argv)
{
    parse_plain(cli, "Shows the daemon's numbers.", argc, argv);
    Handoff__V1__StatisticsRequest statistics = HANDOFF__V1__STATISTICS_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_STATISTICS;
    request.statistics = &statistics;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->statistics->base, true);
    } else {
        print_statistics(reply->statistics);
    }
    handoff_reply_free(&reply);
    return code;
}

static void print_info(const Handoff__V1__InfoReply *info)
{
    char when[WHEN_TEXT_BYTES];
    printf("version   %s\nclock     %s, %s\njournal   #%" PRIu64 ", indexed to #%" PRIu64 "\nstream    %s\n",
           info->version, info->clock, when_format_zone(info->now_ms, when), info->last_sequence,
           info->indexed_sequence, info->stream_endpoint);
    for (size_t i = 0; i < info->n_pathways; i++)
        printf("%s%s\n", i ? "          " : "pathways  ", info->pathways[i]);
}

int run_info(struct cli *cli, int argc, char **argv)
{
    parse_plain(cli, "Shows the daemon's version, clock, pathways and how far its journal is.", argc, argv);
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->info->base, true);
    } else {
        print_info(reply->info);
    }
    handoff_reply_free(&reply);
    return code;
}

/* --- clock
 * ---------------------------------------------------------------------------------------------------------
 */

static int ask_clock(struct cli *cli, Handoff__V1__ClockRequest *clock)
{
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_CLOCK;
    request.clock = clock;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    const Handoff__V1__ClockReply *now = reply->clock;
    if (cli->is_json) {
        code = cli_print_json(&now->base, true);
    } else {
        char when[WHEN_TEXT_BYTES];
        bool is_changed = clock->advance_ms || clock->advance_to_ms || clock->accept;
        printf("%s (%s clock%s)", when_format_zone(now->now_ms, when), now->kind, now->is_held ? ", held" : "");
        if (is_changed) printf(", %" PRIu64 " fired", now->fired);
        putchar('\n');
    }
    handoff_reply_free(&reply);
    return code;
}

int run_clock_show(struct cli *cli, int argc, char **argv)
{
    parse_plain(cli, "Shows what time it is for the daemon.", argc, argv);
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    return ask_clock(cli, &clock);
}

int run_clock_advance(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {.arguments = "DURATION",
                                  .summary = "Moves a manual clock by weeks, days of 24 hours, hours, "
                                             "minutes: 3d, 4h, 30min, 2d4h. What becomes "
                                             "due on the way fires at its time.",
                                  .least = 1,
                                  .most = 1};
    const char *duration = NULL;
    cli_parse(cli, &syntax, argc, argv, &duration);
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    if (!when_parse_duration(duration, &clock.advance_ms) || !clock.advance_ms) {
        return cli_say(EXIT_MISUSED, "\"%s\" is not a duration like 3d, 4h, 30min or 2d4h", duration);
    }
    int code = cli_connect_patiently(cli, LONG_TIMEOUT_MS);
    return code ? code : ask_clock(cli, &clock);
}

int run_clock_advance_to(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {.arguments = "TIME",
                                  .summary = "Moves a manual clock to a time, as advance does.",
                                  .least = 1,
                                  .most = 1};
    const char *time = NULL;
    cli_parse(cli, &syntax, argc, argv, &time);
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    if (!when_parse(time, &clock.advance_to_ms)) {
        return cli_say(EXIT_MISUSED, "\"%s\" is not a time like 2026-03-05 or '2026-03-05 16:40'", time);
    }
    int code = cli_connect_patiently(cli, LONG_TIMEOUT_MS);
    return code ? code : ask_clock(cli, &clock);
}

int run_clock_accept(struct cli *cli, int argc, char **argv)
{
    parse_plain(cli, "Accepts a jump of the system's clock: the timers that were held fire.", argc, argv);
    Handoff__V1__ClockRequest clock = HANDOFF__V1__CLOCK_REQUEST__INIT;
    clock.accept = true;
    return ask_clock(cli, &clock);
}

/* --- backup and reload
 * --------------------------------------------------------------------------------------------- */

int run_backup(struct cli *cli, int argc, char **argv)
{
    const struct syntax syntax = {
        .arguments = "FOLDER",
        .summary = "Copies the data into an empty or new folder on the daemon's machine, while "
                   "it runs.",
        .least = 1,
        .most = 1};
    const char *folder = NULL;
    cli_parse(cli, &syntax, argc, argv, &folder);
    char *absolute = *folder == '/' ? strdup(folder) : NULL;
    char *here = absolute ? NULL : realpath(".", NULL);
    if (here && asprintf(&absolute, "%s/%s", here, folder) < 0) absolute = NULL;
    free(here);
    if (!absolute) return cli_failed(cli, HANDOFF_NO_MEMORY);
    Handoff__V1__BackupRequest backup = HANDOFF__V1__BACKUP_REQUEST__INIT;
    backup.folder = absolute;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_BACKUP;
    request.backup = &backup;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_connect_patiently(cli, LONG_TIMEOUT_MS);
    if (!code) code = cli_request(cli, &request, &reply);
    if (!code && cli->is_json) code = cli_print_json(&reply->backup->base, true);
    if (!code && !cli->is_json)
        printf("backed up to %s, up to #%" PRIu64 "\n", absolute, reply->backup->last_sequence);
    handoff_reply_free(&reply);
    free(absolute);
    return code;
}

int run_reload(struct cli *cli, int argc, char **argv)
{
    parse_plain(
        cli,
        "Makes the daemon read its pathways and policy again; what is wrong leaves the old ones in force.",
        argc, argv);
    Handoff__V1__ReloadRequest reload = HANDOFF__V1__RELOAD_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_RELOAD;
    request.reload = &reload;
    Handoff__V1__Reply *reply = NULL;
    int code = cli_request(cli, &request, &reply);
    if (code) return code;
    if (cli->is_json) {
        code = cli_print_json(&reply->reload->base, true);
    } else {
        for (size_t i = 0; i < reply->reload->n_changes; i++) puts(reply->reload->changes[i]);
        if (!reply->reload->n_changes) puts("nothing changed");
    }
    handoff_reply_free(&reply);
    return code;
}
