/* See roster.h. */
#include "core/roster.h"

#include <string.h>

#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME

static const Handoff__V1__Person *find_person(const struct site *site, const char *id)
{
    for (size_t i = 0; i < site->roster->n_people; i++)
        if (strcmp(site->roster->people[i]->id, id) == 0) return site->roster->people[i];
    return NULL;
}

static const char *first_with(const struct site *site, Handoff__V1__Role role)
{
    for (size_t i = 0; i < site->roster->n_people; i++) {
        const Handoff__V1__Person *p = site->roster->people[i];
        for (size_t r = 0; r < p->n_roles; r++)
            if (p->roles[r] == role) return p->id;
    }
    return NULL;
}

/* Where only one is on call, the first is told again. */
static const char *second_on_call(const struct site *site)
{
    const char *first = first_with(site, ROLE(ON_CALL)), *second = first_with(site, ROLE(SECOND_ON_CALL));
    for (size_t i = 0; i < site->roster->n_people && !second; i++) {
        const Handoff__V1__Person *p = site->roster->people[i];
        for (size_t r = 0; r < p->n_roles; r++)
            if (p->roles[r] == ROLE(ON_CALL) && strcmp(p->id, first) != 0) second = p->id;
    }
    return second ? second : first;
}

static const char *queue(const struct site *site)
{
    for (size_t i = 0; i < site->roster->n_people; i++)
        if (site->roster->people[i]->is_queue) return site->roster->people[i]->id;
    return NULL;
}

/* Somebody who is not on the roster any more can receive nothing. */
static const char *assigned(const struct site *site, const Handoff__V1__PatientRecord *record, Handoff__V1__Role role)
{
    for (size_t i = 0; i < record->n_assignments; i++)
        if (record->assignments[i]->role == role && find_person(site, record->assignments[i]->person_id))
            return record->assignments[i]->person_id;
    return NULL;
}

/* Above a person: their own supervisor, as far as the roster knows one. */
static const char *above(const struct site *site, const char *person_id)
{
    const Handoff__V1__Person *p = person_id ? find_person(site, person_id) : NULL;
    return p && p->supervisor_id[0] ? p->supervisor_id : NULL;
}

const char *roster_resolve(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                           Handoff__V1__Role role)
{
    (void)rules;
    const char *person = assigned(site, record, role);
    if (!person && role == ROLE(SUPERVISOR)) {
        const char *coordinator = assigned(site, record, ROLE(COORDINATOR));
        person = above(site, coordinator ? coordinator : first_with(site, ROLE(COORDINATOR)));
    }
    if (!person && role == ROLE(SECOND_ON_CALL)) person = second_on_call(site);
    if (!person) person = first_with(site, role);
    if (!person) person = queue(site);
    if (!person) person = first_with(site, ROLE(SUPERVISOR));
    if (!person) person = first_with(site, ROLE(ON_CALL));
    return person ? person : "";
}
