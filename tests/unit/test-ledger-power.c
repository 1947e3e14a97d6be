/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The power goes while the ledger is written. What was on its way to the disk since the last time that SQLite waited
 * for it may then be missing, in part or as a whole: the end of the log is cut off, reads as zeros, as what stood
 * there before or as nonsense, and that in any 4 KiB of it; the database itself is half written only while the log
 * that it is written from is whole. All of that is made here from copies of the two files. Whatever is left must open
 * as a good ledger that ends with a whole turn, none older than the last wait for the disk, and gives out no id again.
 *
 * Each turn says all that belongs to the end of one run and the begin of the next: if a turn were half there, one of
 * these would be without the other. */

#include "test-ledger.h"

#include "ledger/ledger-internal.h"

#define TURNS           42U
#define CUTS            8U /* of each turn */
#define CHECKPOINT_TURN 9U /* every so many turns the log is moved */
#define PAGE            4096U

#define LIVE  "live"
#define AFTER "after"

static uint32_t seed = 1;

/* xorshift: the same on every machine. */
static uint32_t draw(uint32_t n) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        return seed % n;
}

/* --- files --- */

typedef struct Image {
        char *data;
        size_t n;
} Image;

static const char *path_of(const char *sub, const char *name) {
        static char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s/%s", directory, sub, name);
        return path;
}

static void image_clear(Image *i) {
        free(i->data);
        *i = (Image){};
}

static Image image_copy(const Image *i) {
        Image copy = { .data = malloc(i->n + 1), .n = i->n };

        assert_non_null(copy.data);
        memcpy(copy.data, i->data, i->n);
        return copy;
}

/* A file that is not there is an empty one. */
static Image image_read(const char *sub, const char *name) {
        int fd = open(path_of(sub, name), O_RDONLY | O_CLOEXEC);
        struct stat st = {};
        Image i;

        assert_true(fd < 0 || fstat(fd, &st) >= 0);
        i = (Image){ .data = malloc((size_t)st.st_size + 1), .n = (size_t)st.st_size };
        assert_non_null(i.data);
        if (fd >= 0) {
                assert_int_equal(read(fd, i.data, i.n), i.n);
                (void)close(fd);
        }
        return i;
}

static void image_write(const Image *i, const char *sub, const char *name) {
        int fd = open(path_of(sub, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, i->data, i->n), i->n);
        (void)close(fd);
}

static void copy_file(const char *name) {
        Image i = image_read(LIVE, name);

        image_write(&i, AFTER, name);
        image_clear(&i);
}

static Ledger *open_in(const char *sub) {
        char path[512];
        Ledger *l;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, sub);
        assert_int_equal(ledger_open(&l, NULL, path, NULL), 0);
        return l;
}

/* --- the daemon --- */

typedef struct Life {
        Ledger *ledger;
        RunRecord run; /* the one that is under way */
        unsigned turn, synced_turn;
        uint64_t last_id;

        Image synced_log;  /* as it stood when the disk was last waited for */
        size_t log_synced; /* bytes of the log that are safe, */
        size_t log_end;    /* and those that are written */
} Life;

static void set_run_alarm(Ledger *l, const char *key, uint64_t run) {
        LedgerAlarm a = { "a", key, 1, 1, run, "A message." };

        assert_int_equal(ledger_set_alarm(l, &a), 0);
}

#define BATCH_BYTES (5 * PAGE)

/* The one that ended is done with what it was given. */
static void put_batches(Ledger *l, uint64_t ended, uint64_t next) {
        char bytes[BATCH_BYTES];

        memset(bytes, (char)next, sizeof(bytes));
        assert_int_equal(ledger_put(l, "a", "batch", ended, NULL, 0), 0);
        assert_int_equal(ledger_put(l, "a", "batch", next, bytes, sizeof(bytes)), 0);
}

/* The run that is under way ends, another one follows it, and the next one begins. */
static void live_a_turn(Life *life) {
        RunRecord follower = RUN_RECORD_INIT, next = RUN_RECORD_INIT;
        Ledger *l = life->ledger;

        if (life->turn > 0) {
                life->run.state = RUN_DONE;
                life->run.result = RUN_RESULT_EXIT;
                assert_int_equal(ledger_update(l, &life->run), 0);
                follower.job = "follower";
                follower.parent = life->run.id;
                assert_int_equal(ledger_add(l, &follower), 0);
                set_run_alarm(l, "failed", life->run.id);
        }
        next.job = "a";
        assert_int_equal(ledger_add(l, &next), 0);
        put_batches(l, life->run.id, next.id);
        set_run_alarm(l, "under way", next.id);
        assert_int_equal(ledger_set_stamp(l, "a", "k", ++life->turn), 0);
        assert_int_equal(ledger_commit(l), 0);
        life->run = next;
        life->last_id = next.id;
        life->log_end = 32 + (size_t)store_n_wal_pages(l->store) * (24 + PAGE);
}

/* Now all is on the disk, and the next turn begins to write the log from its start. */
static void synced(Life *life) {
        image_clear(&life->synced_log);
        life->synced_log = image_read(LIVE, LEDGER_FILE "-wal");
        life->synced_turn = life->turn;
        life->log_synced = 32;
}

/* --- what is left --- */

typedef struct Left {
        size_t n_ended, n_open, n_followers;
        uint64_t newest_ended, newest;
} Left;

static int look_at_run(const RunRecord *r, void *userdata) {
        Left *left = userdata;
        bool is_ended = r->state == RUN_DONE;

        left->newest = MAX(left->newest, r->id);
        if (is_ended)
                left->newest_ended = MAX(left->newest_ended, r->id);
        left->n_ended += is_ended;
        left->n_open += !is_ended;
        return 0;
}

static int look_at_alarm(const LedgerAlarm *a, void *userdata) {
        const Left *left = userdata;

        assert_int_equal(a->run, streq(a->key, "failed") ? left->newest_ended : left->newest);
        return 0;
}

static int look_at_batch(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const Left *left = userdata;
        char expected[BATCH_BYTES];

        memset(expected, (char)id, sizeof(expected));
        assert_int_equal(id, left->newest);
        assert_int_equal(n, sizeof(expected));
        assert_memory_equal(bytes, expected, n);
        return 1;
}

/* Whole, and with whole turns only. Returns how many. */
static unsigned check_turns(Ledger *l) {
        Left left = {};
        usec_t turn = 0;

        assert_true(is_ok(l));
        assert_int_equal(l->n_replaced, 0);
        assert_int_equal(store_check(l->store, USEC_PER_MINUTE), 0);
        (void)ledger_get_stamp(l, "a", "k", &turn);
        assert_int_equal(ledger_list(l, "a", 0, UINT32_MAX, look_at_run, &left), 0);
        assert_int_equal(ledger_list(l, "follower", 0, UINT32_MAX, count, &left.n_followers), 0);
        assert_int_equal(left.n_open, turn > 0);
        assert_int_equal(left.n_ended, turn > 0 ? turn - 1 : 0);
        assert_int_equal(left.n_followers, left.n_ended);
        assert_int_equal(count_alarms(l, "a"), (size_t)(turn > 0) + (size_t)(turn > 1));
        assert_int_equal(ledger_list_alarms(l, "a", look_at_alarm, &left), 0);
        assert_int_equal(ledger_list_blobs(l, "a", NULL, look_at_batch, &left), turn > 0);
        return (unsigned)turn;
}

/* Switches the machine on again, with these two files. Returns with how many turns. */
static unsigned check_after(const Life *life, const Image *database, const Image *log) {
        unsigned turn;
        Ledger *l;

        image_write(database, AFTER, LEDGER_FILE);
        image_write(log, AFTER, LEDGER_FILE "-wal");
        copy_file("next-run"); /* is waited for */
        l = open_in(AFTER);
        turn = check_turns(l);
        if (turn < life->synced_turn || turn > life->turn)
                fail_msg("turn %u is there, after %u, of which %u were safe", turn, life->turn, life->synced_turn);
        assert_true(add(l, "new") > life->last_id);
        ledger_close(l);
        return turn;
}

/* --- what a power cut leaves of the log --- */

static void cut_off(const Life *life, Image *log, size_t at) {
        log->n = at;
}

static void zero_the_rest(const Life *life, Image *log, size_t at) {
        memset(log->data + at, 0, log->n - at);
}

static void write_nonsense(const Life *life, Image *log, size_t at) {
        for (size_t i = at, n = 1 + draw(2 * PAGE); i < MIN(at + n, life->log_end); i++)
                log->data[i] = (char)draw(256);
}

/* Of what was there before: all from here on, or any page of it. */
static void keep_old_pages(const Life *life, Image *log, size_t at) {
        bool any = draw(2);

        for (size_t i = at / PAGE * PAGE; i < log->n; i += PAGE) {
                size_t begin = MAX(i, at), end = MIN(i + PAGE, log->n);

                if (any && draw(2))
                        continue;
                memset(log->data + begin, 0, end - begin);
                if (begin < life->synced_log.n)
                        memcpy(log->data + begin, life->synced_log.data + begin, MIN(end, life->synced_log.n) - begin);
        }
}

static void (*const losses[])(const Life *life, Image *log, size_t at) = {
        cut_off,
        zero_the_rest,
        write_nonsense,
        keep_old_pages,
};

/* Returns in how many cases something was lost. */
static unsigned cut_power(const Life *life) {
        Image database = image_read(LIVE, LEDGER_FILE), log = image_read(LIVE, LEDGER_FILE "-wal");
        unsigned n_lost = 0;

        assert_true(life->log_end <= log.n);
        for (unsigned i = 0; i < CUTS; i++) {
                size_t at = life->log_synced + draw((uint32_t)(life->log_end - life->log_synced));
                Image left = image_copy(&log);

                losses[i % ELEMENTSOF(losses)](life, &left, at);
                n_lost += check_after(life, &database, &left) < life->turn;
                image_clear(&left);
        }
        assert_int_equal(check_after(life, &database, &log), life->turn);
        image_clear(&database);
        image_clear(&log);
        return n_lost;
}

static void test_cut_while_log_is_written(void **state) {
        Life life = { .log_synced = 32 };
        unsigned n_lost = 0;

        assert_int_equal(mkdir(path_of(LIVE, ""), 0700), 0);
        assert_int_equal(mkdir(path_of(AFTER, ""), 0700), 0);
        life.ledger = open_in(LIVE);
        for (unsigned i = 1; i <= TURNS; i++) {
                live_a_turn(&life);
                n_lost += cut_power(&life);
                if (i % CHECKPOINT_TURN == 0) {
                        assert_int_equal(store_checkpoint(life.ledger->store), 0);
                        synced(&life);
                }
        }
        assert_true(n_lost > TURNS);
        image_clear(&life.synced_log);
        ledger_close(life.ledger);
}

/* --- while the log is moved to the database --- */

/* Some pages are new, the others old, and the file may have grown or not. */
static Image mix(const Image *before, const Image *after) {
        Image mixed = image_copy(after);

        for (size_t i = 0; i < after->n; i += PAGE) {
                if (draw(2))
                        continue;
                memset(mixed.data + i, 0, PAGE);
                if (i < before->n)
                        memcpy(mixed.data + i, before->data + i, PAGE);
        }
        if (draw(2))
                mixed.n = before->n;
        return mixed;
}

static void test_cut_while_log_is_moved(void **state) {
        Life life = { .log_synced = 32 };
        unsigned n_moved = 0;

        assert_int_equal(mkdir(path_of(LIVE, ""), 0700), 0);
        assert_int_equal(mkdir(path_of(AFTER, ""), 0700), 0);
        life.ledger = open_in(LIVE);
        for (unsigned i = 1; i <= TURNS * 10; i++) {
                Image before, after, log;

                live_a_turn(&life);
                if (i % (4 * CHECKPOINT_TURN) != 0)
                        continue;
                before = image_read(LIVE, LEDGER_FILE);
                log = image_read(LIVE, LEDGER_FILE "-wal");
                assert_int_equal(store_checkpoint(life.ledger->store), 0);
                after = image_read(LIVE, LEDGER_FILE);
                n_moved += before.n != after.n || memcmp(before.data, after.data, before.n) != 0;
                for (unsigned k = 0; k < CUTS; k++) {
                        Image mixed = mix(&before, &after);

                        assert_int_equal(check_after(&life, &mixed, &log), life.turn);
                        image_clear(&mixed);
                }
                image_clear(&before);
                image_clear(&after);
                image_clear(&log);
        }
        assert_true(n_moved > 5);
        ledger_close(life.ledger);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_cut_while_log_is_written),
                ledger_test(test_cut_while_log_is_moved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
