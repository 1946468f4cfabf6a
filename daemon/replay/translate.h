/* What people did names the journal's tasks, escalations and episodes. In another course of events the same things have
 * other numbers, or are not there. */
#ifndef HANDOFF_REPLAY_TRANSLATE_H
#define HANDOFF_REPLAY_TRANSLATE_H

#include "replay/names.h"

enum translated {
    TRANSLATED,      /* the event may be decided */
    TRANSLATED_IDLE, /* it named nothing open in the journal either: nothing came of it */
    UNTRANSLATABLE   /* what it is about is not there: why says more */
};

struct translation {
    bool is_work;                  /* it is about a task, an escalation or an episode */
    enum match why;                /* of what it is about; else MATCH_EXACT */
    const struct named_task *task; /* what it was about in the journal; all NULL: nothing */
    const struct named_escalation *escalation;
    const struct named_episode *episode;
};

/* Changes the event's ids from the journal's to the other course's. What an event besides human work names and cannot
 * be found is left out, so that the event still counts. */
enum translated translate_event(Handoff__V1__Event *event, const struct names *journal, const struct names *other,
                                struct arena *arena, struct translation *ret_translation);
/* The same of what deliveries said of a message. */
void translate_command(Handoff__V1__CommandInput *command, const char *patient_id, const struct names *journal,
                       const struct names *other, struct arena *arena);

#endif
