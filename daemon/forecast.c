/* handoffd forecast: the work of the coming days, from the records as they are. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/calendar.h"
#include "pathway/delay_parse.h"
#include "pathway/words.h"
#include "replay/forecast.h"
#include "report.h"

#include "base/banned.h"

static const char usage[] =
    "usage: handoffd forecast [--nobody] [--json] [--days N] FOLDER\n\n"
    "The work of the coming days by role: every patient's record goes on from where the journal ends, timers fire, "
    "and\n"
    "people complete as many tasks of each kind, as long after they were asked, as they usually do in this folder.\n"
    "Nothing comes from outside: no new patients, no news. The same folder gives the same forecast.\n"
    "Reads only, also while the daemon runs; changes nothing.\n\n"
    "  --days N   how many days after today, 1 to 366; 14 unless given\n"
    "  --nobody   if nobody acts at all: what would climb, and how far\n"
    "  --json     for programs; with what is usual for each kind of task\n";

struct command {
    const char *folder;
    uint32_t days;
    bool is_json, is_nobody;
    struct report_progress progress;
};

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct command *c = context;
    report_progress_draw(&c->progress, done, total);
}

static bool is_empty(const struct forecast_cell *c)
{
    static const struct forecast_cell nothing;
    return memcmp(c, &nothing, sizeof nothing) == 0;
}

static const char *role_in_words(int role, char word[WORD_BYTES])
{
    return word_of(&handoff__v1__role__descriptor, WORD_KEBAB, role, word);
}

/* --- for people ------------------------------------------------------------------------------------------------------
 */

static void add_line(struct report_table *table, int32_t day, int role, const struct forecast_cell *cell)
{
    static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    char word[WORD_BYTES];
    uint32_t date = date_from_day(day);
    const uint64_t numbers[] = {cell->opened,  cell->due,         cell->done,   cell->open,
                                cell->overdue, cell->escalations, cell->repeats};
    report_cell(table, "%s %04u-%02u-%02u", weekdays[date_weekday(day)], date / 10000, date / 100 % 100, date % 100);
    report_cell(table, "%s", role_in_words(role, word));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        report_cell(table, "%llu", (unsigned long long)numbers[i]);
}

static void print_table(const struct forecast_result *r)
{
    static const struct report_column columns[] = {
        {"day", false}, {"role", false},   {"asked", true},       {"due", true},   {"done", true},
        {"open", true}, {"overdue", true}, {"escalations", true}, {"again", true},
    };
    struct report_table *table = report_table_new(columns, sizeof columns / sizeof *columns);
    int32_t first = date_to_day(r->first_date);
    for (uint32_t day = 0; day <= r->days; day++)
        for (int role = 0; role < FORECAST_ROLES; role++)
            if (!is_empty(&r->cells[day][role])) add_line(table, first + (int32_t)day, role, &r->cells[day][role]);
    report_table_end(table, stdout);
}

static void print_usual(const struct forecast_result *r)
{
    static const struct report_column columns[] = {
        {"task", false},        {"asked", true}, {"completed", true}, {"withdrawn", true},
        {"usually done", true}, {"after", true}, {"open time", true},
    };
    char word[WORD_BYTES];
    struct report_table *table = report_table_new(columns, sizeof columns / sizeof *columns);
    for (int kind = 1; kind < RULES_TASK_KINDS; kind++) {
        const struct usual_kind *k = &r->usual->kinds[kind];
        int64_t clock_ms = quantile_at(&k->clock, 50), business_ms = quantile_at(&k->business, 50);
        if (!k->opened) continue;
        report_cell(table, "%s", word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, kind, word));
        report_cell(table, "%llu", (unsigned long long)k->opened);
        report_cell(table, "%llu", (unsigned long long)k->completed);
        report_cell(table, "%llu", (unsigned long long)k->withdrawn);
        report_cell(table, "%u %%", usual_per_mille(r->usual, (Handoff__V1__TaskKind)kind) / 10);
        report_cell(table, "%s", clock_ms == QUANTILE_NONE ? "-" : delay_length_in_words(clock_ms, word));
        report_cell(table, "%s", business_ms == QUANTILE_NONE ? "-" : delay_length_in_words(business_ms, word));
    }
    report_table_end(table, stdout);
}

static void print_for_people(const struct command *c, const struct forecast_result *r)
{
    printf("%s: %llu patients, %llu of them with work ahead; %u %s after the journal's last entry%s\n\n", c->folder,
           (unsigned long long)r->patients, (unsigned long long)r->patients_with_work, r->days,
           r->days == 1 ? "day" : "days",
           c->is_nobody ? ", if nobody acts" : "");
    print_table(r);
    if (c->is_nobody) return;
    printf("\nWhat is usual here:\n");
    print_usual(r);
}

/* --- for programs ----------------------------------------------------------------------------------------------------
 */

static void put_number(const char *name, uint64_t value)
{
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

static void put_cell(const struct forecast_result *r, uint32_t day, int role)
{
    char word[WORD_BYTES];
    const struct forecast_cell *cell = &r->cells[day][role];
    uint32_t date = date_from_day(date_to_day(r->first_date) + (int32_t)day);
    printf("{\"day\":\"%04u-%02u-%02u\",\"role\":\"%s\"", date / 10000, date / 100 % 100, date % 100,
           role_in_words(role, word));
    put_number("asked", cell->opened);
    put_number("due", cell->due);
    put_number("done", cell->done);
    put_number("open", cell->open);
    put_number("overdue", cell->overdue);
    put_number("escalations", cell->escalations);
    put_number("again", cell->repeats);
    putchar('}');
}

static void put_cells(const struct forecast_result *r)
{
    bool is_first = true;
    fputs(",\"rows\":[", stdout);
    for (uint32_t day = 0; day <= r->days; day++) {
        for (int role = 0; role < FORECAST_ROLES; role++) {
            if (is_empty(&r->cells[day][role])) continue;
            if (!is_first) putchar(',');
            is_first = false;
            put_cell(r, day, role);
        }
    }
    putchar(']');
}

static void put_usual(const struct usual *u)
{
    char word[WORD_BYTES];
    bool is_first = true;
    fputs(",\"usual\":[", stdout);
    for (int kind = 1; kind < RULES_TASK_KINDS; kind++) {
        const struct usual_kind *k = &u->kinds[kind];
        if (!k->opened) continue;
        printf("%s{\"task\":\"%s\"", is_first ? "" : ",",
               word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, kind, word));
        is_first = false;
        put_number("asked", k->opened);
        put_number("completed", k->completed);
        put_number("withdrawn", k->withdrawn);
        put_number("perMille", usual_per_mille(u, (Handoff__V1__TaskKind)kind));
        if (k->completed) {
            printf(",\"outcome\":\"%s\"", word_of(&handoff__v1__task_outcome__descriptor, WORD_KEBAB,
                                                  (int)usual_outcome(u, (Handoff__V1__TaskKind)kind), word));
            put_number("medianMs", (uint64_t)quantile_at(&k->clock, 50));
            put_number("medianOpenMs", (uint64_t)quantile_at(&k->business, 50));
        }
        putchar('}');
    }
    putchar(']');
}

static void print_for_programs(const struct command *c, const struct forecast_result *r)
{
    printf("{\"folder\":");
    report_json_text(stdout, c->folder);
    printf(",\"fromMs\":%lld,\"untilMs\":%lld,\"isNobody\":%s", (long long)r->from_ms, (long long)r->until_ms,
           c->is_nobody ? "true" : "false");
    put_number("days", r->days);
    put_number("lastSequence", r->last_sequence);
    put_number("patients", r->patients);
    put_number("patientsWithWork", r->patients_with_work);
    put_cells(r);
    put_usual(r->usual);
    puts("}");
}

/* --- the command
 * ------------------------------------------------------------------------------------------------------ */

static int run(struct command *c, struct journal *journal)
{
    struct yaml_errors errors = {0};
    const char *sentence = "";
    struct forecast_result result;
    struct forecast_options options = {
        .journal = journal, .days = c->days, .is_nobody = c->is_nobody, .context = c, .on_progress = on_progress};
    report_progress_begin(&c->progress);
    int code = forecast_run(&options, &result, &errors, &sentence);
    report_progress_end(&c->progress);
    if (code) {
        yaml_errors_print(stderr, &errors);
        if (!errors.count) fprintf(stderr, "handoffd forecast: %s: %s\n", c->folder, sentence);
        return errors.count ? EXIT_REFUSED : EXIT_FAILED;
    }
    if (c->is_json)
        print_for_programs(c, &result);
    else
        print_for_people(c, &result);
    forecast_free(&result);
    return EXIT_DONE;
}

static bool understand_days(struct command *c, const char *text)
{
    char *end;
    long days = strtol(text, &end, 10);
    c->days = (uint32_t)days;
    return *text && !*end && days >= 1 && days <= FORECAST_DAYS_MAX;
}

static bool understand(int argc, char **argv, struct command *c)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--nobody") == 0)
            c->is_nobody = true;
        else if (strcmp(argv[i], "--json") == 0)
            c->is_json = true;
        else if (strcmp(argv[i], "--days") == 0 && has_value && understand_days(c, argv[i + 1]))
            i++;
        else if (argv[i][0] == '-' || c->folder)
            return false;
        else
            c->folder = argv[i];
    }
    return c->folder != NULL;
}

int command_forecast(int argc, char **argv)
{
    struct command c = {.days = 14};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (!understand(argc, argv, &c)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct journal *journal = report_open_folder("forecast", c.folder);
    int code = journal ? run(&c, journal) : EXIT_FAILED;
    journal_close(journal);
    return code;
}
