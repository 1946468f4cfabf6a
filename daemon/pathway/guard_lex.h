/* The words of a guard, one at a time. A name may have '-', '_' and '.' inside: service-continuity, event.outcome. */
#ifndef HANDOFF_PATHWAY_GUARD_LEX_H
#define HANDOFF_PATHWAY_GUARD_LEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_TEXT, TOKEN_SIGN, TOKEN_BAD };
enum { TOKEN_BYTES = 128 };
struct token {
    enum token_kind kind;
    size_t offset, end; /* bytes from the guard's beginning */
    int64_t number;
    char text[TOKEN_BYTES]; /* the name, the sign, or what the quotes hold; BAD: what is wrong with it */
};

/* The token that begins at or after an offset. */
void guard_lex(const char *text, size_t from, struct token *ret_token);
bool token_is(const struct token *token, const char *word);

#endif
