/* Says that Mary's mother left a message with intake: publish_event CALL TIME
 *
 * CALL is the phone system's own id of the call, TIME when it was, in milliseconds since 1970. As both stay what they
 * are the event can be published again, after a crash too, and counts once. */
#include <handoff.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    handoff_client *client = NULL;
    struct handoff_result result;
    Handoff__V1__ContactAttempted voicemail = HANDOFF__V1__CONTACT_ATTEMPTED__INIT;
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    if (argc != 3) return 2;
    voicemail.caller = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    voicemail.callee = HANDOFF__V1__PARTY__PARTY_AGENCY;
    voicemail.purpose = HANDOFF__V1__CONTACT_PURPOSE__CONTACT_PURPOSE_INTAKE;
    voicemail.outcome = HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL;
    event.source = "phone-system";
    event.id = argv[1];
    event.patient_id = "mary";
    event.occurred_at_ms = atoll(argv[2]);
    event.body_case = HANDOFF__V1__EVENT__BODY_CONTACT_ATTEMPTED;
    event.contact_attempted = &voicemail;

    const struct handoff_options options = {.front = getenv("HANDOFF_FRONT")};
    int error = handoff_open(&options, &client);
    if (!error) error = handoff_publish(client, &event, 1, &result); /* repeats until it is answered */
    handoff_close(&client);
    if (error) return fprintf(stderr, "%s\n", handoff_error(error)), 1;
    if (!handoff_is_accepted(&result)) return fprintf(stderr, "refused: %s\n", result.sentence), 1;
    return printf("accepted as %llu\n", (unsigned long long)result.sequence) < 0;
}
