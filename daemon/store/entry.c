/* The format of a batch, written and read in place. entry.h draws it.
 *
 * The builder owns one stretch of address space, large enough for any batch, so that an entry's sections can
 * be packed where they will stay. The reader believes nothing: a blob may come from a damaged disk, and each
 * length is compared with the bytes that are there before it is used. */
#include "store/entry.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/limits.h"

enum { BATCH_MAGIC = 0x314a4f48, BATCH_VERSION = 1 }; /* "HOJ1" */

/* Offsets in the batch header. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_FLAGS = 6,
    AT_FIRST = 8,
    AT_COUNT = 16,
    AT_BYTES = 20,
    BATCH_HEADER_BYTES = 24
};

/* Offsets in an entry. */
enum {
    AT_ENTRY_BYTES = 0,
    AT_ENTRY_CRC = 4,
    AT_SEQUENCE = 8,
    AT_PREV_SEQUENCE = 16,
    AT_TIME = 24,
    AT_DUE = 32,
    AT_KEY = 40,
    AT_KEY_ID = 56,
    AT_KIND = 60,
    AT_FORMAT = 61,
    AT_ENTRY_FLAGS = 62,
    AT_INPUT_BYTES = 64,
    AT_OUTCOME_BYTES = 68,
    AT_RECORD_BYTES = 72,
    AT_HEADER_CRC = 76
};

/* Offsets from the end of a blob, where the part of the trailer lies that has a fixed size. */
enum {
    BACK_DIGEST = 32,
    BACK_CRC = 36,
    BACK_TOTAL_COUNT = 40,
    BACK_PREV_DIGEST = 72,
    TRAILER_FIXED_BYTES = 72
};

enum { TRAILER_BYTES = TOTAL_COUNT * 8 + TRAILER_FIXED_BYTES };

static_assert(AT_HEADER_CRC + 4 == ENTRY_HEADER_BYTES, "an entry's header ends with its checksum");
static_assert(ENTRY_HEADER_BYTES % 8 == 0 && BATCH_HEADER_BYTES % 8 == 0, "entries start at multiples of 8");
static_assert(LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES + LIMIT_RECORD_BYTES + LIMIT_STEP_ARENA_BYTES <=
                  BATCH_BYTES_MAX,
              "the entry that passes the limit still fits");
static_assert((int)BACK_DIGEST == (int)DIGEST_BYTES, "the digest is last");

struct batch_builder {
    uint8_t *base;
    uint64_t first_sequence;
    uint32_t used, count;
    uint32_t open_entry; /* offset of the entry reserved and not yet finished; 0: none */
};

static pthread_once_t sodium_once = PTHREAD_ONCE_INIT;

/* Without sodium_init() the digest would silently be computed by the portable code, at a third of the speed.
 */
static void start_sodium(void)
{
    if (sodium_init() < 0) abort();
}

static void compute_digest(const uint8_t *data, size_t len, uint8_t ret_digest[DIGEST_BYTES])
{
    pthread_once(&sodium_once, start_sodium);
    crypto_generichash(ret_digest, DIGEST_BYTES, data, len, NULL, 0);
}

/* In 64 bits, because three lengths from a disk can pass 32. */
static uint64_t entry_size(uint64_t input_bytes, uint64_t outcome_bytes, uint64_t record_bytes)
{
    return (ENTRY_HEADER_BYTES + input_bytes + outcome_bytes + record_bytes + 7) & ~(uint64_t)7;
}

/* --- writing -------------------------------------------------------------------------------------------- */

struct batch_builder *batch_builder_new(void)
{
    struct batch_builder *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->base = mmap(NULL, BATCH_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (b->base == MAP_FAILED) {
        free(b);
        return NULL;
    }
    batch_begin(b, 1);
    return b;
}

void batch_builder_free(struct batch_builder *b)
{
    if (!b) return;
    munmap(b->base, BATCH_BYTES_MAX);
    free(b);
}

void batch_begin(struct batch_builder *b, uint64_t first_sequence)
{
    assert(first_sequence > 0);
    b->first_sequence = first_sequence;
    b->used = BATCH_HEADER_BYTES;
    b->count = 0;
    b->open_entry = 0;
}

uint32_t batch_reserve(struct batch_builder *b, struct entry *e, size_t input_bytes, size_t outcome_bytes,
                       size_t record_bytes)
{
    uint64_t bytes = entry_size(input_bytes, outcome_bytes, record_bytes);
    assert(b->open_entry == 0);
    assert(bytes <= BATCH_BYTES_MAX - TRAILER_BYTES - b->used);
    uint8_t *at = b->base + b->used;
    store_u64(at + bytes - 8, 0); /* the padding; what is not padding is overwritten by the caller */
    store_u32(at + AT_ENTRY_BYTES, (uint32_t)bytes);
    e->input = (struct bytes){at + ENTRY_HEADER_BYTES, input_bytes};
    e->outcome = (struct bytes){e->input.data + input_bytes, outcome_bytes};
    e->record = (struct bytes){e->outcome.data + outcome_bytes, record_bytes};
    b->open_entry = b->used;
    b->used += (uint32_t)bytes;
    return b->open_entry;
}

static void write_entry_header(uint8_t *at, const struct entry *e)
{
    store_u64(at + AT_SEQUENCE, e->sequence);
    store_u64(at + AT_PREV_SEQUENCE, e->prev_sequence);
    store_u64(at + AT_TIME, (uint64_t)e->time_ms);
    store_u64(at + AT_DUE, (uint64_t)e->due_at_ms);
    memcpy(at + AT_KEY, e->key.bytes, PATIENT_KEY_BYTES);
    store_u32(at + AT_KEY_ID, e->key_id);
    at[AT_KIND] = e->kind;
    at[AT_FORMAT] = e->format;
    store_u16(at + AT_ENTRY_FLAGS, e->flags);
    store_u32(at + AT_INPUT_BYTES, (uint32_t)e->input.len);
    store_u32(at + AT_OUTCOME_BYTES, (uint32_t)e->outcome.len);
    store_u32(at + AT_RECORD_BYTES, (uint32_t)e->record.len);
    store_u32(at + AT_HEADER_CRC, crc32c(0, at + AT_SEQUENCE, AT_HEADER_CRC - AT_SEQUENCE));
}

void batch_finish_entry(struct batch_builder *b, uint32_t offset, const struct entry *e)
{
    uint8_t *at = b->base + offset;
    uint32_t bytes = load_u32(at + AT_ENTRY_BYTES);
    assert(offset != 0 && offset == b->open_entry);
    assert(e->sequence == b->first_sequence + b->count && e->prev_sequence < e->sequence);
    assert(e->input.data == at + ENTRY_HEADER_BYTES);
    assert(entry_size(e->input.len, e->outcome.len, e->record.len) == bytes);
    write_entry_header(at, e);
    store_u32(at + AT_ENTRY_CRC, crc32c(0, at + AT_SEQUENCE, bytes - AT_SEQUENCE));
    b->open_entry = 0;
    b->count++;
}

static void copy_section(struct bytes to, struct bytes from)
{
    if (from.len) memcpy((uint8_t *)to.data, from.data, from.len);
}

uint32_t batch_add(struct batch_builder *b, const struct entry *e)
{
    struct entry placed = *e;
    uint32_t offset = batch_reserve(b, &placed, e->input.len, e->outcome.len, e->record.len);
    copy_section(placed.input, e->input);
    copy_section(placed.outcome, e->outcome);
    copy_section(placed.record, e->record);
    batch_finish_entry(b, offset, &placed);
    return offset;
}

uint32_t batch_count(const struct batch_builder *b)
{
    return b->count;
}

size_t batch_bytes(const struct batch_builder *b)
{
    return b->used + TRAILER_BYTES;
}

void batch_truncate(struct batch_builder *b, uint32_t offset, uint32_t count)
{
    assert(offset >= BATCH_HEADER_BYTES && offset <= b->used && count <= b->count);
    b->used = offset;
    b->count = count;
    b->open_entry = 0;
}

static void write_batch_header(struct batch_builder *b, uint32_t bytes)
{
    store_u32(b->base + AT_MAGIC, BATCH_MAGIC);
    store_u16(b->base + AT_VERSION, BATCH_VERSION);
    store_u16(b->base + AT_FLAGS, 0);
    store_u64(b->base + AT_FIRST, b->first_sequence);
    store_u32(b->base + AT_COUNT, b->count);
    store_u32(b->base + AT_BYTES, bytes);
}

/* The header and the trailer up to the checksum itself; the entries have their own. */
static uint32_t frame_checksum(const uint8_t *base, size_t entries_end, size_t bytes)
{
    uint32_t crc = crc32c(0, base, BATCH_HEADER_BYTES);
    return crc32c(crc, base + entries_end, bytes - BACK_CRC - entries_end);
}

struct bytes batch_seal(struct batch_builder *b, const int64_t totals[TOTAL_COUNT],
                        const uint8_t prev_digest[DIGEST_BYTES], uint8_t ret_digest[DIGEST_BYTES])
{
    uint32_t bytes = b->used + TRAILER_BYTES;
    uint8_t *end = b->base + bytes;
    assert(b->count > 0 && b->open_entry == 0);
    write_batch_header(b, bytes);
    for (int i = 0; i < TOTAL_COUNT; i++) store_u64(b->base + b->used + 8 * i, (uint64_t)totals[i]);
    memcpy(end - BACK_PREV_DIGEST, prev_digest, DIGEST_BYTES);
    store_u32(end - BACK_TOTAL_COUNT, TOTAL_COUNT);
    store_u32(end - BACK_CRC, frame_checksum(b->base, b->used, bytes));
    compute_digest(b->base, bytes - DIGEST_BYTES, end - BACK_DIGEST);
    memcpy(ret_digest, end - BACK_DIGEST, DIGEST_BYTES);
    return (struct bytes){b->base, bytes};
}

/* --- reading -------------------------------------------------------------------------------------------- */

const char *entry_error(int code)
{
    switch (code) {
    case ENTRY_OK:
        return "no error";
    case ENTRY_E_TRUNCATED:
        return "a length does not fit the bytes that are there";
    case ENTRY_E_MAGIC:
        return "this is not a batch";
    case ENTRY_E_VERSION:
        return "written by a later format";
    case ENTRY_E_CHECKSUM:
        return "the checksum does not match";
    case ENTRY_E_ORDER:
        return "the sequences are not consecutive";
    case ENTRY_E_DIGEST:
        return "the digest does not match";
    }
    return "unknown error";
}

static int check_batch_header(struct bytes blob)
{
    if (blob.len < BATCH_HEADER_BYTES + TRAILER_FIXED_BYTES) return ENTRY_E_TRUNCATED;
    if (load_u32(blob.data + AT_MAGIC) != BATCH_MAGIC) return ENTRY_E_MAGIC;
    if (load_u16(blob.data + AT_VERSION) != BATCH_VERSION) return ENTRY_E_VERSION;
    if (load_u32(blob.data + AT_BYTES) != blob.len) return ENTRY_E_TRUNCATED;
    return ENTRY_OK;
}

int batch_open(struct bytes blob, struct batch_view *ret_view)
{
    int code = check_batch_header(blob);
    if (code) return code;
    const uint8_t *end = blob.data + blob.len;
    uint64_t total_count = load_u32(end - BACK_TOTAL_COUNT);
    if (total_count * 8 > blob.len - BATCH_HEADER_BYTES - TRAILER_FIXED_BYTES) return ENTRY_E_TRUNCATED;
    size_t entries_end = blob.len - TRAILER_FIXED_BYTES - total_count * 8;
    if (load_u32(end - BACK_CRC) != frame_checksum(blob.data, entries_end, blob.len)) return ENTRY_E_CHECKSUM;
    if (load_u16(blob.data + AT_FLAGS) != 0) return ENTRY_E_VERSION;
    uint64_t first = load_u64(blob.data + AT_FIRST);
    uint64_t count = load_u32(blob.data + AT_COUNT);
    if (first == 0 || count == 0 || first > UINT64_MAX - count) return ENTRY_E_ORDER;
    if (count * ENTRY_HEADER_BYTES > entries_end - BATCH_HEADER_BYTES) return ENTRY_E_TRUNCATED;
    *ret_view = (struct batch_view){
        .blob = blob,
        .first_sequence = first,
        .count = (uint32_t)count,
        .totals = blob.data + entries_end,
        .total_count = (uint32_t)total_count,
        .prev_digest = end - BACK_PREV_DIGEST,
        .digest = end - BACK_DIGEST,
        .entries_begin = BATCH_HEADER_BYTES,
        .entries_end = (uint32_t)entries_end,
    };
    return ENTRY_OK;
}

int64_t batch_total(const struct batch_view *view, enum total which)
{
    return (uint32_t)which < view->total_count ? (int64_t)load_u64(view->totals + 8 * (size_t)which) : 0;
}

static void read_entry_fields(const uint8_t *at, struct entry *ret_entry)
{
    *ret_entry = (struct entry){
        .sequence = load_u64(at + AT_SEQUENCE),
        .prev_sequence = load_u64(at + AT_PREV_SEQUENCE),
        .time_ms = (int64_t)load_u64(at + AT_TIME),
        .due_at_ms = (int64_t)load_u64(at + AT_DUE),
        .key_id = load_u32(at + AT_KEY_ID),
        .flags = load_u16(at + AT_ENTRY_FLAGS),
        .kind = at[AT_KIND],
        .format = at[AT_FORMAT],
        .input = {at + ENTRY_HEADER_BYTES, load_u32(at + AT_INPUT_BYTES)},
        .outcome.len = load_u32(at + AT_OUTCOME_BYTES),
        .record.len = load_u32(at + AT_RECORD_BYTES),
    };
    memcpy(ret_entry->key.bytes, at + AT_KEY, PATIENT_KEY_BYTES);
}

/* Sections get their addresses only once their lengths are known to fit. */
static int check_bounds(uint32_t bytes, struct entry *e)
{
    if (entry_size(e->input.len, e->outcome.len, e->record.len) != bytes) return ENTRY_E_TRUNCATED;
    e->outcome.data = e->input.data + e->input.len;
    e->record.data = e->outcome.data + e->outcome.len;
    return ENTRY_OK;
}

/* Where entries may lie in a blob. */
struct extent {
    struct bytes blob;
    uint32_t begin, end;
};

static struct extent extent_of(const struct batch_view *view)
{
    return (struct extent){view->blob, view->entries_begin, view->entries_end};
}

/* Lengths that fit; no checksum yet. */
static int read_entry(const struct extent *x, uint32_t offset, struct entry *ret_entry, uint32_t *ret_next)
{
    if (offset < x->begin || offset > x->end) return ENTRY_E_TRUNCATED;
    if (offset % 8 != 0 || x->end - offset < ENTRY_HEADER_BYTES) return ENTRY_E_TRUNCATED;
    const uint8_t *at = x->blob.data + offset;
    uint32_t bytes = load_u32(at + AT_ENTRY_BYTES);
    if (bytes < ENTRY_HEADER_BYTES || bytes > x->end - offset) return ENTRY_E_TRUNCATED;
    read_entry_fields(at, ret_entry);
    *ret_next = offset + bytes;
    return check_bounds(bytes, ret_entry);
}

static bool has_sum(const uint8_t *at, uint32_t sum_at, uint32_t end)
{
    return load_u32(at + sum_at) == crc32c(0, at + AT_SEQUENCE, end - AT_SEQUENCE);
}

/* The checksum over all of an entry is one over its header, too. */
static int read_whole_entry(const struct extent *x, uint32_t offset, struct entry *ret_entry, uint32_t *ret_next)
{
    int code = read_entry(x, offset, ret_entry, ret_next);
    if (code) return code;
    return has_sum(x->blob.data + offset, AT_ENTRY_CRC, *ret_next - offset) ? ENTRY_OK : ENTRY_E_CHECKSUM;
}

static bool is_of_batch(const struct batch_view *view, const struct entry *e)
{
    return e->sequence >= view->first_sequence && e->sequence - view->first_sequence < view->count;
}

int batch_entry_header(const struct batch_view *view, uint32_t offset, struct entry *ret_entry,
                       uint32_t *ret_next)
{
    struct extent extent = extent_of(view);
    struct entry e;
    uint32_t next;
    int code = read_entry(&extent, offset, &e, &next);
    if (code) return code;
    if (!has_sum(view->blob.data + offset, AT_HEADER_CRC, AT_HEADER_CRC)) return ENTRY_E_CHECKSUM;
    if (!is_of_batch(view, &e)) return ENTRY_E_ORDER;
    e.batch_sequence = view->first_sequence;
    e.offset = offset;
    *ret_entry = e;
    if (ret_next) *ret_next = next;
    return ENTRY_OK;
}

int batch_entry(const struct batch_view *view, uint32_t offset, struct entry *ret_entry, uint32_t *ret_next)
{
    struct extent extent = extent_of(view);
    struct entry e;
    uint32_t next;
    int code = read_whole_entry(&extent, offset, &e, &next);
    if (code) return code;
    if (!is_of_batch(view, &e)) return ENTRY_E_ORDER;
    e.batch_sequence = view->first_sequence;
    e.offset = offset;
    *ret_entry = e;
    if (ret_next) *ret_next = next;
    return ENTRY_OK;
}

int batch_entry_alone(struct bytes blob, uint32_t offset, struct entry *ret_entry)
{
    if (blob.len < BATCH_HEADER_BYTES + TRAILER_FIXED_BYTES || blob.len > BATCH_BYTES_MAX) return ENTRY_E_TRUNCATED;
    struct extent extent = {blob, BATCH_HEADER_BYTES, (uint32_t)(blob.len - TRAILER_FIXED_BYTES)};
    struct entry e;
    uint32_t next;
    int code = read_whole_entry(&extent, offset, &e, &next);
    if (!code) *ret_entry = e;
    return code;
}

int batch_find(const struct batch_view *view, uint64_t sequence, uint32_t *ret_offset)
{
    if (sequence < view->first_sequence || sequence - view->first_sequence >= view->count)
        return ENTRY_E_ORDER;
    uint32_t offset = view->entries_begin;
    for (uint64_t expected = view->first_sequence; expected <= sequence; expected++) {
        struct entry e;
        uint32_t next;
        int code = batch_entry_header(view, offset, &e, &next);
        if (code) return code;
        if (e.sequence != expected) return ENTRY_E_ORDER;
        if (expected == sequence) *ret_offset = offset;
        offset = next;
    }
    return ENTRY_OK;
}

int batch_check_digest(const struct batch_view *view)
{
    uint8_t digest[DIGEST_BYTES];
    compute_digest(view->blob.data, view->blob.len - DIGEST_BYTES, digest);
    return memcmp(digest, view->digest, DIGEST_BYTES) == 0 ? ENTRY_OK : ENTRY_E_DIGEST;
}

int batch_check(const struct batch_view *view)
{
    uint32_t offset = view->entries_begin;
    for (uint32_t i = 0; i < view->count; i++) {
        struct entry e;
        int code = batch_entry(view, offset, &e, &offset);
        if (code) return code;
        if (e.sequence != view->first_sequence + i) return ENTRY_E_ORDER;
    }
    if (offset != view->entries_end) return ENTRY_E_TRUNCATED;
    return batch_check_digest(view);
}
