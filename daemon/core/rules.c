/* Look-ups in the immutable rules. */
#include "core/rules.h"

#include <string.h>

const struct site *rules_site(const struct rules *rules, const char *name)
{
    for (uint32_t i = 1; i < rules->site_count && name && *name; i++)
        if (strcmp(rules->sites[i].name, name) == 0) return &rules->sites[i];
    return &rules->sites[0];
}

const struct pathway *rules_pathway(const struct rules *rules, uint32_t number)
{
    return number >= 1 && number <= rules->pathway_count ? rules->pathways[number - 1] : NULL;
}

const struct pathway *rules_pathway_by_name(const struct rules *rules, const char *name)
{
    for (uint32_t i = rules->pathway_count; i-- > 0;) {
        const struct pathway *p = rules->pathways[i];
        if (p && !p->is_retired && strcmp(p->name, name) == 0) return p;
    }
    return NULL;
}

const struct agency_row *rules_agency(const struct rules *rules, const char *agency_id)
{
    uint32_t low = 0, high = rules->directory_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(rules->directory[middle].agency->agency_id, agency_id);
        if (order == 0) return &rules->directory[middle];
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return NULL;
}
