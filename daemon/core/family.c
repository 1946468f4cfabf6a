/* Which acts mean speaking with the patient or the family. After a death, or when all contact was declined, they are
 * withdrawn; what staff do among themselves or with agencies remains. */
#include "core/moment.h"

#define KIND(NAME) (UINT64_C(1) << HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME)

static const uint64_t with_family =
    KIND(OBTAIN_ROI) | KIND(RENEW_ROI) | KIND(CALL_FAMILY) | KIND(SHARE_RESOURCES) | KIND(EXPLAIN_LEVEL) |
    KIND(EXPLAIN_SCHEDULING) | KIND(EXPLAIN_DIAGNOSIS) | KIND(WARM_HANDOFF) | KIND(BARRIER_PLAN) |
    KIND(CONFIRM_TRANSPORT) | KIND(OUTREACH_NO_SHOW) | KIND(POST_DISCHARGE_CONTACT) | KIND(BOOK_FOLLOW_UP) |
    KIND(CONFIRM_CRISIS_NUMBERS) | KIND(BRIDGE_CHECK) | KIND(OFFER_ALTERNATES) | KIND(CARE_TEAM_MEETING) |
    KIND(HELP_NAVIGATE_SUPPORT) | KIND(ANSWER_QUESTION) | KIND(FIND_CONTACT) | KIND(RESCREEN) |
    KIND(CHECK_MA_ELIGIBILITY) | KIND(OUTPATIENT_ALONGSIDE);

bool family_is_asked(Handoff__V1__TaskKind kind)
{
    return kind < 64 && with_family >> kind & 1;
}
