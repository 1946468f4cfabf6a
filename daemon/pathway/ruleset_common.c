/* What events make known to everybody: who is away, and the resource directory. Both are folded like pathways and
 * sites, but often (a directory comes by the thousand), so rules share what did not change with the rules before. */
#include "pathway/ruleset_parts.h"

#include <string.h>
#include "core/calendar.h"

/* --- from events ------------------------------------------------------------------------------------------------ */

static void absence_of(const Handoff__V1__Event *event, const struct ruleset_said *by, Handoff__V1__Absence *a)
{
    const Handoff__V1__StaffAbsent *said = event->staff_absent;
    handoff__v1__absence__init(a);
    a->site = (char *)(uintptr_t)by->site_name;
    a->person_id = said->person_id;
    a->from_at_ms = said->from_at_ms;
    a->to_at_ms = said->to_at_ms;
    a->delegate_id = said->delegate_id;
    a->at_ms = by->now_ms;
    a->event = by->sequence;
}

bool ruleset_change_by_event(const Handoff__V1__Event *event, const struct ruleset_said *by,
                             struct ruleset_event_change *ret)
{
    Handoff__V1__RulesChange *change = &ret->change;
    if (event->patient_id[0]) return false;
    handoff__v1__rules_change__init(change);
    if (event->body_case == HANDOFF__V1__EVENT__BODY_STAFF_ABSENT) {
        absence_of(event, by, &ret->absence);
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE;
        change->absence = &ret->absence;
    } else if (event->body_case == HANDOFF__V1__EVENT__BODY_AGENCY_LISTED) {
        handoff__v1__listing__init(&ret->listing);
        ret->listing.agency = event->agency_listed;
        ret->listing.event = by->sequence;
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_LISTING;
        change->listing = &ret->listing;
    } else if (event->body_case == HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED) {
        handoff__v1__delisting__init(&ret->delisting);
        ret->delisting.agency_id = event->agency_delisted->agency_id;
        ret->delisting.effective_at_ms = event->agency_delisted->effective_at_ms;
        ret->delisting.event = by->sequence;
        change->body_case = HANDOFF__V1__RULES_CHANGE__BODY_DELISTING;
        change->delisting = &ret->delisting;
    } else {
        return false;
    }
    return true;
}

void ruleset_change_by_retraction(const struct ruleset_said *by, uint64_t taken_back, uint64_t instead,
                                  struct ruleset_event_change *ret)
{
    handoff__v1__rules_change__init(&ret->change);
    handoff__v1__taken_back__init(&ret->taken_back);
    ret->taken_back.event = taken_back;
    ret->taken_back.instead = instead;
    ret->taken_back.at_ms = by->now_ms;
    ret->change.body_case = HANDOFF__V1__RULES_CHANGE__BODY_TAKEN_BACK;
    ret->change.taken_back = &ret->taken_back;
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

bool ruleset_says_same(const struct ruleset_event_change *a, const struct ruleset_event_change *b)
{
    if (a->change.body_case != b->change.body_case) return false;
    if (a->change.body_case == HANDOFF__V1__RULES_CHANGE__BODY_LISTING)
        return is_same_message(&a->listing.agency->base, &b->listing.agency->base);
    return a->change.body_case == HANDOFF__V1__RULES_CHANGE__BODY_DELISTING &&
           strcmp(a->delisting.agency_id, b->delisting.agency_id) == 0 &&
           a->delisting.effective_at_ms == b->delisting.effective_at_ms;
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
    if (rs->said_count < rs->said_max) return true;
    uint32_t max = rs->said_max ? 2 * rs->said_max : 16;
    const Handoff__V1__Absence **absences = arena_try_alloc(rs->arena, max * sizeof *absences);
    struct said_absence *said = arena_try_alloc(rs->arena, max * sizeof *said);
    if (!absences || !said) return false;
    if (rs->absence_count) memcpy(absences, rs->absences, rs->absence_count * sizeof *absences);
    if (rs->said_count) memcpy(said, rs->said_absences, rs->said_count * sizeof *said);
    rs->absences = absences;
    rs->said_absences = said;
    rs->said_max = max;
    return true;
}

static void fold_absence(struct ruleset *rs, const Handoff__V1__Absence *said)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rs->absence_count; i++)
        if (!is_superseded(rs->absences[i], said)) rs->absences[kept++] = rs->absences[i];
    if (said->from_at_ms < said->to_at_ms) rs->absences[kept++] = said;
    rs->absence_count = kept;
    rs->built_absences = NULL;
}

static uint64_t event_of(uint64_t event, uint64_t sequence)
{
    return event ? event : sequence - 1;
}

int apply_absence(struct ruleset *rs, const Handoff__V1__Absence *message, uint64_t sequence, struct yaml_errors *errors)
{
    const Handoff__V1__Absence *copy = ruleset_copy(rs, message);
    if (!copy || !reserve_absence(rs)) return ruleset_refuse(errors, "there is not enough memory for an absence");
    rs->said_absences[rs->said_count++] = (struct said_absence){copy, event_of(copy->event, sequence), true};
    fold_absence(rs, copy);
    return 0;
}

static bool is_in_force(const struct ruleset *rs, const Handoff__V1__Absence *absence)
{
    for (uint32_t i = 0; i < rs->absence_count; i++)
        if (rs->absences[i] == absence) return true;
    return false;
}

/* Until now it was so, and from now on it is not, or the other way round: by that whoever is to be told that the work
 * changes hands is found. NULL: it is not of now. */
static const Handoff__V1__Absence *part_of(struct ruleset *rs, const Handoff__V1__Absence *absence, bool is_passed,
                                           int64_t at_ms)
{
    bool is_of_now = absence->from_at_ms < at_ms && at_ms < absence->to_at_ms;
    Handoff__V1__Absence *part = is_of_now ? ruleset_copy(rs, absence) : NULL;
    if (!part) return NULL;
    if (is_passed) part->to_at_ms = at_ms;
    else part->from_at_ms = at_ms;
    return part;
}

static void forget_said(struct ruleset *rs, uint32_t at)
{
    rs->said_count--;
    memmove(&rs->said_absences[at], &rs->said_absences[at + 1], (rs->said_count - at) * sizeof *rs->said_absences);
}

static void put_first(struct ruleset *rs, const Handoff__V1__Absence *absence)
{
    memmove(&rs->absences[1], &rs->absences[0], rs->absence_count * sizeof *rs->absences);
    rs->absences[0] = absence;
    rs->absence_count++;
}

static void drop_over(struct ruleset *rs, int64_t at_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rs->absence_count; i++)
        if (rs->absences[i]->to_at_ms >= at_ms) rs->absences[kept++] = rs->absences[i];
    rs->absence_count = kept;
}

/* Of several that fit a moment the first is asked: what has passed stands before what is said now. */
static void fold_absences(struct ruleset *rs, int64_t at_ms)
{
    rs->absence_count = 0;
    for (uint32_t i = 0; i < rs->said_count; i++)
        if (rs->said_absences[i].event) fold_absence(rs, rs->said_absences[i].absence);
    drop_over(rs, at_ms);
    for (uint32_t i = rs->said_count; i-- > 0;) {
        if (rs->said_absences[i].event) continue;
        if (rs->said_absences[i].absence->to_at_ms + MS_PER_DAY <= at_ms) forget_said(rs, i);
        else put_first(rs, rs->said_absences[i].absence);
    }
    rs->built_absences = NULL;
}

/* What the one that is taken back had taken the place of is in force again, from now on. */
static void resume(struct ruleset *rs, int64_t at_ms)
{
    for (uint32_t i = 0; i < rs->said_count; i++) {
        struct said_absence *said = &rs->said_absences[i];
        if (!said->event || said->was_in_force || !is_in_force(rs, said->absence)) continue;
        const Handoff__V1__Absence *rest = part_of(rs, said->absence, false, at_ms);
        if (rest) said->absence = rest;
    }
    fold_absences(rs, at_ms);
}

static void take_back_absence(struct ruleset *rs, uint32_t at, int64_t at_ms)
{
    const Handoff__V1__Absence *said = rs->said_absences[at].absence;
    const Handoff__V1__Absence *passed = is_in_force(rs, said) ? part_of(rs, said, true, at_ms) : NULL;
    for (uint32_t i = 0; i < rs->said_count; i++)
        rs->said_absences[i].was_in_force = is_in_force(rs, rs->said_absences[i].absence);
    if (passed) rs->said_absences[at] = (struct said_absence){passed, 0, true};
    else forget_said(rs, at);
    fold_absences(rs, at_ms);
    resume(rs, at_ms);
}

/* --- the directory ---------------------------------------------------------------------------------------------- */

/* Where the agency is, or would be. */
static uint32_t place_of(const struct ruleset *rs, const char *agency_id, bool *ret_is_there)
{
    uint32_t low = 0, high = rs->directory_count;
    *ret_is_there = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(rs->directory[middle].row.agency->agency_id, agency_id);
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
    struct known_agency *more = arena_try_alloc(rs->arena, max * sizeof *more);
    if (!more) return false;
    if (rs->directory_count) memcpy(more, rs->directory, rs->directory_count * sizeof *more);
    rs->directory = more;
    rs->directory_max = max;
    return true;
}

/* What was said before the newest listing speaks of another row. */
static struct agency_row row_of(const struct said_agency *newest)
{
    struct agency_row row = {0};
    const struct said_agency *said = newest;
    for (; said && !said->listed; said = said->before) {
        if (said->is_delisted && !row.is_delisted) {
            row.effective_at_ms = said->effective_at_ms;
            row.delisted_by = said->event;
        }
        row.is_delisted |= said->is_delisted;
        row.is_doubtful |= !said->is_delisted;
    }
    if (said) row.agency = said->listed;
    return row;
}

static int say(struct ruleset *rs, uint32_t at, const struct said_agency *said, struct yaml_errors *errors)
{
    struct known_agency *known = &rs->directory[at];
    struct said_agency *copy = arena_try_alloc(rs->arena, sizeof *copy);
    if (!copy) return ruleset_refuse(errors, "there is not enough memory for what was said of an agency");
    *copy = *said;
    copy->before = known->newest;
    known->newest = copy;
    known->row = row_of(copy);
    rs->built_directory = NULL;
    return 0;
}

static void make_place(struct ruleset *rs, uint32_t at)
{
    memmove(&rs->directory[at + 1], &rs->directory[at], (rs->directory_count - at) * sizeof rs->directory[0]);
    rs->directory[at] = (struct known_agency){0};
    rs->directory_count++;
}

static void remove_place(struct ruleset *rs, uint32_t at)
{
    rs->directory_count--;
    memmove(&rs->directory[at], &rs->directory[at + 1], (rs->directory_count - at) * sizeof rs->directory[0]);
}

int apply_listing(struct ruleset *rs, const Handoff__V1__Listing *message, uint64_t sequence, struct yaml_errors *errors)
{
    if (!message->agency || !message->agency->agency_id[0])
        return ruleset_refuse(errors, "an agency without an id is listed");
    const Handoff__V1__AgencyListed *copy = ruleset_copy(rs, message->agency);
    if (!copy || !reserve_listing(rs)) return ruleset_refuse(errors, "there is not enough memory for another agency");
    bool is_there;
    uint32_t at = place_of(rs, copy->agency_id, &is_there);
    if (!is_there) make_place(rs, at);
    struct said_agency said = {.event = event_of(message->event, sequence), .listed = copy};
    int error = say(rs, at, &said, errors);
    if (error && !is_there) remove_place(rs, at);
    return error;
}

int apply_delisting(struct ruleset *rs, const Handoff__V1__Delisting *message, uint64_t sequence,
                    struct yaml_errors *errors)
{
    bool is_there;
    uint32_t at = place_of(rs, message->agency_id, &is_there);
    struct said_agency said = {.event = event_of(message->event, sequence),
                               .is_delisted = true,
                               .effective_at_ms = message->effective_at_ms};
    return is_there ? say(rs, at, &said, errors) : 0;
}

int apply_doubt(struct ruleset *rs, const Handoff__V1__Doubt *message, struct yaml_errors *errors)
{
    bool is_there;
    uint32_t at = place_of(rs, message->agency_id, &is_there);
    return is_there ? say(rs, at, &(struct said_agency){.event = 0}, errors) : 0;
}

/* --- taking back ------------------------------------------------------------------------------------------------ */

static void take_back_said(struct ruleset *rs, struct known_agency *known, const Handoff__V1__TakenBack *message)
{
    for (struct said_agency **at = &known->newest; *at;) {
        struct said_agency *said = *at;
        bool is_it = said->event == message->event;
        if (is_it) rs->built_directory = NULL;
        if (is_it && message->instead) said->event = message->instead;
        if (is_it && !message->instead) *at = said->before;
        else at = &said->before;
    }
    known->row = row_of(known->newest);
}

int apply_taken_back(struct ruleset *rs, const Handoff__V1__TakenBack *message, struct yaml_errors *errors)
{
    if (!message->event) return ruleset_refuse(errors, "an event is taken back, but not said which");
    for (uint32_t i = rs->said_count; i-- > 0;)
        if (rs->said_absences[i].event == message->event) {
            take_back_absence(rs, i, message->at_ms);
            break;
        }
    for (uint32_t i = rs->directory_count; i-- > 0;) {
        take_back_said(rs, &rs->directory[i], message);
        if (!rs->directory[i].row.agency) remove_place(rs, i);
    }
    return 0;
}

/* --- building --------------------------------------------------------------------------------------------------- */

static const struct agency_row *rows_of(const struct ruleset *rs)
{
    struct agency_row *rows = ARENA_ARRAY(rs->arena, struct agency_row, rs->directory_count);
    for (uint32_t i = 0; i < rs->directory_count; i++) rows[i] = rs->directory[i].row;
    return rows;
}

void ruleset_share(struct ruleset *rs, struct rules *rules)
{
    if (!rs->built_absences && rs->absence_count)
        rs->built_absences = arena_copy(rs->arena, rs->absences, rs->absence_count * sizeof *rs->absences);
    if (!rs->built_directory && rs->directory_count) rs->built_directory = rows_of(rs);
    rules->absences = rs->built_absences;
    rules->absence_count = rs->absence_count;
    rules->directory = rs->built_directory;
    rules->directory_count = rs->directory_count;
}
