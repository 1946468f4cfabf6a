/* What is kept of a patient, field by field, through the schema's own description of the record: a fact that is added
 * to the record is taken back and united without a word here, unless it needs one. */
#include "core/moment.h"

#include <string.h>

/* Who it is, what is a human's alone to take away (flags), and the bookkeeping of merges and retractions. */
static const uint32_t own[] = {1, 2, 3, 23, 31, 32, 33};
enum { FACTS_FROM = 4, WORK_FROM = 40, LATER_FACTS_FROM = 100 };

bool particulars_has(const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (field->id == own[i]) return false;
    return (field->id >= FACTS_FROM && field->id < WORK_FROM) || field->id >= LATER_FACTS_FROM;
}

/* --- lists ---------------------------------------------------------------------------------------------------- */
/* What tells an element of a list from the others; a list that is not here has no two of the same. */
static const struct {
    const char *list, *first, *second;
} keys[] = {
    {"care_team", "party", "id"},      {"consents", "id", NULL},     {"appointments", "id", NULL},
    {"flags", "kind", NULL},           {"assignments", "role", NULL}, {"preferences", "person", "person_id"},
    {"coverages", "kind", "insurer_id"}, {"scores", "instrument", NULL},
};

static bool has_equal(const void *a, const void *b, const char *name)
{
    const ProtobufCMessageDescriptor *d = ((const ProtobufCMessage *)a)->descriptor;
    const ProtobufCFieldDescriptor *f = name ? protobuf_c_message_descriptor_get_field_by_name(d, name) : NULL;
    return !f || message_field_equal(a, b, f);
}

bool particulars_is_same(const ProtobufCFieldDescriptor *field, const void *a, const void *b)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].list, field->name) == 0 && field->type == PROTOBUF_C_TYPE_MESSAGE)
            return has_equal(*(const void *const *)a, *(const void *const *)b, keys[i].first) &&
                   has_equal(*(const void *const *)a, *(const void *const *)b, keys[i].second);
    return message_element_equal(a, b, field);
}

struct list {
    const ProtobufCFieldDescriptor *field;
    char *items; /* as they lie: pointers or numbers */
    size_t count, bytes;
};

static struct list list_of(const void *record, const ProtobufCFieldDescriptor *field)
{
    const char *at = record;
    return (struct list){field, *(char *const *)(const void *)(at + field->offset),
                         *(const size_t *)(const void *)(at + field->quantifier_offset), message_element_bytes(field)};
}

static const char *item(const struct list *l, size_t i) { return l->items + i * l->bytes; }

typedef bool is_alike(const ProtobufCFieldDescriptor *field, const void *a, const void *b);
static bool is_equal(const ProtobufCFieldDescriptor *field, const void *a, const void *b)
{
    return message_element_equal(a, b, field);
}

/* Position of the first that is alike; the count when there is none. */
static size_t find(const struct list *l, const void *wanted, is_alike *is)
{
    size_t i = 0;
    while (i < l->count && !is(l->field, item(l, i), wanted)) i++;
    return i;
}

static void take_out(struct list *l, size_t position)
{
    memmove(l->items + position * l->bytes, item(l, position + 1), (l->count - position - 1) * l->bytes);
    l->count--;
}

static void put_in(struct list *l, size_t position, const void *what, struct arena *arena)
{
    char *longer = arena_alloc(arena, (l->count + 1) * l->bytes);
    size_t behind = l->count - position;
    if (position) memcpy(longer, l->items, position * l->bytes);
    memcpy(longer + position * l->bytes, what, l->bytes);
    if (behind) memcpy(longer + (position + 1) * l->bytes, item(l, position), behind * l->bytes);
    l->items = longer;
    l->count++;
}

/* --- undoing -------------------------------------------------------------------------------------------------- */
/* What came with the input goes. What went with it comes back, where all that came was still there: else somebody has
 * said something since. */
static struct list undone(const struct list *before, const struct list *after, struct list now, struct arena *arena)
{
    bool is_untouched = true;
    size_t place = now.count;
    for (size_t i = 0; i < after->count; i++) {
        if (find(before, item(after, i), is_equal) < before->count) continue;
        size_t at = find(&now, item(after, i), is_equal);
        if (at == now.count) {
            is_untouched = false;
            continue;
        }
        take_out(&now, at);
        if (at < place) place = at;
    }
    for (size_t i = 0; is_untouched && i < before->count; i++) {
        if (find(after, item(before, i), is_equal) < after->count) continue;
        if (find(&now, item(before, i), particulars_is_same) < now.count) continue;
        put_in(&now, place < now.count ? place++ : now.count, item(before, i), arena);
    }
    return now;
}

static void undo_field(struct moment *m, const ProtobufCFieldDescriptor *f, const Handoff__V1__PatientRecord *before,
                       const Handoff__V1__PatientRecord *after)
{
    char *record = (char *)m->record;
    if (message_field_equal(before, after, f)) return;
    m->is_changed = true;
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        if (message_field_equal(m->record, after, f)) message_field_copy(m->record, before, f);
        return;
    }
    struct list was = list_of(before, f), became = list_of(after, f);
    struct list now = undone(&was, &became, list_of(record, f), m->arena);
    memcpy(record + f->offset, &now.items, sizeof now.items);
    memcpy(record + f->quantifier_offset, &now.count, sizeof now.count);
}

void particulars_undo(struct moment *m, const Handoff__V1__PatientRecord *before,
                      const Handoff__V1__PatientRecord *after)
{
    const ProtobufCMessageDescriptor *d = &handoff__v1__patient_record__descriptor;
    for (unsigned i = 0; i < d->n_fields; i++)
        if (particulars_has(&d->fields[i])) undo_field(m, &d->fields[i], before, after);
}
