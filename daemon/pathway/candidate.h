/* The rules as they would have been with other files: the same journaled changes in the same order, but wherever a
 * version of a named pathway (or the policy) comes in, the given file's text does.
 *
 *     candidate_new -> candidate_read -> candidate_verify -> (apply, build)*
 *
 * Two ways, as one deploys:
 *   from the beginning   every version of the pathway is the given text; a pathway that the journal never has begins
 *                        with the first rules
 *   from a day on        candidate_begin: the version in force is retired and the given one introduced, so episodes
 *                        that run stay on theirs and new ones begin on the given one; later versions are the given one
 */
#ifndef HANDOFF_PATHWAY_CANDIDATE_H
#define HANDOFF_PATHWAY_CANDIDATE_H

#include "pathway/ruleset.h"

struct candidate;

/* NULL: no memory. */
struct candidate *candidate_new(void);
void candidate_free(struct candidate *c);

/* Files as they are on disk; policy_file NULL: the journal's policy. 0, or -EINVAL with the reasons. */
int candidate_read(struct candidate *c, const char *const *pathway_files, size_t count, const char *policy_file,
                   struct yaml_errors *errors);
/* As `pathway check` and a start of the daemon would: against the sites, and the policy and other pathways unless
 * given, that are in force now. 0, or -EINVAL. */
int candidate_verify(struct candidate *c, const struct ruleset *now, struct yaml_errors *errors);

size_t candidate_count(const struct candidate *c);
const char *candidate_name(const struct candidate *c, size_t i);

/* From the beginning: before the first candidate_apply. */
void candidate_replace_all(struct candidate *c);
/* A journaled change. */
int candidate_apply(struct candidate *c, const Handoff__V1__RulesChange *change, uint64_t sequence,
                    struct yaml_errors *errors);
/* The given files count from here on, if they did not before; those that the journal never had come in. `journaled`:
 * all of the journal's rules. */
int candidate_begin(struct candidate *c, const struct ruleset *journaled, uint64_t sequence,
                    struct yaml_errors *errors);
const struct rules *candidate_build(struct candidate *c);
/* The number here of the text that the journal numbers so; 0: none. */
uint32_t candidate_number(const struct candidate *c, uint32_t journaled);

#endif
