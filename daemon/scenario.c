/* handoffd pathway test: runs scenarios against the pathways, in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "commands.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"
#include "pathway/scenario.h"

static const char usage[] =
    "usage: handoffd pathway test [--config FILE] [--pathways DIR] [--transcript FILE] SCENARIO...\n"
    "Runs scenario files against the pathways and prints a TAP line for each expectation.\n"
    "--config is /etc/handoff/handoffd.yaml unless given; --pathways stands for its folder.\n";

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

static int run_files(int count, char **files, const struct rules *rules, FILE *transcript, struct yaml_errors *errors)
{
    struct scenario_report report = {.tap = stdout, .transcript = transcript};
    printf("TAP version 13\n");
    for (int i = 0; i < count; i++)
        if (scenario_run(files[i], rules, &report, errors)) return 1;
    printf("1..%u\n", report.passed + report.failed);
    if (report.failed) fprintf(stderr, "%u passed, %u failed\n", report.passed, report.failed);
    return report.failed != 0;
}

int command_pathway_test(int argc, char **argv)
{
    const char *config_file = HANDOFF_CONFIG_FILE, *pathways = NULL, *transcript_file = NULL;
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--config") == 0) config_file = argv[i + 1];
        else if (strcmp(argv[i], "--pathways") == 0) pathways = argv[i + 1];
        else if (strcmp(argv[i], "--transcript") == 0) transcript_file = argv[i + 1];
        else break;
    }
    if (i >= argc || strncmp(argv[i], "--", 2) == 0) {
        fputs(usage, stderr);
        return 2;
    }
    static struct yaml_errors errors;
    struct config *config = config_load(config_file, &errors);
    struct ruleset *rs = ruleset_new();
    struct arena *arena = arena_new(LIMIT_ARENA_BYTES);
    FILE *transcript = transcript_file ? fopen(transcript_file, "w") : NULL;
    int status = 1;
    if (transcript_file && !transcript) {
        perror(transcript_file);
    } else if (config && rs && arena && (!pathways || config_override(config, "pathways", pathways, &errors))) {
        const struct rules *rules = load_rules(config, rs, arena, &errors);
        if (rules) status = run_files(argc - i, argv + i, rules, transcript, &errors);
    }
    if (errors.count) yaml_errors_print(stderr, &errors);
    if (transcript) fclose(transcript);
    ruleset_free(rs);
    arena_free(arena);
    config_free(config);
    return status;
}
