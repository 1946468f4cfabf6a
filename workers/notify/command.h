/* A command: one process a message, the message's JSON on its standard input, no shell. For SMS gateways and the like.
 * Its environment is PATH, LANG, TZ, HOME and HANDOFF_ID alone; its first line on standard error is the reason.
 *
 *   exit 0                            DONE
 *   65, 67, 68 (sysexits: the data,   NEVER
 *     the user, the host are wrong)
 *   every other code                  LATER: the command says that it has not sent (75 is the one to use)
 *   killed by a signal, or by us      UNKNOWN
 *     after timeout_ms
 *   could not be started              LATER */
#ifndef HANDOFF_NOTIFY_COMMAND_H
#define HANDOFF_NOTIFY_COMMAND_H

#include "notify/channel.h"

struct command_options {
    const char *const
        *arguments;      /* the program (looked for in PATH unless it has a slash), then its arguments; then NULL */
    uint32_t timeout_ms; /* 0: 20000 */
};
int command_open(const struct command_options *options, struct channel **ret_channel, struct channel_error *error);

#endif
