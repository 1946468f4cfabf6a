/* A pathway as a graph in Graphviz's language: states, what leads from one to the next, and the timers of each. */
#ifndef HANDOFF_PATHWAY_DIAGRAM_H
#define HANDOFF_PATHWAY_DIAGRAM_H

#include <stdio.h>
#include "core/pathway.h"

void pathway_draw(FILE *to, const struct pathway *pathway);

#endif
