/* Shows a supervisor each escalation as it comes: watch_escalations FILE
 *
 * FILE keeps the place from which to go on: nothing is missed while nobody watches, and only what was shown in the very
 * moment of a crash is shown again. */
#include <handoff.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int keep_place(FILE *file, const struct handoff_watch_item *item)
{
    rewind(file); /* of one length always, so that one write replaces it */
    return fprintf(file, "%20" PRIu64 " %10" PRIu32 "\n", item->sequence, item->position) < 0 || fflush(file);
}

int main(int argc, char **argv)
{
    handoff_client *client = NULL;
    handoff_watch *watch = NULL;
    struct handoff_watch_item item;
    FILE *file = argc == 2 ? fopen(argv[1], "a") : NULL; /* makes it */
    if (!file || !freopen(argv[1], "r+", file)) return 2;
    struct handoff_watch_options options = {.stream = HANDOFF__V1__STREAM__STREAM_ESCALATION};
    options.is_within = fscanf(file, "%" SCNu64 " %" SCNu32, &options.after_sequence, &options.after_position) == 2;

    int error = handoff_open(&(struct handoff_options){.front = getenv("HANDOFF_FRONT")}, &client);
    if (!error) error = handoff_watch_open(client, &options, &watch);
    while (!error || error == HANDOFF_TIMEOUT) {
        error = handoff_watch_next(watch, 60000, &item);
        if (error) continue;
        printf("%s %s: %s\n", item.emission->patient_id, item.emission->person_id, item.emission->reason);
        if (fflush(stdout) || keep_place(file, &item)) break;
    }
    if (error) fprintf(stderr, "%s\n", handoff_error(error));
    handoff_watch_close(&watch);
    handoff_close(&client);
    return 1;
}
