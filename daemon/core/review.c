/* What a review-event is about: the events that nothing open could use, of which the task keeps the first, the newest
 * and a count, so that it never grows. On a source's record these are events for patients nobody told us of. */
#include "core/moment.h"

#include <string.h>

#include "core/pathway.h"

static Handoff__V1__UnusedEvent *unused_event(struct moment *m)
{
    Handoff__V1__UnusedEvent *u = MESSAGE_NEW(m->arena, Handoff__V1__UnusedEvent, unused_event);
    const Handoff__V1__UnknownSubject *unknown = m->input->unknown;
    u->sequence = m->input->sequence;
    if (unknown) {
        u->type = arena_string(m->arena, unknown->event);
        u->source = m->record->patient_id;
        u->id = arena_string(m->arena, unknown->id);
        u->patient_id = arena_string(m->arena, unknown->patient_id);
        return u;
    }
    const struct event_kind *kind = event_kind_of(m->event->body_case);
    if (kind) u->type = arena_string(m->arena, kind->name);
    u->source = arena_string(m->arena, m->event->source);
    u->id = arena_string(m->arena, m->event->id);
    return u;
}

static void keep(struct moment *m, Handoff__V1__Task *t, Handoff__V1__UnusedEvent *u)
{
    if (t->n_unused < 2) list_append(m->arena, &t->unused, &t->n_unused, u);
    else t->unused[1] = u;
}

void review_note(struct moment *m, Handoff__V1__Task *t)
{
    if (t->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_EVENT || (!m->event && !m->input->unknown)) return;
    bool is_noted = t->n_unused && t->unused[t->n_unused - 1]->sequence == m->input->sequence;
    if (is_noted) return;
    keep(m, t, unused_event(m));
    t->unused_count++;
}

void review_forget(Handoff__V1__Task *t, uint64_t sequence)
{
    if (t->unused_count) t->unused_count--;
    for (size_t i = t->n_unused; i-- > 0;)
        if (t->unused[i]->sequence == sequence) list_remove(&t->unused, &t->n_unused, i);
}

void review_join(struct moment *m, Handoff__V1__Task *kept, const Handoff__V1__Task *gone)
{
    for (size_t i = 0; i < gone->n_unused; i++) keep(m, kept, gone->unused[i]);
    kept->unused_count += gone->unused_count;
    bool is_reversed = kept->n_unused == 2 && kept->unused[0]->sequence > kept->unused[1]->sequence;
    if (!is_reversed) return;
    Handoff__V1__UnusedEvent *newer = kept->unused[0];
    kept->unused[0] = kept->unused[1];
    kept->unused[1] = newer;
}
