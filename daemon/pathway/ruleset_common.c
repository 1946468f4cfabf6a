/* What events make known to everybody: who is away, and the resource directory. Both are folded like pathways and
 * sites, but often (a directory comes by the thousand), so rules share what did not change with the rules before. */
#include "pathway/ruleset_parts.h"

#include <string.h>

/* --- from events ------------------------------------------------------------------------------------------------ */

static void absence_of(const Handoff__V1__Event *event, const char *site_name, int64_t now_ms, Handoff__V1__Absence *a)
{
    const Handoff__V1__StaffAbsent *said = event->staff_absent;
    handoff__v1__absence__init(a);
    a->site = (char *)site_name;
    a->person_id = said->person_id;
    a->from_at_ms = said->from_at_ms;
    a->to_at_ms = said->to_at_ms;
    a->delegate_id = said->delegate_id;
    a->at_ms = now_ms;
}

bool ruleset_change_by_event(const Handoff__V1__Event *event, const char *site_name, int64_t now_ms,
                             struct ruleset_event_change *ret)
{
    Handoff__V1__RulesChange *change = &ret->change;
    if (event->patient_id[0]) return false;
    handoff__v1__rules_change__init(change);
    if (event->body_case == HANDOFF__V1__EVENT__BODY_STAFF_ABSENT) {
        absence_of(event, site_name, now_ms, &ret->absence);
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE;
        change->absence = &ret->absence;
    } else if (event->body_case == HANDOFF__V1__EVENT__BODY_AGENCY_LISTED) {
        handoff__v1__listing__init(&ret->listing);
        ret->listing.agency = event->agency_listed;
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_LISTING;
        change->listing = &ret->listing;
    } else if (event->body_case == HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED) {
        handoff__v1__delisting__init(&ret->delisting);
        ret->delisting.agency_id = event->agency_delisted->agency_id;
        ret->delisting.effective_at_ms = event->agency_delisted->effective_at_ms;
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_DELISTING;
        change->delisting = &ret->delisting;
    } else {
        return false;
    }
    return true;
}

bool ruleset_change_by_outcome(const Handoff__V1__Outcome *outcome, struct ruleset_event_change *ret)
{
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_AUDIT ||
            e->audit->kind != HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIRECTORY_DOUBTFUL || !e->audit->text[0])
            continue;
        handoff__v1__rules_change__init(&ret->change);
        handoff__v1__doubt__init(&ret->doubt);
        ret->doubt.agency_id = e->audit->text;
        ret->change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_DOUBT;
        ret->change.doubt = &ret->doubt;
        return true;
    }
    return false;
}

static bool is_same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    enum { SMALL_BYTES = 4096 };
    uint8_t left[SMALL_BYTES], right[SMALL_BYTES];
    size_t bytes = protobuf_c_message_get_packed_size(a);
    if (bytes > SMALL_BYTES || protobuf_c_message_get_packed_size(b) != bytes) return false;
    protobuf_c_message_pack(a, left);
    protobuf_c_message_pack(b, right);
    return memcmp(left, right, bytes) == 0;
}

bool ruleset_is_known(const struct rules *rules, const Handoff__V1__RulesChange *change)
{
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_LISTING) {
        const struct agency_row *l = rules_agency(rules, change->listing->agency->agency_id);
        return l && !l->is_delisted && !l->is_doubtful && is_same_message(&l->agency->base, &change->listing->agency->base);
    }
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_DELISTING) {
        const struct agency_row *l = rules_agency(rules, change->delisting->agency_id);
        return !l || (l->is_delisted && l->effective_at_ms == change->delisting->effective_at_ms);
    }
    if (change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_DOUBT) {
        const struct agency_row *l = rules_agency(rules, change->doubt->agency_id);
        return !l || l->is_doubtful;
    }
    return false;
}

/* --- absences --------------------------------------------------------------------------------------------------- */

/* What is over, and what the new word about the same person takes the place of. */
static bool is_superseded(const Handoff__V1__Absence *old, const Handoff__V1__Absence *said)
{
    if (old->to_at_ms <= said->at_ms) return true;
    bool is_same_person = strcmp(old->site, said->site) == 0 && strcmp(old->person_id, said->person_id) == 0;
    return is_same_person && old->from_at_ms <= said->to_at_ms && said->from_at_ms <= old->to_at_ms;
}

static bool reserve_absence(struct ruleset *rs)
{
    if (rs->absence_count < rs->absence_max) return true;
    uint32_t max = rs->absence_max ? 2 * rs->absence_max : 16;
    const Handoff__V1__Absence **more = arena_try_alloc(rs->arena, max * sizeof *more);
    if (!more) return false;
    if (rs->absence_count) memcpy(more, rs->absences, rs->absence_count * sizeof *more);
    rs->absences = more;
    rs->absence_max = max;
    return true;
}

int apply_absence(struct ruleset *rs, const Handoff__V1__Absence *message, struct yaml_errors *errors)
{
    const Handoff__V1__Absence *copy = ruleset_copy(rs, message);
    if (!copy || !reserve_absence(rs)) return ruleset_refuse(errors, "there is not enough memory for an absence");
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rs->absence_count; i++)
        if (!is_superseded(rs->absences[i], copy)) rs->absences[kept++] = rs->absences[i];
    if (copy->from_at_ms < copy->to_at_ms) rs->absences[kept++] = copy;
    rs->absence_count = kept;
    rs->built_absences = NULL;
    return 0;
}

/* --- the directory ---------------------------------------------------------------------------------------------- */

/* Where the agency is, or would be. */
static uint32_t place_of(const struct ruleset *rs, const char *agency_id, bool *ret_is_there)
{
    uint32_t low = 0, high = rs->directory_count;
    *ret_is_there = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(rs->directory[middle].agency->agency_id, agency_id);
        if (order == 0) *ret_is_there = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool reserve_listing(struct ruleset *rs)
{
    if (rs->directory_count < rs->directory_max) return true;
    uint32_t max = rs->directory_max ? 2 * rs->directory_max : 64;
    struct agency_row *more = arena_try_alloc(rs->arena, max * sizeof *more);
    if (!more) return false;
    if (rs->directory_count) memcpy(more, rs->directory, rs->directory_count * sizeof *more);
    rs->directory = more;
    rs->directory_max = max;
    return true;
}

int apply_listing(struct ruleset *rs, const Handoff__V1__Listing *message, struct yaml_errors *errors)
{
    if (!message->agency || !message->agency->agency_id[0])
        return ruleset_refuse(errors, "an agency without an id is listed");
    const Handoff__V1__AgencyListed *copy = ruleset_copy(rs, message->agency);
    if (!copy || !reserve_listing(rs)) return ruleset_refuse(errors, "there is not enough memory for another agency");
    bool is_there;
    uint32_t at = place_of(rs, copy->agency_id, &is_there);
    if (!is_there) {
        memmove(&rs->directory[at + 1], &rs->directory[at], (rs->directory_count - at) * sizeof rs->directory[0]);
        rs->directory_count++;
    }
    rs->directory[at] = (struct agency_row){.agency = copy};
    rs->built_directory = NULL;
    return 0;
}

int apply_delisting(struct ruleset *rs, const Handoff__V1__Delisting *message, struct yaml_errors *errors)
{
    bool is_there;
    uint32_t at = place_of(rs, message->agency_id, &is_there);
    (void)errors;
    if (!is_there) return 0;
    rs->directory[at].is_delisted = true;
    rs->directory[at].effective_at_ms = message->effective_at_ms;
    rs->built_directory = NULL;
    return 0;
}

int apply_doubt(struct ruleset *rs, const Handoff__V1__Doubt *message)
{
    bool is_there;
    uint32_t at = place_of(rs, message->agency_id, &is_there);
    if (!is_there) return 0;
    rs->directory[at].is_doubtful = true;
    rs->built_directory = NULL;
    return 0;
}

/* --- building --------------------------------------------------------------------------------------------------- */

void ruleset_share(struct ruleset *rs, struct rules *rules)
{
    if (!rs->built_absences && rs->absence_count)
        rs->built_absences = arena_copy(rs->arena, rs->absences, rs->absence_count * sizeof *rs->absences);
    if (!rs->built_directory && rs->directory_count)
        rs->built_directory = arena_copy(rs->arena, rs->directory, rs->directory_count * sizeof *rs->directory);
    rules->absences = rs->built_absences;
    rules->absence_count = rs->absence_count;
    rules->directory = rs->built_directory;
    rules->directory_count = rs->directory_count;
}
