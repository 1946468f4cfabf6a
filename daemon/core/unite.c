/* What is kept of a patient under two ids, when they become one. Newer wins where a time exists; else what the survivor's
 * record says, and the other's where it says nothing. What forbids (a death, all contact declined, a revocation, a doubt
 * about custody) counts whoever's it is: uncertain means no. */
#include "core/moment.h"
#include "core/reach.h"
#include "core/consent.h"

#include <string.h>

enum { REVOCATIONS_KEPT = 8 };

/* --- one by one ------------------------------------------------------------------------------------------------- */
static void later(int64_t *mine, int64_t others)
{
    if (others > *mine) *mine = others;
}

static void unite_consent(struct moment *m, Handoff__V1__Consent **mine, Handoff__V1__Consent *others)
{
    (void)m;
    if (others->signed_at_ms > (*mine)->signed_at_ms) *mine = others;
}

/* The newer word about a visit, under the number that it has here. */
static void unite_visit(struct moment *m, Handoff__V1__Appointment **mine, Handoff__V1__Appointment *others)
{
    Handoff__V1__Appointment *a = *mine;
    if (others->changed_at_ms <= a->changed_at_ms) return;
    int64_t moved_ms = others->starts_at_ms - a->starts_at_ms;
    for (size_t i = 0; moved_ms && i < m->record->n_timers; i++) {
        if (m->record->timers[i]->appointment != a->number) continue;
        m->record->timers[i]->due_at_ms += moved_ms;
        m->record->timers[i]->generation = ++m->record->last_generation;
    }
    a->starts_at_ms = others->starts_at_ms;
    a->status = others->status;
    a->kind = others->kind;
    a->changed_at_ms = others->changed_at_ms;
    if (others->agency_id[0]) a->agency_id = others->agency_id;
}

static void unite_flag(struct moment *m, Handoff__V1__SafetyFlag **mine, Handoff__V1__SafetyFlag *others)
{
    (void)m;
    if (others->severity > (*mine)->severity) (*mine)->severity = others->severity;
    later(&(*mine)->raised_at_ms, others->raised_at_ms);
    (*mine)->is_assessed &= others->is_assessed;
}

static void unite_member(struct moment *m, Handoff__V1__CareTeamMember **mine, Handoff__V1__CareTeamMember *others)
{
    (void)m;
    if ((*mine)->custody != others->custody) (*mine)->custody = HANDOFF__V1__CUSTODY__CUSTODY_UNKNOWN;
    (*mine)->is_court_appointed &= others->is_court_appointed;
}

/* Channels that both permit; none: a human finds out. */
static void unite_channels(struct moment *m, Handoff__V1__Preference *mine, const Handoff__V1__Preference *others)
{
    if (!others->n_permitted || !mine->n_permitted) {
        if (others->n_permitted) mine->permitted = others->permitted, mine->n_permitted = others->n_permitted;
        return;
    }
    Handoff__V1__Channel *both = ARENA_ARRAY(m->arena, Handoff__V1__Channel, mine->n_permitted);
    size_t count = 0;
    for (size_t i = 0; i < mine->n_permitted; i++)
        for (size_t k = 0; k < others->n_permitted; k++)
            if (mine->permitted[i] == others->permitted[k]) {
                both[count++] = mine->permitted[i];
                break;
            }
    mine->permitted = both;
    mine->n_permitted = count;
    mine->has_no_channel |= count == 0;
}

static void unite_preference(struct moment *m, Handoff__V1__Preference **mine, Handoff__V1__Preference *others)
{
    Handoff__V1__Preference *p = *mine;
    unite_channels(m, p, others);
    p->has_no_channel |= others->has_no_channel;
    p->is_opted_out |= others->is_opted_out;
    p->needs_interpreter |= others->needs_interpreter;
    p->is_phone_shared |= others->is_phone_shared;
    if (reach_content(others) < reach_content(p)) p->message_content = others->message_content;
    if (!p->language[0]) p->language = others->language;
    if (others->n_addresses && (!p->n_addresses || others->changed_at_ms > p->changed_at_ms))
        p->addresses = others->addresses, p->n_addresses = others->n_addresses; /* the newer: people move */
    if (p->latest_minute > p->earliest_minute) return;
    p->earliest_minute = others->earliest_minute;
    p->latest_minute = others->latest_minute;
}

static void unite_score(struct moment *m, Handoff__V1__Score **mine, Handoff__V1__Score *others)
{
    (void)m;
    Handoff__V1__Score *s = *mine;
    if (others->baseline_at_ms < s->baseline_at_ms) {
        s->baseline = others->baseline;
        s->baseline_at_ms = others->baseline_at_ms;
    }
    if (others->last_at_ms <= s->last_at_ms) return;
    if (others->previous) s->previous = others->previous;
    s->last = others->last;
    s->last_at_ms = others->last_at_ms;
    s->is_outside_ages = others->is_outside_ages;
}

/* mine: the place in the list. A list that is not here keeps what the survivor's record says. */
typedef void unite_items(struct moment *m, void *mine, void *others);
#define UNITE(NAME, TYPE)                                                                                              \
    static void unite_##NAME##_items(struct moment *m, void *mine, void *others)                                       \
    {                                                                                                                  \
        unite_##NAME(m, (TYPE **)mine, others);                                                                        \
    }
UNITE(consent, Handoff__V1__Consent)
UNITE(visit, Handoff__V1__Appointment)
UNITE(flag, Handoff__V1__SafetyFlag)
UNITE(member, Handoff__V1__CareTeamMember)
UNITE(preference, Handoff__V1__Preference)
UNITE(score, Handoff__V1__Score)

static const struct {
    const char *list;
    unite_items *unite;
} lists[] = {
    {"consents", unite_consent_items}, {"appointments", unite_visit_items},     {"flags", unite_flag_items},
    {"care_team", unite_member_items}, {"preferences", unite_preference_items}, {"scores", unite_score_items},
};

static unite_items *way_of(const ProtobufCFieldDescriptor *f)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(lists[i].list, f->name) == 0) return lists[i].unite;
    return NULL;
}

/* --- fields ------------------------------------------------------------------------------------------------------- */
static void put_last(struct moment *m, const ProtobufCFieldDescriptor *f, const char *item)
{
    char *record = (char *)m->record, *items;
    size_t count, bytes = message_element_bytes(f);
    memcpy(&items, record + f->offset, sizeof items);
    memcpy(&count, record + f->quantifier_offset, sizeof count);
    char *longer = arena_alloc(m->arena, (count + 1) * bytes);
    if (count) memcpy(longer, items, count * bytes);
    memcpy(longer + count * bytes, item, bytes);
    count++;
    memcpy(record + f->offset, &longer, sizeof longer);
    memcpy(record + f->quantifier_offset, &count, sizeof count);
}

static void unite_list(struct moment *m, const ProtobufCFieldDescriptor *f, const Handoff__V1__PatientRecord *other)
{
    const char *from = (const char *)other, *items;
    size_t count, bytes = message_element_bytes(f);
    unite_items *unite = way_of(f);
    memcpy(&items, from + f->offset, sizeof items);
    memcpy(&count, from + f->quantifier_offset, sizeof count);
    for (size_t i = 0; i < count; i++) {
        const char *others = items + i * bytes, *mine = *(char *const *)field_at(m->record, f);
        size_t n = *(const size_t *)(const void *)((const char *)m->record + f->quantifier_offset), k = 0;
        while (k < n && !particulars_is_same(f, mine + k * bytes, others)) k++;
        if (k == n) put_last(m, f, others);
        else if (unite) unite(m, (void *)(uintptr_t)(mine + k * bytes), *(void *const *)(const void *)others);
    }
}

static bool is_absent(const void *record, const ProtobufCFieldDescriptor *f)
{
    static const uint64_t zero = 0;
    const void *at = field_at(record, f);
    if (f->type == PROTOBUF_C_TYPE_STRING) return **(const char *const *)at == '\0';
    return memcmp(at, &zero, message_element_bytes(f)) == 0;
}

static void unite_field(struct moment *m, const ProtobufCFieldDescriptor *f, const Handoff__V1__PatientRecord *other)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED) unite_list(m, f, other);
    else if (is_absent(m->record, f)) message_field_copy(m->record, other, f);
}

/* --- what is not so simple ---------------------------------------------------------------------------------------- */
/* What is revoked of a release under one id is revoked of it under the other. */
static void strike_revoked(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_revocations; i++) {
        const Handoff__V1__Revocation *v = r->revocations[i];
        for (size_t k = r->n_consents; k-- > 0;) {
            Handoff__V1__Consent *c = r->consents[k];
            if (v->at_ms <= c->signed_at_ms || (v->what->consent_id[0] && strcmp(v->what->consent_id, c->id) != 0)) continue;
            for (size_t n = c->n_recipients; n-- > 0;)
                if (consent_revokes(v->what, c->recipients[n]->party, c->recipients[n]->id))
                    list_remove(&c->recipients, &c->n_recipients, n);
            if (c->n_recipients == 0) list_remove(&r->consents, &r->n_consents, k);
        }
    }
    while (r->n_revocations > REVOCATIONS_KEPT) {
        size_t oldest = 0;
        for (size_t i = 1; i < r->n_revocations; i++)
            if (r->revocations[i]->at_ms < r->revocations[oldest]->at_ms) oldest = i;
        list_remove(&r->revocations, &r->n_revocations, oldest);
    }
}

/* Behavioral health under one id and drug and alcohol under the other: a disclosure would show both. */
static Handoff__V1__DiagnosisCategory both(Handoff__V1__DiagnosisCategory a, Handoff__V1__DiagnosisCategory b)
{
    if (!a || !b || a == b) return a ? a : b;
    return HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BOTH;
}

void particulars_unite(struct moment *m, Handoff__V1__PatientRecord *other)
{
    const ProtobufCMessageDescriptor *d = &handoff__v1__patient_record__descriptor;
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__DiagnosisCategory category = both(r->category, other->category);
    int64_t assessed_ms = other->assessed_at_ms;
    const Handoff__V1__PatientRecord *told_last = other->stay_changed_at_ms > r->stay_changed_at_ms ? other : r;
    protobuf_c_boolean is_admitted = told_last->is_admitted; /* of two words about a stay the newer counts */
    for (unsigned i = 0; i < d->n_fields; i++)
        if (particulars_has(&d->fields[i]) || strcmp(d->fields[i].name, "flags") == 0)
            unite_field(m, &d->fields[i], other);
    r->category = category;
    r->is_known |= other->is_known;
    later(&r->assessed_at_ms, assessed_ms);
    later(&r->stay_changed_at_ms, other->stay_changed_at_ms);
    r->is_admitted = is_admitted;
    strike_revoked(m);
}
