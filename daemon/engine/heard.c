/* When each source that somebody waits for was last heard of. An event costs a look at a short list; what is journaled
 * is one small entry an hour for each source, on the source's own record, which also has the timer (core/sources.c).
 *
 * Memory follows the records: it is filled from them when the rules change or a batch fails, and by every entry on one.
 * So what a lost batch has said is said again. */
#include "engine/inside.h"

#include <stdlib.h>
#include "core/calendar.h"

enum { HEARD_MAX = 4096 }; /* sources of all sites */

struct heard_source {
    const char *name; /* in the rules */
    struct patient_key key;
    int64_t heard_at_ms;  /* as journaled */
    bool is_silent;       /* somebody was told so: the next event is noted at once */
    bool is_to_configure; /* its record must hear that somebody waits for it */
    bool is_to_resume;    /* its record must hear that the daemon was away */
};

struct heard {
    struct heard_source sources[HEARD_MAX];
    uint32_t count;
    bool is_known;
    int64_t grace_ends_ms; /* the daemon was away: nobody is silent before this */
};

struct heard *heard_new(void)
{
    return calloc(1, sizeof(struct heard));
}
void heard_free(struct heard *h)
{
    free(h);
}

void heard_forget(struct engine *e)
{
    e->heard->is_known = false;
    e->heard->count = 0; /* names are those of the rules, which may be gone */
}
void heard_resume(struct engine *e)
{
    e->heard->grace_ends_ms = engine_now_ms(e) + MS_PER_HOUR;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static void take_record(const struct heard *h, struct heard_source *s, const Handoff__V1__PatientRecord *record)
{
    s->heard_at_ms = record->heard_at_ms;
    s->is_silent = false;
    for (size_t i = 0; i < record->n_tasks; i++)
        s->is_silent |= record->tasks[i]->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SOURCE_SILENT;
    s->is_to_configure = !record->silent_at_ms;
    s->is_to_resume = record->silent_at_ms && record->silent_at_ms < h->grace_ends_ms;
}

static int load(struct engine *e, const char *name, struct heard_source *ret)
{
    struct found found;
    Handoff__V1__PatientRecord *record;
    *ret = (struct heard_source){.name = name, .is_to_configure = true};
    subject_key(e->hash_key, SUBJECT_IS_SOURCE, name, &ret->key);
    int code = lookup_subject(e, &ret->key, &found);
    if (!code) code = lookup_record(e, &found, e->arena, &record);
    if (!code && record) take_record(e->heard, ret, record);
    return code;
}

void heard_find(struct engine *e)
{
    struct heard *h = e->heard;
    if (h->is_known || !e->rules) return;
    h->count = 0;
    arena_reset(e->arena);
    for (uint32_t i = 0; i < e->rules->site_count; i++)
        for (uint32_t k = 0; k < e->rules->sites[i].source_count && h->count < HEARD_MAX; k++)
            if (load(e, e->rules->sites[i].sources[k].name, &h->sources[h->count++])) return; /* asked again */
    h->is_known = true;
    reading_end(e);
}

void heard_configure(struct engine *e, const char *site_name)
{
    struct heard *h = e->heard;
    for (uint32_t i = 0; i < h->count; i++) {
        const struct site *site = NULL;
        rules_source(e->rules, h->sources[i].name, &site);
        if (site && strcmp(site->name, site_name) == 0) h->sources[i].is_to_configure = true;
    }
}

void heard_take(struct engine *e, const struct patient_key *key, const Handoff__V1__PatientRecord *record)
{
    struct heard *h = e->heard;
    for (uint32_t i = 0; i < h->count; i++)
        if (key_equals(&h->sources[i].key, key)) take_record(h, &h->sources[i], record);
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

/* What cannot be read or does not fit is said again by the next event: it holds a few tasks and times. */
static void note(struct engine *e, struct heard_source *s, Handoff__V1__SourceHeard *said)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    s->is_to_configure = s->is_to_resume = false;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_SOURCE_HEARD;
    command.source_heard = said;
    command_add(e, SUBJECT_IS_SOURCE, s->name, &command);
}

void heard_note(struct engine *e, const char *source)
{
    struct heard *h = e->heard;
    for (uint32_t i = 0; i < h->count; i++) {
        struct heard_source *s = &h->sources[i];
        if (strcmp(s->name, source) != 0) continue;
        if (!s->is_silent && s->heard_at_ms + MS_PER_HOUR > e->now_ms) return;
        Handoff__V1__SourceHeard heard = HANDOFF__V1__SOURCE_HEARD__INIT;
        note(e, s, &heard);
        return;
    }
}

bool heard_is_known(const struct engine *e)
{
    return e->heard->is_known;
}

static bool has_to_be_told(const struct heard_source *s)
{
    return s->is_to_configure || s->is_to_resume;
}

bool heard_have_work(const struct engine *e)
{
    const struct heard *h = e->heard;
    for (uint32_t i = 0; i < h->count; i++)
        if (has_to_be_told(&h->sources[i])) return true;
    return false;
}

void heard_go_on(struct engine *e)
{
    struct heard *h = e->heard;
    for (uint32_t i = 0; i < h->count; i++) {
        struct heard_source *s = &h->sources[i];
        Handoff__V1__SourceHeard said = HANDOFF__V1__SOURCE_HEARD__INIT;
        if (!has_to_be_told(s)) continue;
        if (!turn_has_room(e)) return;
        said.is_configured = s->is_to_configure;
        said.is_resumed = s->is_to_resume;
        arena_reset(e->arena);
        note(e, s, &said);
    }
}
