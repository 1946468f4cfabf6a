/* See readiness.h. */
#include "ops/readiness.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

struct condition {
    char name[READINESS_NAME_BYTES];
    char sentence[READINESS_SENTENCE_BYTES];
    bool is_failing, is_noted;
};

struct readiness {
    pthread_mutex_t lock;
    size_t count;
    struct condition conditions[READINESS_CONDITIONS];
};

struct readiness *readiness_new(void)
{
    struct readiness *r = calloc(1, sizeof *r);
    if (r) pthread_mutex_init(&r->lock, NULL);
    return r;
}

void readiness_free(struct readiness *r)
{
    if (!r) return;
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static struct condition *find(struct readiness *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->conditions[i].name, name) == 0) return &r->conditions[i];
    assert(r->count < READINESS_CONDITIONS && strlen(name) < READINESS_NAME_BYTES);
    struct condition *added = &r->conditions[r->count++];
    snprintf(added->name, sizeof added->name, "%s", name);
    return added;
}

static void set(struct readiness *r, const char *name, const char *sentence, bool is_failing)
{
    pthread_mutex_lock(&r->lock);
    struct condition *c = find(r, name);
    c->is_failing = is_failing;
    c->is_noted = !is_failing && sentence;
    if (sentence) snprintf(c->sentence, sizeof c->sentence, "%s", sentence);
    pthread_mutex_unlock(&r->lock);
}

void readiness_fail(struct readiness *r, const char *name, const char *sentence)
{
    set(r, name, sentence, true);
}

void readiness_pass(struct readiness *r, const char *name)
{
    set(r, name, NULL, false);
}

void readiness_note(struct readiness *r, const char *name, const char *sentence)
{
    set(r, name, sentence, false);
}

static size_t write_condition(const struct condition *c, char *text, size_t len)
{
    return len + (size_t)snprintf(text + len, READINESS_TEXT_BYTES - len, "%s: %s\n", c->name, c->sentence);
}

bool readiness_text(struct readiness *r, char ret_text[READINESS_TEXT_BYTES])
{
    size_t len = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->count; i++)
        if (r->conditions[i].is_failing) len = write_condition(&r->conditions[i], ret_text, len);
    bool is_ready = len == 0;
    if (is_ready) len = (size_t)snprintf(ret_text, READINESS_TEXT_BYTES, "ready\n");
    for (size_t i = 0; i < r->count; i++)
        if (r->conditions[i].is_noted) len = write_condition(&r->conditions[i], ret_text, len);
    pthread_mutex_unlock(&r->lock);
    return is_ready;
}

bool readiness_is_ready(struct readiness *r)
{
    char text[READINESS_TEXT_BYTES];
    return readiness_text(r, text);
}
