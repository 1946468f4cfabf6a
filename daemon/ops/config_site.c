/* See config_site.h. What makes a site unable to tell anybody is refused here, at start, not found out at night:
 * no on-call who can be reached, hours that never open, a supervisor who does not exist or who is in a circle. */
#include "ops/config_site.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

const char *const config_role_names[] = {"coordinator", "supervisor", "director",  "on-call",    "compliance",
                                         "pcp",         "bh-team",    "clinician", "prescriber", NULL};
const char *const config_channel_names[] = {"phone", "sms", "email", "webhook", NULL};

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};

enum { MAX_TEXT = 256 };

bool config_expect_list(struct yaml_node node, size_t max, struct yaml_errors *errors)
{
    if (yaml_is_null(node)) return true;
    if (!yaml_expect_kind(node, YAML_SEQUENCE, errors)) return false;
    if (yaml_size(node) <= max) return true;
    yaml_error_add(errors, node, "this list has %zu entries; %zu are allowed", yaml_size(node), max);
    return false;
}

static const char *read_text(struct config *config, struct yaml_node node, struct yaml_errors *errors)
{
    const char *text;
    if (!yaml_is_present(node) || !yaml_read_string(node, MAX_TEXT, &text, errors)) return "";
    for (const char *c = text; *c; c++) {
        if (!iscntrl((unsigned char)*c)) continue;
        yaml_error_add(errors, node, "this text holds a control character");
        return "";
    }
    return arena_string(config->arena, text);
}

const char *config_read_id(struct config *config, struct yaml_node node, struct yaml_errors *errors)
{
    const char *text = read_text(config, node, errors);
    size_t len = strlen(text);
    bool is_id = len <= LIMIT_ID_BYTES;
    for (size_t i = 0; i < len; i++) is_id &= isalnum((unsigned char)text[i]) || strchr("._@-", text[i]);
    if (!is_id) yaml_error_add(errors, node, "\"%.64s\" is not an id: letters, digits and . _ @ - only", text);
    return is_id ? text : "";
}

/* --- hours ----------------------------------------------------------------------------------------------- */

/* hh:mm, up to 24:00. */
static bool take_minute(const char **text, uint16_t *ret_minute)
{
    const char *t = *text;
    for (size_t i = 0; i < 5; i++)
        if (i == 2 ? t[i] != ':' : !isdigit((unsigned char)t[i])) return false;
    int hours = (t[0] - '0') * 10 + t[1] - '0', minutes = (t[3] - '0') * 10 + t[4] - '0';
    if (minutes > 59 || hours * 60 + minutes > 1440) return false;
    *ret_minute = (uint16_t)(hours * 60 + minutes);
    *text += 5;
    return true;
}

static bool parse_opening(const char *text, struct opening *ret)
{
    struct opening o;
    if (!take_minute(&text, &o.open_minute) || *text++ != '-' || !take_minute(&text, &o.close_minute) || *text)
        return false;
    *ret = o;
    return o.open_minute < o.close_minute;
}

struct day_hours {
    struct opening stretch[CALENDAR_OPENINGS_PER_DAY];
    size_t count;
};

static void read_opening(struct day_hours *day, struct yaml_node node, struct yaml_errors *errors)
{
    struct opening o;
    if (!yaml_expect_kind(node, YAML_SCALAR, errors)) return;
    if (!parse_opening(yaml_text(node), &o))
        yaml_error_add(errors, node, "\"%.64s\" is not a stretch of hours such as 08:00-17:00", yaml_text(node));
    else if (day->count == CALENDAR_OPENINGS_PER_DAY)
        yaml_error_add(errors, node, "a day has at most %d stretches of hours", CALENDAR_OPENINGS_PER_DAY);
    else if (day->count && o.open_minute < day->stretch[day->count - 1].close_minute)
        yaml_error_add(errors, node, "%s begins before the stretch in front of it ends", yaml_text(node));
    else
        day->stretch[day->count++] = o;
}

static struct day_hours read_day(struct yaml_node node, struct yaml_errors *errors)
{
    struct day_hours day = {0};
    const char *text = yaml_text(node);
    if (text && strcmp(text, "closed") == 0) return day;
    if (yaml_kind(node) != YAML_SEQUENCE) {
        read_opening(&day, node, errors);
        return day;
    }
    for (size_t i = 0; i < yaml_size(node); i++) read_opening(&day, yaml_item(node, i), errors);
    return day;
}

static int find_day(const char *text, size_t len)
{
    for (int i = 0; i < 7; i++)
        if (len == 3 && strncmp(text, day_names[i], 3) == 0) return i;
    return -1;
}

/* "wed" or "mon-fri" */
static bool parse_days(const char *text, int *ret_first, int *ret_last)
{
    size_t len = strcspn(text, "-");
    *ret_first = find_day(text, len);
    *ret_last = text[len] ? find_day(text + len + 1, strlen(text + len + 1)) : *ret_first;
    return *ret_first >= 0 && *ret_last >= *ret_first;
}

static void read_days(struct opening week[7][CALENDAR_OPENINGS_PER_DAY], bool is_given[7], struct yaml_node key,
                      struct yaml_node value, struct yaml_errors *errors)
{
    int first, last;
    if (!parse_days(yaml_text(key), &first, &last)) {
        yaml_error_add(errors, key, "\"%.64s\" is neither a day (mon to sun) nor a range such as mon-fri",
                       yaml_text(key));
        return;
    }
    struct day_hours day = read_day(value, errors);
    for (int i = first; i <= last; i++) {
        if (is_given[i]) yaml_error_add(errors, key, "the hours of %s are given twice", day_names[i]);
        is_given[i] = true;
        memcpy(week[i], day.stretch, sizeof week[i]);
    }
}

/* A day that is not named is closed. */
static void read_hours(struct opening week[7][CALENDAR_OPENINGS_PER_DAY], struct yaml_node node,
                       struct yaml_errors *errors)
{
    bool is_given[7] = {false}, is_ever_open = false;
    size_t errors_before = errors->count;
    if (!yaml_expect_kind(node, YAML_MAPPING, errors)) return;
    for (size_t i = 0; i < yaml_size(node); i++)
        read_days(week, is_given, yaml_key(node, i), yaml_value(node, i), errors);
    for (size_t i = 0; i < 7; i++) is_ever_open |= week[i][0].close_minute > 0;
    if (!is_ever_open && errors->count == errors_before)
        yaml_error_add(errors, node, "these hours never open: a due time in business days would never come");
}

static void print_hours(FILE *to, const struct opening week[7][CALENDAR_OPENINGS_PER_DAY], const char *indent)
{
    for (size_t day = 0; day < 7; day++) {
        const char *separator = "";
        fprintf(to, "%s%s: [", indent, day_names[day]);
        for (size_t i = 0; i < CALENDAR_OPENINGS_PER_DAY && week[day][i].close_minute; i++) {
            struct opening o = week[day][i];
            fprintf(to, "%s\"%02d:%02d-%02d:%02d\"", separator, o.open_minute / 60, o.open_minute % 60,
                    o.close_minute / 60, o.close_minute % 60);
            separator = ", ";
        }
        fputs("]\n", to);
    }
}

/* --- holidays -------------------------------------------------------------------------------------------- */

static bool parse_date(const char *text, uint32_t *ret_yyyymmdd)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 10; i++) {
        bool is_dash = i == 4 || i == 7;
        if (is_dash ? text[i] != '-' : !isdigit((unsigned char)text[i])) return false;
        if (!is_dash) value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *ret_yyyymmdd = value;
    return !text[10] && date_is_valid(value);
}

static int by_date(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static bool is_among(const uint32_t dates[], size_t count, uint32_t date)
{
    for (size_t i = 0; i < count; i++)
        if (dates[i] == date) return true;
    return false;
}

static void read_holidays(struct config *config, struct site_config *site, struct yaml_node node,
                          struct yaml_errors *errors)
{
    if (!config_expect_list(node, CONFIG_MAX_HOLIDAYS, errors)) return;
    site->holidays = ARENA_ARRAY(config->arena, uint32_t, yaml_size(node));
    for (size_t i = 0; i < yaml_size(node); i++) {
        struct yaml_node item = yaml_item(node, i);
        uint32_t date;
        if (!yaml_expect_kind(item, YAML_SCALAR, errors)) continue;
        if (!parse_date(yaml_text(item), &date))
            yaml_error_add(errors, item, "\"%.64s\" is not a date such as 2026-12-25", yaml_text(item));
        else if (is_among(site->holidays, site->holiday_count, date))
            yaml_error_add(errors, item, "the holiday %s is listed twice", yaml_text(item));
        else
            site->holidays[site->holiday_count++] = date;
    }
    qsort(site->holidays, site->holiday_count, sizeof *site->holidays, by_date);
}

/* --- people ---------------------------------------------------------------------------------------------- */

static void read_roles(struct config *config, struct person_config *person, struct yaml_node node,
                       struct yaml_errors *errors)
{
    size_t max = sizeof config_role_names / sizeof *config_role_names - 1, index;
    if (!config_expect_list(node, max, errors)) return;
    person->roles = ARENA_ARRAY(config->arena, const char *, yaml_size(node));
    for (size_t i = 0; i < yaml_size(node); i++)
        if (yaml_read_name(yaml_item(node, i), "role", config_role_names, &index, errors))
            person->roles[person->role_count++] = config_role_names[index];
}

static bool is_address(const char *channel, const char *address)
{
    if (strcmp(channel, "email") == 0) return strchr(address, '@') != NULL && !strchr(address, ' ');
    if (strcmp(channel, "webhook") == 0)
        return strncmp(address, "https://", 8) == 0 || strncmp(address, "http://", 7) == 0;
    return address[strspn(address, "+0123456789 ().-")] == 0 && strpbrk(address, "0123456789");
}

static void read_channels(struct config *config, struct person_config *person, struct yaml_node node,
                          struct yaml_errors *errors)
{
    if (yaml_is_null(node) || !yaml_expect_keys(node, config_channel_names, errors)) return;
    person->channels = ARENA_ARRAY(config->arena, struct channel_config, yaml_size(node));
    for (size_t i = 0; i < yaml_size(node); i++) {
        struct channel_config channel = {yaml_text(yaml_key(node, i)), read_text(config, yaml_value(node, i), errors)};
        channel.channel = arena_string(config->arena, channel.channel);
        if (*channel.address && !is_address(channel.channel, channel.address))
            yaml_error_add(errors, yaml_value(node, i), "\"%.64s\" is not an address for %s", channel.address,
                           channel.channel);
        person->channels[person->channel_count++] = channel;
    }
}

static void read_person(struct config *config, struct person_config *person, struct yaml_node node,
                        struct yaml_errors *errors)
{
    static const char *const keys[] = {"id", "roles", "supervisor", "channels", "hours", "queue", NULL};
    *person = (struct person_config){.id = "", .supervisor = ""};
    if (!yaml_expect_kind(node, YAML_MAPPING, errors)) return;
    yaml_expect_keys(node, keys, errors);
    person->id = config_read_id(config, yaml_require(node, "id", errors), errors);
    person->supervisor = config_read_id(config, yaml_get(node, "supervisor"), errors);
    read_roles(config, person, yaml_get(node, "roles"), errors);
    read_channels(config, person, yaml_get(node, "channels"), errors);
    if (yaml_is_present(yaml_get(node, "queue"))) yaml_read_bool(yaml_get(node, "queue"), &person->is_queue, errors);
    person->has_hours = yaml_is_present(yaml_get(node, "hours"));
    if (person->has_hours) read_hours(person->hours, yaml_get(node, "hours"), errors);
}

static const struct person_config *find_person(const struct site_config *site, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(site->people[i].id, id) == 0) return &site->people[i];
    return NULL;
}

/* A way up has at most as many steps as there are people; longer ones go in a circle. */
static bool is_in_circle(const struct site_config *site, const struct person_config *person)
{
    for (size_t i = 0; person && *person->supervisor; i++) {
        if (i > site->people_count) return true;
        person = find_person(site, site->people_count, person->supervisor);
    }
    return false;
}

static void check_person(const struct site_config *site, size_t i, struct yaml_node node, struct yaml_errors *errors)
{
    const struct person_config *person = &site->people[i];
    struct yaml_node supervisor = yaml_get(node, "supervisor");
    if (*person->id && find_person(site, i, person->id))
        yaml_error_add(errors, yaml_get(node, "id"), "the id %s is given twice at this site", person->id);
    if (*person->supervisor && !find_person(site, site->people_count, person->supervisor))
        yaml_error_add(errors, supervisor, "the supervisor %s is not among the people of this site",
                       person->supervisor);
    else if (is_in_circle(site, person))
        yaml_error_add(errors, supervisor, "the supervisors above %s lead in a circle", person->id);
}

static bool has_role(const struct person_config *person, const char *role)
{
    for (size_t i = 0; i < person->role_count; i++)
        if (strcmp(person->roles[i], role) == 0) return true;
    return false;
}

static bool is_superior(const struct site_config *site, const struct person_config *person)
{
    for (size_t i = 0; i < site->people_count; i++)
        if (*person->id && strcmp(site->people[i].supervisor, person->id) == 0) return true;
    return false;
}

/* What is asked or climbs must arrive: whoever may hold it can be told. Somebody without a role, whom an absence names as
 * delegate, is passed over (core/roster.c). */
static void check_reach(const struct site_config *site, const struct person_config *person, struct yaml_node node,
                        struct yaml_errors *errors)
{
    static const char nobody[] = "has no phone, sms, email or webhook: what climbs to";
    if (person->channel_count) return;
    if (person->role_count)
        yaml_error_add(errors, node, "%s, with the role %s, %s %s would reach nobody", person->id, person->roles[0], nobody,
                       person->id);
    else if (person->is_queue)
        yaml_error_add(errors, node, "%s, the queue, %s %s would reach nobody", person->id, nobody, person->id);
    else if (is_superior(site, person))
        yaml_error_add(errors, node, "%s, who is somebody's supervisor, %s %s would reach nobody", person->id, nobody,
                       person->id);
}

static void check_people(const struct site_config *site, struct yaml_node node, struct yaml_node people,
                         struct yaml_errors *errors)
{
    size_t reachable = 0, queues = 0;
    for (size_t i = 0; i < site->people_count; i++) {
        check_person(site, i, yaml_item(people, i), errors);
        check_reach(site, &site->people[i], yaml_item(people, i), errors);
        reachable += has_role(&site->people[i], "on-call") && site->people[i].channel_count > 0;
        queues += site->people[i].is_queue;
    }
    if (!reachable)
        yaml_error_add(errors, node,
                       "no on-call configured for site %s: one of its people needs the role on-call and a phone, sms, "
                       "email or webhook, else nobody hears of an emergency at night",
                       site->name);
    if (queues > 1) yaml_error_add(errors, people, "site %s has %zu queues; one at most", site->name, queues);
}

static void read_people(struct config *config, struct site_config *site, struct yaml_node node,
                        struct yaml_errors *errors)
{
    struct yaml_node people = yaml_get(node, "people");
    size_t errors_before = errors->count;
    if (!config_expect_list(people, CONFIG_MAX_PEOPLE, errors)) return;
    site->people_count = yaml_size(people);
    site->people = ARENA_ARRAY(config->arena, struct person_config, site->people_count);
    for (size_t i = 0; i < site->people_count; i++)
        read_person(config, &site->people[i], yaml_item(people, i), errors);
    if (errors->count == errors_before) check_people(site, node, people, errors);
}

/* --- sites ----------------------------------------------------------------------------------------------- */

static void read_zone(struct config *config, struct site_config *site, struct yaml_node node,
                      struct yaml_errors *errors)
{
    site->time_zone = read_text(config, node, errors);
    if (!*site->time_zone) return;
    int result = zone_load(NULL, site->time_zone, &site->zone);
    if (result < 0) yaml_error_add(errors, node, "\"%.64s\": %s", site->time_zone, zone_error(result));
}

static void read_site(struct config *config, struct site_config *site, struct yaml_node node,
                      struct yaml_errors *errors)
{
    static const char *const keys[] = {"name", "time_zone", "hours", "holidays", "people", "sources", NULL};
    site->name = site->time_zone = "";
    if (!yaml_expect_kind(node, YAML_MAPPING, errors)) return;
    yaml_expect_keys(node, keys, errors);
    site->name = config_read_id(config, yaml_require(node, "name", errors), errors);
    read_zone(config, site, yaml_require(node, "time_zone", errors), errors);
    struct yaml_node hours = yaml_require(node, "hours", errors);
    if (yaml_is_present(hours)) read_hours(site->hours, hours, errors);
    read_holidays(config, site, yaml_get(node, "holidays"), errors);
    read_people(config, site, node, errors);
    config_sources_read(config, site, yaml_get(node, "sources"), errors);
}

static void check_name(const struct config *config, size_t at, struct yaml_node node, struct yaml_errors *errors)
{
    for (size_t i = 0; i < at; i++)
        if (*config->sites[at].name && strcmp(config->sites[i].name, config->sites[at].name) == 0)
            yaml_error_add(errors, yaml_get(node, "name"), "the site %s is given twice", config->sites[at].name);
}

void config_sites_read(struct config *config, struct yaml_node root, struct yaml_errors *errors)
{
    struct yaml_node sites = yaml_get(root, "sites");
    if (yaml_is_null(sites)) {
        yaml_error_add(errors, root, "no site is configured: `sites` needs at least one, with hours and an on-call");
        return;
    }
    if (!config_expect_list(sites, CONFIG_MAX_SITES, errors)) return;
    if (yaml_size(sites) == 0) yaml_error_add(errors, sites, "no site is configured: this list needs at least one");
    config->site_count = yaml_size(sites);
    config->sites = ARENA_ARRAY(config->arena, struct site_config, config->site_count);
    for (size_t i = 0; i < config->site_count; i++) {
        read_site(config, &config->sites[i], yaml_item(sites, i), errors);
        check_name(config, i, yaml_item(sites, i), errors);
    }
}

void config_sites_free(struct config *config)
{
    for (size_t i = 0; i < config->site_count; i++) zone_free(&config->sites[i].zone);
}

static void print_person(FILE *to, const struct person_config *person)
{
    fprintf(to, "      - id: \"%s\"\n        roles: [", person->id);
    for (size_t i = 0; i < person->role_count; i++) fprintf(to, "%s%s", i ? ", " : "", person->roles[i]);
    fputs("]\n", to);
    if (*person->supervisor) fprintf(to, "        supervisor: \"%s\"\n", person->supervisor);
    if (person->channel_count) fputs("        channels:\n", to);
    for (size_t i = 0; i < person->channel_count; i++) {
        fprintf(to, "          %s: ", person->channels[i].channel);
        config_print_quoted(to, person->channels[i].address);
        fputc('\n', to);
    }
    if (person->is_queue) fputs("        queue: true\n", to);
    if (!person->has_hours) return;
    fputs("        hours:\n", to);
    print_hours(to, person->hours, "          ");
}

static void print_site(FILE *to, const struct site_config *site)
{
    fprintf(to, "  - name: \"%s\"\n    time_zone: %s\n    hours:\n", site->name, site->time_zone);
    print_hours(to, site->hours, "      ");
    fputs("    holidays: [", to);
    for (size_t i = 0; i < site->holiday_count; i++) {
        uint32_t date = site->holidays[i];
        fprintf(to, "%s%04u-%02u-%02u", i ? ", " : "", date / 10000, date / 100 % 100, date % 100);
    }
    fputs("]\n    people:\n", to);
    for (size_t i = 0; i < site->people_count; i++) print_person(to, &site->people[i]);
    config_sources_print(to, site);
}

void config_sites_print(FILE *to, const struct config *config)
{
    fputs("# Where the work is done. The first is the default; each needs somebody on call.\nsites:\n", to);
    for (size_t i = 0; i < config->site_count; i++) print_site(to, &config->sites[i]);
}
