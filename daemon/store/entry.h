/* The journal's format: one blob a batch, entries inside, a trailer behind them.
 *
 *   batch    := header entry* trailer
 *   header   := magic "HOJ1" u32 | version u16 | flags u16 (0) | first_sequence u64 | count u32 | bytes u32 (whole blob)
 *   entry    := bytes u32 (this entry, multiple of 8) | crc32c u32 (all that follows in the entry)
 *               | sequence u64 | prev_sequence u64 | time_ms i64 | due_at_ms i64 | patient_key 16
 *               | key_id u32 | kind u8 | format u8 | flags u16
 *               | input_bytes u32 | outcome_bytes u32 | record_bytes u32
 *               | header_crc32c u32 (from sequence to here, so that headers can be believed without the sections)
 *               | input | outcome | record | padding to 8
 *   trailer  := totals i64 * count | prev_digest 32 | count u32 (of totals)
 *               | crc32c u32 (header, and the trailer up to here) | digest 32
 *
 * All numbers little-endian. The trailer is read from its end, so that opening a batch touches two pages however
 * many entries it holds. `digest` is BLAKE2b-256 over the blob up to itself, so each batch seals the one
 * before it: a batch that was changed, lost or put elsewhere is found and named. Entries are read in place;
 * bytes from disk are input, so every reader checks before it believes. Sections are protobuf (format 1):
 * input `handoff.v1.Input`, outcome `handoff.v1.Outcome`, record `handoff.v1.PatientRecord`; record is the
 * subject's whole state after the entry. key_id 0: not encrypted (others are reserved). */
#ifndef HANDOFF_STORE_ENTRY_H
#define HANDOFF_STORE_ENTRY_H

#include <stdbool.h>
#include "base/bytes.h"

enum { PATIENT_KEY_BYTES = 16, DIGEST_BYTES = 32, ENTRY_FORMAT_PROTOBUF = 1 };
enum { ENTRY_HEADER_BYTES = 80 };
/* No blob is longer: a batch closes before LIMIT_BATCH_BYTES, or with the entry that passed it. */
enum { BATCH_BYTES_MAX = 16 * 1024 * 1024 };

/* Keyed hash of what an entry is about: a patient, or a site, a source or the rules (see engine/subject.h). */
struct patient_key {
    uint8_t bytes[PATIENT_KEY_BYTES];
};

enum entry_kind {
    ENTRY_EPOCH = 1,   /* a binary began to write here: code, schema, kind of clock, hash key */
    ENTRY_RULES = 2,   /* a change of pathways, policy, site */
    ENTRY_EVENT = 3,
    ENTRY_TIMER = 4,   /* a due timer, task or escalation fired */
    ENTRY_COMMAND = 5, /* an operator's command that changes state (clock, ...) */
    ENTRY_DELIVERY = 6 /* acknowledgements, nacks, dead letters, disclosures: folded without step */
};

/* Entry flags, so that the index can be rebuilt from headers alone. */
enum {
    ENTRY_HAS_OPEN_WORK = 1 << 0,     /* the record after has an open task or escalation */
    ENTRY_HAS_OPEN_EPISODE = 1 << 1,
    ENTRY_IS_PARKED = 1 << 2,
    ENTRY_HAS_EMISSIONS = 1 << 3
};

#define NO_DUE INT64_MAX

/* An entry as given to the builder or as read in place (then the sections point into the blob). */
struct entry {
    uint64_t sequence, prev_sequence; /* prev 0: first of its subject */
    int64_t time_ms;                  /* journal time, UTC milliseconds since 1970; never runs back */
    int64_t due_at_ms;                /* earliest due time in the record after; NO_DUE if none */
    struct patient_key key;
    uint32_t key_id;
    uint16_t flags;
    uint8_t kind, format;
    struct bytes input, outcome, record;
    /* Where it stands: of its batch the first sequence, and the offset there. 0: not known, and not written. */
    uint64_t batch_sequence;
    uint32_t offset;
};

/* Running totals, carried in every trailer; the meaning of each is fixed, new ones are added at the end. */
enum total {
    TOTAL_ENTRIES,
    TOTAL_EVENTS,
    TOTAL_EVENTS_APPLIED,
    TOTAL_EVENTS_RECORDED, /* accepted, nothing changed beyond the record's facts */
    TOTAL_EVENTS_OVERTAKEN,
    TOTAL_PARKED,
    TOTAL_FIRINGS,
    TOTAL_PATIENTS,
    TOTAL_OPEN_EPISODES,
    TOTAL_OPEN_TASKS,
    TOTAL_OPEN_ESCALATIONS,
    TOTAL_PENDING_TIMERS,
    TOTAL_EMISSIONS_TASK,
    TOTAL_EMISSIONS_ESCALATION,
    TOTAL_EMISSIONS_STATUS,
    TOTAL_EMISSIONS_AUDIT,
    TOTAL_COUNT
};

/* --- writing: one builder, reused for every batch ------------------------------------------------------- */
struct batch_builder;
struct batch_builder *batch_builder_new(void); /* reserves BATCH_BYTES_MAX of address space; NULL when refused */
void batch_builder_free(struct batch_builder *b);
void batch_begin(struct batch_builder *b, uint64_t first_sequence);
/* Appends a copy. Returns its offset in the blob. Sequences must be consecutive (asserted).
 * To spare a copy, see batch_reserve. */
uint32_t batch_add(struct batch_builder *b, const struct entry *e);
/* Room for sections of these sizes, to be packed in place; fills e->{input,outcome,record} with their
 * addresses (cast away const to write). batch_finish_entry writes the header and checksum; until then, or
 * until batch_truncate takes it back, no other entry can be begun. */
uint32_t batch_reserve(struct batch_builder *b, struct entry *e, size_t input_bytes, size_t outcome_bytes, size_t record_bytes);
void batch_finish_entry(struct batch_builder *b, uint32_t offset, const struct entry *e);
uint32_t batch_count(const struct batch_builder *b);
size_t batch_bytes(const struct batch_builder *b);
/* Forgets entries from offset on (a step that failed after it reserved); `count` entries stay. */
void batch_truncate(struct batch_builder *b, uint32_t offset, uint32_t count);
/* Writes the trailer; the blob stays valid until the next batch_begin. ret_digest becomes the next prev_digest. */
struct bytes batch_seal(struct batch_builder *b, const int64_t totals[TOTAL_COUNT],
                        const uint8_t prev_digest[DIGEST_BYTES], uint8_t ret_digest[DIGEST_BYTES]);

/* --- reading -------------------------------------------------------------------------------------------- */
struct batch_view {
    struct bytes blob;
    uint64_t first_sequence;
    uint32_t count;
    const uint8_t *totals; /* i64 * total_count, unaligned */
    uint32_t total_count;
    const uint8_t *prev_digest, *digest;
    uint32_t entries_begin, entries_end; /* offsets */
};

enum {
    ENTRY_OK = 0,
    ENTRY_E_TRUNCATED = -1, /* lengths do not fit the bytes */
    ENTRY_E_MAGIC = -2,
    ENTRY_E_VERSION = -3, /* written by a later format */
    ENTRY_E_CHECKSUM = -4,
    ENTRY_E_ORDER = -5, /* sequences not consecutive */
    ENTRY_E_DIGEST = -6
};
const char *entry_error(int code);

/* Checks the frame (lengths, magic, version, trailer checksum), not each entry. */
int batch_open(struct bytes blob, struct batch_view *ret_view);
/* Totals missing in an older blob read as 0. */
int64_t batch_total(const struct batch_view *view, enum total which);
/* Reads the entry at an offset, bounds and checksum checked. ret_next may be NULL. */
int batch_entry(const struct batch_view *view, uint32_t offset, struct entry *ret_entry, uint32_t *ret_next);
/* The same without looking at the frame, for who knows from the index where an entry is: two pages fewer are touched.
 * Bounds and checksum are checked; the caller compares the sequence with the one that it was told. */
int batch_entry_alone(struct bytes blob, uint32_t offset, struct entry *ret_entry);
/* As batch_entry, without the checksum of the sections, for recovery from headers (bounds and header still checked). */
int batch_entry_header(const struct batch_view *view, uint32_t offset, struct entry *ret_entry, uint32_t *ret_next);
/* Finds an entry by its sequence by walking the batch's headers. ENTRY_E_ORDER if it is not in this batch. */
int batch_find(const struct batch_view *view, uint64_t sequence, uint32_t *ret_offset);
/* Recomputes the digest. */
int batch_check_digest(const struct batch_view *view);

/* All of it: the frame was checked by batch_open, this checks each entry, their order, and the digest. */
int batch_check(const struct batch_view *view);

/* crc is the checksum so far, 0 to begin. See crc32c.h. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
