/* The indexing thread. indexer.h draws its states. */
#include "engine/indexer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "engine/changes.h"
#include "engine/clock.h"

#define REST_NS_MAX INT64_C(50000000)

enum { NICE = 10 }; /* publishers wait for the other threads, for this one nobody does before the table of changes fills */

struct indexer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards state, is_ending, is_awaited, sweep, error */
    pthread_cond_t changed;
    enum indexer_state state;
    bool is_ending, is_awaited;
    int64_t woke_ns; /* when the transaction began */
    struct sweep sweep;
    int error;
    struct index *index;
    void (*on_done)(void *context);
    void *context;
};

/* --- writing ------------------------------------------------------------------------------------------------ */

/* A due row is there before a subject's row names it, and until none does: first those that come are put, then the
 * subjects' rows, then those that go are taken out. A crash in between leaves due rows that nobody names, which readers skip;
 * it never leaves a subject without its own. Each pass is in the order of its tree, so that a page is written once for all
 * its changes: what a sweep costs is pages. */
struct writing {
    struct index *index;
    const struct sweep *sweep;
    void (*between)(void *context);
    void *context;
    struct change_order *order; /* of the subjects' rows */
    struct index_due *dues;    /* of one pass */
    struct index_change *chunk;
};

static int compare_dues(const void *a, const void *b)
{
    const struct index_due *x = a, *y = b;
    if (x->at_ms != y->at_ms) return x->at_ms < y->at_ms ? -1 : 1;
    return memcmp(x->key.bytes, y->key.bytes, PATIENT_KEY_BYTES);
}

static uint32_t chunk_of(uint32_t left)
{
    return left < INDEXER_CHUNK ? left : INDEXER_CHUNK;
}

/* In the table unlodge says what is lodged already. */
static uint32_t gather_dues(const struct writing *w, bool is_out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->sweep->count; i++) {
        const struct index_change *row = &w->sweep->rows[i];
        int64_t at_ms = is_out ? row->unlodge_at_ms : row->row.lodged_at_ms;
        if (at_ms == NO_DUE || row->unlodge_at_ms == row->row.lodged_at_ms) continue;
        w->dues[count++] = (struct index_due){at_ms, row->key};
    }
    if (count) qsort(w->dues, count, sizeof *w->dues, compare_dues);
    return count;
}

static int write_dues(const struct writing *w, bool is_out)
{
    uint32_t all = gather_dues(w, is_out);
    int code = 0;
    for (uint32_t from = 0; from < all && !code; from += INDEXER_CHUNK) {
        code = w->index->ops->lodge(w->index, w->dues + from, chunk_of(all - from), is_out);
        if (w->between) w->between(w->context);
    }
    return code;
}

static int write_rows(const struct writing *w)
{
    const struct sweep *sweep = w->sweep;
    int code = 0;
    for (uint32_t from = 0; from < sweep->count && !code; from += INDEXER_CHUNK) {
        uint32_t count = chunk_of(sweep->count - from);
        bool is_last = from + count == sweep->count;
        for (uint32_t i = 0; i < count; i++) w->chunk[i] = sweep->rows[w->order[from + i].at];
        code = w->index->ops->apply(w->index, w->chunk, count, is_last ? sweep->rules : NULL, is_last ? sweep->rules_count : 0,
                                    is_last ? sweep->indexed_sequence : 0);
        if (w->between) w->between(w->context);
    }
    return code;
}

static int write_passes(const struct writing *w)
{
    changes_order(w->sweep->rows, w->sweep->count, w->order);
    int code = write_dues(w, false);
    if (!code) code = write_rows(w);
    return code ? code : write_dues(w, true);
}

int sweep_write(struct index *index, const struct sweep *sweep, void (*between)(void *context), void *context)
{
    if (!sweep->count)
        return index->ops->apply(index, NULL, 0, sweep->rules, sweep->rules_count, sweep->indexed_sequence);
    struct writing w = {.index = index, .sweep = sweep, .between = between, .context = context};
    w.order = malloc(sweep->count * sizeof *w.order);
    w.dues = malloc(sweep->count * sizeof *w.dues);
    w.chunk = malloc(INDEXER_CHUNK * sizeof *w.chunk);
    int code = w.order && w.dues && w.chunk ? write_passes(&w) : INDEX_E_MEMORY;
    free(w.order);
    free(w.dues);
    free(w.chunk);
    return code;
}

/* --- the thread --------------------------------------------------------------------------------------------- */

static void rest(void *context)
{
    struct indexer *x = context;
    int64_t now_ns = clock_machine_ns(), took_ns = now_ns - x->woke_ns;
    int64_t until_ns = now_ns + (took_ns < REST_NS_MAX ? took_ns : REST_NS_MAX);
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_mutex_lock(&x->lock);
    while (!x->is_awaited && !x->is_ending &&
           pthread_cond_clockwait(&x->changed, &x->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT) {}
    pthread_mutex_unlock(&x->lock);
    x->woke_ns = clock_machine_ns();
}

static void work(struct indexer *x)
{
    pthread_mutex_unlock(&x->lock);
    if (x->sweep.places) places_prepare(x->sweep.places, x->sweep.subjects);
    x->woke_ns = clock_machine_ns();
    int code = sweep_write(x->index, &x->sweep, rest, x);
    pthread_mutex_lock(&x->lock);
    x->error = code;
    x->state = code ? INDEXER_FAILED : INDEXER_DONE;
    pthread_cond_broadcast(&x->changed);
    if (x->on_done) x->on_done(x->context);
}

static void *run(void *data)
{
    struct indexer *x = data;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* a courtesy: without it nothing is wrong */
    pthread_mutex_lock(&x->lock);
    while (x->state == INDEXER_WORKING || !x->is_ending) {
        if (x->state == INDEXER_WORKING)
            work(x);
        else
            pthread_cond_wait(&x->changed, &x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

struct indexer *indexer_new(struct index *index, void (*on_done)(void *context), void *context)
{
    struct indexer *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->index = index;
    x->on_done = on_done;
    x->context = context;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    if (pthread_create(&x->thread, NULL, run, x) == 0) {
        pthread_setname_np(x->thread, "handoffd-index");
        return x;
    }
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
    return NULL;
}

void indexer_free(struct indexer *x)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    x->is_ending = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
}

void indexer_begin(struct indexer *x, const struct sweep *sweep)
{
    pthread_mutex_lock(&x->lock);
    assert(x->state == INDEXER_IDLE);
    x->sweep = *sweep;
    x->state = INDEXER_WORKING;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

void indexer_again(struct indexer *x)
{
    pthread_mutex_lock(&x->lock);
    assert(x->state == INDEXER_FAILED);
    x->state = INDEXER_WORKING;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

enum indexer_state indexer_poll(struct indexer *x, int *ret_error)
{
    pthread_mutex_lock(&x->lock);
    enum indexer_state state = x->state;
    if (state == INDEXER_DONE) x->state = INDEXER_IDLE;
    if (state == INDEXER_FAILED) *ret_error = x->error;
    pthread_mutex_unlock(&x->lock);
    return state;
}

void indexer_hurry(struct indexer *x, bool is_awaited)
{
    pthread_mutex_lock(&x->lock);
    if (is_awaited && !x->is_awaited) pthread_cond_broadcast(&x->changed);
    x->is_awaited = is_awaited;
    pthread_mutex_unlock(&x->lock);
}

void indexer_wait(struct indexer *x)
{
    pthread_mutex_lock(&x->lock);
    x->is_awaited = true;
    pthread_cond_broadcast(&x->changed);
    while (x->state == INDEXER_WORKING) pthread_cond_wait(&x->changed, &x->lock);
    pthread_mutex_unlock(&x->lock);
}
