/* Configured files to journaled rules: see run_rules.h. */
#include "run_rules.h"

#include <string.h>

#include "core/message.h"
#include "engine/view.h"
#include "pathway/ruleset.h"

#define ARENA_BYTES ((size_t)1024 * 1024 * 1024) /* of address space: each pathway is loaded into it to be checked */

static char *text(const char *borrowed) { return (char *)(uintptr_t)borrowed; }

/* --- sites ---------------------------------------------------------------------------------------------------- */
static int position(const char *const names[], const char *name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

/* The configuration's words stand in the order of enum Role. */
static Handoff__V1__Role role_of(const char *name)
{
    static_assert(HANDOFF__V1__ROLE__ROLE_COORDINATOR == 1 && HANDOFF__V1__ROLE__ROLE_PRESCRIBER == 9, "order of roles");
    return (Handoff__V1__Role)(position(config_role_names, name) + 1);
}

static Handoff__V1__Channel channel_of(const char *name)
{
    static const struct {
        const char *name;
        Handoff__V1__Channel channel;
    } rows[] = {
        {"phone", HANDOFF__V1__CHANNEL__CHANNEL_PHONE},
        {"sms", HANDOFF__V1__CHANNEL__CHANNEL_SMS},
        {"email", HANDOFF__V1__CHANNEL__CHANNEL_EMAIL},
        {"webhook", HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].channel;
    return HANDOFF__V1__CHANNEL__CHANNEL_UNSPECIFIED;
}

static Handoff__V1__Person *person_message(const struct person_config *from, struct arena *arena)
{
    Handoff__V1__Person *person = MESSAGE_NEW(arena, Handoff__V1__Person, person);
    person->id = text(from->id);
    person->supervisor_id = text(from->supervisor);
    person->is_queue = from->is_queue;
    person->n_roles = from->role_count;
    person->roles = ARENA_ARRAY(arena, Handoff__V1__Role, from->role_count + 1);
    for (size_t i = 0; i < from->role_count; i++)
        person->roles[i] = role_of(from->roles[i]);
    for (size_t i = 0; i < from->channel_count; i++) {
        Handoff__V1__Address *address = MESSAGE_NEW(arena, Handoff__V1__Address, address);
        address->channel = channel_of(from->channels[i].channel);
        address->address = text(from->channels[i].address);
        list_append(arena, &person->addresses, &person->n_addresses, address);
    }
    return person;
}

static void add_openings(const struct site_config *from, Handoff__V1__Site *site, struct arena *arena)
{
    for (uint32_t day = 0; day < 7; day++)
        for (int i = 0; i < CALENDAR_OPENINGS_PER_DAY; i++) {
            if (from->hours[day][i].close_minute == 0) continue;
            Handoff__V1__Opening *opening = MESSAGE_NEW(arena, Handoff__V1__Opening, opening);
            opening->weekday = day;
            opening->open_minute = from->hours[day][i].open_minute;
            opening->close_minute = from->hours[day][i].close_minute;
            list_append(arena, &site->openings, &site->n_openings, opening);
        }
}

static void add_zone(const struct zone *from, Handoff__V1__Site *site, struct arena *arena)
{
    site->first_offset_s = from->first_offset_s;
    site->n_transitions = from->transition_count;
    site->transitions = ARENA_ARRAY(arena, Handoff__V1__ZoneTransition *, from->transition_count + 1);
    for (size_t i = 0; i < from->transition_count; i++) {
        site->transitions[i] = MESSAGE_NEW(arena, Handoff__V1__ZoneTransition, zone_transition);
        site->transitions[i]->at_ms = from->transitions[i].at_ms;
        site->transitions[i]->offset_s = from->transitions[i].offset_s;
    }
}

static const Handoff__V1__Site *site_message(const struct site_config *from, bool is_default, struct arena *arena)
{
    Handoff__V1__Site *site = MESSAGE_NEW(arena, Handoff__V1__Site, site);
    site->name = text(from->name);
    site->time_zone = text(from->time_zone);
    site->is_default = is_default;
    add_zone(&from->zone, site, arena);
    add_openings(from, site, arena);
    site->n_holidays = from->holiday_count;
    site->holidays = from->holidays;
    site->n_people = from->people_count;
    site->people = ARENA_ARRAY(arena, Handoff__V1__Person *, from->people_count + 1);
    for (size_t i = 0; i < from->people_count; i++)
        site->people[i] = person_message(&from->people[i], arena);
    return site;
}

static const Handoff__V1__Site **site_messages(const struct config *config, struct arena *arena)
{
    const Handoff__V1__Site **sites = ARENA_ARRAY(arena, const Handoff__V1__Site *, config->site_count);
    for (size_t i = 0; i < config->site_count; i++)
        sites[i] = site_message(&config->sites[i], i == 0, arena);
    return sites;
}

/* --- changes -------------------------------------------------------------------------------------------------- */
static const char *change_sentence(const Handoff__V1__RulesChange *change, struct arena *arena)
{
    switch (change->body_case) {
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY:
        return view_format(arena, "pathway %s: a new version from %s", change->pathway->name, change->pathway->file);
    case HANDOFF__V1__RULES_CHANGE__BODY_POLICY: return "policy: changed";
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE: return view_format(arena, "site %s: changed", change->site->name);
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE_REMOVED:
        return view_format(arena, "site %s: removed", change->site_removed->name);
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED:
        return view_format(arena, "pathway number %u: retired, running episodes stay on it", change->pathway_retired->number);
    case HANDOFF__V1__RULES_CHANGE__BODY__NOT_SET:
    case _HANDOFF__V1__RULES_CHANGE__BODY__CASE_IS_INT_SIZE: break;
    }
    return "a change";
}

static int journal_changes(struct engine *engine, const struct rules_changes *changes, struct arena *report,
                           char ***ret_sentences, const char **ret_why)
{
    struct engine_state state;
    if (changes->count > 0 && engine_change_rules(engine, changes->list, changes->count) != 0) {
        engine_state(engine, &state);
        *ret_why = arena_string(report, state.sentence[0] ? state.sentence : "the journal did not take the change");
        return -1;
    }
    *ret_sentences = ARENA_ARRAY(report, char *, changes->count + 1);
    for (size_t i = 0; i < changes->count; i++)
        (*ret_sentences)[i] = arena_string(report, change_sentence(changes->list[i], report));
    return (int)changes->count;
}

int run_rules_update(struct engine *engine, const struct config *config, struct arena *report, struct yaml_errors *errors,
                     char ***ret_sentences, const char **ret_why)
{
    struct rules_folder folder;
    struct rules_changes changes;
    int count = -1;
    *ret_why = "";
    struct arena *arena = arena_new(ARENA_BYTES);
    if (arena == NULL) {
        *ret_why = "out of memory";
        return -1;
    }
    const Handoff__V1__Site *const *sites = site_messages(config, arena);
    if (ruleset_read_folder(config->pathways, arena, &folder, errors) == 0 &&
        ruleset_diff(engine_ruleset(engine), &folder, sites, config->site_count, arena, errors, &changes) == 0)
        count = journal_changes(engine, &changes, report, ret_sentences, ret_why);
    arena_free(arena);
    return count;
}
