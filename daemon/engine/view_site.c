/* Sentences about people and systems rather than one patient: lists of many, sources that are silent, what was tried.
 * See view.h. */
#include "engine/view.h"

#include "core/calendar.h"
#include "core/directory.h"
#include "core/message.h"

#include "base/banned.h"

const char *view_ending(const struct view *v, const char *agency_id, uint32_t total)
{
    const struct agency_row *row = rules_agency(v->rules, agency_id);
    const char *name = row != NULL && row->agency->name[0] ? row->agency->name : agency_id;
    if (total == 0) return view_format(v->arena, "%s ends its services; its patients are in one list.", name);
    return view_format(v->arena, "%s ends its services: %u %s here, those most at risk first.", name, total,
                       total == 1 ? "patient is" : "patients are");
}

const char *view_staying(const struct view *v, const char *agency_id, const char *why)
{
    const struct agency_row *row = rules_agency(v->rules, agency_id);
    const char *name = row != NULL && row->agency->name[0] ? row->agency->name : agency_id;
    return view_format(v->arena, "That %s ends its services was taken back%s%s.", name, why[0] ? ": " : "", why);
}

/* "no heartbeat has come ...": "No heartbeat has come ...." */
static const char *as_sentence(const struct view *v, const char *words)
{
    size_t len = strlen(words);
    char first = words[0] >= 'a' && words[0] <= 'z' ? (char)(words[0] - 'a' + 'A') : words[0];
    return view_format(v->arena, "%c%s%s", first, words + 1, len && words[len - 1] == '.' ? "" : ".");
}

const char *view_undelivered(const struct view *v, const struct view_undelivered *u)
{
    bool is_emergent = u->severity == HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT;
    if (u->why == NULL && u->subscription[0] == 0) return "Heartbeats come through again.";
    if (u->why == NULL)
        return view_format(v->arena, "The subscription %s is served again, or gone.", u->subscription);
    if (u->subscription[0] == 0) return as_sentence(v, u->why);
    return view_format(v->arena, "Nobody receives in time what the subscription %s carries%s. %s", u->subscription,
                       is_emergent ? ", escalations among it: look at those that are open" : "", as_sentence(v, u->why));
}

const char *view_hand_over(const struct view *v, const Handoff__V1__TaskEmission *e)
{
    return view_format(v->arena, "%u open %s yours now, those most at risk first; due times stay.", e->total,
                       e->total == 1 ? "task is" : "tasks are");
}

/* "referral, transition", or "" */
static const char *blind_pathways(const struct view *v, const struct source *source)
{
    const char *names = "";
    for (uint32_t i = 0; i < v->rules->pathway_count; i++) {
        const struct pathway *p = v->rules->pathways[i];
        if (p == NULL || p->is_retired || !rules_is_fed(p, source)) continue;
        names = view_format(v->arena, "%s%s%s", names, names[0] ? ", " : "", p->name);
    }
    return names;
}

static const char *since(const struct view *v, const struct site *site, int64_t heard_at_ms)
{
    if (heard_at_ms == 0) return "has not been heard of yet";
    uint32_t date = date_from_day(calendar_local_day(&site->calendar, heard_at_ms));
    int32_t minute = calendar_local_minute(&site->calendar, heard_at_ms);
    return view_format(v->arena, "was last heard of on %04u-%02u-%02u about %02d:%02d", date / 10000, date / 100 % 100,
                       date % 100, minute / 60, minute % 60);
}

const char *view_silence(const struct view *v, const Handoff__V1__PatientRecord *record)
{
    const struct site *site = rules_site(v->rules, record->site);
    const struct source *source = rules_source(v->rules, record->patient_id, &site);
    const char *blind = source != NULL ? blind_pathways(v, source) : "";
    return view_format(v->arena, "%s %s, longer ago than is normal.%s%s%s", record->patient_id,
                       since(v, site, record->heard_at_ms), blind[0] ? " Blind until it reports: " : "", blind,
                       blind[0] ? "." : "");
}

static const char *unused_words(const struct view *v, const Handoff__V1__UnusedEvent *u)
{
    if (u->patient_id[0])
        return view_format(v->arena, "%s for %s, id %s", u->type, u->patient_id, u->id[0] ? u->id : "not kept");
    return view_format(v->arena, "%s, id %s from %s", u->type, u->id, u->source);
}

const char *view_unused(const struct view *v, const char *reason, const Handoff__V1__Task *task)
{
    const char *patient = task->n_unused && task->unused[0]->patient_id[0] ? " Nobody had told us of the patient." : "";
    if (task->n_unused == 0) return reason;
    const char *first = unused_words(v, task->unused[0]);
    if (task->n_unused == 1) return view_format(v->arena, "%s%s It is %s.", reason, patient, first);
    return view_format(v->arena, "%s%s %u came: first %s; last %s.", reason, patient, task->unused_count, first,
                       unused_words(v, task->unused[1]));
}

/* "phone, sms"; "" when nobody said. */
static const char *channel_words(const struct view *v, uint32_t channels, uint32_t *ret_count)
{
    const char *words = "";
    *ret_count = 0;
    for (int channel = 1; channel < 32; channel++) {
        if (!(channels & UINT32_C(1) << channel)) continue;
        const char *word = view_word(v->arena, &handoff__v1__channel__descriptor, channel);
        words = view_format(v->arena, "%s%s%s", words, *ret_count ? ", " : "", word);
        ++*ret_count;
    }
    return words;
}

const char *view_instead(const struct view *v, const char *reason, Handoff__V1__TaskKind kind)
{
    const char *act = view_word(v->arena, &handoff__v1__task_kind__descriptor, (int)kind);
    return view_format(v->arena, "The family declined all contact, so nobody is asked for %s; decide how this goes on. %s", act,
                       reason != NULL ? reason : "");
}

const char *view_unreached(const struct view *v, const char *reason, Handoff__V1__Role role)
{
    const char *who = view_word(v->arena, &handoff__v1__role__descriptor, (int)role);
    return view_format(v->arena, "A message to the %s did not arrive. %s", who, reason != NULL ? reason : "");
}

const char *view_tries(const struct view *v, const char *reason, uint32_t attempts, uint32_t channels)
{
    uint32_t count;
    const char *words = channel_words(v, channels, &count);
    if (attempts == 0) return reason;
    return view_format(v->arena, "%s Tried %s%s%s%s: next %s.", reason,
                       attempts == 1 ? "once" : view_format(v->arena, "%u times", attempts), count ? " (" : "", words,
                       count ? ")" : "",
                       count == 1 ? "by another channel, at another time of day" : "at another time of day");
}

Handoff__V1__Match **view_matches(const struct view *v, const Handoff__V1__PatientRecord *record,
                                  Handoff__V1__TaskKind kind, uint32_t episode, size_t *ret_count)
{
    struct directory_matches matches;
    Handoff__V1__Match **list = NULL;
    *ret_count = 0;
    if (!directory_for_task(v->rules, record, kind, episode, v->now_ms, v->arena, &matches)) return NULL;
    for (size_t i = 0; i < matches.count; i++) list_append(v->arena, &list, ret_count, matches.list[i]);
    return list;
}
