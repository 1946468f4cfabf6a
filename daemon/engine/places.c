/* A table of two rows a line. A row is packed into 32 bytes; one that does not fit is not remembered. */
#include "engine/places.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "engine/reserve.h"

enum { ROWS_PER_LINE = 2, LINES_MIN = 1 << 10 };

/* Due times as in the row, but for NO_DUE. A batch has fewer than 2^16 entries and 2^24 bytes. */
struct place {
    uint64_t tag;
    uint64_t sequence : 40, offset : 24; /* sequence 0: nothing is here */
    int64_t due_at_ms : 48;
    uint64_t flags : 16;
    int64_t lodged_at_ms : 48;
    uint64_t position : 16; /* in its batch */
};

struct places_line {
    struct place rows[ROWS_PER_LINE]; /* the younger one first */
};
static_assert(sizeof(struct places_line) == 64, "two rows are a line of the cache");

#define NO_DUE_PACKED (((int64_t)1 << 47) - 1)

static int64_t pack_due(int64_t due_at_ms)
{
    return due_at_ms == NO_DUE ? NO_DUE_PACKED : due_at_ms;
}

static int64_t unpack_due(int64_t packed)
{
    return packed == NO_DUE_PACKED ? NO_DUE : packed;
}

static struct place pack(const struct patient_key *key, const struct index_row *row)
{
    return (struct place){
        .tag = load_u64(key->bytes + 8),
        .sequence = row->sequence & (((uint64_t)1 << 40) - 1),
        .offset = row->offset & ((1u << 24) - 1),
        .due_at_ms = pack_due(row->due_at_ms),
        .flags = row->flags,
        .lodged_at_ms = pack_due(row->lodged_at_ms),
        .position = (row->sequence - row->batch_sequence) & UINT16_MAX,
    };
}

static struct index_row unpack(const struct place *place)
{
    return (struct index_row){
        .sequence = place->sequence,
        .batch_sequence = place->sequence - place->position,
        .offset = (uint32_t)place->offset,
        .flags = (uint16_t)place->flags,
        .due_at_ms = unpack_due(place->due_at_ms),
        .lodged_at_ms = unpack_due(place->lodged_at_ms),
    };
}

static bool is_same(const struct index_row *a, const struct index_row *b)
{
    return a->sequence == b->sequence && a->batch_sequence == b->batch_sequence && a->offset == b->offset &&
           a->flags == b->flags && a->due_at_ms == b->due_at_ms && a->lodged_at_ms == b->lodged_at_ms;
}

static struct places_line *line_of(const struct places *p, const struct patient_key *key)
{
    return &p->lines[(uint32_t)load_u64(key->bytes) & p->mask];
}

static uint32_t lines_for(uint64_t subjects)
{
    uint64_t lines = LINES_MIN;
    while (lines < subjects && lines < (uint64_t)1 << 31) lines *= 2;
    return (uint32_t)lines;
}

static size_t bytes_of(uint32_t mask)
{
    return ((size_t)mask + 1) * sizeof(struct places_line);
}

int places_init(struct places *p, uint64_t subjects_max)
{
    *p = (struct places){.mask = LINES_MIN - 1, .mask_max = lines_for(subjects_max) - 1};
    p->lines = reserve(bytes_of(p->mask_max));
    return p->lines ? 0 : -1;
}

void places_destroy(struct places *p)
{
    release(p->lines, bytes_of(p->mask_max));
    *p = (struct places){0};
}

void places_clear(struct places *p)
{
    memset(p->lines, 0, bytes_of(p->mask));
}

static uint32_t mask_for(const struct places *p, uint64_t subjects)
{
    uint32_t mask = lines_for(subjects) - 1;
    return mask < p->mask_max ? mask : p->mask_max;
}

void places_prepare(const struct places *p, uint64_t subjects)
{
    populate(p->lines, bytes_of(mask_for(p, subjects)));
}

void places_grow(struct places *p, uint64_t subjects)
{
    uint32_t mask = mask_for(p, subjects);
    if (mask <= p->mask) return;
    places_clear(p);
    p->mask = mask;
}

bool places_get(const struct places *p, const struct patient_key *key, struct index_row *ret_row)
{
    const struct places_line *line = line_of(p, key);
    uint64_t tag = load_u64(key->bytes + 8);
    for (int i = 0; i < ROWS_PER_LINE; i++) {
        if (line->rows[i].tag != tag || !line->rows[i].sequence) continue;
        *ret_row = unpack(&line->rows[i]);
        return true;
    }
    return false;
}

/* A row that does not fit leaves none of its subject behind: an older one would be wrong. */
void places_put(struct places *p, const struct patient_key *key, const struct index_row *row)
{
    struct place place = pack(key, row);
    struct index_row kept = unpack(&place);
    struct places_line *line = line_of(p, key);
    if (!is_same(&kept, row)) place.sequence = 0;
    if (line->rows[0].tag != place.tag) line->rows[1] = line->rows[0];
    line->rows[0] = place;
}

void places_fetch(const struct places *p, const struct patient_key *key)
{
    __builtin_prefetch(line_of(p, key), 1);
}
