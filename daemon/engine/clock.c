/* The clock. clock.h says what it promises about jumps. */
#include "engine/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t machine_ns(clockid_t which)
{
    struct timespec at;
    int failed = clock_gettime(which, &at);
    assert(!failed);
    (void)failed;
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

int64_t clock_machine_ns(void)
{
    return machine_ns(CLOCK_MONOTONIC);
}

static int64_t real_ms(const struct clock *c)
{
    return c->source ? c->source->real_ms(c->source->context) : machine_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t boot_ms(const struct clock *c)
{
    return c->source ? c->source->boot_ms(c->source->context) : machine_ns(CLOCK_BOOTTIME) / 1000000;
}

int clock_parse(struct clock *c, const char *text)
{
    struct clock parsed = {.kind = CLOCK_KIND_SYSTEM, .scale = 1, .source = c->source};
    if (strcmp(text, "manual") == 0) {
        parsed.kind = CLOCK_KIND_MANUAL;
    } else if (strncmp(text, "scaled:", 7) == 0) {
        char *end = NULL;
        parsed.kind = CLOCK_KIND_SCALED;
        parsed.scale = strtod(text + 7, &end);
        if (end == text + 7 || *end || !(parsed.scale > 0 && parsed.scale <= 1e6)) return -1;
    } else if (strcmp(text, "system") != 0) {
        return -1;
    }
    *c = parsed;
    return 0;
}

void clock_start(struct clock *c, int64_t start_ms)
{
    c->last_real_ms = real_ms(c);
    c->last_boot_ms = boot_ms(c);
    c->started_mono_ms = c->last_boot_ms;
    c->is_held = c->is_adrift = false;
    c->jump_ms = 0;
    c->base_ms = start_ms;
    if (!start_ms) c->base_ms = c->kind == CLOCK_KIND_MANUAL ? CLOCK_MANUAL_START_MS : c->last_real_ms;
}

static int64_t drift_ms(const struct clock *c)
{
    return real_ms(c) - (c->last_real_ms + boot_ms(c) - c->last_boot_ms);
}

static int64_t system_now_ms(struct clock *c)
{
    int64_t boot = boot_ms(c), real = real_ms(c);
    int64_t expected = c->last_real_ms + (boot - c->last_boot_ms);
    int64_t jump = real - expected;
    bool has_jumped = jump > CLOCK_JUMP_MS || jump < -CLOCK_JUMP_MS;
    if (has_jumped) {
        if (jump > 0) c->is_held = true;
        c->is_adrift = true;
        c->jump_ms = jump;
    } else if (c->is_adrift) {
        c->is_adrift = c->is_held = false;
        c->jump_ms = 0;
    }
    c->last_real_ms = has_jumped ? expected : real;
    c->last_boot_ms = boot;
    return c->last_real_ms;
}

int64_t clock_now_ms(struct clock *c)
{
    switch (c->kind) {
    case CLOCK_KIND_SYSTEM:
        return system_now_ms(c);
    case CLOCK_KIND_SCALED:
        return c->base_ms + (int64_t)((double)(boot_ms(c) - c->started_mono_ms) * c->scale);
    case CLOCK_KIND_MANUAL:
        return c->base_ms;
    }
    abort();
}

int64_t clock_latest_ms(struct clock *c)
{
    int64_t now = clock_now_ms(c);
    int64_t ahead = c->kind == CLOCK_KIND_SYSTEM && c->is_adrift ? drift_ms(c) : 0;
    return ahead > 0 ? now + ahead : now;
}

void clock_resume(struct clock *c, int64_t last_entry_ms)
{
    if (c->kind != CLOCK_KIND_SYSTEM) return;
    int64_t absence_ms = clock_now_ms(c) - last_entry_ms;
    if (absence_ms <= CLOCK_ABSENCE_MS) return;
    c->is_held = true;
    c->jump_ms = absence_ms;
}

void clock_accept(struct clock *c)
{
    c->is_held = c->is_adrift = false;
    c->jump_ms = 0;
    c->last_real_ms = real_ms(c);
    c->last_boot_ms = boot_ms(c);
}

void clock_set_ms(struct clock *c, int64_t to_ms)
{
    assert(c->kind == CLOCK_KIND_MANUAL);
    if (to_ms > c->base_ms) c->base_ms = to_ms;
}

int64_t clock_wait_ms(struct clock *c, int64_t at_ms)
{
    if (c->kind == CLOCK_KIND_MANUAL || c->is_held || at_ms == INT64_MAX) return INT64_MAX;
    int64_t left_ms = at_ms - clock_now_ms(c);
    if (left_ms <= 0) return 0;
    if (c->kind == CLOCK_KIND_SYSTEM) return left_ms;
    return (int64_t)((double)left_ms / c->scale) + 1;
}

const char *clock_kind_name(enum clock_kind kind)
{
    switch (kind) {
    case CLOCK_KIND_SYSTEM:
        return "system";
    case CLOCK_KIND_SCALED:
        return "scaled";
    case CLOCK_KIND_MANUAL:
        return "manual";
    }
    abort();
}
