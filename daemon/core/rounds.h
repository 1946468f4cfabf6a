/* Rounds: what one event of a site means for many patients. All records are gone through once, and somebody gets one
 * list instead of many notices.
 *
 *     agency.delisted        each patient there hears of it; one escalation to the supervisor, with the list
 *     event.retracted        of an end: each patient who heard of it hears that it was taken back, and the escalation is
 *                            resolved; of an absence that has begun: whoever has the work again gets the list
 *     staff.absent           whoever stands in gets the list of the open tasks; and the person who is back
 *     staff.assigned         the new owner of patients gets one list of all that were given
 *     the roster changes     whoever has the work of a person who left
 *
 * A round stands on the site's record from its event until its list. The engine goes through the records
 * (engine/round.c) and asks here what each has to do with it. */
#ifndef HANDOFF_CORE_ROUNDS_H
#define HANDOFF_CORE_ROUNDS_H

#include "core/rules.h"
#include "core/step.h"

enum {
    ROUND_LINES_MAX = 500,       /* of one list; what is more is counted */
    ROUND_RECORD_LINES_MAX = 128 /* of one record */
};

/* Must the event of this round be told to this patient? */
bool round_concerns(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                    const Handoff__V1__Round *round);

struct round_line {
    const char *person_id; /* whose list it stands in; "": the supervisor's, of an agency */
    Handoff__V1__ListLine line;
};
/* What a record adds to the list of a round: at most ROUND_RECORD_LINES_MAX lines. Of a record that hears of the event,
 * it is asked afterwards. key: as text, for the ids. Lines live in the arena. */
size_t round_lines(const struct rules *rules, const Handoff__V1__PatientRecord *record, const char *key,
                   const Handoff__V1__Round *round, int64_t now_ms, struct arena *arena,
                   struct round_line ret_lines[ROUND_RECORD_LINES_MAX]);
/* The order of a list: an open safety flag first, then severity, then what is due first. */
int round_order(const Handoff__V1__ListLine *a, const Handoff__V1__ListLine *b);
/* It has begun, and is not gone on with yet: that an agency ends was taken back, but a later event says so too. What the
 * first caused it did not cause alone. */
bool round_waits(const struct rules *rules, const Handoff__V1__Round *round);
/* Only those with open tasks are looked at. */
bool round_is_about_tasks(const Handoff__V1__Round *round);

#endif
