/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes that the ledger keeps for jobs: what is put and forgotten in any order, pending or stored, with the database
 * or without, is listed as a simple model of it, an array, says. And what is told of a path trigger in a run's
 * payload, which is bytes as well. */

#include "test-ledger.h"

#include <sqlite3.h>

#include "file-limit.h"
#include "ledger/ledger-internal.h"

#define MIB ((size_t)1 << 20)

static void put(Ledger *l, const char *job, const char *key, uint64_t id, const char *text) {
        assert_int_equal(ledger_put(l, job, key, id, text, text ? strlen(text) : 0), 0);
}

typedef struct Listed {
        char text[1024];
        size_t n;
        int result; /* of each visit */
} Listed;

static int list_one(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Listed *s = userdata;

        assert_non_null(bytes);
        s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s/%s/%" PRIi64 "=%.*s ", job, key,
                                 (int64_t)id, (int)n, (const char *)bytes);
        assert_true(s->n < sizeof(s->text));
        return s->result;
}

static void check_listed(Ledger *l, int line, const char *job, const char *key, const char *expected) {
        Listed s = {};

        assert_int_equal(ledger_list_blobs(l, job, key, list_one, &s), 0);
        if (!streq(s.text, expected))
                fail_msg("line %d: '%s' and not '%s'", line, s.text, expected);
}
#define CHECK_LISTED(l, job, key, expected) check_listed(l, __LINE__, job, key, expected)

static void reopen(Ledger **l) {
        *l = ledger_close(*l);
        *l = open_ledger(NULL);
}

static void test_put_and_list(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        put(l, "b", "k", 2, "two");
        put(l, "a", "k", 7, "seven");
        put(l, "a", "k", 1, "one");
        assert_int_equal(ledger_commit(l), 0);
        put(l, "a", "k", 3, "three");
        put(l, "a", "j", 9, "nine");
        put(l, "a", "k", 7, "SEVEN");
        for (int pass = 0; pass < 3; pass++) {
                CHECK_LISTED(l, NULL, NULL, "a/j/9=nine a/k/1=one a/k/3=three a/k/7=SEVEN b/k/2=two ");
                CHECK_LISTED(l, "a", NULL, "a/j/9=nine a/k/1=one a/k/3=three a/k/7=SEVEN ");
                CHECK_LISTED(l, "a", "k", "a/k/1=one a/k/3=three a/k/7=SEVEN ");
                CHECK_LISTED(l, NULL, "k", "a/k/1=one a/k/3=three a/k/7=SEVEN b/k/2=two ");
                CHECK_LISTED(l, "a", "z", "");
                CHECK_LISTED(l, "", NULL, "");
                if (pass == 0)
                        assert_int_equal(ledger_commit(l), 0);
                else
                        reopen(&l);
        }
}

static void test_forget(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        put(l, "a", "k", 1, "stored");
        put(l, "a", "k", 2, "stored");
        put(l, "a", "j", 1, "stored");
        put(l, "b", "k", 1, "stored");
        assert_int_equal(ledger_commit(l), 0);
        put(l, "a", "k", 1, NULL);
        put(l, "a", "k", 3, "pending");
        put(l, "a", "k", 3, NULL);
        CHECK_LISTED(l, "a", NULL, "a/j/1=stored a/k/2=stored ");
        assert_int_equal(ledger_forget(l, "a", "k"), 0);
        put(l, "a", "k", 4, "new");
        CHECK_LISTED(l, "a", NULL, "a/j/1=stored a/k/4=new ");
        assert_int_equal(ledger_commit(l), 0);
        CHECK_LISTED(l, NULL, NULL, "a/j/1=stored a/k/4=new b/k/1=stored ");

        /* All of a job, keys that are pending and those that nobody spoke of; and new ones under both. */
        put(l, "a", "k", 5, "pending");
        assert_int_equal(ledger_forget(l, "a", NULL), 0);
        put(l, "a", "j", 2, "new");
        put(l, "a", "k", 6, "new");
        put(l, "a", "k", 6, NULL);
        CHECK_LISTED(l, NULL, NULL, "a/j/2=new b/k/1=stored ");
        for (int pass = 0; pass < 2; pass++) {
                reopen(&l);
                CHECK_LISTED(l, NULL, NULL, "a/j/2=new b/k/1=stored ");
        }
        assert_int_equal(l->pending.blob_bytes + l->pending.n_void, 0);
}

/* What has no text in it, and names that are no UTF-8. */
static void test_any_bytes(void **state) {
        static const char all[] = "\0\xff\x80\n'\"\\$";
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        put(l, "a", "\xff\x80/\xc3", 1, "");
        put(l, "a", "\xff\x80/\xc3", UINT64_MAX, "minus one");
        put(l, "a", "\xff\x80/\xc3", INT64_MAX, "last");
        assert_int_equal(ledger_put(l, "a", "\xff", 5, all, sizeof(all)), 0);
        for (int pass = 0; pass < 3; pass++) {
                Listed s = {};

                CHECK_LISTED(
                        l, "a", "\xff\x80/\xc3",
                        "a/\xff\x80/\xc3/-1=minus one a/\xff\x80/\xc3/1= a/\xff\x80/\xc3/9223372036854775807=last ");
                assert_int_equal(ledger_list_blobs(l, "a", "\xff", list_one, &s), 0);
                assert_int_equal(s.n, strlen("a/\xff/5= "));
                reopen(&l);
        }
}

typedef struct Pattern {
        size_t n;
        char seed;
        unsigned n_seen;
} Pattern;

static char *make_pattern(const Pattern *p) {
        char *bytes = malloc(p->n);

        assert_non_null(bytes);
        for (size_t i = 0; i < p->n; i++)
                bytes[i] = (char)(i * 31 + i / 4096 + (size_t)p->seed);
        return bytes;
}

static int check_pattern(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Pattern *p = userdata;
        _cleanup_free_ char *expected = make_pattern(p);

        assert_int_equal(n, p->n);
        assert_memory_equal(bytes, expected, n);
        p->n_seen++;
        return 0;
}

static void put_pattern(Ledger *l, uint64_t id, Pattern p) {
        _cleanup_free_ char *bytes = make_pattern(&p);

        assert_int_equal(ledger_put(l, "a", "big", id, bytes, p.n), 0);
}

static void test_large(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        _cleanup_free_ char *none = malloc(1);
        Pattern small = { .n = 5 * MIB, .seed = 3 }, large = { .n = 70 * MIB, .seed = 9 };

        put_pattern(l, 1, large);
        put_pattern(l, 1, small);
        for (int pass = 0; pass < 2; pass++) {
                assert_int_equal(ledger_list_blobs(l, "a", "big", check_pattern, &small), 0);
                reopen(&l);
        }
        /* More than may be held without the database is no matter with it. */
        put_pattern(l, 1, large);
        assert_true(l->pending.is_full);
        reopen(&l);
        assert_true(is_ok(l));
        assert_int_equal(ledger_list_blobs(l, "a", "big", check_pattern, &large), 0);
        assert_int_equal(small.n_seen + large.n_seen, 3);
        assert_int_equal(ledger_put(l, "a", "big", 1, none, (size_t)LEDGER_BLOB_MAX + 1), -E2BIG);
        assert_int_equal(ledger_put(l, "a", "big", 1, NULL, SIZE_MAX), 0);
        CHECK_LISTED(l, "a", NULL, "");
}

static void test_long_names(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        char name[LEDGER_KEY_MAX + 2];
        Pattern p = { .n = 10 };

        memset(name, 'x', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        assert_int_equal(ledger_put(l, name, "k", 1, "", 0), -ENAMETOOLONG);
        assert_int_equal(ledger_put(l, "a", name, 1, "", 0), -ENAMETOOLONG);
        assert_int_equal(ledger_forget(l, name, NULL), -ENAMETOOLONG);
        assert_int_equal(ledger_forget(l, "a", name), -ENAMETOOLONG);
        name[LEDGER_KEY_MAX] = '\0';
        for (int pass = 0; pass < 2; pass++) {
                _cleanup_free_ char *bytes = make_pattern(&p);

                assert_int_equal(ledger_put(l, name, name, 1, bytes, p.n), 0);
                assert_int_equal(ledger_commit(l), 0);
                assert_true(is_ok(l));
                assert_int_equal(ledger_list_blobs(l, name, name, check_pattern, &p), 0);
        }
        assert_int_equal(p.n_seen, 2);
}

/* --- visits that write --- */

typedef struct Visits {
        Ledger *ledger;
        enum { FORGET_IT, REPLACE_IT, FORGET_KEY, FORGET_JOB, PUT_NEXT } what;
        size_t n;
} Visits;

static int write_in_visit(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        char before[16] = {};
        Visits *v = userdata;
        Ledger *l = v->ledger;

        memcpy(before, bytes, MIN(n, sizeof(before) - 1));
        v->n++;
        switch (v->what) {
        case FORGET_IT:
                put(l, job, key, id, NULL);
                break;
        case REPLACE_IT:
                put(l, job, key, id, "another");
                break;
        case FORGET_KEY:
                assert_int_equal(ledger_forget(l, job, key), 0);
                break;
        case FORGET_JOB:
                assert_int_equal(ledger_forget(l, job, NULL), 0);
                break;
        case PUT_NEXT:
                if (id < 1000)
                        put(l, job, key, id + 1000, "next");
                break;
        }
        assert_memory_equal(bytes, before, strlen(before)); /* still there */
        return 0;
}

static void test_visits_that_write(void **state) {
        static const struct {
                int what;
                size_t n; /* visits */
                const char *left;
        } table[] = {
                { FORGET_IT, 4, "b/k/1=b " },
                { REPLACE_IT, 4, "a/j/2=another a/k/1=another a/k/2=another a/k/3=another b/k/1=b " },
                { FORGET_KEY, 2, "b/k/1=b " },
                { FORGET_JOB, 1, "b/k/1=b " },
        };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        for (size_t i = 0; i < 3 * ELEMENTSOF(table); i++) {
                Visits v = { .ledger = l, .what = table[i / 3].what };

                /* All stored, some of it, or none. */
                put(l, "a", "k", 1, "one");
                put(l, "a", "k", 3, "three");
                put(l, "b", "k", 1, "b");
                if (i % 3 < 2)
                        assert_int_equal(ledger_commit(l), 0);
                put(l, "a", "k", 2, "two");
                put(l, "a", "j", 2, "two");
                if (i % 3 < 1)
                        assert_int_equal(ledger_commit(l), 0);
                assert_int_equal(ledger_list_blobs(l, "a", NULL, write_in_visit, &v), 0);
                if (v.n != table[i / 3].n)
                        fail_msg("case %zu: %zu visits", i, v.n);
                CHECK_LISTED(l, NULL, NULL, table[i / 3].left);
                assert_int_equal(ledger_commit(l), 0);
                CHECK_LISTED(l, NULL, NULL, table[i / 3].left);
                assert_int_equal(ledger_forget(l, "a", NULL), 0);
                assert_int_equal(ledger_commit(l), 0);
        }
}

/* What comes later in the order is met, once. */
static void test_visits_that_put_more(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        Visits v = { .ledger = l, .what = PUT_NEXT };

        for (unsigned i = 0; i < 10; i++)
                put(l, "a", "k", i, "one");
        assert_int_equal(ledger_list_blobs(l, "a", "k", write_in_visit, &v), 0);
        assert_int_equal(v.n, 20);
}

static void test_visit_ends_the_walk(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);

        put(l, "a", "k", 1, "stored");
        assert_int_equal(ledger_commit(l), 0);
        put(l, "a", "k", 2, "pending");
        for (int pass = 0; pass < 2; pass++) {
                Listed s = { .result = pass == 0 ? 7 : -EPIPE };

                assert_int_equal(ledger_list_blobs(l, "a", pass == 0 ? "k" : NULL, list_one, &s), s.result);
                assert_string_equal(s.text, "a/k/1=stored ");
        }
        assert_int_equal(ledger_forget(l, "a", NULL), 0);
        put(l, "a", "k", 2, "pending");
        put(l, "a", "k", 3, "pending");
        assert_int_equal(ledger_list_blobs(l, "a", "k", list_one, &(Listed){ .result = -EPIPE }), -EPIPE);
}

/* --- without the database --- */

static void test_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        _cleanup_free_ char *bytes = calloc(1, MIB);
        unsigned n = 0;

        log_open(LOG_TARGET_NULL);
        l = open_ledger(NULL);
        put(l, "a", "stored", 1, "stored");
        assert_int_equal(ledger_commit(l), 0);
        ledger_error(l, -EIO);
        while (ledger_put(l, "a", "k", n, bytes, MIB) == 0)
                n++;
        assert_int_equal(n, LEDGER_BLOBS_BYTES / MIB - 1); /* the last one has its own size on top */
        assert_int_equal(ledger_put(l, "a", "k", n, bytes, MIB), -ENOBUFS);
        assert_int_equal(ledger_put(l, "a", "k", 0, bytes, MIB), 0); /* in its own place */
        put(l, "a", "k", n, "small");
        assert_int_equal(ledger_put(l, "a", "k", n, bytes, MIB), -ENOBUFS);
        CHECK_LISTED(l, "a", "stored", "a/stored/1=stored ");

        /* Room is made by forgetting. */
        put(l, "a", "k", 1, NULL);
        put(l, "a", "stored", 1, NULL);
        assert_int_equal(ledger_put(l, "a", "k", n, bytes, MIB), 0);
        assert_int_equal(ledger_forget(l, "a", "k"), 0);
        put(l, "a", "k", 2, "left");
        CHECK_LISTED(l, NULL, NULL, "a/k/2=left ");
        assert_int_equal(ledger_commit(l), 0);
        assert_true(is_ok(l));
        CHECK_LISTED(l, NULL, NULL, "a/k/2=left ");
}

/* Neither what is forgotten nor a name is held for nothing. */
static void test_names_are_bounded(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        char key[LEDGER_KEY_MAX + 1] = {};
        unsigned n = 0;
        int r;

        log_open(LOG_TARGET_NULL);
        l = open_ledger(NULL);
        ledger_error(l, -EIO);
        for (unsigned i = 0; i < LEDGER_STAMPS_MAX; i++)
                put(l, "a", "k", i, NULL);
        assert_int_equal(ledger_put(l, "a", "k", LEDGER_STAMPS_MAX, NULL, 0), -ENOBUFS);
        assert_int_equal(ledger_forget(l, "b", NULL), -ENOBUFS);
        put(l, "a", "k", 7, NULL);
        memset(key, 'x', LEDGER_KEY_MAX);
        do {
                (void)snprintf(key, 9, "%08u", n++);
                key[8] = 'x';
                r = ledger_put(l, "a", key, 1, "", 0);
        } while (r == 0);
        assert_int_equal(r, -ENOBUFS);
        assert_true(n < LEDGER_BLOBS_BYTES / LEDGER_KEY_MAX);
        assert_int_equal(ledger_forget(l, "a", "k"), 0);
        assert_int_equal(l->pending.n_void, 1);
        assert_int_equal(ledger_forget(l, "b", NULL), 0);
        assert_int_equal(ledger_commit(l), 0);
        assert_int_equal(l->pending.blob_bytes + l->pending.n_void, 0);
}

/* A database that another program has locked: what is held is listed, that there may be more is told, and what is
 * forgotten unseen is gone once it is there again. */
static void test_unread(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        sqlite3 *db = NULL;
        Listed s = {};

        log_open(LOG_TARGET_NULL);
        l = open_ledger(NULL);
        put(l, "a", "k", 1, "old");
        put(l, "a", "j", 1, "old");
        put(l, "b", "k", 1, "old");
        put(l, "b", "k", 2, "old");
        l = ledger_close(l);
        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM runs", NULL, NULL, NULL), SQLITE_OK);
        l = open_ledger(NULL);
        assert_int_equal(ledger_forget(l, "a", NULL), 0);
        put(l, "a", "k", 2, "new");
        put(l, "b", "k", 2, NULL);
        assert_int_equal(ledger_list_blobs(l, NULL, NULL, list_one, &s), -EBUSY);
        assert_string_equal(s.text, "a/k/2=new ");
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(ledger_commit(l), 0);
        CHECK_LISTED(l, NULL, NULL, "a/k/2=new b/k/1=old ");
}

/* --- damage --- */

static int query_number(const char *sql) {
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;
        int n;

        assert_int_equal(sqlite3_open(in_directory(LEDGER_FILE), &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        n = sqlite3_column_int(s, 0);
        (void)sqlite3_finalize(s);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return n;
}

static void damage_page(int page) {
        int fd = open(in_directory(LEDGER_FILE), O_WRONLY | O_CLOEXEC);
        char junk[4096];

        memset(junk, 0xa5, sizeof(junk));
        assert_int_equal(pwrite(fd, junk, sizeof(junk), (page - 1) * 4096L), sizeof(junk));
        (void)close(fd);
}

static int count_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        char expected[257];

        memset(expected, (char)id, sizeof(expected));
        assert_int_equal(n, sizeof(expected));
        assert_memory_equal(bytes, expected, n);
        ++*(size_t *)userdata;
        return 0;
}

static int count_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        ++*(size_t *)userdata;
        return 0;
}

static void fill(Ledger *l, unsigned n) {
        char bytes[257];

        for (unsigned i = 0; i < n; i++) {
                memset(bytes, (char)i, sizeof(bytes));
                assert_int_equal(ledger_put(l, "a", "k", i, bytes, sizeof(bytes)), 0);
        }
}

/* One page of rows in the middle, or one of the index: nearly all is saved from both ends, none of it is wrong. */
static void test_damaged_page(void **state) {
        static const char *const pages[] = {
                "SELECT pageno FROM dbstat WHERE name = 'blobs' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET "
                "100",
                "SELECT pageno FROM dbstat WHERE name LIKE 'sqlite_autoindex_blobs%' AND pagetype = 'leaf'"
                " ORDER BY path LIMIT 1 OFFSET 5",
                "SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex_blobs%'",
        };

        log_open(LOG_TARGET_NULL);
        for (size_t i = 0; i < ELEMENTSOF(pages); i++) {
                Ledger *l = open_ledger(NULL);
                size_t n = 0;

                fill(l, 3000);
                add(l, "a");
                ledger_close(l);
                damage_page(query_number(pages[i]));
                l = open_ledger(NULL);
                assert_true(is_ok(l));
                assert_int_equal(l->n_replaced, 1);
                assert_int_equal(ledger_list_blobs(l, "a", "k", count_blob, &n), 0);
                if (n < (i == 0 ? 2980 : 3000) || n > 3000)
                        fail_msg("case %zu: %zu are saved", i, n);
                assert_int_equal(count_runs(l, "a"), i + 1);
                ledger_close(l);
        }
}

/* What is of no job gives way to what is, even if it is too much. */
static void test_damaged_history(void **state) {
        enum { SIZE = 64 << 10 };
        _cleanup_free_ char *large = calloc(1, SIZE);
        _cleanup_(ledger_closep) Ledger *l = NULL;
        size_t n = 0;

        log_open(LOG_TARGET_NULL);
        assert_non_null(large);
        l = open_ledger(NULL);
        for (unsigned i = 0; i < LEDGER_BLOBS_BYTES / SIZE; i++) {
                assert_int_equal(ledger_put(l, "", "values", i, large, SIZE), 0);
                if (i % 128 == 0)
                        assert_int_equal(ledger_commit(l), 0);
        }
        fill(l, 3000);
        l = ledger_close(l);
        damage_page(query_number("SELECT rootpage FROM sqlite_schema WHERE name = 'alarms'"));
        l = open_ledger(NULL);
        assert_int_equal(l->n_replaced, 1);
        assert_int_equal(ledger_list_blobs(l, "a", "k", count_blob, &n), 0);
        assert_int_equal(n, 3000);
        n = 0;
        assert_int_equal(ledger_list_blobs(l, "", "values", count_row, &n), 0);
        assert_true(n > 500);
}

/* It shows while the daemon works: the list says so, and what is pending is not lost. */
static void test_damaged_under_way(void **state) {
        _cleanup_(ledger_closep) Ledger *l = NULL;
        size_t n = 0;

        log_open(LOG_TARGET_NULL);
        l = open_ledger(NULL);
        fill(l, 40000);
        l = ledger_close(l);
        l = open_ledger(NULL);
        for (int page = 600; page < 700; page++)
                damage_page(page);
        put(l, "b", "k", 1, "pending");
        assert_int_equal(ledger_list_blobs(l, "a", NULL, count_blob, &n), -EBADMSG);
        assert_true(n < 40000);
        assert_int_equal(l->n_replaced, 1);
        assert_true(is_ok(l));
        CHECK_LISTED(l, "b", NULL, "b/k/1=pending ");
        n = 0;
        assert_int_equal(ledger_list_blobs(l, "a", NULL, count_blob, &n), 0);
        if (n < 36000 || n >= 40000)
                fail_msg("%zu are saved", n);
}

/* --- errors while writing: the run and what it was given, or neither --- */

/* Writes fail in the middle of a blob, at another page each time. */
static void test_io_error(void **state) {
        unsigned n_failed = 0;

        log_open(LOG_TARGET_NULL);
        for (unsigned i = 1; i <= 60; i++) {
                Ledger *l = open_ledger(NULL), *other = NULL;
                Pattern p = { .n = 40 * 4096 + i, .seed = (char)i };
                size_t n_before = count_runs(l, NULL);

                assert_int_equal(ledger_forget(l, "a", NULL), 0);
                assert_int_equal(ledger_commit(l), 0);
                assert_int_equal(store_checkpoint(l->store), 0);
                set_file_limit(i * 4120);
                put_pattern(l, add(l, "a"), p);
                n_failed += ledger_commit(l) < 0;
                /* Dies now, as far as the database knows. */
                l->store = store_close(l->store, /* is_damaged= */ true);
                set_file_limit(RLIM_INFINITY);
                (void)close(l->lock_fd);
                l->lock_fd = -EBADF;
                assert_int_equal(ledger_open(&other, NULL, directory, NULL), 0);
                assert_int_equal(ledger_list_blobs(other, "a", "big", check_pattern, &p), 0);
                assert_int_equal(count_runs(other, NULL) - n_before, p.n_seen);
                ledger_close(other);
                /* Or goes on, and writes what it held. */
                ledger_error(l, -EIO);
                assert_int_equal(ledger_commit(l), 0);
                p.n_seen = 0;
                assert_int_equal(ledger_list_blobs(l, "a", "big", check_pattern, &p), 0);
                ledger_close(l);
        }
        assert_true(n_failed > 30 && n_failed < 60);
}

/* SQLite's memory runs out, or is just enough. */
static void test_no_memory(void **state) {
        unsigned n_failed = 0;

        log_open(LOG_TARGET_NULL);
        for (sqlite3_int64 limit = 50000; limit < 4000000; limit += 77777) {
                Pattern p = { .n = MIB, .seed = (char)limit };
                Ledger *l;

                (void)sqlite3_hard_heap_limit64(limit);
                l = open_ledger(NULL);
                put_pattern(l, 1, p);
                n_failed += ledger_commit(l) < 0;
                (void)sqlite3_hard_heap_limit64(0);
                assert_int_equal(ledger_commit(l), 0);
                assert_int_equal(ledger_list_blobs(l, "a", NULL, check_pattern, &p), 0);
                assert_int_equal(p.n_seen, 1);
                assert_int_equal(l->n_replaced, 0);
                ledger_close(l);
        }
        assert_true(n_failed > 5 && n_failed < 45);
}

/* --- with runs --- */

/* History is pruned, what is kept for a job is not. */
static void test_retention_leaves_blobs(void **state) {
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        uint64_t first = 0;

        for (unsigned i = 0; i < 50; i++) {
                uint64_t id = add_done(l, "a", RUN_RESULT_SUCCESS, 1);

                first = first ?: id;
                if (id == first)
                        put(l, "a", "batch", id, "files");
        }
        ledger_set_retention(l, 1, USEC_INFINITY, NULL, NULL);
        assert_int_equal(ledger_commit(l), 0);
        while (ledger_upkeep(l, 1, 1))
                ;
        assert_null(ledger_get(l, first));
        CHECK_LISTED(l, "a", NULL, "a/batch/1=files ");
}

/* Paths of any bytes: nothing is put in order on the way. */
static void test_payload_is_bytes(void **state) {
        static const char *const payloads[] = {
                "/in/\xff\xfe\x80\xbf and 3 more", "-\n\t\"'$;\x01\x7f", "\x80", "\xc3", "\xed\xa0\x80\xf5\x90", "",
        };
        _cleanup_(ledger_closep) Ledger *l = open_ledger(NULL);
        char longest[LEDGER_PAYLOAD_MAX + 2] = {};
        RunRecord r = RUN_RECORD_INIT;

        memset(longest, 0x80, sizeof(longest) - 1);
        r.job = "a";
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++) {
                r.payload = payloads[i];
                assert_int_equal(ledger_add(l, &r), 0);
                assert_string_equal(ledger_get(l, r.id)->payload, payloads[i]);
        }
        r.payload = longest;
        assert_int_equal(ledger_add(l, &r), 0);
        reopen(&l);
        for (size_t i = 0; i < ELEMENTSOF(payloads); i++)
                assert_string_equal(ledger_get(l, i + 1)->payload, payloads[i]);
        assert_int_equal(strlen(ledger_get(l, r.id)->payload), LEDGER_PAYLOAD_MAX);
}

/* --- beside a model --- */

#define N_IDS 12U

static const char *const names[] = { "a", "b", "c" };
static const char *const keys[] = { "", "j", "k\xff" };

/* In the order of the ledger: job, key, id. 0: nothing is there. */
static unsigned model[ELEMENTSOF(names)][ELEMENTSOF(keys)][N_IDS];

static uint32_t seed = 1;

/* xorshift: the same on every machine. */
static uint32_t draw(uint32_t n) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        return seed % n;
}

static uint64_t id_of(unsigned i) {
        return i < 2 ? UINT64_MAX - 1 + i : i; /* -2, -1, 2, 3, … */
}

static unsigned *next_in_model(unsigned *m, unsigned job, unsigned key) {
        unsigned *end = &model[0][0][0] + sizeof(model) / sizeof(unsigned);

        for (; m < end; m++) {
                size_t at = (size_t)(m - &model[0][0][0]);

                if (*m != 0 && (job == ELEMENTSOF(names) || job == at / N_IDS / ELEMENTSOF(keys)) &&
                    (key == ELEMENTSOF(keys) || key == at / N_IDS % ELEMENTSOF(keys)))
                        return m;
        }
        return NULL;
}

typedef struct Comparison {
        unsigned *next; /* that should come */
        unsigned job, key, round;
} Comparison;

static int compare_with_model(const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                              void *userdata) {
        Comparison *c = userdata;
        size_t at;

        if (!c->next)
                fail_msg("round %u: %s, %s, %" PRIu64 " is too much", c->round, job, key, id);
        at = (size_t)(c->next - &model[0][0][0]);
        if (!streq(job, names[at / N_IDS / ELEMENTSOF(keys)]) || !streq(key, keys[at / N_IDS % ELEMENTSOF(keys)]) ||
            id != id_of(at % N_IDS))
                fail_msg("round %u: %s, %s, %" PRIu64 " comes at the wrong place", c->round, job, key, id);
        assert_int_equal(n, sizeof(*c->next));
        assert_memory_equal(bytes, c->next, n);
        c->next = next_in_model(c->next + 1, c->job, c->key);
        return 0;
}

static void compare_all(Ledger *l, unsigned round) {
        Comparison c = { .job = draw(ELEMENTSOF(names) + 1), .key = draw(ELEMENTSOF(keys) + 1), .round = round };

        c.next = next_in_model(&model[0][0][0], c.job, c.key);
        assert_int_equal(ledger_list_blobs(l, c.job < ELEMENTSOF(names) ? names[c.job] : NULL,
                                           c.key < ELEMENTSOF(keys) ? keys[c.key] : NULL, compare_with_model, &c),
                         0);
        if (c.next)
                fail_msg("round %u: something is missing", round);
}

static void change_at_random(Ledger *l, unsigned round) {
        unsigned job = draw(ELEMENTSOF(names)), key = draw(ELEMENTSOF(keys)), i = draw(N_IDS);
        unsigned *m = &model[job][key][i], what = draw(100);

        if (what < 60) {
                *m = round;
                assert_int_equal(ledger_put(l, names[job], keys[key], id_of(i), m, sizeof(*m)), 0);
        } else if (what < 90) {
                *m = 0;
                put(l, names[job], keys[key], id_of(i), NULL);
        } else if (what < 97) {
                memset(model[job][key], 0, sizeof(model[job][key]));
                assert_int_equal(ledger_forget(l, names[job], keys[key]), 0);
        } else {
                memset(model[job], 0, sizeof(model[job]));
                assert_int_equal(ledger_forget(l, names[job], NULL), 0);
        }
}

static void test_beside_model(void **state) {
        Ledger *l;

        log_open(LOG_TARGET_NULL);
        l = open_ledger(NULL);
        for (unsigned round = 1; round < 20000; round++) {
                change_at_random(l, round);
                if (draw(3) == 0)
                        compare_all(l, round);
                if (draw(40) == 0)
                        assert_int_equal(ledger_commit(l), 0); /* and back from memory */
                if (draw(200) == 0)
                        ledger_error(l, -ENOSPC);
                if (draw(1000) == 0)
                        reopen(&l);
        }
        ledger_close(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_put_and_list),
                ledger_test(test_forget),
                ledger_test(test_any_bytes),
                ledger_test(test_large),
                ledger_test(test_long_names),
                ledger_test(test_visits_that_write),
                ledger_test(test_visits_that_put_more),
                ledger_test(test_visit_ends_the_walk),
                ledger_test(test_bounded),
                ledger_test(test_names_are_bounded),
                ledger_test(test_unread),
                ledger_test(test_damaged_page),
                ledger_test(test_damaged_history),
                ledger_test(test_damaged_under_way),
                ledger_test(test_io_error),
                ledger_test(test_no_memory),
                ledger_test(test_retention_leaves_blobs),
                ledger_test(test_payload_is_bytes),
                ledger_test(test_beside_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
