/* What a journal is made of: bytes of each section by kind of entry, and how late timers fired. Reads only.
 *
 *     build/bench/scan FOLDER [FROM]     the data folder; entries from this sequence on. One line of JSON */
#include <stdio.h>
#include <stdlib.h>

#include "handoff/v1/journal.pb-c.h"
#include "histogram.h"
#include "store/journal.h"

enum { PATH_BYTES = 4096, KINDS = 7 };

static const char *const kind_names[KINDS] = {"", "epoch", "rules", "event", "timer", "command", "delivery"};

struct scan {
    uint64_t counts[KINDS], bytes[KINDS];
    struct histogram input, outcome, record, entry, lateness_ms;
    uint64_t batches, blob_bytes, emitting;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "scan: %s: %s\n", what, why);
    exit(1);
}

static void look_at_timer(struct scan *s, const struct entry *e)
{
    Handoff__V1__TimerInput *timer = handoff__v1__timer_input__unpack(NULL, e->input.len, e->input.data);
    if (!timer) fail("a timer", "it does not unpack");
    int64_t late_ms = e->time_ms - timer->due_at_ms;
    histogram_add(&s->lateness_ms, late_ms > 0 ? (uint64_t)late_ms : 0);
    handoff__v1__timer_input__free_unpacked(timer, NULL);
}

static void look_at(struct scan *s, const struct entry *e, uint32_t bytes)
{
    unsigned kind = e->kind < KINDS ? e->kind : 0;
    s->counts[kind]++;
    s->bytes[kind] += bytes;
    if (kind == ENTRY_TIMER) look_at_timer(s, e);
    if (kind != ENTRY_EVENT && kind != ENTRY_TIMER) return;
    histogram_add(&s->input, e->input.len);
    histogram_add(&s->outcome, e->outcome.len);
    histogram_add(&s->record, e->record.len);
    histogram_add(&s->entry, bytes);
    s->emitting += (e->flags & ENTRY_HAS_EMISSIONS) != 0;
}

static void walk(struct scan *s, struct journal_reader *r, const struct journal_ops *ops, uint64_t from)
{
    struct bytes blob;
    struct batch_view view;
    struct entry entry;
    for (uint64_t first = 0, next = from; ops->next(r, next, &first, &blob) == 0; next = first + view.count) {
        if (batch_open(blob, &view)) fail("a batch", "it is damaged");
        s->batches++;
        s->blob_bytes += blob.len;
        uint32_t offset = view.entries_begin;
        for (uint32_t i = 0; i < view.count; i++) {
            uint32_t after;
            if (batch_entry_header(&view, offset, &entry, &after)) fail("an entry", "it is damaged");
            look_at(s, &entry, after - offset);
            offset = after;
        }
    }
}

static void print_spread(const char *name, const struct histogram *h)
{
    printf("\"%s\": {\"p1\": %llu, \"p25\": %llu, \"p50\": %llu, \"p75\": %llu, \"p99\": %llu, \"most\": %llu}, ", name,
           (unsigned long long)histogram_share(h, 0.01), (unsigned long long)histogram_share(h, 0.25),
           (unsigned long long)histogram_share(h, 0.5), (unsigned long long)histogram_share(h, 0.75),
           (unsigned long long)histogram_share(h, 0.99), (unsigned long long)h->most);
}

static void print(const struct scan *s)
{
    fputs("{", stdout);
    for (int kind = 1; kind < KINDS; kind++)
        printf("\"%s\": {\"count\": %llu, \"bytes\": %llu}, ", kind_names[kind], (unsigned long long)s->counts[kind],
               (unsigned long long)s->bytes[kind]);
    print_spread("input_bytes", &s->input);
    print_spread("outcome_bytes", &s->outcome);
    print_spread("record_bytes", &s->record);
    print_spread("entry_bytes", &s->entry);
    print_spread("lateness_ms", &s->lateness_ms);
    printf("\"with_emissions\": %llu, \"batches\": %llu, \"batch_bytes\": %llu}\n", (unsigned long long)s->emitting,
           (unsigned long long)s->batches, (unsigned long long)s->blob_bytes);
}

int main(int argc, char **argv)
{
    static struct scan s;
    char path[PATH_BYTES];
    struct journal *journal;
    struct journal_reader *reader;
    struct journal_options options = {.is_read_only = 1};
    if (argc < 2 || argc > 3) {
        fputs("usage: scan FOLDER [FROM]\n", stderr);
        return 2;
    }
    snprintf(path, sizeof path, "%s/journal", argv[1]);
    int code = journal_lmdb_open(path, &options, &journal);
    if (code) fail(path, journal_error(code));
    if (journal->ops->reader_new(journal, &reader) || journal->ops->read_begin(reader)) fail(path, "it cannot be read");
    walk(&s, reader, journal->ops, argc == 3 ? strtoull(argv[2], NULL, 10) : 1);
    journal->ops->read_end(reader);
    journal->ops->reader_free(reader);
    journal_close(journal);
    print(&s);
    return 0;
}
