/* What came out of two courses of events, side by side: a row for each kind of task, and for each rung and severity of
 * an escalation, of each pathway. Patients are counted one after the other; of each only the rows stay. */
#ifndef HANDOFF_REPLAY_TALLY_H
#define HANDOFF_REPLAY_TALLY_H

#include "replay/names.h"
#include "replay/quantile.h"

enum course { COURSE_PRESENT, COURSE_CANDIDATE, COURSE_JOURNAL, COURSES };
enum told { TOLD_TASK, TOLD_ESCALATION, TOLD_AGAIN }; /* an escalation told once more on its rung */

struct tally_row {
    const char *pathway; /* "": no pathway's */
    enum told told;
    Handoff__V1__TaskKind kind; /* of a task */
    Handoff__V1__Role rung;     /* of an escalation */
    Handoff__V1__Severity severity;
    uint64_t counts[COURSES];
    uint64_t moved;           /* in both courses, but at another time or due at another time */
    uint64_t patients;        /* with at least one, in either course */
    uint64_t patients_differ; /* with more, fewer or moved ones */
    struct quantile *from_cause[2];
};

struct tally;
struct tally *tally_new(void); /* NULL: no memory */
void tally_free(struct tally *t);

/* What one input of the patient at hand caused. Of the journal's course only counts are kept. */
void tally_take(struct tally *t, enum course course, const struct names *names, const Handoff__V1__Outcome *outcome,
                int64_t at_ms, int64_t cause_ms);
struct tally_patient {
    bool differs;           /* the candidate's course from the present one */
    bool is_unlike_journal; /* the present course from what was journaled, by the count of some row */
};
struct tally_patient tally_end_patient(struct tally *t);

/* Sorted by pathway, tasks before escalations, by name; valid until the next tally_take. */
const struct tally_row *const *tally_rows(struct tally *t, size_t *ret_count);
/* Something was not counted: no memory, or too many kinds of things. */
bool tally_has_lost(const struct tally *t);

/* "call-family", "escalation: supervisor, urgent", "escalation: supervisor, urgent, again" */
enum { TALLY_NAME_BYTES = 128 };
const char *tally_row_name(const struct tally_row *row, char buffer[TALLY_NAME_BYTES]);

#endif
