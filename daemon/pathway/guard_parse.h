/* The guard language: text to struct guard. The words are in daemon/pathways/README.md.
 *
 * Fields are found through the schema's descriptors, names through the lists of the pathway being read, predicates
 * through predicate_find(). Types are checked here, so that core/guard.c need not.
 *
 *     or < and < not < comparison, in < ( ), names, calls
 *
 * `not` takes the whole comparison after it: wherever (not a) == b would be well typed, it means the same. */
#ifndef HANDOFF_PATHWAY_GUARD_PARSE_H
#define HANDOFF_PATHWAY_GUARD_PARSE_H

#include "base/arena.h"
#include "core/pathway.h"
#include "pathway/words.h"

enum { GUARD_TEXT_MAX = 2000, GUARD_LIST_MAX = 64 };

/* What a pathway has given names to; each list ends with NULL, a position is the place in it. */
struct pathway_names {
    const char *const *variables, *const *timers, *const *holds, *const *concerns;
    const char *const *states; /* of the main machine */
    const char *const *regions;
    const char *const *const *region_states; /* of each region */
};

struct guard_scope {
    struct arena *arena;
    const struct pathway_names *names;
    const struct event_kind *event; /* NULL: there is no event here */
};

/* 0, or -EINVAL with the reason. The guard lives in the arena; text is not kept. */
int guard_parse(const struct guard_scope *scope, const char *text, const struct guard **ret_guard,
                struct parse_error *ret_error);

/* A party in upper case, or REFERRER for the episode's. false: there is none of that name. */
bool party_find(const char *text, Handoff__V1__Party *ret_party, enum party_from *ret_from);
/* sending, reminders, misses, family: the bit of enum aspect; 0: none of these. */
uint32_t aspect_find(const char *text);
extern const char *const aspect_names[];
/* Position in a list that ends with NULL; -1: not in it. */
int name_find(const char *const names[], const char *text);

#endif
