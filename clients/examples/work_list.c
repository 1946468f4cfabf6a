/* What the coordinators have to do, the first hundred: work_list */
#include <handoff.h>
#include <stdio.h>
#include <stdlib.h>

static void show(const Handoff__V1__TaskView *task)
{
    char kind[64];
    handoff_enum_word(&handoff__v1__task_kind__descriptor, (int)task->kind, kind, sizeof kind);
    printf("%s %s %s for %s%s: %s\n", task->patient_id, task->task_id, kind, task->person_id,
           task->is_overdue ? ", overdue" : "", task->reason);
}

int main(void)
{
    handoff_client *client = NULL;
    Handoff__V1__Reply *reply = NULL;
    Handoff__V1__TasksRequest tasks = HANDOFF__V1__TASKS_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    tasks.owner = HANDOFF__V1__ROLE__ROLE_COORDINATOR; /* a field that is left out asks for any */
    request.body_case = HANDOFF__V1__REQUEST__BODY_TASKS;
    request.tasks = &tasks;

    const struct handoff_options options = {.front = getenv("HANDOFF_FRONT")};
    int error = handoff_open(&options, &client);
    if (!error) error = handoff_request(client, &request, &reply);
    for (size_t i = 0; !error && i < reply->tasks->n_tasks; i++) show(reply->tasks->tasks[i]);
    if (error) fprintf(stderr, "%s\n", handoff_error(error));
    handoff_reply_free(&reply);
    handoff_close(&client);
    return error != 0;
}
