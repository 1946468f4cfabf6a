/* See lane.h. Neighbours: courier.c carries, gather.c waits for what may go together. */
#include "notify/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "notify/front_daemon.h"
#include "notify/gather.h"
#include "notify/log.h"

enum { TURN_MS = 500, AGAIN_MS = 2000, REFUSED_AGAIN_MS = 10000, HELD_BACK_MS = 5000, WHOLE_SOON_MS = 2000 };

int64_t lane_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_stopping(const struct lane *lane)
{
    return atomic_load(lane->is_stopping);
}

/* --- what goes together -------------------------------------------------------------------------------------- */

struct round {
    struct lane *lane;
    struct courier courier;
    struct gather *gather;
    int64_t extended_ms; /* when what is gathered was last extended */
    bool is_held_back;   /* the signal; said once */
};

/* A sending may take a third of a lease; what waits behind it stays ours. */
static void extend_gathered(struct round *round)
{
    int64_t now_ms = lane_now_ms();
    if (now_ms - round->extended_ms < (int64_t)round->lane->config->lease_s * 1000 / 6) return;
    struct front *front = round->courier.front;
    for (size_t i = 0; i < gather_count(round->gather); i++) front->ops->extend(front, gather_number(round->gather, i));
    round->extended_ms = now_ms;
}

static void free_all(Handoff__V1__Delivery **members, size_t count)
{
    for (size_t i = 0; i < count; i++) handoff__v1__delivery__free_unpacked(members[i], NULL);
}

static void carry_gathered(struct round *round)
{
    Handoff__V1__Delivery *members[COURIER_MEMBERS_MOST];
    size_t count;
    while (!is_stopping(round->lane) && (count = gather_take(round->gather, members, COURIER_MEMBERS_MOST)) > 0) {
        extend_gathered(round);
        courier_carry(&round->courier, (const Handoff__V1__Delivery *const *)members, count);
        free_all(members, count);
        atomic_store(&round->lane->turned_ms, lane_now_ms());
    }
}

static void pause_ms(struct lane *lane, int64_t ms)
{
    const struct timespec slice = {.tv_nsec = 100 * 1000000};
    for (int64_t until_ms = lane_now_ms() + ms; !is_stopping(lane) && lane_now_ms() < until_ms;) {
        nanosleep(&slice, NULL);
        atomic_store(&lane->turned_ms, lane_now_ms());
    }
}

/* The signal says that all is well. While another lane carries nothing, it does not. */
static bool hold_back(struct round *round, const Handoff__V1__Delivery *delivery)
{
    struct front *front = round->courier.front;
    if (!round->lane->lane->is_unaddressed) return false;
    if (!atomic_load(round->lane->is_whole)) pause_ms(round->lane, WHOLE_SOON_MS); /* the others may be about to be */
    bool was_held_back = round->is_held_back;
    round->is_held_back = !atomic_load(round->lane->is_whole);
    if (!round->is_held_back) return false;
    if (!was_held_back) notify_log(NOTIFY_WARN, "the dead man's signal is held back: not every subscription is served");
    front->ops->nack(front, &(struct front_nack){.number = delivery->number,
                                                 .delay_ms = HELD_BACK_MS,
                                                 .is_unspent = true,
                                                 .reason = "not every subscription of this worker is served"});
    return true;
}

static void take_in(struct round *round, Handoff__V1__Delivery **delivery)
{
    if (hold_back(round, *delivery)) {
        handoff__v1__delivery__free_unpacked(*delivery, NULL);
        *delivery = NULL;
        return;
    }
    char key[COURIER_KEY_BYTES];
    bool is_kept = round->lane->lane->gathers && courier_gather_key(&round->courier, *delivery, key);
    if (is_kept && gather_count(round->gather) == 0) round->extended_ms = lane_now_ms();
    if (is_kept && gather_add(round->gather, key, delivery, lane_now_ms())) return;
    courier_carry(&round->courier, (const Handoff__V1__Delivery *const *)delivery, 1);
    handoff__v1__delivery__free_unpacked(*delivery, NULL);
    *delivery = NULL;
}

/* --- the loop ------------------------------------------------------------------------------------------------ */

static uint32_t wait_ms(const struct round *round)
{
    int64_t due_ms = gather_due_ms(round->gather), now_ms = lane_now_ms();
    if (due_ms <= now_ms) return 0;
    return due_ms - now_ms < TURN_MS ? (uint32_t)(due_ms - now_ms) : TURN_MS;
}

/* A daemon that goes away is waited for by whoever is within next(); here it is only said. */
static void note_served(struct lane *lane, bool is_served)
{
    if (atomic_exchange(&lane->is_served, is_served) == is_served) return;
    if (is_served)
        notify_log(NOTIFY_INFO, "serving %s again", lane->lane->name);
    else
        notify_log(NOTIFY_WARN, "%s is not served any more, and is waited for: no answer from %s", lane->lane->name,
                   lane->config->front);
}

static bool turn(struct round *round)
{
    struct front *front = round->courier.front;
    Handoff__V1__Delivery *delivery = NULL;
    int code = front->ops->next(front, wait_ms(round), &delivery);
    if (code == FRONT_REFUSED || code == FRONT_AWAY) return false;
    note_served(round->lane, front->ops->is_served(front));
    if (code == FRONT_OK) take_in(round, &delivery);
    if (gather_due_ms(round->gather) <= lane_now_ms()) carry_gathered(round);
    atomic_store(&round->lane->turned_ms, lane_now_ms());
    return true;
}

void lane_serve(struct lane *lane, struct front *front)
{
    int64_t lease_ms = (int64_t)lane->config->lease_s * 1000;
    struct round round = {.lane = lane,
                          .courier = {.config = lane->config,
                                      .lane = lane->lane,
                                      .ledger = lane->ledger,
                                      .front = front,
                                      .words = lane->words,
                                      .heartbeat = lane->ways.heartbeat},
                          .gather = gather_new(lane->config->gather_ms, lease_ms / 3)};
    memcpy(round.courier.channels, lane->ways.channels, sizeof round.courier.channels);
    if (!round.gather) {
        notify_log(NOTIFY_ERROR, "lane %s has no memory and waits", lane->lane->name);
        return;
    }
    while (!is_stopping(lane) && turn(&round)) {
    }
    gather_free(&round.gather); /* unsettled: closing the subscription gives them back */
    front->ops->flush(front);
}

void lane_run(struct lane *lane)
{
    char sentence[256], said[256] = "";
    while (!is_stopping(lane)) {
        struct front *front = NULL;
        atomic_store(&lane->turned_ms, lane_now_ms());
        int code = front_daemon_open(lane->config, lane->lane, sentence, sizeof sentence, &front);
        if (!code) {
            notify_log(NOTIFY_INFO, "serving %s", lane->lane->name);
            *said = 0;
            atomic_store(&lane->is_served, true);
            lane_serve(lane, front);
            atomic_store(&lane->is_served, false);
            front->ops->close(front);
        } else if (strcmp(said, sentence) != 0) {
            notify_log(NOTIFY_WARN, "%s is not served yet, and is tried again: %s", lane->lane->name, sentence);
            memcpy(said, sentence, sizeof said);
        }
        pause_ms(lane, code == FRONT_REFUSED ? REFUSED_AGAIN_MS : AGAIN_MS);
    }
}
