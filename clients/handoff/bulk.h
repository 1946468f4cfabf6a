/* A file of events, published in batches. */
#ifndef HANDOFF_BULK_H
#define HANDOFF_BULK_H

#include "cli.h"

struct bulk_options {
    const char *path;   /* "-": standard input */
    bool is_each_named; /* each refusal is told as it comes; otherwise they are summed up */
    bool has_progress;  /* on a terminal */
};

/* An exit code: refused if one line was. Stops when the daemon does not answer. */
int bulk_publish(struct cli *cli, const struct bulk_options *options);

#endif
