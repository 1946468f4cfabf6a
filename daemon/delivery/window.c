/* The ring and the table of busy patients: see window.h. */
#include "delivery/window.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static_assert(WINDOW_KEYS >= 2 * (WINDOW_MAX + LEDGER_ASIDE_MAX), "the table of keys is never more than half full");

int window_open(struct window *ret_window)
{
    struct window w = {.ring = calloc(WINDOW_MAX, sizeof *w.ring), .keys = calloc(WINDOW_KEYS, sizeof *w.keys)};
    if (w.ring == NULL || w.keys == NULL) {
        window_close(&w);
        return -ENOMEM;
    }
    *ret_window = w;
    return 0;
}

void window_close(struct window *w)
{
    free(w->ring);
    free(w->keys);
    *w = (struct window){0};
}

void window_clear(struct window *w)
{
    w->first = w->ready_from = w->end;
    memset(w->keys, 0, WINDOW_KEYS * sizeof *w->keys);
    w->key_count = 0;
}

struct message *window_add(struct window *w, struct place at, const struct patient_key *key, int64_t now_ms)
{
    assert(!window_is_full(w));
    struct message *m = window_at(w, w->end++);
    *m = (struct message){.at = at, .key = *key, .ready_ms = now_ms};
    return m;
}

void window_trim(struct window *w)
{
    while (w->first < w->end && window_at(w, w->first)->state == MESSAGE_PAST)
        w->first++;
    if (w->ready_from < w->first) w->ready_from = w->first;
}

void window_give_back(struct window *w, uint64_t position)
{
    struct message *m = window_at(w, position);
    m->state = MESSAGE_READY;
    m->number = 0;
    if (position < w->ready_from) w->ready_from = position;
}

/* --- busy patients ------------------------------------------------------------------------------------------------ */
/* Keys are keyed hashes: any of their bytes are as good as a hash of them. */
static uint32_t home_of(const struct patient_key *key)
{
    uint32_t home;
    memcpy(&home, key->bytes, sizeof home);
    return home % WINDOW_KEYS;
}

static bool is_free(const struct busy_key *k) { return k->out == 0 && k->retries == 0; }

static uint32_t slot_of(const struct window *w, const struct patient_key *key)
{
    uint32_t at = home_of(key);
    while (!is_free(&w->keys[at]) && memcmp(&w->keys[at].key, key, sizeof *key) != 0)
        at = (at + 1) % WINDOW_KEYS;
    return at;
}

struct busy_key *window_busy(const struct window *w, const struct patient_key *key)
{
    struct busy_key *k = &w->keys[slot_of(w, key)];
    return is_free(k) ? NULL : k;
}

void window_add_busy(struct window *w, const struct patient_key *key, uint32_t out, uint32_t retries)
{
    if (out == 0 && retries == 0) return;
    struct busy_key *k = &w->keys[slot_of(w, key)];
    if (is_free(k)) {
        assert(w->key_count < WINDOW_KEYS / 2);
        *k = (struct busy_key){.key = *key};
        w->key_count++;
    }
    k->out += out;
    k->retries += retries;
}

/* Those behind a free place that would be looked for at or before it move up. */
static void close_gap(struct window *w, uint32_t gap)
{
    for (uint32_t at = (gap + 1) % WINDOW_KEYS; !is_free(&w->keys[at]); at = (at + 1) % WINDOW_KEYS) {
        uint32_t home = home_of(&w->keys[at].key);
        uint32_t from_home = (at + WINDOW_KEYS - home) % WINDOW_KEYS, from_gap = (at + WINDOW_KEYS - gap) % WINDOW_KEYS;
        if (from_home < from_gap) continue;
        w->keys[gap] = w->keys[at];
        w->keys[at] = (struct busy_key){0};
        gap = at;
    }
}

void window_end_busy(struct window *w, const struct patient_key *key, uint32_t out, uint32_t retries)
{
    if (out == 0 && retries == 0) return;
    uint32_t at = slot_of(w, key);
    struct busy_key *k = &w->keys[at];
    assert(k->out >= out && k->retries >= retries);
    k->out -= out;
    k->retries -= retries;
    if (!is_free(k)) return;
    w->key_count--;
    *k = (struct busy_key){0};
    close_gap(w, at);
}
