/* What only the whole of a pathway can have wrong: states nobody reaches, silence without end, ends reached by a
 * timer, circles. A pathway that does not pass does not run. The list is in daemon/pathways/README.md. */
#ifndef HANDOFF_PATHWAY_VERIFY_H
#define HANDOFF_PATHWAY_VERIFY_H

#include "core/rules.h"
#include "pathway/load.h"

struct delay_memo; /* delay_bounds.h */

struct verify_options {
    const struct calendar *const *calendars; /* of the sites: the slowest counts. None: calendar_for_checks() */
    size_t calendar_count;
    const struct policy *policy; /* NULL: whether each task has an owner is not asked */
    struct delay_memo *memo;     /* shared between calls that have the calendars in common; NULL: none */
};

/* 0, or -EINVAL with what is wrong added to errors. Either way the longest silences are filled in. */
int pathway_verify(const struct pathway_source *source, const struct verify_options *options,
                   struct yaml_errors *errors);
/* Only the longest silences, of a pathway that passed before. */
void pathway_measure(const struct pathway_source *source, const struct verify_options *options);

/* What the pathways of a set say of each other: whom they open and ask for, and whom their signals end. Errors are
 * those of the first `checked`; the rest are only known to be there. */
int pathway_verify_set(const struct pathway_source *const *sources, size_t count, size_t checked,
                       struct yaml_errors *errors);

#endif
