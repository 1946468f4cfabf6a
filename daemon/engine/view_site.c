/* Sentences about what is not one patient's: lists of many, and systems that are silent. See view.h. */
#include "engine/view.h"

#include "base/banned.h"

const char *view_ending(const struct view *v, const char *agency_id, uint32_t total)
{
    const struct agency_row *row = rules_agency(v->rules, agency_id);
    const char *name = row != NULL && row->agency->name[0] ? row->agency->name : agency_id;
    if (total == 0) return view_format(v->arena, "%s ends its services; its patients are in one list.", name);
    return view_format(v->arena, "%s ends its services: %u %s here, those most at risk first.", name, total,
                       total == 1 ? "patient is" : "patients are");
}

const char *view_hand_over(const struct view *v, const Handoff__V1__TaskEmission *e)
{
    return view_format(v->arena, "%u open %s yours now, those most at risk first; due times stay.", e->total,
                       e->total == 1 ? "task is" : "tasks are");
}
