/* The table of changes: a dense array of rows, a hash table of positions into it, a heap of due times. */
#include "engine/changes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "engine/reserve.h"

enum { CHANGES_SLOTS_MIN = 1 << 12, CHANGES_HEAP_FACTOR = 2 };

static size_t slots_bytes(const struct changes *c)
{
    return ((size_t)c->mask_max + 1) * sizeof *c->slots;
}

int changes_init(struct changes *c, uint32_t max)
{
    *c = (struct changes){.max = max, .heap_max = CHANGES_HEAP_FACTOR * max};
    uint32_t slots = CHANGES_SLOTS_MIN;
    while (slots < 2 * (uint64_t)max) slots *= 2;
    c->mask_max = slots - 1;
    c->mask = CHANGES_SLOTS_MIN - 1;
    c->rows = reserve(max * sizeof *c->rows);
    c->slots = reserve(slots_bytes(c));
    c->heap = reserve(c->heap_max * sizeof *c->heap);
    if (c->rows && c->slots && c->heap) return 0;
    changes_destroy(c);
    return -1;
}

void changes_destroy(struct changes *c)
{
    release(c->rows, c->max * sizeof *c->rows);
    release(c->slots, slots_bytes(c));
    release(c->heap, c->heap_max * sizeof *c->heap);
    *c = (struct changes){0};
}

void changes_clear(struct changes *c)
{
    if (c->count < c->mask / 8) c->mask = CHANGES_SLOTS_MIN - 1; /* else it will be as large again */
    memset(c->slots, 0, ((size_t)c->mask + 1) * sizeof *c->slots);
    c->count = 0;
    c->heap_count = 0;
}

/* A key is a hash already. */
static uint32_t slot_of(const struct changes *c, const struct patient_key *key)
{
    return (uint32_t)load_u64(key->bytes) & c->mask;
}

struct index_change *changes_find(const struct changes *c, const struct patient_key *key)
{
    for (uint32_t slot = slot_of(c, key); c->slots[slot]; slot = (slot + 1) & c->mask) {
        struct index_change *row = &c->rows[c->slots[slot] - 1];
        if (memcmp(row->key.bytes, key->bytes, PATIENT_KEY_BYTES) == 0) return row;
    }
    return NULL;
}

void changes_fetch(const struct changes *c, const struct patient_key *key)
{
    __builtin_prefetch(&c->slots[slot_of(c, key)]);
}

void changes_fetch_row(const struct changes *c, const struct patient_key *key)
{
    uint32_t row = c->slots[slot_of(c, key)];
    if (!row) return;
    __builtin_prefetch(&c->rows[row - 1]);
    __builtin_prefetch((const uint8_t *)&c->rows[row] - 1);
}

static void place(struct changes *c, uint32_t row)
{
    uint32_t slot = slot_of(c, &c->rows[row].key);
    while (c->slots[slot]) slot = (slot + 1) & c->mask;
    c->slots[slot] = row + 1;
}

static void widen(struct changes *c)
{
    c->mask = 2 * c->mask + 1;
    memset(c->slots, 0, ((size_t)c->mask + 1) * sizeof *c->slots);
    for (uint32_t row = 0; row < c->count; row++) place(c, row);
}

struct index_change *changes_add(struct changes *c, const struct patient_key *key)
{
    assert(c->count < c->max);
    if (2 * (uint64_t)c->count > c->mask && c->mask < c->mask_max) widen(c);
    struct index_change *row = &c->rows[c->count];
    row->key = *key;
    place(c, c->count++);
    return row;
}

/* --- order --------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b, void *rows)
{
    const struct index_change *all = rows;
    const struct change_order *x = a, *y = b;
    if (x->begins != y->begins) return x->begins < y->begins ? -1 : 1;
    return memcmp(all[x->at].key.bytes, all[y->at].key.bytes, PATIENT_KEY_BYTES);
}

void changes_order(const struct index_change *rows, uint32_t count, struct change_order *ret_order)
{
    for (uint32_t i = 0; i < count; i++) ret_order[i] = (struct change_order){load_be64(rows[i].key.bytes), i};
    qsort_r(ret_order, count, sizeof *ret_order, compare_keys, (void *)rows);
}

/* --- due times -------------------------------------------------------------------------------------------- */

static bool is_before(const struct due *a, const struct due *b)
{
    if (a->at_ms != b->at_ms) return a->at_ms < b->at_ms;
    return memcmp(a->key.bytes, b->key.bytes, PATIENT_KEY_BYTES) < 0;
}

static void sift_up(struct changes *c, uint32_t at)
{
    struct due moving = c->heap[at];
    while (at > 0 && is_before(&moving, &c->heap[(at - 1) / 2])) {
        c->heap[at] = c->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    c->heap[at] = moving;
}

static void sift_down(struct changes *c, uint32_t at)
{
    struct due moving = c->heap[at];
    for (uint32_t child = 2 * at + 1; child < c->heap_count; child = 2 * at + 1) {
        if (child + 1 < c->heap_count && is_before(&c->heap[child + 1], &c->heap[child])) child++;
        if (!is_before(&c->heap[child], &moving)) break;
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = moving;
}

/* What no row names any more fills the heap in the end: begin again from the rows. Those that are lodged in the
 * index already come too; a due time that is met twice is stale the second time. */
static void rebuild_heap(struct changes *c)
{
    c->heap_count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->rows[i].row.lodged_at_ms == NO_DUE) continue;
        c->heap[c->heap_count++] = (struct due){c->rows[i].row.lodged_at_ms, c->rows[i].key};
        sift_up(c, c->heap_count - 1);
    }
}

void changes_push_due(struct changes *c, int64_t at_ms, const struct patient_key *key)
{
    if (c->heap_count == c->heap_max) rebuild_heap(c);
    assert(c->heap_count < c->heap_max);
    c->heap[c->heap_count++] = (struct due){at_ms, *key};
    sift_up(c, c->heap_count - 1);
}

void changes_pop_due(struct changes *c)
{
    assert(c->heap_count > 0);
    c->heap[0] = c->heap[--c->heap_count];
    if (c->heap_count) sift_down(c, 0);
}
