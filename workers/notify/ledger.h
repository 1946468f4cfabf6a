/* What was tried and what came of it, durably: an intent before each sending, its result after it. An intent that is
 * found without a result is in doubt: the worker ended in between, and nobody knows whether the other side took it.
 *
 *              send_begin          send_end
 *     (none) -------------> INTENT ---------> DONE      the other side took it
 *        ^                    |      '------> LATER     it did not: begins anew
 *        |                    |      '------> NEVER     it never will, at this place
 *        |                    |      '------> UNKNOWN   in doubt, as is an INTENT that a crash left behind
 *        '-- the group it went with was sent again without it
 *
 * One message is an emission to one addressee; it is tried at places (a channel and an address, of which a keyed hash
 * is kept and nothing else). What is told to the daemon about it, its outcome, is kept as it was first told, so that a
 * repeat says the same. Thread-safe; one process has it open. Holds ids alone, no names, addresses or texts. */
#ifndef HANDOFF_NOTIFY_LEDGER_H
#define HANDOFF_NOTIFY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_PLACE_BYTES = 33, LEDGER_ID_BYTES = 320, LEDGER_REASON_BYTES = 256 };

enum ledger_state {
    LEDGER_NONE,
    LEDGER_INTENT,
    LEDGER_DONE,
    LEDGER_LATER,
    LEDGER_NEVER,
    LEDGER_UNKNOWN,
};
enum ledger_told {
    LEDGER_TOLD_SENT = 1,
    LEDGER_TOLD_FAILED,
    LEDGER_TOLD_UNKNOWN,
};

/* Borrowed by every call. */
struct ledger_message {
    const char *emission_id;
    const char *addressee;
};
/* Of all places together. */
struct ledger_standing {
    bool is_done;
    bool is_in_doubt;              /* an intent without a result, or an unknown one */
    char sent_as[LEDGER_ID_BYTES]; /* in doubt: the id it went out under */
    int channel;                   /* done, or in doubt: by which */
    int64_t at_ms;                 /* and when, as given to send_begin */
    char reason[LEDGER_REASON_BYTES];
};
struct ledger_outcome {
    enum ledger_told told;
    int channel;
    int64_t at_ms;
    char reason[LEDGER_REASON_BYTES];
};

struct ledger;

/* Creates it when it is not there. 0, or -1 with a sentence: in use by another process, not a ledger, no space. */
int ledger_open(const char *path, char *sentence, size_t size, struct ledger **ret_ledger);
void ledger_close(struct ledger **ledger);

/* One thread carries a message at a time; false: another does just now. */
bool ledger_claim(struct ledger *ledger, const struct ledger_message *message);
void ledger_release(struct ledger *ledger, const struct ledger_message *message);

/* What follows returns 0, or -1 when the disk does not do its part; ledger_error() says why, for the log. */
const char *ledger_error(struct ledger *ledger);

int ledger_standing(struct ledger *ledger, const struct ledger_message *message, struct ledger_standing *ret_standing);
/* Its state at this place; a NEVER of this attempt or a later one is of an earlier series: NONE. */
int ledger_at_place(struct ledger *ledger, const struct ledger_message *message, const char *place, uint32_t attempt,
                    enum ledger_state *ret_state);
/* All members together or none; durable when it returns. What else went under this id before and is in doubt is no
 * longer part of it: it is sent on its own when it comes. */
struct ledger_sending {
    const char *sent_as;
    const char *place;
    int channel;
    int64_t at_ms;
    const struct ledger_message *members;
    const uint32_t *attempts; /* of each member */
    size_t count;
};
int ledger_send_begin(struct ledger *ledger, const struct ledger_sending *sending);
int ledger_send_end(struct ledger *ledger, const struct ledger_sending *sending, enum ledger_state state,
                    const char *reason);

/* Keeps the outcome unless one like it is kept, and gives the kept one back. */
int ledger_tell(struct ledger *ledger, const struct ledger_message *message, struct ledger_outcome *outcome);

/* Forgets what was last touched before this moment of the wall clock. */
int ledger_prune(struct ledger *ledger, int64_t before_ms);

/* Of an address, for one ledger: 32 hexadecimal letters. */
void ledger_place(struct ledger *ledger, int channel, const char *address, char place[LEDGER_PLACE_BYTES]);

#endif
