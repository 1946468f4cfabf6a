/* What stands in a predicate's parentheses: a party, a hold, region.state, ... by the predicate's kind of argument. */
#ifndef HANDOFF_PATHWAY_GUARD_ARGUMENT_H
#define HANDOFF_PATHWAY_GUARD_ARGUMENT_H

#include "pathway/guard_lex.h"
#include "pathway/guard_parse.h"

/* Fills the call's argument; false: error says why it cannot be that. */
bool guard_argument(const struct guard_scope *scope, const struct token *token, struct guard *call,
                    struct parse_error *error);

#endif
