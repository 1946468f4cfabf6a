/* What becomes of one message: the order of intent, sending, result, news to the daemon and acknowledgement, so that
 * each step can be repeated after a crash without being seen twice.
 *
 *   claim - standing? -- done ----------------------------------------> tell sent ---- ack
 *              |  '----- in doubt, to a family ------------------------> tell unknown - ack
 *              '- else: for each permitted address with a channel
 *                   intent -> send -> result -- DONE ------------------> tell sent ---- ack
 *                                          |--- UNKNOWN, to a family --> tell unknown - ack
 *                                          |--- UNKNOWN, else, LATER --> nack: the gate is asked again before the next
 *                                          |      (the last attempt: tell failed, or unknown; dead letter)
 *                                          '--- NEVER: the next address; none left: tell failed, dead letter
 *
 * An emergent notice to staff goes on to the next address after LATER too. Several deliveries may go as one letter;
 * each is settled on its own. Refuses to wait, to choose an address that the gate did not permit, and to repeat a
 * sending by itself. */
#ifndef HANDOFF_NOTIFY_COURIER_H
#define HANDOFF_NOTIFY_COURIER_H

#include "notify/channel.h"
#include "notify/config.h"
#include "notify/front.h"
#include "notify/ledger.h"
#include "notify/letter.h"

enum { COURIER_CHANNELS = 8, COURIER_KEY_BYTES = 512, COURIER_MEMBERS_MOST = 200 };

struct courier {
    const struct notify_config *config;
    const struct lane_config *lane;
    struct ledger *ledger;
    struct front *front;
    struct words words;
    struct channel *channels[COURIER_CHANNELS]; /* by Handoff__V1__Channel; NULL: not configured */
    struct channel *heartbeat;                  /* NULL: none */
};

/* Carries the deliveries as one letter; all were given the same key, or there is one. Settles each, or leaves it to the
 * end of its lease when the daemon does not answer. */
void courier_carry(struct courier *courier, const Handoff__V1__Delivery *const *members, size_t count);

/* What may go as one letter has the same key; false: it goes alone and at once. */
bool courier_gather_key(struct courier *courier, const Handoff__V1__Delivery *delivery, char key[COURIER_KEY_BYTES]);

#endif
