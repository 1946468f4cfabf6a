/* The policy: what holds for every pathway unless it says otherwise. daemon/pathways/policy.yaml is the one shipped,
 * and documents its keys.
 *
 * The file becomes a Policy message, which is journaled; the message becomes the struct policy that core reads, today
 * and whenever the journal is read again. */
#ifndef HANDOFF_PATHWAY_POLICY_H
#define HANDOFF_PATHWAY_POLICY_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/yaml.h"
#include "core/rules.h"

enum { POLICY_ARENA_BYTES = 4 * 1024 * 1024 }; /* left in the arena before a read */

/* 0, or -EINVAL with what is wrong, and where, added to errors. The message lives in the arena. */
int policy_read(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                Handoff__V1__Policy **ret_policy);

/* 0, or -EINVAL with what is wrong added to errors (without a place: a message has none). ret_policy points into the
 * arena only. */
int policy_compile(const Handoff__V1__Policy *message, struct arena *arena, struct policy *ret_policy,
                   struct yaml_errors *errors);

#endif
