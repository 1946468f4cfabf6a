/* What the daemon is told about messages: message.sent and message.failed, on the patient's timeline. */
#ifndef HANDOFF_NOTIFY_REPORT_H
#define HANDOFF_NOTIFY_REPORT_H

#include "notify/front.h"
#include "notify/ledger.h"

/* One event for an outcome, under an id made of emission, addressee and outcome: telling it again changes nothing.
 * 0 when the daemon has it, or will never take it. */
int report_publish(struct front *front, const char *source, const Handoff__V1__Delivery *delivery,
                   const struct ledger_outcome *outcome);

#endif
