/* A journaled Site to the struct site of core/rules.h. */
#ifndef HANDOFF_PATHWAY_SITE_COMPILE_H
#define HANDOFF_PATHWAY_SITE_COMPILE_H

#include "base/arena.h"
#include "base/yaml.h"
#include "core/rules.h"

/* 0, or -EINVAL with the reason added to errors (without a place: a message has none). ret_site points into the arena
 * and to the message, which must live as long. */
int site_compile(const Handoff__V1__Site *message, struct arena *arena, struct site *ret_site,
                 struct yaml_errors *errors);

#endif
