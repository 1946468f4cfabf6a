/* The part of the configuration that is about sites: hours, holidays, people. Used by config.c alone. */
#ifndef HANDOFF_OPS_CONFIG_SITE_H
#define HANDOFF_OPS_CONFIG_SITE_H

#include "ops/config.h"

/* The value of the key `sites`; root is where its absence is reported. */
void config_sites_read(struct config *config, struct yaml_node root, struct yaml_errors *errors);
void config_sites_print(FILE *to, const struct config *config);
void config_sites_free(struct config *config);

/* The sources of a site: config_source.c. */
void config_sources_read(struct config *config, struct site_config *site, struct yaml_node node,
                         struct yaml_errors *errors);
void config_sources_print(FILE *to, const struct site_config *site);

/* An absent list is an empty one; false when it is not a list or too long. */
bool config_expect_list(struct yaml_node node, size_t max, struct yaml_errors *errors);
/* "" when it is absent or wrong. */
const char *config_read_id(struct config *config, struct yaml_node node, struct yaml_errors *errors);

/* As a double-quoted YAML scalar. */
void config_print_quoted(FILE *to, const char *text);

#endif
