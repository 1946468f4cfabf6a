/* What the tests of daemon/pathway share. */
#ifndef HANDOFF_PATHWAY_TESTING_H
#define HANDOFF_PATHWAY_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/yaml.h"

/* One of the errors stands at this place and has this part in its sentence; else all of them are printed. */
static inline void testing_expect(const struct yaml_errors *errors, int line, int column, const char *part)
{
    for (size_t i = 0; i < errors->count && i < YAML_MAX_ERRORS; i++)
        if (errors->list[i].line == line && errors->list[i].column == column && strstr(errors->list[i].sentence, part)) return;
    print_message("expected %d:%d: ...%s..., got:\n", line, column, part);
    yaml_errors_print(stderr, errors);
    fail();
}

/* A file of the repository, zero-terminated behind its end; tests run at its root. */
static inline struct bytes testing_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    uint8_t *data = arena_alloc(arena, 300000);
    size_t bytes = fread(data, 1, 299999, file);
    fclose(file);
    return (struct bytes){data, bytes};
}

#endif
