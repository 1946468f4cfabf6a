/* Tasks and escalations answered, and an episode reopened: events of which a person says only what the answer is. What
 * it answers is looked up first, so that it may be named as the tables show it. Neighbours: work.c lists. */
#include "cli.h"
#include "describe.h"
#include "flags.h"
#include "views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_id(Handoff__V1__Event *event, const char *name, const char *text)
{
    char mistake[128] = "";
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__event__descriptor, name);
    int error = field_set(&event->base, field, text, mistake, sizeof mistake);
    return error ? cli_say(EXIT_REFUSED, "%s", *mistake ? mistake : handoff_error(error)) : EXIT_DONE;
}

/* --- answering tasks
 * ---------------------------------------------------------------------------------------------- */

static const char *const patient_and_task[] = {"patient_id", "task_id", NULL};

/* As tables show it, t4, or whole. What was made under a former id of the patient is t4 of that id. */
static bool is_meant(const Handoff__V1__TaskView *task, const Handoff__V1__Event *event)
{
    if (strcmp(task->task_id, event->task_id) == 0) return true;
    const char *owner = *task->made_under ? task->made_under : task->patient_id;
    return strcmp(short_id(task->task_id), event->task_id) == 0 && strcmp(owner, event->patient_id) == 0;
}

static int say_several(const Handoff__V1__TasksReply *open, const Handoff__V1__Event *event)
{
    cli_say(EXIT_MISUSED, "a patient and a source or site are called %s, and each has an open task %s; say which whole:",
            event->patient_id, event->task_id);
    for (size_t i = 0; i < open->n_tasks; i++) {
        if (is_meant(open->tasks[i], event))
            fprintf(stderr, "  %s  %s\n", open->tasks[i]->task_id,
                    WORD(handoff__v1__task_kind__descriptor, open->tasks[i]->kind));
    }
    return EXIT_MISUSED;
}

/* Names the task whole: of a source's or site's own the patient's id alone would not say whose it is. A task that is
 * not open is told here: published, the answer would stay in the journal, and make a record of a mistyped patient. */
static int name_task(const Handoff__V1__TasksReply *open, Handoff__V1__Event *event)
{
    const Handoff__V1__TaskView *found = NULL;
    for (size_t i = 0; i < open->n_tasks; i++) {
        if (!is_meant(open->tasks[i], event)) continue;
        if (found) return say_several(open, event);
        found = open->tasks[i];
    }
    if (found) return set_id(event, "task_id", found->task_id);
    return cli_say(EXIT_REFUSED, "no task %s of %s is open; `handoff tasks --patient %s` lists those that are",
                   event->task_id, event->patient_id, event->patient_id);
}

static int find_task(struct cli *cli, Handoff__V1__Event *event)
{
    Handoff__V1__TasksRequest filter = HANDOFF__V1__TASKS_REQUEST__INIT;
    Handoff__V1__TasksReply *open = malloc(sizeof *open);
    if (!open) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__tasks_reply__init(open);
    filter.patient_id = event->patient_id;
    int code = fetch_tasks(cli, &filter, open);
    if (!code) code = name_task(open, event);
    handoff__v1__tasks_reply__free_unpacked(open, NULL);
    return code;
}

static int answer_task(struct cli *cli, const struct typed_event *typed, int argc, char **argv)
{
    struct flags *flags = NULL;
    int code = typed_event_parse(cli, typed, argc, argv, &flags);
    if (code) return code;
    /* With an id of its own it goes out as it stands: it may repeat one that was taken, which the daemon knows. */
    if (!*flags->event->id) code = find_task(cli, flags->event);
    if (!code) code = publish_answer(cli, flags->event);
    flags_close(&flags);
    return code;
}

int run_task_complete(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"task.completed", "PATIENT TASK", "Says that a task is done. --outcome is needed; --by is who is logged in.",
                                      patient_and_task};
    return answer_task(cli, &typed, argc, argv);
}

int run_task_attempted(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"task.attempted", "PATIENT TASK",
                                      "Says that a task was tried; the next attempt becomes due. --outcome is needed; --by is who is logged in.",
                                      patient_and_task};
    return answer_task(cli, &typed, argc, argv);
}

int run_task_cancel(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"task.cancelled", "PATIENT TASK", "Says that a task is not needed. --by is who is logged in.",
                                      patient_and_task};
    return answer_task(cli, &typed, argc, argv);
}

/* --- reopening an episode
 * ---------------------------------------------------------------------------------------- */

static const char *const patient_and_episode[] = {"patient_id", "episode_id", NULL};

/* The episode is not what the event is for, but what it takes the place of. */
int run_reopen(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"episode.opened", "PATIENT EPISODE",
                                      "Ends an episode and begins it again on its pathway's newest version, where it stood "
                                      "or in --state: its particulars are kept, its tasks and timers begin anew. --by is who is logged in.",
                                      patient_and_episode};
    struct flags *flags = NULL;
    int code = typed_event_parse(cli, &typed, argc, argv, &flags);
    if (code) return code;
    Handoff__V1__EpisodeOpened *opened = flags->event->episode_opened;
    char *swapped = opened->reopens; /* both are owned by the event */
    opened->reopens = flags->event->episode_id;
    flags->event->episode_id = swapped;
    code = publish_answer(cli, flags->event);
    flags_close(&flags);
    return code;
}

/* --- answering escalations
 * ---------------------------------------------------------------------------------------- */

static bool is_id(const char *whole, const char *id)
{
    return strcmp(whole, id) == 0 || strcmp(short_id(whole), id) == 0;
}

static int set_patient(Handoff__V1__Event *event, const Handoff__V1__EscalationView *view)
{
    int code = set_id(event, "patient_id", view->patient_id);
    if (!code) code = set_id(event, "site", view->site);
    return code ? code : set_id(event, "escalation_id", view->escalation_id);
}

/* Whose escalation it is, from the list of open ones. */
static int find_patient(struct cli *cli, Handoff__V1__Event *event)
{
    Handoff__V1__EscalationsRequest filter = HANDOFF__V1__ESCALATIONS_REQUEST__INIT;
    Handoff__V1__EscalationsReply *all = malloc(sizeof *all);
    if (!all) return cli_failed(cli, HANDOFF_NO_MEMORY);
    handoff__v1__escalations_reply__init(all);
    int code = fetch_escalations(cli, &filter, all);
    const Handoff__V1__EscalationView *found = NULL;
    size_t matches = 0;
    for (size_t i = 0; i < all->n_escalations; i++) {
        if (!is_id(all->escalations[i]->escalation_id, event->escalation_id)) continue;
        if (*event->patient_id && strcmp(all->escalations[i]->patient_id, event->patient_id) != 0) continue;
        found = all->escalations[i];
        matches++;
    }
    if (!code && matches == 0)
        code = cli_say(EXIT_REFUSED, "there is no open escalation %s", event->escalation_id);
    if (!code && matches > 1) {
        code = cli_say(EXIT_MISUSED, "%zu patients have an escalation %s; say which with --patient", matches,
                       event->escalation_id);
    }
    if (!code) code = set_patient(event, found);
    handoff__v1__escalations_reply__free_unpacked(all, NULL);
    return code;
}

static int answer_escalation(struct cli *cli, const struct typed_event *typed, int argc, char **argv)
{
    struct flags *flags = NULL;
    int code = typed_event_parse(cli, typed, argc, argv, &flags);
    if (code) return code;
    bool is_whole = *flags->event->patient_id && strchr(flags->event->escalation_id, '-');
    if (!is_whole) code = find_patient(cli, flags->event);
    if (!code) code = publish_answer(cli, flags->event);
    flags_close(&flags);
    return code;
}

static const char *const escalation_only[] = {"escalation_id", NULL};

int run_escalations_ack(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"escalation.acknowledged", "ID",
                                      "Takes an escalation: its climb stops for one rung's time. --by is who is logged in.",
                                      escalation_only};
    return answer_escalation(cli, &typed, argc, argv);
}

int run_escalations_resolve(struct cli *cli, int argc, char **argv)
{
    const struct typed_event typed = {"escalation.resolved", "ID", "Ends an escalation. --by is who is logged in.",
                                      escalation_only};
    return answer_escalation(cli, &typed, argc, argv);
}
