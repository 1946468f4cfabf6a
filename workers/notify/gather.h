/* Deliveries that may go as one letter, kept until nothing more came for a moment, and never for longer than a bound.
 * Knows no clock: the caller says what time it is. */
#ifndef HANDOFF_NOTIFY_GATHER_H
#define HANDOFF_NOTIFY_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handoff/v1/api.pb-c.h"

enum { GATHER_MOST = 1000 };

struct gather;

/* Closes `quiet_ms` after the last that came, at most `longest_ms` after the first. NULL without memory. */
struct gather *gather_new(int64_t quiet_ms, int64_t longest_ms);
/* With all that it holds. */
void gather_free(struct gather **gather);

/* Takes the delivery; false: it is full or there is no memory, and the caller keeps it. */
bool gather_add(struct gather *gather, const char *key, Handoff__V1__Delivery **delivery, int64_t now_ms);
size_t gather_count(const struct gather *gather);
/* When what is gathered is to be taken out; INT64_MAX: it is empty. */
int64_t gather_due_ms(const struct gather *gather);
/* The next that go as one, in the order they came, at most `most`; the caller owns them. 0: it is empty. */
size_t gather_take(struct gather *gather, Handoff__V1__Delivery **members, size_t most);
/* The number of delivery `i` of those still in it. */
uint64_t gather_number(const struct gather *gather, size_t i);

#endif
