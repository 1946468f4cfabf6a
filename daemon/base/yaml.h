/* YAML with positions: the configuration, the pathways and the policy are read through this.
 *
 * A thin layer over libyaml's document API. A load gives a tree of nodes that know their line and column, so that
 * whoever finds a mistake, however late, can say where it stands. What a reader of such files should never have
 * to think about is refused at load: anchors and aliases, tags, more than one document, keys that are not plain
 * text, a key given twice, a NUL inside a text, and anything beyond the limits below.
 *
 * Use:
 *
 *     struct yaml_errors errors = {0};
 *     struct yaml *yaml = yaml_load_file("referral.yaml", &errors);
 *     if (yaml) {
 *         static const char *const keys[] = {"name", "states", NULL};
 *         struct yaml_node root = yaml_root(yaml);
 *         yaml_expect_keys(root, keys, &errors);
 *         struct yaml_node states = yaml_get(root, "states");
 *         for (size_t i = 0; i < yaml_size(states); i++)
 *             read_state(yaml_key(states, i), yaml_value(states, i), &errors);
 *     }
 *     if (errors.count) yaml_errors_print(stderr, &errors);
 *     yaml_close(yaml);
 *
 * Errors are collected, not thrown: a reader goes on after the first and reports them all at once. Every accessor
 * accepts a node that is absent (kind YAML_NONE) and answers with nothing, so a chain of yaml_get needs no checks
 * between. Lines and columns count from 1; columns count characters. Nodes and texts are borrowed from the
 * document and live until yaml_close. An error list owns its text and outlives the document. */
#ifndef HANDOFF_BASE_YAML_H
#define HANDOFF_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    YAML_MAX_BYTES = 1024 * 1024, /* of one file; larger: refused */
    YAML_MAX_NODES = 50000,       /* scalars, sequences and mappings, keys too; more: refused */
    YAML_MAX_DEPTH = 24,          /* nested sequences and mappings; deeper: refused */
    YAML_MAX_ERRORS = 32,         /* kept with their sentence; further ones are only counted */
};

struct yaml_error {
    char file[256];   /* "": no file's fault */
    int line, column; /* 0: the file as a whole */
    char sentence[384];
};

struct yaml_errors { /* start with {0} */
    size_t count;    /* all of them, also those beyond the list */
    struct yaml_error list[YAML_MAX_ERRORS];
};

struct yaml; /* one loaded document */

struct yaml_node {          /* a borrowed place in a document; pass it by value */
    const struct yaml *yaml;
    int id;                 /* 0: absent */
};

enum yaml_kind { YAML_NONE, YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

/* --- loading ------------------------------------------------------------------------------------------- */

/* NULL when the file cannot be read or is refused; the reasons are added to errors. */
struct yaml *yaml_load_file(const char *path, struct yaml_errors *errors);
/* The same from memory; name stands where the file would in the errors. The bytes are not kept. */
struct yaml *yaml_load_memory(const char *name, const void *data, size_t bytes, struct yaml_errors *errors);
void yaml_close(struct yaml *yaml); /* not yaml_free: libyaml has an inner function of that name */

const char *yaml_file(const struct yaml *yaml);
struct yaml_node yaml_root(const struct yaml *yaml); /* never absent */

/* --- looking ------------------------------------------------------------------------------------------- */

enum yaml_kind yaml_kind(struct yaml_node node);
bool yaml_is_present(struct yaml_node node);
/* Absent, or nothing after the colon, or a plain ~ or null. */
bool yaml_is_null(struct yaml_node node);
int yaml_line(struct yaml_node node);
int yaml_column(struct yaml_node node);

/* Items of a sequence, entries of a mapping, in the order of the file; 0 for anything else. */
size_t yaml_size(struct yaml_node node);
struct yaml_node yaml_item(struct yaml_node sequence, size_t i);
struct yaml_node yaml_key(struct yaml_node mapping, size_t i);
struct yaml_node yaml_value(struct yaml_node mapping, size_t i);
struct yaml_node yaml_get(struct yaml_node mapping, const char *key);

/* The text of a scalar as written, quotes and escapes resolved; NULL when the node is not a scalar. */
const char *yaml_text(struct yaml_node node);
/* Whether a scalar was written in quotes or as a block: then 12 and true are texts, not a number and a flag. */
bool yaml_is_quoted(struct yaml_node node);

/* --- reading: false means an error was added and ret is untouched ---------------------------------------- */

bool yaml_read_int(struct yaml_node node, int64_t min, int64_t max, int64_t *ret_value, struct yaml_errors *errors);
/* true or false, nothing else. */
bool yaml_read_bool(struct yaml_node node, bool *ret_value, struct yaml_errors *errors);
/* A text of 1 to max_bytes bytes, borrowed. */
bool yaml_read_string(struct yaml_node node, size_t max_bytes, const char **ret_text, struct yaml_errors *errors);
/* One of these names (NULL ends them); gives its place in the table. what is the noun for the sentence: "role". */
bool yaml_read_name(struct yaml_node node, const char *what, const char *const names[], size_t *ret_index,
                    struct yaml_errors *errors);

bool yaml_expect_kind(struct yaml_node node, enum yaml_kind kind, struct yaml_errors *errors);
/* A mapping with none but these keys (NULL ends them). Each other key is an error that names the nearest. */
bool yaml_expect_keys(struct yaml_node mapping, const char *const allowed[], struct yaml_errors *errors);
/* The value of a key that must be there; absent, with an error at the mapping, when it is not. */
struct yaml_node yaml_require(struct yaml_node mapping, const char *key, struct yaml_errors *errors);

/* --- errors ---------------------------------------------------------------------------------------------- */

void yaml_error_add(struct yaml_errors *errors, struct yaml_node node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* line 0: the file as a whole. */
void yaml_error_at(struct yaml_errors *errors, const char *file, int line, int column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* "file:line:column: sentence", as far as there is a file and a place in it. Cut to size. */
void yaml_error_write(const struct yaml_error *error, char *ret_text, size_t size);
enum { YAML_ERROR_TEXT_BYTES = 704 }; /* holds any */
/* Each so, one a line, in the order they were added. */
void yaml_errors_print(FILE *to, const struct yaml_errors *errors);
/* The candidate that the text was probably meant to be, or NULL. NULL ends the candidates. */
const char *yaml_nearest(const char *text, const char *const candidates[]);

#endif
