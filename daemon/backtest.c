/* handoffd backtest: what would have happened with other pathways, from the journal of what did. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/pathway.h"
#include "pathway/delay_parse.h"
#include "pathway/words.h"
#include "replay/backtest.h"
#include "report.h"

#include "base/banned.h"

static const char usage[] =
    "usage: handoffd backtest [--pathway FILE...] [--policy FILE] [--since DATE] [--patients] [--json] FOLDER\n\n"
    "Takes the outside events of a data folder in their order, lets timers fire between them, and does it twice with\n"
    "this binary: by the rules that were in force, and with the given files in the place of the pathways of the same\n"
    "name. Prints what would have been otherwise: tasks, escalations, how long after their cause, for how many "
    "patients.\n"
    "Reads only, also while the daemon runs; changes nothing.\n\n"
    "  --pathway FILE...  pathways to try; each is checked first, as `handoffd pathway check` does\n"
    "  --policy FILE      a policy to try\n"
    "  --since DATE       from 2026-03-01 on, as if the files had been introduced that day: what was before is taken\n"
    "                     from the journal, and what ran then goes on as it was; else from the beginning\n"
    "  --patients         list the patients whose work differs, by id\n"
    "  --json             for programs\n";

enum { UNMATCHED_KEPT = 1000, UNMATCHED_SHOWN = 20 };

struct kept { /* a piece of human work without its counterpart */
    struct backtest_unmatched what;
    char *patient_id, *pathway;
};

struct command {
    const char **pathways;
    size_t pathway_count;
    const char *policy, *folder;
    uint32_t since;
    bool is_json, shows_patients;
    struct report_progress progress;
    struct kept unmatched[UNMATCHED_KEPT];
    size_t unmatched_count;
    FILE *patients; /* ids, one a line; there may be a million */
};

/* --- what the run tells ------------------------------------------------------------------------------------------- */

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct command *c = context;
    report_progress_draw(&c->progress, done, total);
}

static void on_patient(void *context, const char *patient_id)
{
    struct command *c = context;
    fprintf(c->patients, "%s\n", patient_id);
}

static void on_unmatched(void *context, const struct backtest_unmatched *what)
{
    struct command *c = context;
    if (what->course != COURSE_CANDIDATE || c->unmatched_count == UNMATCHED_KEPT) return;
    struct kept *kept = &c->unmatched[c->unmatched_count];
    *kept = (struct kept){*what, strdup(what->patient_id), strdup(what->pathway)};
    if (kept->patient_id && kept->pathway) c->unmatched_count++;
}

/* --- words ----------------------------------------------------------------------------------------------------------
 */

static const char *why_in_words(enum match why)
{
    switch (why) {
    case MATCH_NOT_ASKED:
        return "nobody had been asked for it";
    case MATCH_ENDED:
        return "it had ended already";
    case MATCH_EXACT:
    case MATCH_BY_KIND:
    case MATCH_IDLE:
        break;
    }
    return "";
}

/* "call-family", "the escalation at supervisor", "the episode" */
static const char *what_in_words(const struct backtest_unmatched *u, char buffer[TALLY_NAME_BYTES])
{
    char word[WORD_BYTES];
    if (u->kind)
        snprintf(buffer, TALLY_NAME_BYTES, "%s",
                 word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, (int)u->kind, word));
    else if (u->rung)
        snprintf(buffer, TALLY_NAME_BYTES, "the escalation at %s",
                 word_of(&handoff__v1__role__descriptor, WORD_KEBAB, (int)u->rung, word));
    else
        snprintf(buffer, TALLY_NAME_BYTES, "the episode");
    return buffer;
}

static const char *length_in_words(int64_t ms, char *buffer)
{
    return ms == QUANTILE_NONE ? "-" : delay_length_in_words(ms, buffer);
}

static void print_day(FILE *to, int64_t at_ms)
{
    uint32_t date = date_from_day((int32_t)(at_ms / MS_PER_DAY));
    fprintf(to, "%04u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
}

/* --- for people ------------------------------------------------------------------------------------------------------
 */

/* "4d", or "4d, now 2d" */
static void add_lengths(struct report_table *table, const struct tally_row *row, uint32_t per_cent)
{
    char present[WORD_BYTES], candidate[WORD_BYTES];
    int64_t was_ms = quantile_at(row->from_cause[COURSE_PRESENT], per_cent);
    int64_t is_ms = quantile_at(row->from_cause[COURSE_CANDIDATE], per_cent);
    if (was_ms == is_ms)
        report_cell(table, "%s", length_in_words(was_ms, present));
    else
        report_cell(table, "%s, now %s", length_in_words(was_ms, present), length_in_words(is_ms, candidate));
}

static void add_row(struct report_table *table, const struct tally_row *row)
{
    char name[TALLY_NAME_BYTES];
    long long difference = (long long)(row->counts[COURSE_CANDIDATE] - row->counts[COURSE_PRESENT]);
    report_cell(table, "%s", row->pathway[0] ? row->pathway : "-");
    report_cell(table, "%s", tally_row_name(row, name));
    report_cell(table, "%llu", (unsigned long long)row->counts[COURSE_PRESENT]);
    report_cell(table, "%llu", (unsigned long long)row->counts[COURSE_CANDIDATE]);
    report_cell(table, difference ? "%+lld" : "%lld", difference);
    report_cell(table, "%llu", (unsigned long long)row->moved);
    add_lengths(table, row, 50);
    add_lengths(table, row, 90);
    report_cell(table, "%llu of %llu", (unsigned long long)row->patients_differ, (unsigned long long)row->patients);
}

static void print_rows(const struct backtest_result *r)
{
    static const struct report_column columns[] = {
        {"pathway", false}, {"work", false},  {"present", true}, {"candidate", true}, {"difference", true},
        {"moved", true},    {"median", true}, {"90 %", true},    {"patients", true},
    };
    size_t count;
    const struct tally_row *const *rows = tally_rows(r->tally, &count);
    struct report_table *table = report_table_new(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++)
        if (rows[i]->counts[COURSE_PRESENT] || rows[i]->counts[COURSE_CANDIDATE]) add_row(table, rows[i]);
    report_table_end(table, stdout);
}

static void print_human_work(const struct command *c, const struct backtest_result *r)
{
    char what[TALLY_NAME_BYTES];
    printf("Human work: %llu answers found what they were about, %llu of them another of its kind; %llu did not.\n",
           (unsigned long long)r->matched[COURSE_CANDIDATE], (unsigned long long)r->matched_by_kind[COURSE_CANDIDATE],
           (unsigned long long)r->unmatched[COURSE_CANDIDATE]);
    for (size_t i = 0; i < c->unmatched_count && i < UNMATCHED_SHOWN; i++) {
        const struct backtest_unmatched *u = &c->unmatched[i].what;
        printf("  unmatched: %s, entry %llu: %s of %s%s%s: %s\n", c->unmatched[i].patient_id,
               (unsigned long long)u->sequence, u->event, what_in_words(u, what),
               c->unmatched[i].pathway[0] ? ", " : "", c->unmatched[i].pathway, why_in_words(u->why));
    }
    if (r->unmatched[COURSE_CANDIDATE] > UNMATCHED_SHOWN)
        printf("  and %llu more\n", (unsigned long long)(r->unmatched[COURSE_CANDIDATE] - UNMATCHED_SHOWN));
}

static void print_patients(const struct command *c)
{
    char line[512];
    rewind(c->patients);
    while (c->shows_patients && fgets(line, sizeof line, c->patients)) printf("  differs: %s", line);
}

static void print_for_people(const struct command *c, const struct backtest_result *r)
{
    printf("%s: %llu outside events of %llu patients, from ", c->folder, (unsigned long long)r->events,
           (unsigned long long)r->patients);
    print_day(stdout, r->from_ms);
    fputs(" to ", stdout);
    print_day(stdout, r->until_ms);
    printf(", up to entry %llu\n\n", (unsigned long long)r->last_sequence);
    print_rows(r);
    putchar('\n');
    if (r->patients_differ)
        printf("Work differs for %llu of %llu patients.\n", (unsigned long long)r->patients_differ,
               (unsigned long long)r->patients);
    else
        printf("No difference.\n");
    print_patients(c);
    print_human_work(c, r);
    if (r->patients_unlike_journal || r->unmatched[COURSE_PRESENT])
        printf(
            "Note: with the present rules the simulation differs from the journal for %llu patients and %llu pieces\n"
            "of human work: another version of the code decided then, or timers were late. Both courses are\n"
            "simulated alike.\n",
            (unsigned long long)r->patients_unlike_journal, (unsigned long long)r->unmatched[COURSE_PRESENT]);
}

/* --- for programs ----------------------------------------------------------------------------------------------------
 */

static void put_number(const char *name, uint64_t value)
{
    printf(",\"%s\":%llu", name, (unsigned long long)value);
}

static void put_text(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    report_json_text(stdout, text);
}

static void put_lengths(const char *name, const struct quantile *q)
{
    printf(",\"%s\":", name);
    if (!q->count)
        fputs("null", stdout);
    else
        printf("{\"medianMs\":%lld,\"p90Ms\":%lld}", (long long)quantile_at(q, 50), (long long)quantile_at(q, 90));
}

static void put_row(const struct tally_row *row, bool is_first)
{
    static const char *const told[] = {"task", "escalation", "escalation-again"};
    char word[WORD_BYTES];
    printf("%s{\"told\":\"%s\"", is_first ? "" : ",", told[row->told]);
    put_text("pathway", row->pathway);
    if (row->told == TOLD_TASK) {
        put_text("kind", word_of(&handoff__v1__task_kind__descriptor, WORD_KEBAB, (int)row->kind, word));
    } else {
        put_text("rung", word_of(&handoff__v1__role__descriptor, WORD_KEBAB, (int)row->rung, word));
        put_text("severity", word_of(&handoff__v1__severity__descriptor, WORD_KEBAB, (int)row->severity, word));
    }
    put_number("present", row->counts[COURSE_PRESENT]);
    put_number("candidate", row->counts[COURSE_CANDIDATE]);
    put_number("journal", row->counts[COURSE_JOURNAL]);
    printf(",\"difference\":%lld", (long long)(row->counts[COURSE_CANDIDATE] - row->counts[COURSE_PRESENT]));
    put_number("moved", row->moved);
    put_number("patients", row->patients);
    put_number("patientsDiffer", row->patients_differ);
    put_lengths("presentFromCause", row->from_cause[COURSE_PRESENT]);
    put_lengths("candidateFromCause", row->from_cause[COURSE_CANDIDATE]);
    putchar('}');
}

static void put_rows(const struct backtest_result *r)
{
    size_t count;
    const struct tally_row *const *rows = tally_rows(r->tally, &count);
    fputs(",\"rows\":[", stdout);
    for (size_t i = 0; i < count; i++) put_row(rows[i], i == 0);
    putchar(']');
}

static void put_unmatched(const struct command *c)
{
    char what[TALLY_NAME_BYTES];
    fputs(",\"unmatched\":[", stdout);
    for (size_t i = 0; i < c->unmatched_count; i++) {
        const struct backtest_unmatched *u = &c->unmatched[i].what;
        printf("%s{\"sequence\":%llu,\"atMs\":%lld", i ? "," : "", (unsigned long long)u->sequence,
               (long long)u->at_ms);
        put_text("patientId", c->unmatched[i].patient_id);
        put_text("event", u->event);
        put_text("about", what_in_words(u, what));
        put_text("pathway", c->unmatched[i].pathway);
        put_text("why", why_in_words(u->why));
        putchar('}');
    }
    putchar(']');
}

static void put_patients(const struct command *c)
{
    char line[512];
    bool is_first = true;
    rewind(c->patients);
    fputs(",\"patientIds\":[", stdout);
    while (fgets(line, sizeof line, c->patients)) {
        line[strcspn(line, "\n")] = '\0';
        if (!is_first) putchar(',');
        report_json_text(stdout, line);
        is_first = false;
    }
    putchar(']');
}

static void put_human_work(const struct backtest_result *r)
{
    static const char *const names[] = {"present", "candidate"};
    fputs(",\"humanWork\":{", stdout);
    for (int c = COURSE_PRESENT; c <= COURSE_CANDIDATE; c++)
        printf("%s\"%s\":{\"matched\":%llu,\"matchedByKind\":%llu,\"unmatched\":%llu}", c ? "," : "", names[c],
               (unsigned long long)r->matched[c], (unsigned long long)r->matched_by_kind[c],
               (unsigned long long)r->unmatched[c]);
    putchar('}');
}

static void print_for_programs(const struct command *c, const struct backtest_result *r)
{
    printf("{\"folder\":");
    report_json_text(stdout, c->folder);
    printf(",\"fromMs\":%lld,\"untilMs\":%lld", (long long)r->from_ms, (long long)r->until_ms);
    put_number("lastSequence", r->last_sequence);
    put_number("events", r->events);
    put_number("patients", r->patients);
    put_number("patientsDiffer", r->patients_differ);
    put_number("patientsUnlikeJournal", r->patients_unlike_journal);
    put_human_work(r);
    put_rows(r);
    put_unmatched(c);
    if (c->shows_patients) put_patients(c);
    puts("}");
}

/* --- the command
 * ------------------------------------------------------------------------------------------------------ */

static int run(struct command *c, struct journal *journal)
{
    struct yaml_errors errors = {0};
    const char *sentence = "";
    struct backtest_result result;
    struct backtest_options options = {.journal = journal,
                                       .pathway_files = c->pathways,
                                       .pathway_count = c->pathway_count,
                                       .policy_file = c->policy,
                                       .since = c->since,
                                       .context = c,
                                       .on_progress = on_progress,
                                       .on_patient = on_patient,
                                       .on_unmatched = on_unmatched};
    report_progress_begin(&c->progress);
    int code = backtest_run(&options, &result, &errors, &sentence);
    double seconds = report_progress_end(&c->progress);
    if (code) {
        yaml_errors_print(stderr, &errors);
        if (code != BACKTEST_E_REFUSED) fprintf(stderr, "handoffd backtest: %s: %s\n", c->folder, sentence);
        return code == BACKTEST_E_REFUSED ? EXIT_REFUSED : EXIT_FAILED;
    }
    if (!result.patients) result.from_ms = result.until_ms;
    if (c->is_json)
        print_for_programs(c, &result);
    else
        print_for_people(c, &result);
    fprintf(stderr, "%llu events, %llu decisions in %.1f s: %.0f events a second\n", (unsigned long long)result.events,
            (unsigned long long)result.steps, seconds, (double)result.events / (seconds > 0 ? seconds : 1));
    backtest_free(&result);
    return EXIT_DONE;
}

static int run_on_folder(struct command *c)
{
    struct journal *journal = report_open_folder("backtest", c->folder);
    int code = EXIT_FAILED;
    c->patients = tmpfile();
    if (!c->patients) perror("handoffd backtest: no room for the list of patients");
    if (journal && c->patients) code = run(c, journal);
    if (c->patients) fclose(c->patients);
    for (size_t i = 0; i < c->unmatched_count; i++) {
        free(c->unmatched[i].patient_id);
        free(c->unmatched[i].pathway);
    }
    journal_close(journal);
    return code;
}

static bool is_policy(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "policy.yaml") == 0;
}

static void add_file(struct command *c, const char *path)
{
    if (is_policy(path))
        c->policy = path; /* the shell named every file of the folder */
    else
        c->pathways[c->pathway_count++] = path;
}

/* What is wrong with the command line, before its usage. */
__attribute__((format(printf, 1, 2))) static int say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("handoffd backtest: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n\n", stderr);
    va_end(arguments);
    return 0;
}

static int take_since(struct command *c, const char *text)
{
    c->since = report_parse_date(text);
    return c->since ? 2 : say("--since %s: a date is written as 2026-03-01", text);
}

/* Takes one option and its value; how many arguments that was, 0: it is not understood, which was said. */
static int take_option(struct command *c, const char *option, const char *value)
{
    bool *flag = strcmp(option, "--patients") == 0 ? &c->shows_patients
                 : strcmp(option, "--json") == 0   ? &c->is_json
                                                   : NULL;
    if (flag) {
        *flag = true;
        return 1;
    }
    bool is_file = strcmp(option, "--pathway") == 0 || strcmp(option, "--policy") == 0;
    if (!is_file && strcmp(option, "--since") != 0) return say("there is no option %s", option);
    if (!value) return say("%s needs a value, and FOLDER comes last", option);
    if (strcmp(option, "--since") == 0) return take_since(c, value);
    if (strcmp(option, "--pathway") == 0)
        add_file(c, value);
    else
        c->policy = value;
    return 2;
}

/* The last argument is the folder; others that are neither options nor their values follow --pathway. */
static bool understand(int argc, char **argv, struct command *c)
{
    bool takes_files = false;
    if (argc < 2 || argv[argc - 1][0] == '-') return say("the data FOLDER comes last");
    c->folder = argv[argc - 1];
    for (int i = 1, taken; i < argc - 1; i += taken) {
        bool is_file = argv[i][0] != '-';
        if (is_file && !takes_files) return say("%s follows no option; one FOLDER comes last", argv[i]);
        if (is_file)
            add_file(c, argv[i]);
        else
            takes_files = strcmp(argv[i], "--pathway") == 0;
        taken = is_file ? 1 : take_option(c, argv[i], i + 2 < argc ? argv[i + 1] : NULL);
        if (!taken) return false;
    }
    return c->pathway_count || c->policy || say("say what to try: --pathway FILE..., --policy FILE, and FOLDER last");
}

int command_backtest(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    struct command *c = calloc(1, sizeof *c);
    if (c) c->pathways = calloc((size_t)argc + 1, sizeof *c->pathways);
    int code = EXIT_FAILED;
    if (c && c->pathways) {
        bool is_understood = understand(argc, argv, c);
        if (!is_understood) fputs(usage, stderr);
        code = is_understood ? run_on_folder(c) : EXIT_USAGE;
    }
    if (c) free(c->pathways);
    free(c);
    return code;
}
