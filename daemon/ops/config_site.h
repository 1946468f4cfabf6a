/* The part of the configuration that is about sites: hours, holidays, people. Used by config.c alone. */
#ifndef HANDOFF_OPS_CONFIG_SITE_H
#define HANDOFF_OPS_CONFIG_SITE_H

#include "ops/config.h"

/* The value of the key `sites`; root is where its absence is reported. */
void config_sites_read(struct config *config, struct yaml_node root, struct yaml_errors *errors);
void config_sites_print(FILE *to, const struct config *config);
void config_sites_free(struct config *config);

/* As a double-quoted YAML scalar. */
void config_print_quoted(FILE *to, const char *text);

#endif
