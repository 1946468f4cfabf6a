/* The audit: a sound journal is sound, and every flip, gap and forgery is named. */
#include "engine/audit.h"
#include "unit/engine_world.h"

/* --- a journal made of blobs that the test may spoil -------------------------------------------------------------- */

enum { BLOBS_MAX = 128 };
struct blobs {
    struct journal base;
    struct bytes blobs[BLOBS_MAX];
    uint64_t firsts[BLOBS_MAX];
    int count;
    uint64_t last;
};

static uint64_t blobs_last(const struct journal *j)
{
    return ((const struct blobs *)j)->last;
}

static int blobs_reader_new(struct journal *j, struct journal_reader **ret_reader)
{
    *ret_reader = (struct journal_reader *)(void *)j;
    return 0;
}

static void blobs_reader_end(struct journal_reader *r)
{
    (void)r;
}

static int blobs_read_begin(struct journal_reader *r)
{
    (void)r;
    return 0;
}

static int blobs_next(struct journal_reader *r, uint64_t at_least, uint64_t *ret_first, struct bytes *ret_blob)
{
    const struct blobs *b = (const struct blobs *)(void *)r;
    for (int i = 0; i < b->count; i++) {
        if (b->firsts[i] < at_least) continue;
        *ret_first = b->firsts[i];
        *ret_blob = b->blobs[i];
        return 0;
    }
    return JOURNAL_E_NOT_FOUND;
}

static int blobs_read(struct journal_reader *r, uint64_t first, struct bytes *ret_blob)
{
    uint64_t found;
    int code = blobs_next(r, first, &found, ret_blob);
    return code ? code : found == first ? 0 : JOURNAL_E_NOT_FOUND;
}

static const struct journal_ops blobs_ops = {
    .last_sequence = blobs_last,
    .reader_new = blobs_reader_new,
    .reader_free = blobs_reader_end,
    .read_begin = blobs_read_begin,
    .read_end = blobs_reader_end,
    .read = blobs_read,
    .next = blobs_next,
};

static void copy_blobs(struct world *w, struct blobs *b)
{
    struct journal_reader *r;
    uint64_t first, at = 1;
    struct bytes blob;
    struct batch_view view;
    *b = (struct blobs){.base.ops = &blobs_ops, .last = journal_last_sequence(w->journal)};
    assert_int_equal(w->journal->ops->reader_new(w->journal, &r), 0);
    assert_int_equal(w->journal->ops->read_begin(r), 0);
    while (w->journal->ops->next(r, at, &first, &blob) == 0) {
        assert_true(b->count < BLOBS_MAX);
        assert_int_equal(batch_open(blob, &view), 0);
        b->firsts[b->count] = first;
        b->blobs[b->count++] = (struct bytes){arena_copy(w->arena, blob.data, blob.len), blob.len};
        at = first + view.count;
    }
    w->journal->ops->read_end(r);
    w->journal->ops->reader_free(r);
}

/* --- what was found --------------------------------------------------------------------------------------------------- */

struct found {
    uint64_t batch, sequence;
    int count;
    char sentence[200];
};

static void note_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    struct found *found = context;
    if (found->count++ == 0) {
        found->batch = batch;
        found->sequence = sequence;
        snprintf(found->sentence, sizeof found->sentence, "%s", sentence);
    }
}

static struct found audit_with(struct journal *journal, const char *code_version, struct audit_summary *ret_summary)
{
    struct found found = {0};
    struct audit audit = {code_version, &found, note_damage};
    audit_journal(journal, &audit, ret_summary);
    assert_int_equal(ret_summary->damages, found.count);
    return found;
}

/* A life of two patients: events, repeats of their firings, an unknown source's review, a restart. */
static struct world *lived(bool is_lmdb)
{
    struct world *w = world_new(is_lmdb);
    char id[8];
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "e%d", i);
        const char *name = i % 2 ? "david" : "mary";
        world_publish(w, i % 3 ? world_updated(w, id, name, "P") : world_opened(w, id, name));
        assert_int_equal(engine_advance(w->engine, engine_now_ms(w->engine) + 40 * 60000, NULL), 0);
        if (i == 4) world_crash(w);
    }
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__ReferralReceived received = HANDOFF__V1__REFERRAL_RECEIVED__INIT;
    event.id = (char *)"e99";
    event.source = (char *)"agency-feed";
    event.patient_id = (char *)"stranger";
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_REFERRAL_RECEIVED;
    event.referral_received = &received;
    assert_int_equal(world_publish(w, world_pack(w, &event))->code, CODE(ACCEPTED));
    assert_true(world_state(w).totals[TOTAL_FIRINGS] > 1);
    return w;
}

static void a_sound_journal_is_sound_and_decided_again(void **state)
{
    for (int is_lmdb = 0; is_lmdb < 2; is_lmdb++) {
        struct world *w = lived(is_lmdb);
        struct audit_summary s;
        struct found found = audit_with(w->journal, "test", &s);
        if (found.count) fprintf(stderr, "%s\n", found.sentence);
        assert_int_equal(found.count, 0);
        assert_int_equal(s.entries, world_state(w).last_sequence);
        assert_int_equal(s.last_sequence, s.entries);
        assert_true(s.decided_again >= 9 + 1 + (uint64_t)world_state(w).totals[TOTAL_FIRINGS]);
        found = audit_with(w->journal, "another", &s);
        assert_int_equal(found.count, 0);
        assert_int_equal(s.decided_again, 0);
        world_free(w);
    }
    (void)state;
}

static void every_flip_is_found_in_its_batch(void **state)
{
    struct world *w = lived(false);
    struct blobs b;
    struct audit_summary s;
    copy_blobs(w, &b);
    for (int i = 0; i < b.count; i++) {
        size_t stride = b.blobs[i].len > 4096 ? 997 : 61;
        for (size_t at = 0; at < b.blobs[i].len; at += stride) {
            uint8_t *byte = (uint8_t *)b.blobs[i].data + at;
            *byte ^= 0x10;
            struct found found = audit_with(&b.base, "test", &s);
            *byte ^= 0x10;
            assert_true(found.count > 0);
            assert_true(found.batch == b.firsts[i]);
        }
    }
    assert_int_equal(audit_with(&b.base, "test", &s).count, 0);
    world_free(w);
    (void)state;
}

static void a_truncated_batch_is_found(void **state)
{
    struct world *w = lived(false);
    struct blobs b;
    struct audit_summary s;
    copy_blobs(w, &b);
    for (int i = 0; i < b.count; i++) {
        b.blobs[i].len -= 8;
        struct found found = audit_with(&b.base, "test", &s);
        b.blobs[i].len += 8;
        assert_true(found.count > 0 && found.batch == b.firsts[i]);
    }
    world_free(w);
    (void)state;
}

static void a_missing_batch_is_named(void **state)
{
    struct world *w = lived(false);
    struct blobs b;
    struct audit_summary s;
    copy_blobs(w, &b);
    for (int i = 1; i + 1 < b.count; i++) {
        struct blobs gap = b;
        memmove(&gap.blobs[i], &gap.blobs[i + 1], (size_t)(b.count - i - 1) * sizeof gap.blobs[0]);
        memmove(&gap.firsts[i], &gap.firsts[i + 1], (size_t)(b.count - i - 1) * sizeof gap.firsts[0]);
        gap.count--;
        struct found found = audit_with(&gap.base, "test", &s);
        assert_true(found.count > 0);
        assert_true(found.batch == b.firsts[i]);
        assert_non_null(strstr(found.sentence, "missing"));
    }
    world_free(w);
    (void)state;
}

/* The last batch written anew by somebody who knows the format, but not what step would have said. */
static void a_forged_record_is_found_by_deciding_again(void **state)
{
    struct world *w = lived(false);
    struct blobs b;
    struct audit_summary s;
    uint8_t digest[DIGEST_BYTES];
    int64_t totals[TOTAL_COUNT];
    struct batch_view view;
    struct entry e;
    assert_int_equal(world_publish(w, world_updated(w, "last", "mary", "Mary"))->code, CODE(ACCEPTED));
    copy_blobs(w, &b);
    assert_int_equal(batch_open(b.blobs[b.count - 1], &view), 0);
    assert_int_equal(batch_entry(&view, view.entries_begin, &e, NULL), 0);
    uint8_t *name = memmem((uint8_t *)e.record.data, e.record.len, "Mary", 4);
    assert_non_null(name);
    *name = 'G';
    for (int i = 0; i < TOTAL_COUNT; i++) totals[i] = batch_total(&view, (enum total)i);
    struct batch_builder *builder = batch_builder_new();
    batch_begin(builder, e.sequence);
    batch_add(builder, &e);
    b.blobs[b.count - 1] = batch_seal(builder, totals, view.prev_digest, digest);
    struct found found = audit_with(&b.base, "test", &s);
    assert_int_equal(found.count, 1);
    assert_true(found.sequence == e.sequence);
    assert_non_null(strstr(found.sentence, "record is another"));
    batch_builder_free(builder);
    world_free(w);
    (void)state;
}

static void wrong_totals_are_found(void **state)
{
    struct world *w = lived(false);
    struct blobs b;
    struct audit_summary s;
    struct batch_view view;
    struct entry e;
    uint8_t digest[DIGEST_BYTES];
    int64_t totals[TOTAL_COUNT];
    world_publish(w, world_updated(w, "last", "mary", "Mary"));
    copy_blobs(w, &b);
    assert_int_equal(batch_open(b.blobs[b.count - 1], &view), 0);
    assert_int_equal(batch_entry(&view, view.entries_begin, &e, NULL), 0);
    struct batch_builder *builder = batch_builder_new();
    for (int which = 0; which < TOTAL_COUNT; which++) {
        for (int i = 0; i < TOTAL_COUNT; i++) totals[i] = batch_total(&view, (enum total)i) + (i == which);
        struct blobs wrong = b;
        batch_begin(builder, e.sequence);
        batch_add(builder, &e);
        wrong.blobs[b.count - 1] = batch_seal(builder, totals, view.prev_digest, digest);
        struct found found = audit_with(&wrong.base, "test", &s);
        assert_int_equal(found.count, 1);
        assert_true(found.batch == e.sequence);
    }
    batch_builder_free(builder);
    world_free(w);
    (void)state;
}

static void reindexing_gives_the_index_that_was(void **state)
{
    struct world *w = lived(true);
    const char *why = "";
    struct index *again;
    uint64_t last;
    assert_int_equal(engine_index_flush(w->engine), 0);
    assert_int_equal(index_memory_open(&again), 0);
    assert_int_equal(engine_rebuild_index(w->journal, again, &last, &why), 0);
    assert_int_equal(last, world_state(w).last_sequence);
    assert_int_equal(again->ops->indexed_sequence(again), last);
    struct index_reader *a, *b;
    assert_int_equal(w->index->ops->reader_new(w->index, &a), 0);
    assert_int_equal(again->ops->reader_new(again, &b), 0);
    assert_int_equal(w->index->ops->read_begin(a), 0);
    assert_int_equal(again->ops->read_begin(b), 0);
    struct patient_key key, other, passed, *after = NULL;
    struct index_row row, row_again;
    int subjects = 0;
    while (w->index->ops->subject_next(a, after, &key, &row) == 0) {
        assert_int_equal(again->ops->subject_next(b, after, &other, &row_again), 0);
        assert_memory_equal(&key, &other, sizeof key);
        assert_int_equal(row.sequence, row_again.sequence);
        assert_int_equal(row.batch_sequence, row_again.batch_sequence);
        assert_int_equal(row.offset, row_again.offset);
        assert_int_equal(row.flags, row_again.flags);
        assert_true(row.due_at_ms == row_again.due_at_ms);
        assert_true(row_again.lodged_at_ms <= row_again.due_at_ms);
        passed = key;
        after = &passed;
        subjects++;
    }
    assert_int_equal(again->ops->subject_next(b, after, &other, &row_again), INDEX_E_NOT_FOUND);
    assert_true(subjects >= 7);
    uint64_t rule = 0, rule_again = 0;
    while (w->index->ops->rules_next(a, rule, &rule) == 0) {
        assert_int_equal(again->ops->rules_next(b, rule_again, &rule_again), 0);
        assert_int_equal(rule, rule_again);
    }
    w->index->ops->read_end(a);
    again->ops->read_end(b);
    w->index->ops->reader_free(a);
    again->ops->reader_free(b);
    again->ops->close(again);
    world_free(w);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_journal_is_sound_and_decided_again),
        cmocka_unit_test(every_flip_is_found_in_its_batch),
        cmocka_unit_test(a_truncated_batch_is_found),
        cmocka_unit_test(a_missing_batch_is_named),
        cmocka_unit_test(a_forged_record_is_found_by_deciding_again),
        cmocka_unit_test(wrong_totals_are_found),
        cmocka_unit_test(reindexing_gives_the_index_that_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
