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

/* --- sources ------------------------------------------------------------------------------------------------------ */

const struct source *rules_source(const struct rules *rules, const char *name, const struct site **ret_site)
{
    for (uint32_t i = 0; i < rules->site_count; i++)
        for (uint32_t k = 0; k < rules->sites[i].source_count; k++) {
            if (strcmp(rules->sites[i].sources[k].name, name) != 0) continue;
            if (ret_site) *ret_site = &rules->sites[i];
            return &rules->sites[i].sources[k];
        }
    return NULL;
}

/* "encounter" feeds encounter.discharged and the like. */
static bool is_fed_by(Handoff__V1__Event__BodyCase event, const struct source *source)
{
    const struct event_kind *kind = event_kind_of(event);
    for (size_t i = 0; kind && i < source->message->n_feeds; i++) {
        const char *feed = source->message->feeds[i];
        size_t len = strlen(feed);
        if (strncmp(kind->name, feed, len) == 0 && (kind->name[len] == '\0' || kind->name[len] == '.')) return true;
    }
    return false;
}

static bool is_one_fed(const struct transition *on, uint32_t count, const struct source *source)
{
    for (uint32_t i = 0; i < count; i++)
        if (!on[i].is_ignore && is_fed_by(on[i].event, source)) return true;
    return false;
}

static bool is_machine_fed(const struct machine *m, const struct source *source)
{
    for (uint32_t i = 0; i < m->state_count; i++)
        if (is_one_fed(m->states[i].on, m->states[i].on_count, source)) return true;
    return is_one_fed(m->any, m->any_count, source);
}

bool rules_is_fed(const struct pathway *pathway, const struct source *source)
{
    for (uint32_t i = 0; i < pathway->open_count; i++)
        if (is_fed_by(pathway->opens[i].event, source)) return true;
    for (uint32_t i = 0; i < pathway->region_count; i++)
        if (is_machine_fed(&pathway->regions[i], source)) return true;
    return is_machine_fed(&pathway->main, source);
}
