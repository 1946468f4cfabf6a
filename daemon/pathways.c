/* handoffd pathway: checks pathways before they run, prints the words they may use, draws them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/delay_parse.h"
#include "pathway/diagram.h"
#include "pathway/policy.h"
#include "pathway/ruleset.h"
#include "pathway/silence.h"
#include "pathway/site_compile.h"
#include "pathway/verify.h"

static const char usage[] =
    "usage: handoffd pathway check [--policy FILE] [--config FILE] FILE...\n"
    "       handoffd pathway test [--config FILE] [--pathways DIR] [--transcript FILE]\n"
    "                             [--twice] [--interleaved] SCENARIO|DIR...\n"
    "       handoffd pathway words\n"
    "       handoffd pathway diagram FILE\n\n"
    "check    says what is wrong with these pathways; of sound ones, for each state, the longest\n"
    "         silence and who is then told. The policy is policy.yaml beside the first FILE unless\n"
    "         given; the calendars are those of the configuration's sites, else Monday to Friday,\n"
    "         08:00 to 17:00, New York; a pathway that passes there may still be refused for your\n"
    "         hours and holidays. Other pathways of that folder are known but not checked.\n"
    "test     runs scenarios, or all in a folder, against the pathways of the configuration, which is\n"
    "         /etc/handoff/handoffd.yaml unless given; --twice delivers every event twice, --interleaved\n"
    "         mixes the steps of all files by their times: both must come out the same\n"
    "words    lists the events with their fields, predicates, tasks, roles and actions\n"
    "diagram  prints the pathway as a graph for Graphviz (dot -Tsvg)\n";

#define ARENA_BYTES ((size_t)2 * 1024 * 1024 * 1024) /* of address space */
enum { ROLES_BYTES = 128, PATH_BYTES = 4096 };

struct check {
    struct arena *arena;
    const char *policy_file, *config_file; /* NULL: not given */
    char **files;
    size_t file_count;
    struct policy policy;
    bool has_policy;
    const struct calendar *calendars[CONFIG_MAX_SITES];
    size_t calendar_count;
    const struct pathway_source *sources[RULESET_FILES_MAX];
    size_t source_count;
    struct yaml_errors errors;
};

/* --- reading --------------------------------------------------------------------------------------------------- */

/* false: it cannot be read; said only to whom it matters. */
static bool read_file(struct arena *arena, const char *path, struct bytes *ret_text, struct yaml_errors *errors)
{
    FILE *file = fopen(path, "re");
    uint8_t *data = arena_alloc(arena, PATHWAY_TEXT_MAX + 1);
    size_t bytes = file ? fread(data, 1, PATHWAY_TEXT_MAX + 1, file) : 0;
    bool is_read = file && !ferror(file);
    if (!is_read && errors) yaml_error_at(errors, path, 0, 0, "it cannot be read");
    if (file) fclose(file);
    *ret_text = (struct bytes){data, bytes};
    return is_read;
}

/* The name of a file in the folder of another. */
static const char *beside(const char *path, const char *name, char buffer[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    snprintf(buffer, PATH_BYTES, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);
    return buffer;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void read_policy(struct check *c)
{
    char path[PATH_BYTES];
    struct bytes text;
    Handoff__V1__Policy *message;
    const char *file = c->policy_file ? c->policy_file : beside(c->files[0], "policy.yaml", path);
    if (!read_file(c->arena, file, &text, c->policy_file ? &c->errors : NULL)) return;
    c->has_policy = policy_read(c->arena, file, text, &c->errors, &message) == 0 &&
                    policy_compile(message, c->arena, &c->policy, &c->errors) == 0;
}

static void read_sites(struct check *c)
{
    if (!c->config_file) return;
    struct config *config = config_load(c->config_file, &c->errors);
    if (!config) return;
    Handoff__V1__Site **sites = site_messages(config, c->arena);
    for (size_t i = 0; i < config->site_count; i++) {
        struct site *site = ARENA_NEW(c->arena, struct site);
        if (site_compile(sites[i], c->arena, site, &c->errors) == 0)
            c->calendars[c->calendar_count++] = &site->calendar;
    }
    config_free(config);
}

static bool is_given(const struct check *c, const char *name)
{
    for (size_t i = 0; i < c->file_count; i++)
        if (strcmp(base_name(c->files[i]), name) == 0) return true;
    return false;
}

/* The other pathways of the first file's folder, as far as they load: they may be opened and asked for. */
static void add_siblings(struct check *c)
{
    static struct yaml_errors ignored;
    char folder_name[PATH_BYTES];
    struct rules_folder folder;
    if (ruleset_read_folder(beside(c->files[0], ".", folder_name), c->arena, &folder, &ignored)) return;
    for (size_t i = 0; i < folder.pathway_count && c->source_count < RULESET_FILES_MAX; i++) {
        struct pathway_source *source;
        ignored.count = 0;
        if (is_given(c, folder.pathways[i].name)) continue;
        if (pathway_read(c->arena, folder.pathways[i].name, folder.pathways[i].text, &ignored, &source)) continue;
        c->sources[c->source_count++] = source;
    }
}

/* --- checking -------------------------------------------------------------------------------------------------- */

static void check_file(struct check *c, const char *file)
{
    struct bytes text;
    struct pathway_source *source;
    struct verify_options options = {c->calendars, c->calendar_count, c->has_policy ? &c->policy : NULL, NULL};
    if (!read_file(c->arena, file, &text, &c->errors) || pathway_read(c->arena, file, text, &c->errors, &source))
        return;
    pathway_verify(source, &options, &c->errors);
    c->sources[c->source_count++] = source;
}

static const char *roles_in_words(uint32_t roles, bool is_by_policy, char buffer[ROLES_BYTES])
{
    char word[WORD_BYTES];
    size_t at = 0;
    buffer[0] = '\0';
    for (int role = 1; role < 32 && at < ROLES_BYTES; role++)
        if (roles >> role & 1)
            at += (size_t)snprintf(buffer + at, ROLES_BYTES - at, "%s%s", at ? ", " : "",
                                   word_of(&handoff__v1__role__descriptor, WORD_KEBAB, role, word));
    if (is_by_policy && at < ROLES_BYTES) snprintf(buffer + at, ROLES_BYTES - at, "%sthe task's owner", at ? ", " : "");
    return buffer;
}

static void print_holds(const struct pathway *p, uint32_t holds)
{
    bool is_first = true;
    for (uint32_t h = 0; h < p->hold_count; h++) {
        if (!(holds >> h & 1)) continue;
        printf("%s%s", is_first ? ", while held by " : " and ", p->holds[h].name);
        is_first = false;
    }
}

static int widest_state(const struct pathway *p)
{
    int widest = (int)strlen("state");
    for (uint32_t i = 0; i < p->main.state_count; i++) {
        int bytes = (int)strlen(p->main.states[i].name);
        if (bytes > widest) widest = bytes;
    }
    return widest;
}

static void print_table(const struct pathway_source *source)
{
    const struct pathway *p = source->pathway;
    int width = widest_state(p);
    char length[WORD_BYTES], roles[ROLES_BYTES];
    printf("%s: %s, version %u\n  %-*s  longest silence  then told\n", source->file, p->name, p->version, width,
           "state");
    for (uint32_t i = 0; i < p->main.state_count; i++) {
        const struct silence *s = &source->silences[i];
        if (p->main.states[i].is_final) {
            printf("  %-*s  final\n", width, p->main.states[i].name);
            continue;
        }
        if (s->is_lapsing) {
            printf("  %-*s  until it runs out by %s\n", width, p->main.states[i].name, p->timers[s->timer].name);
            continue;
        }
        printf("  %-*s  %-15s  %s by %s", width, p->main.states[i].name, delay_length_in_words(s->ms, length),
               roles_in_words(s->roles, s->is_by_policy, roles), p->timers[s->timer].name);
        print_holds(p, s->holds);
        putchar('\n');
    }
}

static int run_check(struct check *c)
{
    read_policy(c);
    read_sites(c);
    if (c->errors.count) return EXIT_REFUSED;
    if (!c->has_policy)
        fputs("no policy.yaml here and none given: whether each task has an owner is not checked\n", stderr);
    for (size_t i = 0; i < c->file_count; i++) check_file(c, c->files[i]);
    size_t checked = c->source_count;
    add_siblings(c);
    pathway_verify_set(c->sources, c->source_count, checked, &c->errors);
    if (c->errors.count) return EXIT_REFUSED;
    for (size_t i = 0; i < checked; i++) print_table(c->sources[i]);
    return EXIT_DONE;
}

static int understand_check(int argc, char **argv, struct check *c)
{
    c->files = calloc((size_t)argc, sizeof *c->files);
    for (int i = 1; i < argc && c->files; i++) {
        const char **option = strcmp(argv[i], "--policy") == 0   ? &c->policy_file
                              : strcmp(argv[i], "--config") == 0 ? &c->config_file
                                                                 : NULL;
        if (option && i + 1 < argc)
            *option = argv[++i];
        else if (argv[i][0] == '-')
            return EXIT_USAGE;
        else if (strcmp(base_name(argv[i]), "policy.yaml") == 0) /* the shell named every file of the folder */
            c->policy_file = c->policy_file ? c->policy_file : argv[i];
        else
            c->files[c->file_count++] = argv[i];
    }
    return c->file_count > 0 && c->file_count < RULESET_FILES_MAX ? EXIT_DONE : EXIT_USAGE;
}

static int check(int argc, char **argv)
{
    static struct check c;
    int status = understand_check(argc, argv, &c);
    if (status == EXIT_USAGE) fputs(usage, stderr);
    c.arena = status == EXIT_DONE ? arena_new(ARENA_BYTES) : NULL;
    if (status == EXIT_DONE) status = c.arena ? run_check(&c) : EXIT_FAILED;
    yaml_errors_print(stderr, &c.errors);
    if (c.arena) arena_free(c.arena);
    free(c.files);
    return status;
}

/* --- words ----------------------------------------------------------------------------------------------------- */

static void print_values(const ProtobufCEnumDescriptor *type)
{
    char word[WORD_BYTES];
    bool is_first = true;
    for (unsigned i = 0; i < type->n_values; i++) {
        if (!type->values[i].value) continue;
        printf("%s%s", is_first ? "" : ", ", word_of(type, WORD_UPPER, type->values[i].value, word));
        is_first = false;
    }
}

static void print_type(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        fputs("a list", stdout);
    else if (field->type == PROTOBUF_C_TYPE_STRING)
        fputs("text", stdout);
    else if (field->type == PROTOBUF_C_TYPE_BOOL)
        fputs("true or false", stdout);
    else if (field->descriptor == &handoff__v1__party__descriptor)
        fputs("a party", stdout);
    else if (field->descriptor == &handoff__v1__task_kind__descriptor)
        fputs("a task, as in CALL_FAMILY", stdout);
    else if (field->type == PROTOBUF_C_TYPE_ENUM)
        print_values(field->descriptor);
    else
        fputs(field->type != PROTOBUF_C_TYPE_MESSAGE || field->descriptor == &handoff__v1__count__descriptor
                  ? "a number"
                  : "a group",
              stdout);
}

static void print_fields(const ProtobufCMessageDescriptor *message)
{
    for (unsigned i = 0; i < message->n_fields; i++) {
        printf("    %-24s ", message->fields[i].name);
        print_type(&message->fields[i]);
        putchar('\n');
    }
}

static void print_enum(const char *title, const ProtobufCEnumDescriptor *type, enum word_case kind)
{
    char word[WORD_BYTES];
    printf("\n%s\n", title);
    for (unsigned i = 0; i < type->n_values; i++)
        if (type->values[i].value) printf("  %s\n", word_of(type, kind, type->values[i].value, word));
}

static void print_predicates(void)
{
    static const char *const arguments[] = {[ARGUMENT_NONE] = "",
                                            [ARGUMENT_PARTY] = "(PARTY)",
                                            [ARGUMENT_HOLD] = "(hold)",
                                            [ARGUMENT_CONCERN] = "(concern)",
                                            [ARGUMENT_TIMER] = "(timer)",
                                            [ARGUMENT_REGION_STATE] = "(region.state)",
                                            [ARGUMENT_STATE] = "(state)",
                                            [ARGUMENT_ASPECT] = "(sending, reminders, misses or family)",
                                            [ARGUMENT_TASK_KIND] = "(task)",
                                            [ARGUMENT_PATHWAY] = "(pathway)",
                                            [ARGUMENT_BARRIER] = "(BARRIER)",
                                            [ARGUMENT_DAYS] = "(day, day)"};
    printf("\nPredicates\n");
    for (size_t i = 0; predicate_at(i); i++)
        printf("  %s%s%s\n", predicate_at(i)->name, arguments[predicate_at(i)->argument],
               predicate_at(i)->is_number ? ", a number" : "");
}

static int words(void)
{
    static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *message;
    } objects[] = {{"patient", &handoff__v1__patient_record__descriptor},
                   {"episode, referral", &handoff__v1__episode__descriptor},
                   {"task", &handoff__v1__task__descriptor},
                   {"visit", &handoff__v1__appointment__descriptor}};
    printf("Events, and what a guard may ask as event.FIELD\n");
    for (size_t i = 0; i < event_kind_count; i++) {
        printf("  %s\n", event_kinds[i].name);
        print_fields(event_kinds[i].message);
    }
    printf("\nWhat a guard may ask besides\n");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        printf("  %s\n", objects[i].name);
        print_fields(objects[i].message);
    }
    print_predicates();
    print_enum("Tasks", &handoff__v1__task_kind__descriptor, WORD_KEBAB);
    print_enum("Roles", &handoff__v1__role__descriptor, WORD_KEBAB);
    print_enum("Parties", &handoff__v1__party__descriptor, WORD_UPPER);
    print_enum("Severities", &handoff__v1__severity__descriptor, WORD_KEBAB);
    print_enum("Kinds of status", &handoff__v1__status_kind__descriptor, WORD_KEBAB);
    printf("\nActions\n");
    for (size_t i = 0; pathway_action_names[i]; i++) printf("  %s\n", pathway_action_names[i]);
    printf("  remind\n  when ... do ... else\n");
    return EXIT_DONE;
}

/* --- diagram --------------------------------------------------------------------------------------------------- */

static int diagram(const char *file)
{
    static struct yaml_errors errors;
    struct arena *arena = arena_new(ARENA_BYTES);
    struct bytes text;
    struct pathway *pathway;
    if (!arena) return EXIT_FAILED;
    bool is_loaded = read_file(arena, file, &text, &errors) && pathway_load(arena, file, text, &errors, &pathway) == 0;
    if (is_loaded) pathway_draw(stdout, pathway);
    yaml_errors_print(stderr, &errors);
    arena_free(arena);
    return is_loaded ? EXIT_DONE : EXIT_REFUSED;
}

int command_pathway(int argc, char **argv)
{
    bool is_help = argc >= 2 && argc <= 3 && strcmp(argv[argc - 1], "--help") == 0;
    bool is_of_test = argc >= 2 && strcmp(argv[1], "test") == 0; /* which explains itself */
    if (is_help && !is_of_test) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (argc >= 3 && strcmp(argv[1], "check") == 0) return check(argc - 1, argv + 1);
    if (is_of_test) return command_pathway_test(argc - 1, argv + 1);
    if (argc == 2 && strcmp(argv[1], "words") == 0) return words();
    if (argc == 3 && strcmp(argv[1], "diagram") == 0) return diagram(argv[2]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
