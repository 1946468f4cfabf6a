/* See roster.h. */
#include "core/roster.h"

#include <string.h>

#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME

enum { DELEGATES_MAX = 8 }; /* in a row; a circle of people who are all away ends here */

/* At whose site, and when. */
struct asking {
    const struct rules *rules;
    const struct site *site;
    int64_t at_ms;
    bool is_for_name; /* nobody at all can be told: then who it would be is said all the same */
};

static bool can_be_told(const struct asking *a, const Handoff__V1__Person *p) { return a->is_for_name || p->n_addresses; }

const Handoff__V1__Person *roster_person(const struct site *site, const char *id)
{
    for (size_t i = 0; i < site->roster->n_people; i++)
        if (strcmp(site->roster->people[i]->id, id) == 0) return site->roster->people[i];
    return NULL;
}

static bool insert_opening(struct opening day[CALENDAR_OPENINGS_PER_DAY], const Handoff__V1__Opening *o)
{
    size_t at = CALENDAR_OPENINGS_PER_DAY - 1;
    if (day[at].close_minute) return false;
    for (; at > 0 && (!day[at - 1].close_minute || day[at - 1].open_minute > o->open_minute); at--) day[at] = day[at - 1];
    day[at] = (struct opening){(uint16_t)o->open_minute, (uint16_t)o->close_minute};
    return true;
}

/* Hours that no day has are as none: the site's hold. */
struct calendar roster_hours(const struct site *site, const Handoff__V1__Person *p)
{
    struct calendar own = site->calendar;
    bool is_read = p && p->n_openings > 0;
    for (size_t i = 0; i < sizeof own.week / sizeof *own.week; i++)
        for (size_t k = 0; k < CALENDAR_OPENINGS_PER_DAY; k++) own.week[i][k] = (struct opening){0, 0};
    for (size_t i = 0; is_read && i < p->n_openings; i++) {
        const Handoff__V1__Opening *o = p->openings[i];
        is_read = o->weekday < 7 && o->open_minute < o->close_minute && o->close_minute <= 1440 &&
                  insert_opening(own.week[o->weekday], o);
    }
    return is_read && calendar_is_valid(&own) ? own : site->calendar;
}

static const Handoff__V1__Absence *absence(const struct asking *a, const char *person_id)
{
    for (uint32_t i = 0; i < a->rules->absence_count; i++) {
        const Handoff__V1__Absence *x = a->rules->absences[i];
        if (x->from_at_ms <= a->at_ms && a->at_ms < x->to_at_ms && strcmp(x->person_id, person_id) == 0 &&
            strcmp(x->site, a->site->name) == 0)
            return x;
    }
    return NULL;
}

/* Who cannot be told is as one who is away and named nobody. */
static const char *stand_in(const struct asking *a, const char *person_id)
{
    const Handoff__V1__Person *p;
    for (int i = 0; i < DELEGATES_MAX && (p = roster_person(a->site, person_id)); i++) {
        const Handoff__V1__Absence *away = absence(a, person_id);
        if (!away) return can_be_told(a, p) ? person_id : NULL;
        person_id = away->delegate_id;
    }
    return NULL;
}

const char *roster_stand_in(const struct rules *rules, const struct site *site, const char *person_id, int64_t at_ms)
{
    return stand_in(&(struct asking){rules, site, at_ms, false}, person_id);
}

static bool has_role(const Handoff__V1__Person *p, Handoff__V1__Role role)
{
    for (size_t r = 0; r < p->n_roles; r++)
        if (p->roles[r] == role) return true;
    return false;
}

/* Of those with a role the first who is there (but `not_this`), else whoever stands in for one of them. */
static const char *present(const struct asking *a, Handoff__V1__Role role, const char *not_this)
{
    const char *found = NULL;
    for (size_t i = 0; i < a->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = a->site->roster->people[i];
        const char *person = has_role(p, role) ? stand_in(a, p->id) : NULL;
        if (!person || (not_this && strcmp(person, not_this) == 0)) continue;
        if (person == p->id) return person;
        if (!found) found = person;
    }
    return found;
}

static const char *queue(const struct asking *a)
{
    for (size_t i = 0; i < a->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = a->site->roster->people[i];
        if (p->is_queue && can_be_told(a, p)) return p->id;
    }
    return NULL;
}

/* Everybody may be away: then the first on call who can be told is told all the same. */
static const char *on_call(const struct asking *a)
{
    for (size_t i = 0; i < a->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = a->site->roster->people[i];
        if (has_role(p, ROLE(ON_CALL)) && can_be_told(a, p)) return p->id;
    }
    return NULL;
}

static const char *assigned(const Handoff__V1__PatientRecord *record, Handoff__V1__Role role)
{
    for (size_t i = 0; i < record->n_assignments; i++)
        if (record->assignments[i]->role == role) return record->assignments[i]->person_id;
    return NULL;
}

/* The supervisor of whoever coordinates this patient, away or not: a vacation changes nobody's superior. */
static const char *supervisor(const struct asking *a, const Handoff__V1__PatientRecord *record)
{
    const char *coordinator = assigned(record, ROLE(COORDINATOR));
    const Handoff__V1__Person *p = coordinator ? roster_person(a->site, coordinator) : NULL;
    for (size_t i = 0; !p && i < a->site->roster->n_people; i++)
        if (has_role(a->site->roster->people[i], ROLE(COORDINATOR))) p = a->site->roster->people[i];
    const char *person = p && p->supervisor_id[0] ? stand_in(a, p->supervisor_id) : NULL;
    return person ? person : present(a, ROLE(SUPERVISOR), NULL);
}

static const char *second_on_call(const struct asking *a)
{
    const char *first = present(a, ROLE(ON_CALL), NULL);
    const char *second = first ? present(a, ROLE(ON_CALL), first) : NULL;
    return second ? second : first;
}

static const char *unassigned(const struct asking *a, const Handoff__V1__PatientRecord *record, Handoff__V1__Role role)
{
    if (role == ROLE(SUPERVISOR)) return supervisor(a, record);
    if (role == ROLE(SECOND_ON_CALL)) return second_on_call(a);
    return present(a, role, NULL);
}

static const char *resolve(const struct asking *a, const Handoff__V1__PatientRecord *record, Handoff__V1__Role role)
{
    const char *named = assigned(record, role);
    const char *person = named ? stand_in(a, named) : unassigned(a, record, role);
    if (!person) person = queue(a);
    if (!person) person = supervisor(a, record);
    if (!person) person = present(a, ROLE(ON_CALL), NULL);
    return person ? person : on_call(a);
}

const char *roster_resolve(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                           Handoff__V1__Role role, int64_t at_ms)
{
    const char *person = resolve(&(struct asking){rules, site, at_ms, false}, record, role);
    if (!person) person = resolve(&(struct asking){rules, site, at_ms, true}, record, role);
    return person ? person : "";
}

const char *roster_holder(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                          Handoff__V1__Role role, const Handoff__V1__Task *task, int64_t at_ms)
{
    bool is_owner = task && task->owner == role;
    bool is_list = is_owner && task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_TAKE_OVER && task->subject;
    const char *named = is_list ? task->subject->id : is_owner ? task->owner_id : "";
    const char *person = named[0] ? roster_stand_in(rules, site, named, at_ms) : NULL;
    return person ? person : roster_resolve(rules, site, record, role, at_ms);
}
