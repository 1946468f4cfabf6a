/* Sources whose silence is noticed (sites' configuration). A dead discharge feed raises no timer by itself: so the
 * record of the source has one, moved by what is heard of it.
 *
 *     waiting --longest normal silence--> source-silent to the supervisor --heard of--> withdrawn, waiting
 *
 * That it was heard of is journaled at most once an hour, so that hour is added: nobody is told too early, and of a
 * silence an hour late at most. */
#include "core/moment.h"

#include <string.h>

#define KIND(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME

static int64_t silent_at(const struct moment *m, const struct source *source, int64_t since_ms)
{
    return moment_resolve(m, source->silence, since_ms) + MS_PER_HOUR;
}

static void source_heard(struct moment *m, const Handoff__V1__SourceHeard *h)
{
    Handoff__V1__PatientRecord *r = m->record;
    const struct source *source = rules_source(m->rules, r->patient_id, &m->site);
    m->is_changed = true;
    if (!source) {
        r->silent_at_ms = 0;
        return;
    }
    r->site = arena_string(m->arena, m->site->name);
    if (!h->is_configured && !h->is_resumed) {
        r->heard_at_ms = m->now_ms;
        work_withdraw(m, KIND(SOURCE_SILENT), 0);
    }
    r->silent_at_ms = silent_at(m, source, r->heard_at_ms ? r->heard_at_ms : m->now_ms);
    if (h->is_resumed && r->silent_at_ms < m->now_ms + MS_PER_HOUR) r->silent_at_ms = m->now_ms + MS_PER_HOUR;
}

void sources_by_command(struct moment *m)
{
    const Handoff__V1__CommandInput *c = m->input->command;
    if (c->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_SOURCE_HEARD) source_heard(m, c->source_heard);
}

static bool is_told(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_tasks; i++)
        if (r->tasks[i]->kind == KIND(SOURCE_SILENT)) return true;
    return false;
}

/* Somebody who says it is done while the source is still silent is asked again after as long a time. */
bool sources_fire(struct moment *m, const Handoff__V1__TimerInput *f)
{
    Handoff__V1__PatientRecord *r = m->record;
    if (!r->silent_at_ms || r->silent_at_ms != f->due_at_ms) return false;
    const struct source *source = rules_source(m->rules, r->patient_id, &m->site);
    m->is_changed = true;
    r->silent_at_ms = 0; /* nobody waits for it any more */
    if (!source) return true;
    int64_t now_normal_ms = r->heard_at_ms ? silent_at(m, source, r->heard_at_ms) : 0;
    if (now_normal_ms > m->now_ms) { /* it may be silent for longer than when this was set */
        r->silent_at_ms = now_normal_ms;
        return true;
    }
    r->silent_at_ms = silent_at(m, source, m->now_ms);
    if (!is_told(r)) work_open_task(m, &(struct task_order){.kind = KIND(SOURCE_SILENT)});
    return true;
}
