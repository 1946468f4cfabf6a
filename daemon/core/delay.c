/* See delay.h. */
#include "core/delay.h"
#include "core/message.h"

static int64_t resolve_compressed(const struct delay *d, const struct calendar *c, const Handoff__V1__Episode *episode,
                                  int64_t base_ms)
{
    int64_t normal = delay_resolve(d->a, c, episode, base_ms);
    if (!episode) return normal;
    int64_t limit = *(const int64_t *)field_at(episode, d->field);
    if (limit <= base_ms) return normal;
    int64_t share = base_ms + (limit - base_ms) / d->amount;
    return share < normal ? share : normal;
}

static int64_t resolve_at(const struct calendar *c, int64_t when_ms, int64_t minute)
{
    int32_t day = calendar_local_day(c, when_ms);
    int64_t at = calendar_instant(c, day, (int32_t)minute);
    return at >= when_ms ? at : calendar_instant(c, day + 1, (int32_t)minute);
}

int64_t delay_resolve(const struct delay *d, const struct calendar *c, const Handoff__V1__Episode *episode,
                      int64_t base_ms)
{
    int64_t a, b;
    switch (d->op) {
    case DELAY_CLOCK: return base_ms + d->amount;
    case DELAY_DAYS: return calendar_add_days(c, base_ms, (int32_t)d->amount);
    case DELAY_BUSINESS_DAYS: return calendar_add_business_days(c, base_ms, (int32_t)d->amount);
    case DELAY_BUSINESS_MINUTES: return calendar_add_business_minutes(c, base_ms, d->amount);
    case DELAY_EARLIEST:
    case DELAY_LATEST:
        a = delay_resolve(d->a, c, episode, base_ms);
        b = delay_resolve(d->b, c, episode, base_ms);
        return (a < b) == (d->op == DELAY_EARLIEST) ? a : b;
    case DELAY_OPENING: return calendar_next_opening(c, delay_resolve(d->a, c, episode, base_ms));
    case DELAY_CLOSING: return calendar_closing(c, delay_resolve(d->a, c, episode, base_ms));
    case DELAY_AT: return resolve_at(c, delay_resolve(d->a, c, episode, base_ms), d->amount);
    case DELAY_MIDNIGHT:
        a = delay_resolve(d->a, c, episode, base_ms);
        return calendar_instant(c, calendar_local_day(c, a) + 1, 0);
    case DELAY_COMPRESSED: return resolve_compressed(d, c, episode, base_ms);
    }
    return base_ms;
}
