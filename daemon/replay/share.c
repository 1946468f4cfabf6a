/* See share.h. */
#include "replay/share.h"

#include <assert.h>
#include <stdlib.h>

struct shares {
    struct journal *journal;
    struct journal_reader *reader;
    bool is_reading;
    struct share_listener listener;
    uint64_t first_sequence, last_sequence;
    int64_t last_time_ms;
    uint32_t share_count, share; /* the one that comes next */
    bool has_looked;
    struct place *places;
    size_t place_count, place_max, at;
};

static int begin_reading(struct shares *s)
{
    if (s->is_reading) return 0;
    int code = s->journal->ops->read_begin(s->reader);
    s->is_reading = code == 0;
    return code;
}

void share_rest(struct shares *s)
{
    if (s->is_reading) s->journal->ops->read_end(s->reader);
    s->is_reading = false;
}

static int find_bounds(struct shares *s)
{
    struct bytes blob;
    s->last_sequence = journal_last_sequence(s->journal);
    int code = begin_reading(s);
    if (!code) code = s->journal->ops->next(s->reader, 1, &s->first_sequence, &blob);
    share_rest(s);
    return code;
}

int share_open(struct journal *journal, uint32_t places_max, const struct share_listener *listener,
               struct shares **ret_shares)
{
    struct shares *s = calloc(1, sizeof *s);
    if (!s) return JOURNAL_E_MEMORY;
    s->journal = journal;
    s->listener = *listener;
    int code = journal->ops->reader_new(journal, &s->reader);
    if (!code) code = find_bounds(s);
    if (code) {
        share_close(s);
        return code;
    }
    if (!places_max) places_max = SHARE_PLACES;
    s->share_count = (uint32_t)((share_entries(s) + places_max - 1) / places_max);
    *ret_shares = s;
    return 0;
}

void share_close(struct shares *s)
{
    if (!s) return;
    share_rest(s);
    if (s->reader) s->journal->ops->reader_free(s->reader);
    free(s->places);
    free(s);
}

uint64_t share_last_sequence(const struct shares *s)
{
    return s->last_sequence;
}
int64_t share_last_time_ms(const struct shares *s)
{
    return s->last_time_ms;
}
uint64_t share_entries(const struct shares *s)
{
    return s->last_sequence - s->first_sequence + 1;
}

/* --- looking at all headers ----------------------------------------------------------------------------------------
 */

/* Keys are hashes: their first bytes divide the subjects evenly. */
static bool is_of_share(const struct shares *s, const struct patient_key *key)
{
    uint64_t prefix = load_be64(key->bytes) >> 32;
    return prefix * s->share_count >> 32 == s->share;
}

static int keep_place(struct shares *s, const struct place *place)
{
    if (s->place_count == s->place_max) {
        size_t max = s->place_max ? 2 * s->place_max : 4096;
        struct place *larger = realloc(s->places, max * sizeof *larger);
        if (!larger) return JOURNAL_E_MEMORY;
        s->places = larger;
        s->place_max = max;
    }
    s->places[s->place_count++] = *place;
    return 0;
}

static int tell_own(struct shares *s, const struct batch_view *view, uint32_t offset)
{
    struct entry entry;
    if (s->has_looked || !s->listener.on_own) return 0;
    if (batch_entry(view, offset, &entry, NULL)) return JOURNAL_E_CORRUPT;
    return s->listener.on_own(s->listener.context, &entry, view->first_sequence + view->count - 1);
}

static int look_at_entry(struct shares *s, const struct batch_view *view, uint32_t offset, const struct entry *entry)
{
    if (entry->time_ms > s->last_time_ms) s->last_time_ms = entry->time_ms;
    if (entry->kind == ENTRY_EPOCH || entry->kind == ENTRY_RULES) return tell_own(s, view, offset);
    if (!is_of_share(s, &entry->key)) return 0;
    return keep_place(s, &(struct place){entry->key, entry->sequence, view->first_sequence, offset});
}

static int look_at_batch(struct shares *s, struct bytes blob, uint64_t first, uint64_t *ret_next)
{
    struct batch_view view;
    struct entry entry;
    if (batch_open(blob, &view) || view.first_sequence != first) return JOURNAL_E_CORRUPT;
    uint32_t offset = view.entries_begin, next;
    int code = 0;
    for (uint32_t i = 0; i < view.count && !code; i++, offset = next) {
        if (batch_entry_header(&view, offset, &entry, &next)) return JOURNAL_E_CORRUPT;
        if (entry.sequence <= s->last_sequence) code = look_at_entry(s, &view, offset, &entry);
    }
    *ret_next = first + view.count;
    return code;
}

enum { BATCHES_A_SNAPSHOT = 4096 };

static int look(struct shares *s)
{
    uint64_t at = s->first_sequence;
    int code = 0;
    for (uint32_t batches = 0; at <= s->last_sequence && !code; batches++) {
        uint64_t first;
        struct bytes blob;
        code = begin_reading(s);
        if (!code) code = s->journal->ops->next(s->reader, at, &first, &blob);
        if (!code) code = look_at_batch(s, blob, first, &at);
        if (batches % BATCHES_A_SNAPSHOT == BATCHES_A_SNAPSHOT - 1) share_rest(s);
        if (s->listener.on_look)
            s->listener.on_look(s->listener.context, at - s->first_sequence + share_entries(s) * s->share,
                                share_entries(s) * s->share_count);
    }
    share_rest(s);
    return code == JOURNAL_E_NOT_FOUND ? JOURNAL_E_CORRUPT : code;
}

static int by_subject(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    int order = memcmp(&a->key, &b->key, sizeof a->key);
    return order ? order : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

int share_next(struct shares *s)
{
    if (s->share == s->share_count) return 0;
    s->place_count = s->at = 0;
    int code = look(s);
    if (code) return code;
    if (s->place_count) qsort(s->places, s->place_count, sizeof *s->places, by_subject);
    s->has_looked = true;
    s->share++;
    return 1;
}

void share_rewind(struct shares *s)
{
    s->share = 0;
}

/* --- subjects and their entries --------------------------------------------------------------------------------------
 */

bool share_chain(struct shares *s, struct chain_places *ret_chain)
{
    if (s->at == s->place_count) return false;
    size_t begin = s->at;
    while (s->at < s->place_count && memcmp(&s->places[s->at].key, &s->places[begin].key, PATIENT_KEY_BYTES) == 0)
        s->at++;
    *ret_chain = (struct chain_places){s->places + begin, s->at - begin};
    return true;
}

int share_entry(struct shares *s, const struct place *at, struct entry *ret_entry)
{
    struct bytes blob;
    struct entry entry;
    int code = begin_reading(s);
    if (!code) code = s->journal->ops->read(s->reader, at->batch, &blob);
    if (code) return code == JOURNAL_E_NOT_FOUND ? JOURNAL_E_CORRUPT : code;
    if (batch_entry_alone(blob, at->offset, &entry) || entry.sequence != at->sequence) return JOURNAL_E_CORRUPT;
    *ret_entry = entry;
    return 0;
}
