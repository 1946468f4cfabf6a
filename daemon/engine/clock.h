/* Where time comes from: the system, a scaled system clock (N times as fast), or a manual clock that only commands
 * move. The only place of the daemon that asks for the time of day. */
#ifndef HANDOFF_ENGINE_CLOCK_H
#define HANDOFF_ENGINE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum clock_kind { CLOCK_KIND_SYSTEM, CLOCK_KIND_SCALED, CLOCK_KIND_MANUAL };

struct clock {
    enum clock_kind kind;
    double scale;              /* SCALED */
    int64_t base_ms;           /* SCALED: journal time at start; MANUAL: where it stands */
    int64_t started_mono_ms;
    int64_t last_real_ms, last_boot_ms; /* SYSTEM: for jumps */
    bool is_held;              /* a jump was seen: timers wait until accepted */
    int64_t jump_ms;
};

/* "system", "scaled:60", "manual"; -1: not one of them. start_ms: a manual or scaled clock's first time. */
int clock_parse(struct clock *c, const char *text);
void clock_start(struct clock *c, int64_t start_ms);
/* Journal time; looks for jumps (forward by more than an hour against CLOCK_BOOTTIME holds the clock). */
int64_t clock_now_ms(struct clock *c);
/* Across a restart: more than 7 days since the journal's last entry holds a system clock. */
void clock_resume(struct clock *c, int64_t last_entry_ms);
void clock_accept(struct clock *c);
/* How long to wait on the real clock until journal time reaches at_ms; manual: INT64_MAX. */
int64_t clock_wait_ms(struct clock *c, int64_t at_ms);
/* "system", "scaled", "manual": the folder's stamp. */
const char *clock_kind_name(enum clock_kind kind);

#endif
