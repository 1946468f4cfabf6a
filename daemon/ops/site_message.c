/* See site_message.h. */
#include "ops/site_message.h"

#include "core/message.h"

static char *text(struct arena *arena, const char *from) { return arena_string(arena, from ? from : ""); }

/* A word of the configuration as an enum value: "on-call" and ROLE_ON_CALL. */
static int enum_value(const ProtobufCEnumDescriptor *type, const char *prefix, const char *word)
{
    char name[64];
    size_t n = 0;
    for (; *prefix && n + 1 < sizeof name; prefix++) name[n++] = *prefix;
    for (; *word && n + 1 < sizeof name; word++)
        name[n++] = *word == '-' ? '_' : (char)(*word >= 'a' && *word <= 'z' ? *word - 32 : *word);
    name[n] = '\0';
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    return value ? value->value : 0;
}

/* Returns how many there are. */
static size_t fill_hours(const struct opening week[7][CALENDAR_OPENINGS_PER_DAY], struct arena *arena,
                         Handoff__V1__Opening ***ret_openings)
{
    size_t n = 0;
    *ret_openings = ARENA_ARRAY(arena, Handoff__V1__Opening *, 7 * CALENDAR_OPENINGS_PER_DAY);
    for (uint32_t day = 0; day < 7; day++)
        for (uint32_t i = 0; i < CALENDAR_OPENINGS_PER_DAY; i++) {
            if (week[day][i].close_minute <= week[day][i].open_minute) continue;
            Handoff__V1__Opening *o = MESSAGE_NEW(arena, Handoff__V1__Opening, opening);
            o->weekday = day;
            o->open_minute = week[day][i].open_minute;
            o->close_minute = week[day][i].close_minute;
            (*ret_openings)[n++] = o;
        }
    return n;
}

static Handoff__V1__Person *person(const struct person_config *p, struct arena *arena)
{
    Handoff__V1__Person *m = MESSAGE_NEW(arena, Handoff__V1__Person, person);
    m->id = text(arena, p->id);
    m->supervisor_id = text(arena, p->supervisor);
    m->is_queue = p->is_queue;
    if (p->has_hours) m->n_openings = fill_hours(p->hours, arena, &m->openings);
    m->roles = ARENA_ARRAY(arena, Handoff__V1__Role, p->role_count + 1);
    for (size_t i = 0; i < p->role_count; i++)
        m->roles[m->n_roles++] = (Handoff__V1__Role)enum_value(&handoff__v1__role__descriptor, "ROLE_", p->roles[i]);
    m->addresses = ARENA_ARRAY(arena, Handoff__V1__Address *, p->channel_count + 1);
    for (size_t i = 0; i < p->channel_count; i++) {
        Handoff__V1__Address *a = MESSAGE_NEW(arena, Handoff__V1__Address, address);
        a->channel =
            (Handoff__V1__Channel)enum_value(&handoff__v1__channel__descriptor, "CHANNEL_", p->channels[i].channel);
        a->address = text(arena, p->channels[i].address);
        m->addresses[m->n_addresses++] = a;
    }
    return m;
}

static void fill_zone(Handoff__V1__Site *m, const struct site_config *s, struct arena *arena)
{
    m->first_offset_s = s->zone.first_offset_s;
    m->transitions = ARENA_ARRAY(arena, Handoff__V1__ZoneTransition *, s->zone.transition_count + 1);
    for (size_t i = 0; i < s->zone.transition_count; i++) {
        Handoff__V1__ZoneTransition *t = MESSAGE_NEW(arena, Handoff__V1__ZoneTransition, zone_transition);
        t->at_ms = s->zone.transitions[i].at_ms;
        t->offset_s = s->zone.transitions[i].offset_s;
        m->transitions[m->n_transitions++] = t;
    }
}

static void fill_sources(Handoff__V1__Site *m, const struct site_config *s, struct arena *arena)
{
    m->sources = ARENA_ARRAY(arena, Handoff__V1__Source *, s->source_count + 1);
    for (size_t i = 0; i < s->source_count; i++) {
        Handoff__V1__Source *source = MESSAGE_NEW(arena, Handoff__V1__Source, source);
        source->name = text(arena, s->sources[i].name);
        source->silence = text(arena, s->sources[i].silence);
        source->feeds = ARENA_ARRAY(arena, char *, s->sources[i].feed_count + 1);
        for (size_t k = 0; k < s->sources[i].feed_count; k++)
            source->feeds[source->n_feeds++] = text(arena, s->sources[i].feeds[k]);
        m->sources[m->n_sources++] = source;
    }
}

static Handoff__V1__Site *site(const struct site_config *s, struct arena *arena)
{
    Handoff__V1__Site *m = MESSAGE_NEW(arena, Handoff__V1__Site, site);
    m->name = text(arena, s->name);
    m->time_zone = text(arena, s->time_zone);
    fill_zone(m, s, arena);
    m->n_openings = fill_hours(s->hours, arena, &m->openings);
    m->n_holidays = s->holiday_count;
    if (s->holiday_count) m->holidays = arena_copy(arena, s->holidays, s->holiday_count * sizeof *m->holidays);
    fill_sources(m, s, arena);
    m->people = ARENA_ARRAY(arena, Handoff__V1__Person *, s->people_count + 1);
    for (size_t i = 0; i < s->people_count; i++) m->people[m->n_people++] = person(&s->people[i], arena);
    return m;
}

Handoff__V1__Site **site_messages(const struct config *config, struct arena *arena)
{
    Handoff__V1__Site **sites = ARENA_ARRAY(arena, Handoff__V1__Site *, config->site_count + 1);
    for (size_t i = 0; i < config->site_count; i++) sites[i] = site(&config->sites[i], arena);
    if (config->site_count) sites[0]->is_default = true;
    return sites;
}
