/* The configured sites as journaled rules: what decides must be in the journal, people and time zone included. */
#ifndef HANDOFF_OPS_SITE_MESSAGE_H
#define HANDOFF_OPS_SITE_MESSAGE_H

#include "base/arena.h"
#include "handoff/v1/rules.pb-c.h"
#include "ops/config.h"

/* One message a site, the first as the default. Everything lives in the arena, and nothing of it points into config. */
Handoff__V1__Site **site_messages(const struct config *config, struct arena *arena);

#endif
