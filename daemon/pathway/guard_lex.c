/* See guard_lex.h. */
#include "pathway/guard_lex.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NUMBER_DIGITS = 15 };

static void set(struct token *token, enum token_kind kind, const char *from, size_t bytes)
{
    token->kind = kind;
    token->end = token->offset + bytes;
    snprintf(token->text, sizeof token->text, "%.*s", (int)bytes, from);
    if (bytes < sizeof token->text) return;
    token->kind = TOKEN_BAD;
    snprintf(token->text, sizeof token->text, "this is too long");
}

static void bad(struct token *token, const char *sentence)
{
    token->kind = TOKEN_BAD;
    token->end = token->offset + 1;
    snprintf(token->text, sizeof token->text, "%s", sentence);
}

static void lex_name(struct token *token, const char *at)
{
    size_t bytes = 1;
    while (isalnum((unsigned char)at[bytes]) || (at[bytes] && strchr("-_.", at[bytes]))) bytes++;
    set(token, TOKEN_NAME, at, bytes);
}

static void lex_number(struct token *token, const char *at)
{
    size_t sign = at[0] == '-', bytes = sign;
    int64_t number = 0;
    while (isdigit((unsigned char)at[bytes]) && bytes - sign < NUMBER_DIGITS)
        number = number * 10 + (at[bytes++] - '0');
    set(token, TOKEN_NUMBER, at, bytes);
    token->number = sign ? -number : number;
    if (isalnum((unsigned char)at[bytes]) || at[bytes] == '_' || at[bytes] == '.')
        bad(token, "this is not a whole number");
}

static void lex_text(struct token *token, const char *at)
{
    const char *close = strchr(at + 1, '\'');
    if (!close) return bad(token, "the text that begins here has no closing quote");
    set(token, TOKEN_TEXT, at + 1, (size_t)(close - at - 1));
    token->end += 2;
}

static void lex_sign(struct token *token, const char *at)
{
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "*", NULL};
    for (size_t i = 0; signs[i]; i++)
        if (strncmp(at, signs[i], strlen(signs[i])) == 0) return set(token, TOKEN_SIGN, at, strlen(signs[i]));
    if (*at == '=') return bad(token, "to compare, write ==");
    if (*at == '"') return bad(token, "write texts in 'single quotes'");
    if (*at == '&' || *at == '|' || *at == '!') return bad(token, "write and, or, not");
    bad(token, "this character has no meaning here");
}

void guard_lex(const char *text, size_t from, struct token *ret_token)
{
    from += strspn(text + from, " \t\r\n");
    const char *at = text + from;
    ret_token->offset = from;
    ret_token->number = 0;
    if (!*at)
        set(ret_token, TOKEN_END, "", 0);
    else if (isalpha((unsigned char)*at))
        lex_name(ret_token, at);
    else if (isdigit((unsigned char)*at) || (*at == '-' && isdigit((unsigned char)at[1])))
        lex_number(ret_token, at);
    else if (*at == '\'')
        lex_text(ret_token, at);
    else
        lex_sign(ret_token, at);
}

bool token_is(const struct token *token, const char *word)
{
    return (token->kind == TOKEN_NAME || token->kind == TOKEN_SIGN) && strcmp(token->text, word) == 0;
}
