/* The committing thread. committer.h draws its states. */
#include "engine/committer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/clock.h"

struct committer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards work, is_ending; and the commit, by handing it over */
    pthread_cond_t changed;
    struct commit *work;  /* NULL: idle */
    atomic_bool is_done;
    bool is_ending;
    void (*on_done)(void *context);
    void *context;
};

void commit_now(struct commit *c)
{
    struct bytes blob = batch_seal(c->builder, c->totals, c->digest_before, c->digest);
    int64_t started_ns = clock_machine_ns();
    c->code = journal_append(c->journal, c->first_sequence - 1, c->first_sequence, c->count, blob);
    c->took_ns = clock_machine_ns() - started_ns;
}

static bool has_work(const struct committer *x)
{
    return x->work && !x->is_done;
}

static void work(struct committer *x)
{
    struct commit *c = x->work;
    pthread_mutex_unlock(&x->lock);
    commit_now(c);
    pthread_mutex_lock(&x->lock);
    x->is_done = true;
    pthread_mutex_unlock(&x->lock);
    pthread_cond_broadcast(&x->changed);
    if (x->on_done) x->on_done(x->context);
    pthread_mutex_lock(&x->lock);
}

static void *run(void *data)
{
    struct committer *x = data;
    pthread_mutex_lock(&x->lock);
    while (has_work(x) || !x->is_ending) {
        if (has_work(x))
            work(x);
        else
            pthread_cond_wait(&x->changed, &x->lock);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

struct committer *committer_new(void (*on_done)(void *context), void *context)
{
    struct committer *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->on_done = on_done;
    x->context = context;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    if (pthread_create(&x->thread, NULL, run, x) == 0) {
        pthread_setname_np(x->thread, "handoffd-commit");
        return x;
    }
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
    return NULL;
}

void committer_free(struct committer *x)
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

void committer_begin(struct committer *x, struct commit *c)
{
    pthread_mutex_lock(&x->lock);
    assert(!x->work);
    x->work = c;
    x->is_done = false;
    pthread_mutex_unlock(&x->lock);
    pthread_cond_broadcast(&x->changed);
}

bool committer_is_done(const struct committer *x)
{
    return x->is_done;
}

void committer_take(struct committer *x)
{
    pthread_mutex_lock(&x->lock);
    while (!x->is_done) pthread_cond_wait(&x->changed, &x->lock);
    x->work = NULL;
    x->is_done = false;
    pthread_mutex_unlock(&x->lock);
}
