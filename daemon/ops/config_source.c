/* The systems that a site waits for: how long each may be silent, and what is missed meanwhile. See config_site.h. */
#include "ops/config_site.h"

#include <string.h>

#include "core/pathway.h"
#include "pathway/delay_parse.h"

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

enum { FEEDS_MAX = 64 };

/* An event, or the word before the dot of some. */
static bool is_feed(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < event_kind_count && len; i++) {
        const char *name = event_kinds[i].name;
        if (strncmp(name, text, len) == 0 && (name[len] == '\0' || name[len] == '.')) return true;
    }
    return false;
}

static void read_feeds(struct config *config, struct source_config *source, struct yaml_node node,
                       struct yaml_errors *errors)
{
    if (!config_expect_list(node, FEEDS_MAX, errors)) return;
    source->feeds = ARENA_ARRAY(config->arena, const char *, yaml_size(node) + 1);
    for (size_t i = 0; i < yaml_size(node); i++) {
        struct yaml_node item = yaml_item(node, i);
        if (!yaml_expect_kind(item, YAML_SCALAR, errors)) continue;
        if (is_feed(yaml_text(item)))
            source->feeds[source->feed_count++] = arena_string(config->arena, yaml_text(item));
        else
            yaml_error_add(errors, item,
                           "\"%.64s\" is neither an event such as encounter.discharged nor what some begin "
                           "with, such as encounter",
                           yaml_text(item));
    }
}

static const char *read_silence(struct config *config, struct yaml_node node, struct yaml_errors *errors)
{
    struct parse_error error;
    const struct delay *delay;
    if (!yaml_is_present(node) || !yaml_expect_kind(node, YAML_SCALAR, errors)) return "";
    if (delay_parse(config->arena, yaml_text(node), &delay, &error) == 0)
        return arena_string(config->arena, yaml_text(node));
    yaml_error_add(errors, node, "%s", error.sentence);
    return "";
}

static void read_source(struct config *config, struct source_config *source, struct yaml_node node,
                        struct yaml_errors *errors)
{
    static const char *const keys[] = {"name", "silence", "feeds", NULL};
    *source = (struct source_config){.name = "", .silence = ""};
    if (!yaml_expect_kind(node, YAML_MAPPING, errors)) return;
    yaml_expect_keys(node, keys, errors);
    source->name = config_read_id(config, yaml_require(node, "name", errors), errors);
    source->silence = read_silence(config, yaml_get(node, "silence"), errors);
    read_feeds(config, source, yaml_get(node, "feeds"), errors);
}

/* One site waits for it, and tells its supervisor. */
static bool is_taken(const struct config *config, const struct site_config *site, size_t at, const char *name)
{
    for (const struct site_config *s = config->sites; s <= site; s++)
        for (size_t i = 0; i < (s == site ? at : s->source_count); i++)
            if (strcmp(s->sources[i].name, name) == 0) return true;
    return false;
}

void config_sources_read(struct config *config, struct site_config *site, struct yaml_node node,
                         struct yaml_errors *errors)
{
    if (!config_expect_list(node, CONFIG_MAX_SOURCES, errors)) return;
    site->sources = ARENA_ARRAY(config->arena, struct source_config, yaml_size(node) + 1);
    for (size_t i = 0; i < yaml_size(node); i++) {
        read_source(config, &site->sources[i], yaml_item(node, i), errors);
        if (*site->sources[i].name && is_taken(config, site, i, site->sources[i].name))
            yaml_error_add(errors, yaml_get(yaml_item(node, i), "name"), "the source %s is waited for twice",
                           site->sources[i].name);
        site->source_count = i + 1;
    }
}

void config_sources_print(FILE *to, const struct site_config *site)
{
    if (site->source_count) fputs("    sources:\n", to);
    for (size_t i = 0; i < site->source_count; i++) {
        const struct source_config *source = &site->sources[i];
        fprintf(to, "      - name: \"%s\"\n", source->name);
        if (*source->silence) {
            fputs("        silence: ", to);
            config_print_quoted(to, source->silence);
            fputc('\n', to);
        }
        fputs("        feeds: [", to);
        for (size_t k = 0; k < source->feed_count; k++) fprintf(to, "%s%s", k ? ", " : "", source->feeds[k]);
        fputs("]\n", to);
    }
}
