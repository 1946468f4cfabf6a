/* Where a directory comes from: a folder of CSV files, a zip archive of them, or JSON. See tables.h.
 *
 * Files whose names are no table's are passed by. Bounds: a file of 256 MiB, JSON nested 8 deep. */
#include "hsds/csv.h"
#include "hsds/tables.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zip.h>

#define FILE_BYTES_MOST ((uint64_t)256 * 1024 * 1024)
#define DEPTH_MOST      8
#define COLUMN_BYTES    64

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void progress(const struct hsds_tables *t, const char *file)
{
    if (t->listener->on_progress) t->listener->on_progress(t->listener->context, file);
}

/* --- CSV ------------------------------------------------------------------------------------------------------ */
struct csv_file {
    struct hsds_tables *tables;
    enum hsds_table table;
    const char *name;
    char (*columns)[COLUMN_BYTES];
    size_t column_count;
};

static void on_header(void *context, const struct csv_row *row)
{
    struct csv_file *f = context;
    f->columns = calloc(row->count, sizeof *f->columns);
    if (!f->columns) {
        f->tables->is_out_of_memory = true;
        return;
    }
    f->column_count = row->count;
    for (size_t i = 0; i < row->count; i++)
        for (size_t k = 0; k < COLUMN_BYTES - 1 && row->cells[i][k]; k++) {
            char c = row->cells[i][k];
            f->columns[i][k] = c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
    bool has_id = false;
    for (size_t i = 0; i < f->column_count; i++) has_id |= strcmp(f->columns[i], "id") == 0;
    if (!has_id && (f->table == TABLE_ORGANIZATIONS || f->table == TABLE_SERVICES))
        tables_report_at(f->tables, f->name, row->line, "the header has no column id: nothing of this file can be used");
}

/* NULL: a cell is no text. */
static json_t *cells_of(const struct csv_file *f, const struct csv_row *row)
{
    json_t *cells = json_object();
    for (size_t i = 0; i < row->count && i < f->column_count; i++) {
        if (row->lengths[i] == 0) continue;
        json_t *text = memchr(row->cells[i], 0, row->lengths[i]) ? NULL : json_stringn(row->cells[i], row->lengths[i]);
        if (text && json_object_set_new(cells, f->columns[i], text) == 0) continue;
        tables_report_at(f->tables, f->name, row->line, "%s is not UTF-8 text", f->columns[i]);
        json_decref(cells);
        return NULL;
    }
    return cells;
}

static void on_row(void *context, const struct csv_row *row)
{
    struct csv_file *f = context;
    json_t *cells = cells_of(f, row);
    if (cells) tables_add(f->tables, f->table, f->name, row->line, cells);
}

static void on_fault(void *context, uint32_t line, const char *sentence)
{
    const struct csv_file *f = context;
    tables_report_at(f->tables, f->name, line, "%s", sentence);
}

static enum hsds_table table_of_file(const char *name)
{
    size_t len = strlen(name);
    if (len < 5 || strcasecmp(name + len - 4, ".csv") != 0) return TABLE_NONE;
    return tables_find(name, len - 4);
}

static void read_csv(struct hsds_tables *t, enum hsds_table table, const char *name, const char *text, size_t bytes)
{
    struct csv_file f = {.tables = t, .table = table, .name = tables_keep_name(t, name)};
    const struct csv_reader reader = {&f, false, on_header, on_row, on_fault};
    progress(t, name);
    if (csv_read(text, bytes, &reader)) t->is_out_of_memory = true;
    if (bytes && f.column_count == 0) tables_report_at(t, f.name, 0, "there is no header");
    free(f.columns);
}

/* --- a folder -------------------------------------------------------------------------------------------------- */
/* NULL after a report. */
static char *read_file(const struct hsds_tables *t, const char *path, size_t *ret_bytes)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    char *text = NULL;
    if (!file || fstat(fileno(file), &status)) {
        tables_report_at(t, path, 0, "it cannot be opened: %s", strerror(errno));
    } else if ((uint64_t)status.st_size > FILE_BYTES_MOST) {
        tables_report_at(t, path, 0, "it is larger than 256 MiB");
    } else if (!(text = malloc((size_t)status.st_size + 1))) {
        tables_report_at(t, path, 0, "there is not enough memory to read it");
    } else {
        *ret_bytes = fread(text, 1, (size_t)status.st_size, file);
        if (ferror(file)) {
            tables_report_at(t, path, 0, "it cannot be read: %s", strerror(errno));
            free(text);
            text = NULL;
        }
    }
    if (file) fclose(file);
    return text;
}

static int read_folder(const char *path, struct hsds_tables *t)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        tables_report_at(t, path, 0, "the folder cannot be read: %s", strerror(errno));
        return -1;
    }
    for (int i = 0; i < count; i++) {
        enum hsds_table table = table_of_file(entries[i]->d_name);
        char whole[4096];
        size_t bytes = 0;
        int len = snprintf(whole, sizeof whole, "%s/%s", path, entries[i]->d_name);
        char *text = table != TABLE_NONE && len < (int)sizeof whole ? read_file(t, whole, &bytes) : NULL;
        if (text) read_csv(t, table, entries[i]->d_name, text, bytes);
        free(text);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

/* --- an archive ------------------------------------------------------------------------------------------------ */
static void read_member(struct hsds_tables *t, zip_t *archive, zip_uint64_t at, enum hsds_table table, const char *name)
{
    zip_stat_t status;
    zip_file_t *file = zip_stat_index(archive, at, 0, &status) == 0 ? zip_fopen_index(archive, at, 0) : NULL;
    char *text = NULL;
    if (!file) {
        tables_report_at(t, name, 0, "it cannot be unpacked: %s", zip_strerror(archive));
        return;
    }
    if (status.size > FILE_BYTES_MOST || !(text = malloc((size_t)status.size + 1)))
        tables_report_at(t, name, 0, "it is too large to unpack");
    else if (zip_fread(file, text, status.size) != (zip_int64_t)status.size)
        tables_report_at(t, name, 0, "it cannot be unpacked: the archive is damaged");
    else
        read_csv(t, table, name, text, (size_t)status.size);
    free(text);
    zip_fclose(file);
}

static int read_archive(const char *path, struct hsds_tables *t)
{
    int error = 0;
    zip_t *archive = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (!archive) {
        zip_error_t why;
        zip_error_init_with_code(&why, error);
        tables_report_at(t, path, 0, "the archive cannot be read: %s", zip_error_strerror(&why));
        zip_error_fini(&why);
        return -1;
    }
    zip_int64_t count = zip_get_num_entries(archive, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(archive, (zip_uint64_t)i, 0);
        if (!name || strstr(name, "__MACOSX/")) continue;
        enum hsds_table table = table_of_file(base_name(name));
        if (table != TABLE_NONE) read_member(t, archive, (zip_uint64_t)i, table, base_name(name));
    }
    zip_discard(archive);
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */
/* One object is a row; what is nested in it are rows of their own tables, linked to it as the tables link them. */
struct nesting {
    struct hsds_tables *tables;
    const char *file;
    int depth;
};
static void add_object(const struct nesting *n, enum hsds_table table, json_t *object, enum hsds_table parent,
                       const char *parent_id);

static const char *link_column(enum hsds_table parent)
{
    return parent == TABLE_ORGANIZATIONS ? "organization_id"
           : parent == TABLE_SERVICES    ? "service_id"
           : parent == TABLE_LOCATIONS   ? "location_id"
           : parent == TABLE_CONTACTS    ? "contact_id"
                                         : NULL;
}

static void set_text(json_t *cells, const char *column, json_t *value)
{
    char number[32];
    if (json_is_string(value)) {
        if (*json_string_value(value)) json_object_set(cells, column, value);
        return;
    }
    if (json_is_integer(value)) snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value)) snprintf(number, sizeof number, "%g", json_real_value(value));
    else return;
    json_object_set_new(cells, column, json_string(number));
}

/* An object inside of a row is the row that it refers to: service.organization, attribute.taxonomy_term. */
static void refer(const struct nesting *n, json_t *cells, const char *member, json_t *object)
{
    char column[COLUMN_BYTES];
    enum hsds_table table = tables_find(member, strlen(member));
    if (table == TABLE_NONE) return;
    snprintf(column, sizeof column, "%.50s_id", member);
    json_t *id = json_object_get(object, "id");
    if (json_is_string(id)) json_object_set(cells, column, id);
    add_object(n, table, object, TABLE_NONE, "");
}

/* The same organization stands in each of its services. */
static bool is_known(const struct nesting *n, enum hsds_table table, const char *id)
{
    bool is_shared = table == TABLE_ORGANIZATIONS || table == TABLE_LOCATIONS || table == TABLE_TERMS ||
                     table == TABLE_SERVICES;
    json_t *seen = n->tables->of[table].index[LINK_ANY]; /* lent: ids of what JSON has told */
    if (!is_shared || !*id) return false;
    if (!seen) seen = n->tables->of[table].index[LINK_ANY] = json_object();
    if (json_object_get(seen, id)) return true;
    json_object_set_new(seen, id, json_true());
    return false;
}

static void add_children(const struct nesting *n, json_t *object, enum hsds_table table, const char *id)
{
    const char *member;
    json_t *value, *child;
    size_t at;
    const struct nesting deeper = {n->tables, n->file, n->depth + 1};
    json_object_foreach(object, member, value) {
        enum hsds_table of = json_is_array(value) ? tables_find(member, strlen(member)) : TABLE_NONE;
        if (of == TABLE_NONE) continue;
        json_array_foreach(value, at, child) if (json_is_object(child)) add_object(&deeper, of, child, table, id);
    }
}

static void add_object(const struct nesting *n, enum hsds_table table, json_t *object, enum hsds_table parent,
                       const char *parent_id)
{
    const char *member, *id = json_string_value(json_object_get(object, "id"));
    json_t *value, *cells;
    const struct nesting deeper = {n->tables, n->file, n->depth + 1};
    if (n->depth > DEPTH_MOST || is_known(n, table, id ? id : "")) return;
    cells = json_object();
    json_object_foreach(object, member, value) {
        if (json_is_object(value)) refer(&deeper, cells, member, value);
        else set_text(cells, member, value);
    }
    const char *column = link_column(parent);
    if (column && !json_object_get(cells, column)) json_object_set_new(cells, column, json_string(parent_id));
    if (table == TABLE_ATTRIBUTES && !json_object_get(cells, "link_id"))
        json_object_set_new(cells, "link_id", json_string(parent_id));
    tables_add(n->tables, table, n->file, 0, cells);
    add_children(n, object, table, id ? id : "");
}

/* An organization, unless it names the one that it belongs to. */
static enum hsds_table table_of_object(json_t *object)
{
    bool is_service = json_object_get(object, "organization") || json_object_get(object, "organization_id");
    return is_service ? TABLE_SERVICES : TABLE_ORGANIZATIONS;
}

static void add_all(const struct nesting *n, json_t *array)
{
    size_t at;
    json_t *object;
    json_array_foreach(array, at, object) {
        if (json_is_object(object)) add_object(n, table_of_object(object), object, TABLE_NONE, "");
        else tables_report_at(n->tables, n->file, 0, "element %zu is not an object", at + 1);
    }
}

/* A list of services or organizations, one of them, a page of an API (`contents`), or an object of tables. */
static void add_root(const struct nesting *n, json_t *root)
{
    json_t *contents = json_object_get(root, "contents");
    if (json_is_array(root)) add_all(n, root);
    else if (json_is_array(contents)) add_all(n, contents);
    else if (json_object_get(root, "id")) add_object(n, table_of_object(root), root, TABLE_NONE, "");
    else add_children(n, root, TABLE_NONE, "");
}

static int read_json(const char *path, struct hsds_tables *t)
{
    size_t bytes = 0;
    json_error_t error;
    char *text = read_file(t, path, &bytes);
    if (!text) return -1;
    progress(t, base_name(path));
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    free(text);
    const struct nesting n = {t, tables_keep_name(t, base_name(path)), 0};
    if (!root) {
        tables_report_at(t, n.file, (uint32_t)(error.line > 0 ? error.line : 0), "it is not JSON: %s", error.text);
        return -1;
    }
    add_root(&n, root);
    for (int i = 0; i < TABLE_COUNT; i++) { /* what is_known() borrowed */
        json_decref(t->of[i].index[LINK_ANY]);
        t->of[i].index[LINK_ANY] = NULL;
    }
    json_decref(root);
    return 0;
}

/* --- which it is ----------------------------------------------------------------------------------------------- */
int source_read(const char *path, struct hsds_tables *t)
{
    struct stat status;
    char head[64] = "";
    if (stat(path, &status)) {
        tables_report_at(t, path, 0, "it cannot be opened: %s", strerror(errno));
        return -1;
    }
    if (S_ISDIR(status.st_mode)) return read_folder(path, t);
    FILE *file = fopen(path, "re");
    size_t bytes = file ? fread(head, 1, sizeof head - 1, file) : 0;
    if (file) fclose(file);
    if (bytes >= 4 && memcmp(head, "PK\3\4", 4) == 0) return read_archive(path, t);
    size_t blank = strspn(head, "\xef\xbb\xbf \t\r\n");
    if (head[blank] == '{' || head[blank] == '[') return read_json(path, t);
    tables_report_at(t, path, 0, "it is neither a folder, a zip archive nor JSON");
    return -1;
}
