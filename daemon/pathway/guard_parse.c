/* See guard_parse.h. A recursive descent that builds an operand (a guard with its type and its place in the text)
 * and checks types as soon as two operands meet. The first mistake ends the parse. */
#include "pathway/guard_parse.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/yaml.h"
#include "pathway/guard_argument.h"
#include "pathway/guard_lex.h"

enum operand_type { TYPE_BOOLEAN, TYPE_NUMBER, TYPE_TEXT, TYPE_ENUM, TYPE_WORD };
struct operand {
    const struct guard *guard;
    enum operand_type type;
    const ProtobufCEnumDescriptor *values; /* TYPE_ENUM */
    size_t offset, end;                    /* in the text */
    bool is_fixed;                         /* a literal */
    char word[TOKEN_BYTES];                /* TYPE_WORD: VOICEMAIL, until its enum is known */
};

struct parser {
    const struct guard_scope *scope;
    const char *text;
    struct token token; /* the next, not yet taken */
    int depth;
    struct parse_error *error;
};

static bool parse_or(struct parser *p, struct operand *ret);

/* --- small tools --------------------------------------------------------------------------------------------- */

#define FAIL(p, offset, ...) (word_explain((p)->error, (offset), NULL, __VA_ARGS__), false)

static void advance(struct parser *p)
{
    guard_lex(p->text, p->token.end, &p->token);
}

static bool take(struct parser *p, const char *word)
{
    if (!token_is(&p->token, word)) return false;
    advance(p);
    return true;
}

static bool expect(struct parser *p, const char *sign)
{
    if (take(p, sign)) return true;
    if (p->token.kind == TOKEN_BAD) return FAIL(p, p->token.offset, "%s", p->token.text);
    return FAIL(p, p->token.offset, "here must be %s", sign);
}

static struct guard *new_guard(struct parser *p, enum guard_op op, const struct guard *left, const struct guard *right)
{
    struct guard *guard = ARENA_NEW(p->scope->arena, struct guard);
    guard->op = op;
    guard->left = left;
    guard->right = right;
    return guard;
}

/* The operand as the file has it, for sentences. */
static const char *quote(const struct parser *p, const struct operand *o, char buffer[TOKEN_BYTES])
{
    snprintf(buffer, TOKEN_BYTES, "%.*s", (int)(o->end - o->offset), p->text + o->offset);
    return buffer;
}

static const char *type_name(const struct operand *o)
{
    static const char *const names[] = {
        [TYPE_BOOLEAN] = "true or false",       [TYPE_NUMBER] = "a number", [TYPE_TEXT] = "a text",
        [TYPE_ENUM] = "one of a list of names", [TYPE_WORD] = "a name",
    };
    return names[o->type];
}

/* --- fields -------------------------------------------------------------------------------------------------- */

static const char *const object_names[] = {"event", "patient", "episode", "referral", "task", "visit", NULL};

static const ProtobufCMessageDescriptor *object_message(const struct parser *p, enum guard_object object)
{
    switch (object) {
    case OBJECT_EVENT: return p->scope->event ? p->scope->event->message : NULL;
    case OBJECT_PATIENT: return &handoff__v1__patient_record__descriptor;
    case OBJECT_EPISODE:
    case OBJECT_REFERRAL: return &handoff__v1__episode__descriptor;
    case OBJECT_TASK: return &handoff__v1__task__descriptor;
    case OBJECT_VISIT: return &handoff__v1__appointment__descriptor;
    }
    return NULL;
}

/* false: a field that guards cannot compare. */
static bool field_type(const ProtobufCFieldDescriptor *field, struct operand *o)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return false;
    bool is_number = field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_UINT32 ||
                     field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64;
    bool is_count = field->type == PROTOBUF_C_TYPE_MESSAGE && field->descriptor == &handoff__v1__count__descriptor;
    if (is_number || is_count)
        o->type = TYPE_NUMBER;
    else if (field->type == PROTOBUF_C_TYPE_BOOL)
        o->type = TYPE_BOOLEAN;
    else if (field->type == PROTOBUF_C_TYPE_STRING)
        o->type = TYPE_TEXT;
    else if (field->type == PROTOBUF_C_TYPE_ENUM)
        o->type = TYPE_ENUM, o->values = field->descriptor;
    else
        return false;
    return true;
}

static bool unknown_field(struct parser *p, size_t offset, enum guard_object object, const char *name)
{
    const ProtobufCMessageDescriptor *message = object_message(p, object);
    const char *what = object == OBJECT_EVENT ? p->scope->event->name : object_names[object];
    word_explain(p->error, offset, word_nearest_field(message, name), "%s has no field \"%s\"", what, name);
    return false;
}

static bool parse_field(struct parser *p, const struct token *token, struct operand *ret)
{
    char object_name[TOKEN_BYTES];
    size_t dot = strcspn(token->text, ".");
    snprintf(object_name, sizeof object_name, "%.*s", (int)dot, token->text);
    const char *name = token->text + dot + 1;
    int object = name_find(object_names, object_name);
    if (object < 0) {
        word_explain(p->error, token->offset, yaml_nearest(object_name, object_names),
                     "\"%s\" is nothing that has fields", object_name);
        return false;
    }
    const ProtobufCMessageDescriptor *message = object_message(p, (enum guard_object)object);
    if (!message) return FAIL(p, token->offset, "there is no event here, so \"%s\" says nothing", token->text);
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(message, name);
    if (!field) return unknown_field(p, token->offset + dot + 1, (enum guard_object)object, name);
    if (!field_type(field, ret))
        return FAIL(p, token->offset, "%s is a list or a group of fields; a guard cannot compare it", token->text);
    struct guard *guard = new_guard(p, GUARD_FIELD, NULL, NULL);
    guard->object = (enum guard_object)object;
    guard->field = field;
    ret->guard = guard;
    return true;
}

/* --- predicates ---------------------------------------------------------------------------------------------- */

static bool parse_day(struct parser *p, int64_t *ret_day)
{
    if (p->token.kind != TOKEN_NUMBER) return FAIL(p, p->token.offset, "here must be a number of days");
    *ret_day = p->token.number;
    advance(p);
    return true;
}

/* (1, 7) */
static bool parse_days(struct parser *p, struct guard *call)
{
    size_t offset = p->token.offset;
    if (!expect(p, "(") || !parse_day(p, &call->argument[0]) || !expect(p, ",") || !parse_day(p, &call->argument[1]))
        return false;
    if (call->argument[0] > call->argument[1]) return FAIL(p, offset, "the first of two days comes first");
    return expect(p, ")");
}

static bool parse_argument(struct parser *p, const struct token *name, struct guard *call)
{
    if (call->predicate->argument == ARGUMENT_DAYS) return parse_days(p, call);
    bool is_open = take(p, "(");
    struct token argument = p->token;
    if (is_open && take(p, ")")) is_open = false;
    bool wants_one = call->predicate->argument != ARGUMENT_NONE;
    if (!is_open)
        return wants_one ? FAIL(p, name->offset, "%s needs to know of what: %s(...)", call->predicate->name,
                                call->predicate->name)
                         : true;
    if (argument.kind != TOKEN_NAME) return FAIL(p, argument.offset, "here must be a name");
    if (!guard_argument(p->scope, &argument, call, p->error)) return false;
    call->argument_text = arena_string(p->scope->arena, argument.text);
    advance(p);
    return expect(p, ")");
}

enum { KNOWN_NAMES_MAX = 128 };
static bool unknown_name(struct parser *p, const struct token *t)
{
    const char *known[KNOWN_NAMES_MAX + 1] = {NULL};
    size_t count = 0;
    for (size_t i = 0; predicate_at(i) && count < KNOWN_NAMES_MAX; i++) known[count++] = predicate_at(i)->name;
    for (size_t i = 0; p->scope->names->variables[i] && count < KNOWN_NAMES_MAX; i++)
        known[count++] = p->scope->names->variables[i];
    word_explain(p->error, t->offset, yaml_nearest(t->text, known), "\"%s\" is neither a predicate nor a variable",
                 t->text);
    return false;
}

static bool parse_call(struct parser *p, const struct token *name, struct operand *ret)
{
    const struct predicate *predicate = predicate_find(name->text, strlen(name->text));
    if (!predicate) return unknown_name(p, name);
    struct guard *call = new_guard(p, GUARD_CALL, NULL, NULL);
    call->predicate = predicate;
    ret->guard = call;
    ret->type = predicate->is_number ? TYPE_NUMBER : TYPE_BOOLEAN;
    return parse_argument(p, name, call);
}

/* --- operands ------------------------------------------------------------------------------------------------ */

static void set_number(struct parser *p, struct operand *o, enum operand_type type, int64_t number)
{
    struct guard *guard = new_guard(p, GUARD_NUMBER, NULL, NULL);
    guard->number = number;
    o->guard = guard;
    o->type = type;
    o->is_fixed = true;
}

static void set_text(struct parser *p, struct operand *o, const char *text)
{
    struct guard *guard = new_guard(p, GUARD_TEXT, NULL, NULL);
    guard->text = arena_string(p->scope->arena, text);
    o->guard = guard;
    o->type = TYPE_TEXT;
    o->is_fixed = true;
}

static void set_variable(struct parser *p, struct operand *o, int position)
{
    struct guard *guard = new_guard(p, GUARD_VARIABLE, NULL, NULL);
    guard->number = position;
    o->guard = guard;
    o->type = TYPE_NUMBER;
}

static void set_word(struct operand *o, const char *word)
{
    o->type = TYPE_WORD;
    o->is_fixed = true;
    snprintf(o->word, sizeof o->word, "%s", word);
}

static bool parse_name(struct parser *p, const struct token *t, struct operand *ret)
{
    int variable = name_find(p->scope->names->variables, t->text);
    if (strcmp(t->text, "true") == 0 || strcmp(t->text, "false") == 0)
        return set_number(p, ret, TYPE_BOOLEAN, t->text[0] == 't'), true;
    if (isupper((unsigned char)t->text[0])) return set_word(ret, t->text), true;
    if (token_is(&p->token, "(")) return parse_call(p, t, ret);
    if (strchr(t->text, '.')) return parse_field(p, t, ret);
    if (variable >= 0) return set_variable(p, ret, variable), true;
    return parse_call(p, t, ret);
}

static bool parse_group(struct parser *p, struct operand *ret)
{
    if (!parse_or(p, ret) || !expect(p, ")")) return false;
    return true;
}

static bool is_keyword(const struct token *t)
{
    static const char *const keywords[] = {"and", "or", "not", "in", NULL};
    return t->kind == TOKEN_NAME && name_find(keywords, t->text) >= 0;
}

static bool parse_operand(struct parser *p, struct operand *ret)
{
    struct token t = p->token;
    bool is_fine = true;
    *ret = (struct operand){.offset = t.offset, .end = t.end};
    if (t.kind == TOKEN_BAD) return FAIL(p, t.offset, "%s", t.text);
    if (t.kind == TOKEN_END || is_keyword(&t))
        return FAIL(p, t.offset, "here must be something to compare, or a predicate");
    advance(p);
    if (t.kind == TOKEN_NUMBER)
        set_number(p, ret, TYPE_NUMBER, t.number);
    else if (t.kind == TOKEN_TEXT)
        set_text(p, ret, t.text);
    else if (t.kind == TOKEN_NAME)
        is_fine = parse_name(p, &t, ret);
    else
        is_fine = token_is(&t, "(") ? parse_group(p, ret) : FAIL(p, t.offset, "\"%s\" cannot stand here", t.text);
    return is_fine;
}

static bool is_number(struct parser *p, const struct operand *o)
{
    char buffer[TOKEN_BYTES];
    if (o->type == TYPE_NUMBER) return true;
    return FAIL(p, o->offset, "%s is %s; only numbers are multiplied", quote(p, o, buffer), type_name(o));
}

/* used * 5: one multiplication, for shares such as "four fifths". */
static bool parse_product(struct parser *p, struct operand *ret)
{
    struct operand right;
    if (!parse_operand(p, ret)) return false;
    if (!take(p, "*")) return true;
    if (!parse_operand(p, &right) || !is_number(p, ret) || !is_number(p, &right)) return false;
    ret->guard = new_guard(p, GUARD_TIMES, ret->guard, right.guard);
    ret->is_fixed = false;
    ret->end = right.end;
    return true;
}

/* --- comparisons --------------------------------------------------------------------------------------------- */

/* VOICEMAIL gets its number from what it is compared with. */
static bool resolve_word(struct parser *p, struct operand *word, const struct operand *other)
{
    int value = 0;
    char buffer[TOKEN_BYTES], nearest[WORD_BYTES];
    if (other->type == TYPE_TEXT)
        return FAIL(p, word->offset, "%s is a text; write '%s' in single quotes", quote(p, other, buffer), word->word);
    if (other->type != TYPE_ENUM)
        return FAIL(p, word->offset, "%s is %s; the name %s does not say anything about it", quote(p, other, buffer),
                    type_name(other), word->word);
    if (!word_find(other->values, WORD_UPPER, word->word, &value)) {
        word_explain(p->error, word->offset, word_nearest(other->values, WORD_UPPER, word->word, nearest),
                     "%s is never %s", quote(p, other, buffer), word->word);
        return false;
    }
    set_number(p, word, TYPE_ENUM, value);
    word->values = other->values;
    return true;
}

static bool check_same_type(struct parser *p, struct operand *left, struct operand *right)
{
    char a[TOKEN_BYTES], b[TOKEN_BYTES];
    if (left->is_fixed && right->is_fixed) return FAIL(p, left->offset, "this compares two fixed values");
    if (left->type == TYPE_WORD && !resolve_word(p, left, right)) return false;
    if (right->type == TYPE_WORD && !resolve_word(p, right, left)) return false;
    if (left->type == right->type && left->values == right->values) return true;
    if (left->type == right->type)
        return FAIL(p, right->offset, "%s and %s take different names", quote(p, left, a), quote(p, right, b));
    return FAIL(p, right->offset, "%s is %s and %s is %s: they cannot be compared", quote(p, left, a), type_name(left),
                quote(p, right, b), type_name(right));
}

static bool is_ordered(const struct operand *o)
{
    return o->type == TYPE_NUMBER || (o->type == TYPE_ENUM && (o->values == &handoff__v1__priority__descriptor ||
                                                               o->values == &handoff__v1__severity__descriptor ||
                                                               o->values == &handoff__v1__risk_level__descriptor));
}

static void finish_condition(struct operand *ret, const struct operand *left, size_t end, const struct guard *guard)
{
    *ret = (struct operand){.guard = guard, .type = TYPE_BOOLEAN, .offset = left->offset, .end = end};
}

static bool parse_compared(struct parser *p, enum guard_op op, struct operand left, struct operand *ret)
{
    struct token sign = p->token;
    struct operand right;
    char buffer[TOKEN_BYTES];
    advance(p);
    if (!parse_product(p, &right) || !check_same_type(p, &left, &right)) return false;
    if (op != GUARD_EQ && op != GUARD_NE && !is_ordered(&left))
        return FAIL(p, sign.offset, "%s has no order; compare it with == or !=", quote(p, &left, buffer));
    finish_condition(ret, &left, right.end, new_guard(p, op, left.guard, right.guard));
    return true;
}

static bool parse_element(struct parser *p, struct operand *left, struct guard ***last)
{
    struct operand element;
    if (!parse_operand(p, &element)) return false;
    if (!element.is_fixed) return FAIL(p, element.offset, "a list holds fixed values only");
    if (!check_same_type(p, left, &element)) return false;
    struct guard *link = new_guard(p, GUARD_LIST, element.guard, NULL);
    **last = link;
    *last = (struct guard **)(void *)&link->right;
    return true;
}

static bool parse_in(struct parser *p, struct operand left, struct operand *ret)
{
    struct guard *list = NULL, **last = &list;
    char buffer[TOKEN_BYTES];
    advance(p);
    if (left.is_fixed)
        return FAIL(p, left.offset, "%s is a fixed value; a field stands before `in`", quote(p, &left, buffer));
    if (!expect(p, "[")) return false;
    for (int i = 0; i < GUARD_LIST_MAX; i++) {
        if (!parse_element(p, &left, &last)) return false;
        if (take(p, ",")) continue;
        size_t end = p->token.end;
        if (!expect(p, "]")) return false;
        finish_condition(ret, &left, end, new_guard(p, GUARD_IN, left.guard, list));
        return true;
    }
    return FAIL(p, p->token.offset, "a list holds at most %d values", GUARD_LIST_MAX);
}

static bool parse_comparison(struct parser *p, struct operand *ret)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">=", NULL};
    static const enum guard_op ops[] = {GUARD_EQ, GUARD_NE, GUARD_LT, GUARD_LE, GUARD_GT, GUARD_GE};
    struct operand left;
    if (!parse_product(p, &left)) return false;
    int sign = p->token.kind == TOKEN_SIGN ? name_find(signs, p->token.text) : -1;
    if (sign >= 0) return parse_compared(p, ops[sign], left, ret);
    if (token_is(&p->token, "in")) return parse_in(p, left, ret);
    *ret = left;
    return true;
}

/* --- and, or, not -------------------------------------------------------------------------------------------- */

static bool check_boolean(struct parser *p, const struct operand *o)
{
    char buffer[TOKEN_BYTES];
    if (o->type == TYPE_BOOLEAN) return true;
    if (o->type == TYPE_WORD) return FAIL(p, o->offset, "%s stands alone; say which field must be it", o->word);
    return FAIL(p, o->offset, "%s is %s, not a condition; compare it with something", quote(p, o, buffer),
                type_name(o));
}

static bool parse_not(struct parser *p, struct operand *ret)
{
    size_t offset = p->token.offset;
    if (++p->depth > PATHWAY_GUARD_DEPTH_MAX) return FAIL(p, offset, "this guard is nested too deeply");
    bool is_not = take(p, "not");
    bool is_fine = is_not ? parse_not(p, ret) && check_boolean(p, ret) : parse_comparison(p, ret);
    p->depth--;
    if (is_fine && is_not) {
        ret->guard = new_guard(p, GUARD_NOT, ret->guard, NULL);
        ret->offset = offset;
        ret->is_fixed = false;
    }
    return is_fine;
}

static bool parse_chain(struct parser *p, const char *word, enum guard_op op,
                        bool (*part)(struct parser *, struct operand *), struct operand *ret)
{
    if (!part(p, ret)) return false;
    while (token_is(&p->token, word)) { /* each round takes a word of the text */
        struct operand right;
        advance(p);
        if (!check_boolean(p, ret) || !part(p, &right) || !check_boolean(p, &right)) return false;
        finish_condition(ret, ret, right.end, new_guard(p, op, ret->guard, right.guard));
    }
    return true;
}

static bool parse_and(struct parser *p, struct operand *ret)
{
    return parse_chain(p, "and", GUARD_AND, parse_not, ret);
}

static bool parse_or(struct parser *p, struct operand *ret)
{
    return parse_chain(p, "or", GUARD_OR, parse_and, ret);
}

static int depth_of(const struct guard *guard)
{
    if (!guard || guard->op == GUARD_LIST) return 0;
    int left = depth_of(guard->left), right = depth_of(guard->right);
    return 1 + (left > right ? left : right);
}

static bool parse_all(struct parser *p, struct operand *ret)
{
    if (strlen(p->text) > GUARD_TEXT_MAX) return FAIL(p, 0, "a guard has at most %d characters", GUARD_TEXT_MAX);
    guard_lex(p->text, 0, &p->token);
    if (!parse_or(p, ret)) return false;
    if (p->token.kind == TOKEN_BAD) return FAIL(p, p->token.offset, "%s", p->token.text);
    if (!check_boolean(p, ret)) return false;
    if (p->token.kind != TOKEN_END)
        return FAIL(p, p->token.offset, "the guard should end before \"%.20s\", or say and, or", p->token.text);
    if (depth_of(ret->guard) > PATHWAY_GUARD_DEPTH_MAX)
        return FAIL(p, 0, "this guard has too many parts; at most %d may be joined", PATHWAY_GUARD_DEPTH_MAX - 1);
    return true;
}

int guard_parse(const struct guard_scope *scope, const char *text, const struct guard **ret_guard,
                struct parse_error *ret_error)
{
    struct parser p = {.scope = scope, .text = text, .error = ret_error};
    struct operand all;
    if (!parse_all(&p, &all)) return -EINVAL;
    assert(all.guard != NULL);
    *ret_guard = all.guard;
    return 0;
}
