/* How short and how long a delay may turn out in clock time, measured: it is resolved from every moment of 14 months
 * at which it can be longest or shortest. Every start measures all that the pathways say. */
#ifndef HANDOFF_PATHWAY_DELAY_BOUNDS_H
#define HANDOFF_PATHWAY_DELAY_BOUNDS_H

#include "core/calendar.h"
#include "core/pathway.h"

struct delay_bounds {
    int64_t least_ms, most_ms;
};
/* compressed(a, ...) counts as a. */
struct delay_bounds delay_bounds(const struct delay *delay, const struct calendar *calendar);

/* Whether it may end before it begins, or not after it. Most delays need not be measured for that. */
bool delay_may_look_back(const struct delay *delay, const struct calendar *calendar);
bool delay_may_be_nothing(const struct delay *delay, const struct calendar *calendar);

/* What was measured before: a file says the same few delays again and again. Start with {0}; when it is full the rest
 * is measured each time. Delays and calendars must live as long. */
enum { DELAY_MEMO_ROWS = 128 };
struct delay_memo {
    size_t count;
    struct {
        const struct delay *delay;
        const struct calendar *calendar;
        struct delay_bounds bounds;
    } rows[DELAY_MEMO_ROWS];
};
struct delay_bounds delay_memo_bounds(struct delay_memo *memo, const struct delay *delay,
                                      const struct calendar *calendar);

bool delay_is_same(const struct delay *a, const struct delay *b);
/* Whether some part of it is of this kind. */
bool delay_has(const struct delay *delay, enum delay_op op);

/* Monday to Friday, 08:00 to 17:00, New York, no holidays: for checks that know no site. */
const struct calendar *calendar_for_checks(void);

#endif
