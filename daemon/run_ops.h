/* What operators see of a running daemon: metrics, readiness, the watchdog. Fed by the loop's hooks; see run_ops.c. */
#ifndef HANDOFF_RUN_OPS_H
#define HANDOFF_RUN_OPS_H

#include "net/loop.h"
#include "ops/config.h"

struct run_ops;

/* Begins serving /metrics, /healthz and /readyz, which say "starting" until run_ops_ready. http "": they are not
 * served. 0, or -errno. */
int run_ops_new(const char *version, const char *http, struct run_ops **ret_ops);
void run_ops_free(struct run_ops *ops);
uint16_t run_ops_port(const struct run_ops *ops); /* 0: not served */

/* From here on the engine and the loop are looked at. */
void run_ops_ready(struct run_ops *ops, struct engine *engine, struct clock *clock, struct journal *const *journal,
                   const struct loop *loop);
void run_ops_turn(struct run_ops *ops);
void run_ops_second(struct run_ops *ops);
void run_ops_stopping(struct run_ops *ops);

#endif
