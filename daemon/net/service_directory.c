/* The resource directory: what is in it, page by page, and who of it suits a patient. Answered from the rules in force
 * and the patient's newest record alone. */
#include "net/service_inner.h"

#include <string.h>

#include "core/directory.h"
#include "core/message.h"
#include "core/step.h"

#include "base/banned.h"

/* --- list ------------------------------------------------------------------------------------------------------ */
static bool offers_support(const Handoff__V1__AgencyListed *a, Handoff__V1__SupportKind support)
{
    for (size_t i = 0; i < a->n_supports; i++)
        if (a->supports[i] == support) return true;
    return support == HANDOFF__V1__SUPPORT_KIND__SUPPORT_KIND_UNSPECIFIED;
}

static bool is_wanted(const Handoff__V1__DirectoryListRequest *r, const struct agency_row *row)
{
    const Handoff__V1__AgencyListed *a = row->agency;
    return (r->with_delisted || !row->is_delisted) &&
           (r->kind == HANDOFF__V1__AGENCY_KIND__AGENCY_KIND_UNSPECIFIED || r->kind == directory_kind(a)) &&
           (r->agency_id[0] == 0 || strcmp(r->agency_id, a->agency_id) == 0) &&
           directory_offers(a, r->level_of_care) && directory_serves(a, r->county) && offers_support(a, r->support);
}

static Handoff__V1__DirectoryRow *view_row(struct arena *arena, const struct agency_row *row)
{
    Handoff__V1__DirectoryRow *view = MESSAGE_NEW(arena, Handoff__V1__DirectoryRow, directory_row);
    view->listing = (Handoff__V1__AgencyListed *)(uintptr_t)row->agency;
    view->is_doubtful = row->is_doubtful;
    view->is_delisted = row->is_delisted;
    view->effective_at_ms = row->effective_at_ms;
    return view;
}

static uint32_t agencies(const struct rules *rules)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rules->directory_count; i++)
        count += !rules->directory[i].is_delisted;
    return count;
}

void serve_directory_list(struct service *s, const struct call *call)
{
    const Handoff__V1__DirectoryListRequest *r = call->request->directory_list;
    const struct rules *rules = engine_rules(s->engine);
    Handoff__V1__DirectoryListReply *reply = MESSAGE_NEW(s->arena, Handoff__V1__DirectoryListReply, directory_list_reply);
    uint32_t most = service_rows(r->limit);
    size_t bytes = 0;
    for (uint32_t i = 0; rules != NULL && i < rules->directory_count; i++) {
        const struct agency_row *row = &rules->directory[i];
        if (strcmp(row->agency->agency_id, r->after) <= 0 || !is_wanted(r, row)) continue;
        if (reply->n_rows == most || service_is_reply_full(s, bytes)) {
            reply->next = reply->rows[reply->n_rows - 1]->listing->agency_id;
            break;
        }
        bytes += handoff__v1__agency_listed__get_packed_size(row->agency) + 16;
        list_append(s->arena, &reply->rows, &reply->n_rows, view_row(s->arena, row));
    }
    if (rules != NULL) reply->agencies = agencies(rules);
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_DIRECTORY_LIST, reply);
}

/* --- match ----------------------------------------------------------------------------------------------------- */
struct asked {
    uint32_t episode; /* 0: none */
    Handoff__V1__LevelOfCare level;
};

static bool refuse(struct service *s, const struct call *call, Handoff__V1__Code code, const char *field,
                   const char *sentence)
{
    service_refuse(s, call, code, sentence, field);
    return false;
}

/* Rule 8: for an episode, its own level; a clinician who reassesses it changes the episode. */
static bool choose(struct service *s, const struct call *call, const Handoff__V1__PatientRecord *record,
                   struct asked *ret)
{
    const Handoff__V1__DirectoryMatchRequest *r = call->request->directory_match;
    const struct rules *rules = engine_rules(s->engine);
    uint32_t number = r->episode_id[0] ? step_number_in(record, r->patient_id, r->episode_id, "ep") : 0, found;
    if (r->episode_id[0] && number == 0)
        return refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_ID, "episode_id", "episode_id is not the id of an episode");
    Handoff__V1__LevelOfCare level = directory_level(rules, record, number, &found);
    if (number != 0 && found != number)
        return refuse(s, call, HANDOFF__V1__CODE__CODE_UNKNOWN_ID, "episode_id",
                      "the patient has no such episode, or it has no level of care");
    if (number == 0 && r->level_of_care != 0 && r->level_of_care != level) level = r->level_of_care, found = 0;
    if (level == 0)
        return refuse(s, call, HANDOFF__V1__CODE__CODE_MISSING_FIELD, "level_of_care",
                      "the patient has no open episode with a level of care: say which level_of_care");
    if (r->level_of_care != 0 && r->level_of_care != level)
        return refuse(s, call, HANDOFF__V1__CODE__CODE_BAD_VALUE, "level_of_care",
                      "alternates are at the episode's own level of care; another level is for a clinician to decide");
    *ret = (struct asked){found, level};
    return true;
}

static void put(struct arena *arena, const struct directory_matches *from, size_t most, Handoff__V1__Match ***list,
                size_t *count)
{
    for (size_t i = 0; i < from->count && i < most; i++)
        list_append(arena, list, count, from->list[i]);
}

static void reply_matches(struct service *s, const struct call *call, const Handoff__V1__PatientRecord *record,
                          const struct patient_key *key, const struct asked *asked)
{
    uint32_t limit = call->request->directory_match->limit;
    struct directory_matches matches;
    struct directory_query q = {.rules = engine_rules(s->engine),
                                .record = record,
                                .now_ms = engine_now_ms(s->engine),
                                .level = asked->level,
                                .is_alternate = asked->episode != 0};
    Handoff__V1__DirectoryMatchReply *reply =
        MESSAGE_NEW(s->arena, Handoff__V1__DirectoryMatchReply, directory_match_reply);
    char key_text[33];
    reply->level_of_care = asked->level;
    engine_key_text(key, key_text);
    reply->episode_id = (char *)(uintptr_t)view_id(s->arena, key_text, record, "ep", asked->episode);
    directory_match(&q, s->arena, &matches);
    put(s->arena, &matches, limit != 0 ? limit : DIRECTORY_MATCHES_MAX, &reply->matches, &reply->n_matches);
    directory_crisis_lines(&q, s->arena, &matches);
    put(s->arena, &matches, DIRECTORY_MATCHES_MAX, &reply->crisis_lines, &reply->n_crisis_lines);
    directory_county_offices(&q, s->arena, &matches);
    put(s->arena, &matches, DIRECTORY_MATCHES_MAX, &reply->county_offices, &reply->n_county_offices);
    service_reply(s, call, HANDOFF__V1__REPLY__BODY_DIRECTORY_MATCH, reply);
}

void serve_directory_match(struct service *s, const struct call *call)
{
    const char *patient_id = call->request->directory_match->patient_id;
    Handoff__V1__PatientRecord *record;
    struct patient_key key;
    struct asked asked;
    uint64_t sequence;
    int64_t time_ms;
    engine_subject_key(s->engine, SUBJECT_IS_PATIENT, patient_id, &key);
    int rc = engine_alias(s->engine, &key, INT64_MAX, s->arena);
    if (rc == 0) rc = engine_record(s->engine, &key, s->arena, &record, &sequence, &time_ms);
    if (rc != 0)
        service_refuse_error(s, call, rc);
    else if (choose(s, call, record, &asked))
        reply_matches(s, call, record, &key, &asked);
}
