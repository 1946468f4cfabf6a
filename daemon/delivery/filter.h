/* Which emissions a subscription wants: its filter, compiled, so that most are told from a few bits. */
#ifndef HANDOFF_DELIVERY_FILTER_H
#define HANDOFF_DELIVERY_FILTER_H

#include <stdbool.h>
#include "handoff/v1/delivery.pb-c.h"

struct filter {
    Handoff__V1__Stream stream;
    uint32_t streams;        /* bit set 1 << Stream: that one, and which else */
    uint32_t severities;     /* bit set 1 << Severity; 0: any */
    uint32_t roles;          /* bit set 1 << Role; 0: any */
    uint64_t kinds[2];       /* bit set of what the stream's emissions name; both 0: any */
    bool wants_reminders;    /* stream task: `reminder` is among the kinds */
    bool has_kinds;
    Handoff__V1__Party party;
    const char *recipient_id; /* in the settings; "" any */
    const char *site;         /* in the settings; "" any */
};

/* The settings must outlive it. NULL, or a sentence that says what is wrong, with the field's dotted name. */
const char *filter_compile(const Handoff__V1__SubscriptionSettings *settings, struct filter *ret_filter,
                           const char **ret_field);
/* All but the site, which is its caller's to know. */
bool filter_takes(const struct filter *filter, const Handoff__V1__Emission *emission);
/* The word for an emission's kind, as the filter knows it. */
const char *filter_kind(const Handoff__V1__Emission *emission, char ret_word[64]);

#endif
