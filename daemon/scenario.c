/* handoffd pathway test: runs scenarios against the pathways, in memory. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "commands.h"
#include "core/pathway.h"
#include "engine/intake.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"
#include "pathway/scenario.h"

static const char usage[] =
    "usage: handoffd pathway test [--config FILE] [--pathways DIR] [--transcript FILE]\n"
    "                             [--twice] [--interleaved] SCENARIO|DIR...\n"
    "Runs scenario files, or all *.yaml of a folder, against the pathways and prints a TAP line for each\n"
    "expectation. --config is /etc/handoff/handoffd.yaml unless given; --pathways stands for its folder.\n"
    "--twice delivers every event twice; --interleaved mixes the steps of all files by their times.\n";

enum { FILES_MAX = 1024, PATH_BYTES = 4096 };

struct options {
    const char *config_file, *pathways, *transcript_file;
    bool is_twice, is_interleaved;
    char *files[FILES_MAX];
    size_t file_count;
};

/* --- the command line ----------------------------------------------------------------------------------------- */
static bool add_file(struct options *o, const char *folder, const char *name)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name) >= (int)sizeof path) return false;
    if (o->file_count == FILES_MAX) {
        fprintf(stderr, "more than %d scenarios\n", FILES_MAX);
        return false;
    }
    o->files[o->file_count] = strdup(path);
    return o->files[o->file_count] && ++o->file_count;
}

static int is_scenario(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static bool add_folder(struct options *o, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_scenario, alphasort);
    bool is_fine = count > 0;
    if (count < 0)
        perror(folder);
    else if (count == 0)
        fprintf(stderr, "%s: no scenario in this folder\n", folder);
    for (int i = 0; i < count; i++) {
        is_fine = is_fine && add_file(o, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return is_fine;
}

static bool add_argument(struct options *o, const char *path)
{
    struct stat status;
    bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    return is_folder ? add_folder(o, path) : add_file(o, "", path);
}

/* How many arguments the option takes; 0: it is none that we know. */
static int read_option(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        bool *flag;
        const char **text;
    } table[] = {{"--config", NULL, &o->config_file},
                 {"--pathways", NULL, &o->pathways},
                 {"--transcript", NULL, &o->transcript_file},
                 {"--twice", &o->is_twice, NULL},
                 {"--interleaved", &o->is_interleaved, NULL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) != 0) continue;
        if (table[i].flag) return (int)(*table[i].flag = true);
        *table[i].text = value;
        return value ? 2 : 0;
    }
    return 0;
}

/* An exit code: EXIT_FAILED when a folder cannot be read. */
static int read_arguments(struct options *o, int argc, char **argv)
{
    for (int i = 1, taken = 0; i < argc; i += taken) {
        bool is_option = strncmp(argv[i], "--", 2) == 0;
        taken = is_option ? read_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL) : 1;
        if (taken == 0) return EXIT_USAGE;
        if (!is_option && !add_argument(o, argv[i])) return EXIT_FAILED;
    }
    return o->file_count ? EXIT_DONE : EXIT_USAGE;
}

/* --- what the daemon would take -------------------------------------------------------------------------------- */
static struct intake *intake;

/* As it lies on the wire: then every check of the daemon is asked. */
static const char *refusal_of(const Handoff__V1__Event *event, int64_t now_ms, struct arena *arena)
{
    size_t size = handoff__v1__event__get_packed_size(event);
    uint8_t *packed = arena_alloc(arena, size);
    const Handoff__V1__Event *taken;
    struct refusal refusal;
    char sentence[384];
    handoff__v1__event__pack(event, packed);
    if (!intake_read(intake, (struct bytes){packed, size}, now_ms, arena, &taken, &refusal)) return NULL;
    const char *name = event_kind_of(event->body_case)->name, *dot = strrchr(refusal.field, '.');
    if (refusal.code == HANDOFF__V1__CODE__CODE_MISSING_FIELD)
        snprintf(sentence, sizeof sentence, "%s needs \"%s\"; the daemon would refuse it", name,
                 dot ? dot + 1 : refusal.field);
    else
        snprintf(sentence, sizeof sentence, "the daemon would refuse this %s: %s", name, refusal.sentence);
    return arena_string(arena, sentence);
}

/* --- running -------------------------------------------------------------------------------------------------- */
static const struct rules *load_rules(const struct config *config, struct ruleset *rs, struct arena *arena,
                                      struct yaml_errors *errors)
{
    struct rules_folder folder;
    struct rules_changes changes;
    Handoff__V1__Site **sites = site_messages(config, arena);
    if (ruleset_read_folder(config->pathways, arena, &folder, errors)) return NULL;
    if (ruleset_diff(rs, &folder, (const Handoff__V1__Site *const *)sites, config->site_count, arena, errors, &changes))
        return NULL;
    for (size_t i = 0; i < changes.count; i++)
        if (ruleset_apply(rs, changes.list[i], i + 1, errors)) return NULL;
    return ruleset_build(rs);
}

/* The open one whose next step is the earliest; of several the first. */
static struct scenario *earliest(struct scenario *const *open, size_t count)
{
    struct scenario *first = NULL;
    for (size_t i = 0; i < count; i++)
        if (open[i] && scenario_next_ms(open[i]) < (first ? scenario_next_ms(first) : INT64_MAX)) first = open[i];
    return first;
}

static void run_interleaved(const struct options *o, const struct rules *rules, struct scenario_report *report,
                            struct yaml_errors *errors)
{
    struct scenario *open[FILES_MAX], *next = NULL;
    for (size_t i = 0; i < o->file_count; i++) open[i] = scenario_open(o->files[i], rules, report, errors);
    while ((next = earliest(open, o->file_count)) && scenario_step(next, errors)) continue;
    for (size_t i = 0; i < o->file_count; i++) scenario_close(open[i]);
}

static int run_files(const struct options *o, const struct rules *rules, FILE *transcript, struct yaml_errors *errors)
{
    uint64_t sequence = 0;
    struct scenario_report report = {
        .tap = stdout, .transcript = transcript, .sequence = &sequence, .is_twice = o->is_twice, .refusal = refusal_of};
    printf("TAP version 13\n");
    if (o->is_interleaved) run_interleaved(o, rules, &report, errors);
    for (size_t i = 0; i < o->file_count && !o->is_interleaved; i++)
        if (scenario_run(o->files[i], rules, &report, errors)) break;
    if (errors->count)
        printf("Bail out! a scenario cannot be read\n");
    else
        printf("1..%u\n", report.passed + report.failed);
    if (report.failed) fprintf(stderr, "%u passed, %u failed\n", report.passed, report.failed);
    return errors->count || report.failed;
}

static int test(const struct options *o, struct yaml_errors *errors)
{
    struct config *config = config_load(o->config_file, errors);
    struct ruleset *rs = ruleset_new();
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    FILE *transcript = o->transcript_file ? fopen(o->transcript_file, "w") : NULL;
    int status = EXIT_REFUSED;
    intake = intake_new();
    if (o->transcript_file && !transcript) {
        perror(o->transcript_file);
        status = EXIT_FAILED;
    } else if (!rs || !arena || !intake) {
        fputs("handoffd pathway test: no memory\n", stderr);
        status = EXIT_FAILED;
    } else if (config && (!o->pathways || config_override(config, "pathways", o->pathways, errors))) {
        const struct rules *rules = load_rules(config, rs, arena, errors);
        if (rules) status = run_files(o, rules, transcript, errors);
    }
    if (errors->count) yaml_errors_print(stderr, errors);
    if (transcript) fclose(transcript);
    intake_free(intake);
    ruleset_free(rs);
    arena_free(arena);
    config_free(config);
    return status;
}

int command_pathway_test(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    static struct options options;
    static struct yaml_errors errors;
    options = (struct options){.config_file = HANDOFF_CONFIG_FILE};
    int status = read_arguments(&options, argc, argv);
    if (status == EXIT_USAGE) fputs(usage, stderr);
    if (status == EXIT_DONE) status = test(&options, &errors);
    for (size_t i = 0; i < options.file_count; i++) free(options.files[i]);
    return status;
}
