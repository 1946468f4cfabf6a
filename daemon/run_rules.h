/* From configured files to journaled rules: sites of the configuration, pathways and policy of their folder. Used by
 * `handoffd run`, at start and when it reloads. */
#ifndef HANDOFF_RUN_RULES_H
#define HANDOFF_RUN_RULES_H

#include "base/yaml.h"
#include "engine/engine.h"
#include "ops/config.h"

/* Journals what differs from the rules in force and makes it the rules; all or nothing. Returns the number of changes
 * with a sentence each in the report's arena; -1: nothing changed, and errors (or *ret_why) say why. */
int run_rules_update(struct engine *engine, const struct config *config, struct arena *report, struct yaml_errors *errors,
                     char ***ret_sentences, const char **ret_why);

#endif
