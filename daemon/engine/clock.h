/* Where time comes from: the system, a scaled system clock (N times as fast), or a manual clock that only commands
 * move. The only place of the daemon that asks for the time of day.
 *
 * Jumps (system clock). The real clock is compared with CLOCK_BOOTTIME, which nobody can set. When they part by more
 * than an hour, the clock is adrift: it goes on by the boot clock from where it was, so that one wrong setting cannot
 * push the journal's time years ahead, where it would have to stay. Forward, timers are held as well (is_held) until
 * a human accepts; backward they go on. A real clock that comes back to where it was expected ends both by itself. */
#ifndef HANDOFF_ENGINE_CLOCK_H
#define HANDOFF_ENGINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum clock_kind { CLOCK_KIND_SYSTEM, CLOCK_KIND_SCALED, CLOCK_KIND_MANUAL };

/* 2026-01-05T13:00:00Z, a Monday morning: where a manual clock begins unless told otherwise. */
#define CLOCK_MANUAL_START_MS INT64_C(1767618000000)
#define CLOCK_JUMP_MS INT64_C(3600000)
#define CLOCK_ABSENCE_MS (INT64_C(7) * 24 * 3600000)

/* Tests put their own here. */
struct clock_source {
    void *context;
    int64_t (*real_ms)(void *context);
    int64_t (*boot_ms)(void *context);
};

struct clock {
    enum clock_kind kind;
    double scale;              /* SCALED */
    int64_t base_ms;           /* SCALED: journal time at start; MANUAL: where it stands */
    int64_t started_mono_ms;   /* SCALED: the boot clock at start */
    int64_t last_real_ms, last_boot_ms; /* SYSTEM: the last answer, and the boot clock then */
    bool is_held;              /* timers wait until accepted */
    bool is_adrift;            /* goes on by the boot clock: the real one jumped */
    int64_t jump_ms;           /* how far it jumped, or how long nothing was written */
    const struct clock_source *source; /* NULL: the machine's clocks */
};

/* "system", "scaled:60", "manual"; -1: not one of them. */
int clock_parse(struct clock *c, const char *text);
/* start_ms: a manual or scaled clock's first time; 0: the usual (manual: CLOCK_MANUAL_START_MS, scaled: the real
 * time). The engine calls it when it opens a folder, with the time of the journal's last entry if there is one. */
void clock_start(struct clock *c, int64_t start_ms);
/* Journal time, as far as this clock knows; looks for jumps. */
int64_t clock_now_ms(struct clock *c);
/* The latest moment that it may be out there: while adrift the later of both clocks. For judging senders' times. */
int64_t clock_latest_ms(struct clock *c);
/* Across a restart: more than 7 days since the journal's last entry holds a system clock. */
void clock_resume(struct clock *c, int64_t last_entry_ms);
void clock_accept(struct clock *c);
/* A manual clock moves; never back. */
void clock_set_ms(struct clock *c, int64_t to_ms);
/* How long to wait on the real clock until journal time reaches at_ms; manual, or held: INT64_MAX. */
int64_t clock_wait_ms(struct clock *c, int64_t at_ms);
/* "system", "scaled", "manual": the folder's stamp. */
const char *clock_kind_name(enum clock_kind kind);

/* For measuring, never for deciding: the machine's monotonic clock. */
int64_t clock_machine_ns(void);

#endif
