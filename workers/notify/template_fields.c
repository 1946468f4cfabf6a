/* What each kind of message may say: the minimum necessary, as a table. A template that uses another field does not
 * load.
 *
 * Mail travels and rests in clear on other people's machines, and a subject shows on a locked telephone. So
 *   - nothing to a family names a diagnosis, a level of care, an agency, a pathway, a task or a patient: there are no
 *     fields for them. What may be left where others hear it (MessageContent) chooses between the two kinds of
 * reminder.
 *   - nothing to an outside recipient has content: that there is something, on what ground (the consent's id), and the
 *     notice that forbids redisclosure. The content goes by the ways that the agency and the program have agreed on.
 *   - staff read ids, the kind of work, its due time, and the pathway's sentence why. There is no patient's name, and
 * the patient's id and the sentence are not in subjects. A site whose mail leaves its own servers takes {patient} and
 *     {reason} out of its templates; the ids of task and escalation are enough to find both. */
#include "notify/template_parts.h"

#include "handoff/v1/api.pb-c.h"

#define BIT(field)  (1u << FIELD_##field)
#define LIST        (BIT(COUNT) | BIT(ITEMS))
#define WHEN        (BIT(DAY) | BIT(TIME))
#define CALLER      (BIT(SITE) | BIT(NUMBER))
#define WORK        (BIT(TASK) | BIT(TASK_ID) | BIT(PATIENT) | BIT(ABOUT) | BIT(SEVERITY) | WHEN)
#define CLIMBS      (BIT(ESCALATION_ID) | BIT(CHANGE) | BIT(ROLE) | BIT(NEXT))
#define STAFF_TITLE (BIT(SITE) | BIT(TASK) | BIT(SEVERITY) | BIT(CHANGE) | BIT(ESCALATION_ID) | BIT(TASK_ID) | WHEN)
#define ESCALATES   (BIT(SITE) | WORK | CLIMBS | BIT(REASON) | BIT(REFERENCE) | LIST)

const struct kind_fields kind_fields[TEMPLATE_KINDS] = {
    [TEMPLATE_REMINDER_NUMBER] = {"reminder-number", BIT(SITE), CALLER, 0},
    [TEMPLATE_REMINDER_DETAILS] = {"reminder-details", BIT(SITE), CALLER | WHEN, 0},
    [TEMPLATE_REMINDER_SEVERAL] = {"reminder-several", BIT(SITE), CALLER | LIST, WHEN},
    [TEMPLATE_NOTICE] = {"notice", STAFF_TITLE,
                         BIT(SITE) | WORK | BIT(CHANGE) | BIT(ROLE) | BIT(REASON) | BIT(REFERENCE), 0},
    [TEMPLATE_DIGEST] = {"digest", BIT(SITE) | BIT(COUNT) | BIT(SEVERITY), BIT(SITE) | BIT(SEVERITY) | LIST, WORK | CLIMBS | BIT(REASON)},
    [TEMPLATE_HANDOVER] = {"handover", BIT(SITE) | BIT(COUNT),
                           BIT(SITE) | LIST | BIT(TASK_ID) | BIT(REASON) | BIT(REFERENCE), WORK},
    [TEMPLATE_ESCALATION] = {"escalation", STAFF_TITLE, ESCALATES, WORK},
    [TEMPLATE_EMERGENT] = {"emergent", STAFF_TITLE, ESCALATES, WORK},
    [TEMPLATE_STATUS] = {"status", BIT(SITE), CALLER | BIT(REFERENCE) | BIT(CONSENT) | BIT(NOTICE), 0},
    [TEMPLATE_ALERT] = {"alert", BIT(SITE), BIT(SITE) | WHEN | BIT(REASON) | BIT(REFERENCE), 0},
    [TEMPLATE_HEARTBEAT] = {"heartbeat", BIT(SITE), BIT(SITE) | WHEN | BIT(REFERENCE), 0},
    [TEMPLATE_TEST] = {"test", BIT(SITE), CALLER | WHEN, 0},
};

const char *const field_names[FIELDS] = {
    [FIELD_SITE] = "site",       [FIELD_NUMBER] = "number",
    [FIELD_DAY] = "day",         [FIELD_TIME] = "time",
    [FIELD_COUNT] = "count",     [FIELD_ITEMS] = "items",
    [FIELD_PATIENT] = "patient", [FIELD_TASK] = "task",
    [FIELD_TASK_ID] = "task-id", [FIELD_SEVERITY] = "severity",
    [FIELD_ROLE] = "role",       [FIELD_REASON] = "reason",
    [FIELD_CHANGE] = "change",   [FIELD_ESCALATION_ID] = "escalation-id",
    [FIELD_NEXT] = "next",       [FIELD_REFERENCE] = "reference",
    [FIELD_CONSENT] = "consent", [FIELD_NOTICE] = "notice",
    [FIELD_ABOUT] = "about",
};
static_assert(FIELDS <= 32, "a bit for each field");

const char *const date_field_names[DATE_FIELDS] = {
    [DATE_WEEKDAY] = "weekday", [DATE_MONTH] = "month",   [DATE_DAY] = "day",       [DATE_YEAR] = "year",
    [TIME_HOUR] = "hour",       [TIME_HOUR12] = "hour12", [TIME_MINUTE] = "minute", [TIME_HALF] = "half",
};

const char *const word_groups[WORDS_GROUPS] = {
    [WORDS_SEVERITY] = "severity",     [WORDS_ROLE] = "role", [WORDS_TASK] = "task", [WORDS_CHANGE] = "change",
    [WORDS_ESCALATION] = "escalation",
};
const ProtobufCEnumDescriptor *const word_enums[WORDS_GROUPS] = {
    [WORDS_SEVERITY] = &handoff__v1__severity__descriptor,
    [WORDS_ROLE] = &handoff__v1__role__descriptor,
    [WORDS_TASK] = &handoff__v1__task_kind__descriptor,
    [WORDS_CHANGE] = &handoff__v1__task_change__descriptor,
    [WORDS_ESCALATION] = &handoff__v1__escalation_change__descriptor,
};

const char *template_kind_name(enum template_kind kind)
{
    return kind_fields[kind].name;
}
