/* One message as of now: what was emitted, whom it is about, what the gate says. */
#include "delivery/inside.h"

#include <string.h>

#include "base/stored.h"
#include "core/message.h"

#include "base/banned.h"

struct view delivery_view(struct delivery *d)
{
    return (struct view){engine_rules(d->engine), d->arena, d->now_ms};
}

struct look_memory look_begin(const struct delivery *d) { return (struct look_memory){.began = arena_used(d->arena)}; }

/* The newest record, which is often the entry's own. */
static int open_newest(struct delivery *d, struct look_memory *memory)
{
    struct view v = delivery_view(d);
    const struct patient_key *key = &memory->entry.key;
    memory->now = NULL;
    int rc = engine_newest(d->engine, key, memory->entry.sequence, d->arena, &memory->now);
    if (rc != 0 && rc != ENGINE_E_UNKNOWN) return rc;
    memory->of = view_open_outcome(&v, &memory->entry, memory->now == NULL);
    if (memory->of == NULL || memory->of->record == NULL) return ENGINE_E_DAMAGED;
    if (memory->now != NULL) return 0;
    memory->now = (Handoff__V1__PatientRecord *)(uintptr_t)memory->of->record;
    return memory->now->merged_into[0] != 0 ? engine_newest(d->engine, key, 0, d->arena, &memory->now) : 0;
}

/* As history: the gate is not asked. */
static int open_record(struct delivery *d, struct look_memory *memory)
{
    struct view v = delivery_view(d);
    memory->of = view_open_entry(&v, &memory->entry);
    if (memory->of == NULL || memory->of->record == NULL) return ENGINE_E_DAMAGED;
    memory->now = (Handoff__V1__PatientRecord *)(uintptr_t)memory->of->record;
    return 0;
}

/* The entry and the newest record: once for all emissions of an entry. */
static int open_entry(struct delivery *d, const struct subscription *s, struct place at, struct look_memory *memory)
{
    arena_rewind(d->arena, memory->sequence == at.sequence ? memory->opened : memory->began);
    if (memory->sequence == at.sequence) return 0;
    memory->sequence = 0;
    int rc = engine_entry(d->engine, &(struct engine_place){at.sequence, at.batch_sequence, at.offset}, &memory->entry);
    bool is_record = s->filter.stream == HANDOFF__V1__STREAM__STREAM_RECORD;
    if (rc == 0) rc = is_record ? open_record(d, memory) : open_newest(d, memory);
    if (rc == 0) memory->sequence = at.sequence;
    memory->opened = arena_used(d->arena);
    return rc;
}

/* The gate and the addressees see it with its journal time, and numbered as the newest record numbers things. */
static const Handoff__V1__Emission *as_of_now(struct delivery *d, const struct look_memory *memory, struct place at)
{
    const struct view_entry *of = memory->of;
    Handoff__V1__Emission *e = arena_room(d->arena, sizeof *e);
    *e = *of->outcome->emissions[at.position];
    e->sequence = at.sequence;
    e->position = at.position;
    e->at_ms = of->entry->time_ms;
    return view_as_of_now(d->arena, of->key, of->record, memory->now, e);
}

int look(struct delivery *d, const struct subscription *s, struct place at, struct look_memory *memory, struct looked *ret)
{
    int rc = open_entry(d, s, at, memory);
    if (rc != 0) return rc;
    *ret = (struct looked){.entry = &memory->entry, .of = memory->of, .now = memory->now};
    if (s->filter.stream == HANDOFF__V1__STREAM__STREAM_RECORD) return 0;
    if (at.position >= memory->of->outcome->n_emissions) return ENGINE_E_DAMAGED;
    ret->emission = as_of_now(d, memory, at);
    if (s->ledger.settings->is_addressed) {
        struct view v = delivery_view(d);
        ret->addressee_count = addressees_of(v.rules, ret->now, ret->emission, v.now_ms, d->arena, ret->addressees);
    }
    return 0;
}

const Handoff__V1__Addressee *look_addressee(const struct looked *l, const char *key)
{
    for (size_t i = 0; i < l->addressee_count; i++)
        if (strcmp(l->addressees[i]->key, key) == 0) return l->addressees[i];
    return NULL;
}

/* to NULL: not an addressed subscription. */
struct gate_decision look_ask(struct delivery *d, const struct looked *l, const Handoff__V1__Addressee *to)
{
    struct view v = delivery_view(d);
    if (l->emission == NULL) return (struct gate_decision){.answer = GATE_DELIVER};
    if (to != NULL) return gate_addressed(v.rules, l->now, l->emission, to, v.now_ms);
    return gate(v.rules, l->now, l->emission, NULL, v.now_ms);
}

bool look_is_disclosure(const struct looked *l, const struct gate_decision *decision)
{
    return l->emission != NULL && l->emission->body_case == HANDOFF__V1__EMISSION__BODY_STATUS &&
           (decision->consent != NULL || l->emission->status->exception[0] != 0);
}

static Handoff__V1__RecordEmission *render_record(struct delivery *d, const struct looked *l)
{
    struct view v = delivery_view(d);
    Handoff__V1__RecordEmission *r = MESSAGE_NEW(d->arena, Handoff__V1__RecordEmission, record_emission);
    r->entry = view_timeline_entry(&v, l->of, true);
    r->patient_id = l->of->record->patient_id;
    return r;
}

Handoff__V1__Delivery *look_render(struct delivery *d, const struct looked *l, struct place at,
                                   const struct gate_decision *decision, const Handoff__V1__Addressee *to)
{
    struct view v = delivery_view(d);
    Handoff__V1__Delivery *delivery = MESSAGE_NEW(d->arena, Handoff__V1__Delivery, delivery);
    delivery->to = (Handoff__V1__Addressee *)(uintptr_t)to;
    if (l->emission == NULL)
        delivery->record = render_record(d, l);
    else
        delivery->emission = view_delivered(&v, l->of, l->now, at.position, decision);
    return delivery;
}
