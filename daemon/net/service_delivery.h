/* How delivery names a connection, and the way back. */
#ifndef HANDOFF_NET_SERVICE_DELIVERY_H
#define HANDOFF_NET_SERVICE_DELIVERY_H

#include "net/inbox.h"

uint64_t service_connection(struct peer of);
struct peer service_peer(uint64_t connection);

#endif
