/* The ledger in SQLite: a write-ahead log, synchronised at every commit, locked against other processes for as long as
 * it is open (the lock goes with the process, however it ends). Neighbours: courier.c says what is written when.
 * Refuses to know what a message says. */
#include "ledger.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LEDGER_APPLICATION 0x686e6c67 /* "hnlg" */
#define LEDGER_VERSION     1
#define CLAIMS_MOST        4096

enum statement {
    STANDING,
    AT_PLACE,
    BEGIN_ROW,
    BEGIN_LEAVE,
    END_ROW,
    TELL,
    TOLD,
    PRUNE_SENDINGS,
    PRUNE_OUTCOMES,
    STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
    [STANDING] = "SELECT state, sent_as, channel, at_ms, reason FROM sending WHERE emission_id = ? AND addressee = ?"
                 " AND state IN (1, 2, 5) ORDER BY state = 2 DESC, touched_ms DESC LIMIT 1",
    [AT_PLACE] = "SELECT state, attempt FROM sending WHERE emission_id = ? AND addressee = ? AND place = ?",
    [BEGIN_ROW] = "INSERT INTO sending (emission_id, addressee, place, state, sent_as, channel, attempt, at_ms,"
                  " touched_ms, reason) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, '')"
                  " ON CONFLICT DO UPDATE SET state = 1, sent_as = excluded.sent_as, channel = excluded.channel,"
                  " attempt = excluded.attempt, at_ms = excluded.at_ms, touched_ms = excluded.touched_ms, reason = ''",
    [BEGIN_LEAVE] = "UPDATE sending SET state = 3 WHERE sent_as = ? AND state IN (1, 5)",
    [END_ROW] = "UPDATE sending SET state = ?, reason = ?, touched_ms = ?"
                " WHERE emission_id = ? AND addressee = ? AND place = ?",
    [TELL] = "INSERT INTO outcome (emission_id, addressee, told, channel, at_ms, touched_ms, reason)"
             " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [TOLD] = "SELECT channel, at_ms, reason FROM outcome WHERE emission_id = ? AND addressee = ? AND told = ?",
    [PRUNE_SENDINGS] = "DELETE FROM sending WHERE touched_ms < ?",
    [PRUNE_OUTCOMES] = "DELETE FROM outcome WHERE touched_ms < ?",
};

static const char schema[] =
    "CREATE TABLE secret (place BLOB NOT NULL);"
    "CREATE TABLE sending (emission_id TEXT NOT NULL, addressee TEXT NOT NULL, place TEXT NOT NULL,"
    " state INTEGER NOT NULL, sent_as TEXT NOT NULL, channel INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (emission_id, addressee, place)) WITHOUT ROWID;"
    "CREATE INDEX sending_as ON sending (sent_as) WHERE state IN (1, 5);"
    "CREATE INDEX sending_touched ON sending (touched_ms);"
    "CREATE TABLE outcome (emission_id TEXT NOT NULL, addressee TEXT NOT NULL, told INTEGER NOT NULL,"
    " channel INTEGER NOT NULL, at_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (emission_id, addressee, told)) WITHOUT ROWID;"
    "CREATE INDEX outcome_touched ON outcome (touched_ms);";

struct claim {
    char *emission_id;
    char *addressee;
};
struct ledger {
    sqlite3 *db;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    pthread_mutex_t lock;
    struct claim claims[CLAIMS_MOST];
    size_t claim_count;
    unsigned char secret[crypto_generichash_KEYBYTES];
    char error[256];
};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(struct ledger *ledger)
{
    snprintf(ledger->error, sizeof ledger->error, "%s", sqlite3_errmsg(ledger->db));
    return -1;
}

static int run(struct ledger *ledger, const char *sql)
{
    return sqlite3_exec(ledger->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(ledger);
}

/* --- opening ------------------------------------------------------------------------------------------------- */

static int number_of(struct ledger *ledger, const char *pragma, int *ret_number)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(ledger->db, pragma, -1, &statement, NULL) != SQLITE_OK) return fail(ledger);
    int result = sqlite3_step(statement) == SQLITE_ROW ? 0 : -1;
    if (!result) *ret_number = sqlite3_column_int(statement, 0);
    if (result) fail(ledger);
    sqlite3_finalize(statement);
    return result;
}

static int make(struct ledger *ledger)
{
    char marks[96];
    snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d;", LEDGER_APPLICATION,
             LEDGER_VERSION);
    unsigned char secret[crypto_generichash_KEYBYTES];
    randombytes_buf(secret, sizeof secret);
    sqlite3_stmt *insert = NULL;
    if (run(ledger, "BEGIN IMMEDIATE") || run(ledger, schema) || run(ledger, marks)) return -1;
    if (sqlite3_prepare_v2(ledger->db, "INSERT INTO secret VALUES (?)", -1, &insert, NULL) != SQLITE_OK)
        return fail(ledger);
    sqlite3_bind_blob(insert, 1, secret, sizeof secret, SQLITE_STATIC);
    int result = sqlite3_step(insert) == SQLITE_DONE ? 0 : fail(ledger);
    sqlite3_finalize(insert);
    return result ? result : run(ledger, "COMMIT");
}

static int read_secret(struct ledger *ledger)
{
    sqlite3_stmt *select = NULL;
    if (sqlite3_prepare_v2(ledger->db, "SELECT place FROM secret", -1, &select, NULL) != SQLITE_OK) return fail(ledger);
    bool is_whole = sqlite3_step(select) == SQLITE_ROW && sqlite3_column_bytes(select, 0) == sizeof ledger->secret;
    if (is_whole) memcpy(ledger->secret, sqlite3_column_blob(select, 0), sizeof ledger->secret);
    if (!is_whole) snprintf(ledger->error, sizeof ledger->error, "its secret is missing");
    sqlite3_finalize(select);
    return is_whole ? 0 : -1;
}

static int know(struct ledger *ledger)
{
    int application = 0, version = 0, tables = 0;
    if (number_of(ledger, "PRAGMA application_id", &application)) return -1;
    if (number_of(ledger, "PRAGMA user_version", &version)) return -1;
    if (number_of(ledger, "SELECT count(*) FROM sqlite_master", &tables)) return -1;
    if (!application && !tables) return make(ledger);
    if (application == LEDGER_APPLICATION && version == LEDGER_VERSION) return 0;
    snprintf(ledger->error, sizeof ledger->error,
             application == LEDGER_APPLICATION ? "it is of another version of handoff-notify" : "it is not a ledger");
    return -1;
}

static int prepare(struct ledger *ledger)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v2(ledger->db, statements[i], -1, &ledger->prepared[i], NULL) != SQLITE_OK)
            return fail(ledger);
    return 0;
}

static int open_file(struct ledger *ledger, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    mode_t mask = umask(077);
    int opened = sqlite3_open_v2(path, &ledger->db, flags, NULL);
    umask(mask);
    if (opened != SQLITE_OK) {
        int why = sqlite3_system_errno(ledger->db);
        snprintf(ledger->error, sizeof ledger->error, "%s%s%s", sqlite3_errmsg(ledger->db), why ? ": " : "",
                 why ? strerror(why) : "");
        return -1;
    }
    sqlite3_extended_result_codes(ledger->db, 1);
    /* Exclusive before the first reading: the lock is then held until the end, and no shared memory is needed. */
    if (run(ledger, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")) return -1;
    return run(ledger, "BEGIN EXCLUSIVE; COMMIT");
}

int ledger_open(const char *path, char *sentence, size_t size, struct ledger **ret_ledger)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger || sodium_init() < 0) {
        snprintf(sentence, size, "the ledger %s: out of memory", path);
        free(ledger);
        return -1;
    }
    pthread_mutex_init(&ledger->lock, NULL);
    if (open_file(ledger, path) || know(ledger) || read_secret(ledger) || prepare(ledger)) {
        int code = ledger->db ? sqlite3_errcode(ledger->db) & 0xff : 0;
        snprintf(sentence, size, "the ledger %s: %s", path,
                 code == SQLITE_BUSY ? "another handoff-notify has it open" : ledger->error);
        ledger_close(&ledger);
        return -1;
    }
    *ret_ledger = ledger;
    return 0;
}

void ledger_close(struct ledger **ledger)
{
    if (!ledger || !*ledger) return;
    for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize((*ledger)->prepared[i]);
    sqlite3_close((*ledger)->db);
    for (size_t i = 0; i < (*ledger)->claim_count; i++) {
        free((*ledger)->claims[i].emission_id);
        free((*ledger)->claims[i].addressee);
    }
    pthread_mutex_destroy(&(*ledger)->lock);
    free(*ledger);
    *ledger = NULL;
}

const char *ledger_error(struct ledger *ledger)
{
    return ledger->error;
}

/* --- claims -------------------------------------------------------------------------------------------------- */

static size_t claim_index(const struct ledger *ledger, const struct ledger_message *message)
{
    size_t i = 0;
    while (i < ledger->claim_count && (strcmp(ledger->claims[i].emission_id, message->emission_id) != 0 ||
                                       strcmp(ledger->claims[i].addressee, message->addressee) != 0))
        i++;
    return i;
}

static bool add_claim(struct ledger *ledger, const struct ledger_message *message)
{
    if (ledger->claim_count == CLAIMS_MOST || claim_index(ledger, message) < ledger->claim_count) return false;
    struct claim claim = {strdup(message->emission_id), strdup(message->addressee)};
    if (claim.emission_id && claim.addressee) {
        ledger->claims[ledger->claim_count++] = claim;
        return true;
    }
    free(claim.emission_id);
    free(claim.addressee);
    return false;
}

bool ledger_claim(struct ledger *ledger, const struct ledger_message *message)
{
    pthread_mutex_lock(&ledger->lock);
    bool is_claimed = add_claim(ledger, message);
    pthread_mutex_unlock(&ledger->lock);
    return is_claimed;
}

void ledger_release(struct ledger *ledger, const struct ledger_message *message)
{
    pthread_mutex_lock(&ledger->lock);
    size_t i = claim_index(ledger, message);
    assert(i < ledger->claim_count);
    free(ledger->claims[i].emission_id);
    free(ledger->claims[i].addressee);
    ledger->claims[i] = ledger->claims[--ledger->claim_count];
    pthread_mutex_unlock(&ledger->lock);
}

/* --- reading ------------------------------------------------------------------------------------------------- */

/* Columns are bound in the order given: t text, i 64-bit number. */
static sqlite3_stmt *bound(struct ledger *ledger, enum statement which, const char *types, ...)
{
    sqlite3_stmt *statement = ledger->prepared[which];
    va_list arguments;
    va_start(arguments, types);
    sqlite3_reset(statement);
    for (int i = 0; types[i]; i++) {
        if (types[i] == 't') sqlite3_bind_text(statement, i + 1, va_arg(arguments, const char *), -1, SQLITE_STATIC);
        if (types[i] == 'i') sqlite3_bind_int64(statement, i + 1, va_arg(arguments, int64_t));
    }
    va_end(arguments);
    return statement;
}

static void copy_column(sqlite3_stmt *statement, int column, char *to, size_t size)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    snprintf(to, size, "%s", text ? (const char *)text : "");
}

/* 1: a row, 0: none, -1: it failed. */
static int step_row(struct ledger *ledger, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) return 1;
    if (code != SQLITE_DONE) fail(ledger);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

int ledger_standing(struct ledger *ledger, const struct ledger_message *message, struct ledger_standing *ret_standing)
{
    struct ledger_standing standing = {0};
    pthread_mutex_lock(&ledger->lock);
    sqlite3_stmt *row = bound(ledger, STANDING, "tt", message->emission_id, message->addressee);
    int found = step_row(ledger, row);
    if (found > 0) {
        int state = sqlite3_column_int(row, 0);
        standing.is_done = state == LEDGER_DONE;
        standing.is_in_doubt = state != LEDGER_DONE;
        copy_column(row, 1, standing.sent_as, sizeof standing.sent_as);
        standing.channel = sqlite3_column_int(row, 2);
        standing.at_ms = sqlite3_column_int64(row, 3);
        copy_column(row, 4, standing.reason, sizeof standing.reason);
        sqlite3_reset(row);
    }
    pthread_mutex_unlock(&ledger->lock);
    if (found < 0) return -1;
    *ret_standing = standing;
    return 0;
}

int ledger_at_place(struct ledger *ledger, const struct ledger_message *message, const char *place, uint32_t attempt,
                    enum ledger_state *ret_state)
{
    enum ledger_state state = LEDGER_NONE;
    pthread_mutex_lock(&ledger->lock);
    sqlite3_stmt *row = bound(ledger, AT_PLACE, "ttt", message->emission_id, message->addressee, place);
    int found = step_row(ledger, row);
    if (found > 0) {
        state = (enum ledger_state)sqlite3_column_int(row, 0);
        bool is_of_this_series = sqlite3_column_int64(row, 1) < (int64_t)attempt;
        if (state == LEDGER_NEVER && !is_of_this_series) state = LEDGER_NONE;
        sqlite3_reset(row);
    }
    pthread_mutex_unlock(&ledger->lock);
    if (found < 0) return -1;
    *ret_state = state;
    return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------- */

static int done(struct ledger *ledger, sqlite3_stmt *statement)
{
    return step_row(ledger, statement) == 0 ? 0 : -1;
}

static int begin_rows(struct ledger *ledger, const struct ledger_sending *s)
{
    if (done(ledger, bound(ledger, BEGIN_LEAVE, "t", s->sent_as))) return -1;
    for (size_t i = 0; i < s->count; i++) {
        sqlite3_stmt *row =
            bound(ledger, BEGIN_ROW, "ttttiiii", s->members[i].emission_id, s->members[i].addressee, s->place,
                  s->sent_as, (int64_t)s->channel, (int64_t)s->attempts[i], s->at_ms, wall_ms());
        if (done(ledger, row)) return -1;
    }
    return 0;
}

static int end_rows(struct ledger *ledger, const struct ledger_sending *s, enum ledger_state state, const char *reason)
{
    for (size_t i = 0; i < s->count; i++) {
        sqlite3_stmt *row = bound(ledger, END_ROW, "itittt", (int64_t)state, reason, wall_ms(),
                                  s->members[i].emission_id, s->members[i].addressee, s->place);
        if (done(ledger, row)) return -1;
    }
    return 0;
}

/* Commits what `result` says went well, or takes all of it back. */
static int finish(struct ledger *ledger, int result)
{
    if (!result && !run(ledger, "COMMIT")) return 0;
    char first_error[sizeof ledger->error];
    memcpy(first_error, ledger->error, sizeof first_error);
    sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL);
    memcpy(ledger->error, first_error, sizeof first_error);
    return -1;
}

int ledger_send_begin(struct ledger *ledger, const struct ledger_sending *sending)
{
    pthread_mutex_lock(&ledger->lock);
    int result = run(ledger, "BEGIN IMMEDIATE");
    if (!result) result = finish(ledger, begin_rows(ledger, sending));
    pthread_mutex_unlock(&ledger->lock);
    return result;
}

int ledger_send_end(struct ledger *ledger, const struct ledger_sending *sending, enum ledger_state state,
                    const char *reason)
{
    assert(state != LEDGER_NONE && state != LEDGER_INTENT);
    pthread_mutex_lock(&ledger->lock);
    int result = run(ledger, "BEGIN IMMEDIATE");
    if (!result) result = finish(ledger, end_rows(ledger, sending, state, reason));
    pthread_mutex_unlock(&ledger->lock);
    return result;
}

static int tell(struct ledger *ledger, const struct ledger_message *m, struct ledger_outcome *o)
{
    if (done(ledger, bound(ledger, TELL, "ttiiiit", m->emission_id, m->addressee, (int64_t)o->told, (int64_t)o->channel,
                           o->at_ms, wall_ms(), o->reason)))
        return -1;
    sqlite3_stmt *row = bound(ledger, TOLD, "tti", m->emission_id, m->addressee, (int64_t)o->told);
    if (step_row(ledger, row) <= 0) return -1;
    o->channel = sqlite3_column_int(row, 0);
    o->at_ms = sqlite3_column_int64(row, 1);
    copy_column(row, 2, o->reason, sizeof o->reason);
    sqlite3_reset(row);
    return 0;
}

int ledger_tell(struct ledger *ledger, const struct ledger_message *message, struct ledger_outcome *outcome)
{
    pthread_mutex_lock(&ledger->lock);
    int result = tell(ledger, message, outcome);
    pthread_mutex_unlock(&ledger->lock);
    return result;
}

int ledger_prune(struct ledger *ledger, int64_t before_ms)
{
    pthread_mutex_lock(&ledger->lock);
    int result = done(ledger, bound(ledger, PRUNE_SENDINGS, "i", before_ms));
    if (!result) result = done(ledger, bound(ledger, PRUNE_OUTCOMES, "i", before_ms));
    pthread_mutex_unlock(&ledger->lock);
    return result;
}

void ledger_place(struct ledger *ledger, int channel, const char *address, char place[LEDGER_PLACE_BYTES])
{
    unsigned char hash[(LEDGER_PLACE_BYTES - 1) / 2], number = (unsigned char)channel;
    crypto_generichash_state state;
    crypto_generichash_init(&state, ledger->secret, sizeof ledger->secret, sizeof hash);
    crypto_generichash_update(&state, &number, 1);
    crypto_generichash_update(&state, (const unsigned char *)address, strlen(address));
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(place, LEDGER_PLACE_BYTES, hash, sizeof hash);
}
