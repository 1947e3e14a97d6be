/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the history of values costs: bytes of each in memory and on disk once its rings are full, transactions and
 * bytes that are written in an hour, processor time of an answer and of a query, and the longest turn (at the end of
 * an hour). For 50 and for 1,000 questions that are answered twice a minute: most with a size that goes up and down,
 * some that do not change. The limit is that no turn takes more than 20 ms. On the disk that TMPDIR or the first
 * argument names. */

#include <ftw.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/values.h"
#include "util/log.h"

#define STEP       (30 * USEC_PER_SEC)
#define COARSE     (10 * USEC_PER_MINUTE) /* until the last two days */
#define DAYS       32
#define BEGIN_USEC (UINT64_C(1774137600) * USEC_PER_SEC)

static char directory[PATH_MAX];

typedef struct Bench {
        Ledger *ledger;
        Values *values;
        size_t n;
        Value **slots;
        Question *questions;
        int64_t *numbers;
        Instant now;
        usec_t longest; /* turn, by processor time */
        uint64_t n_answers, n_commits;
} Bench;

static _Noreturn void give_up(const char *what) {
        fprintf(stderr, "bench-values: %s failed\n", what);
        exit(EXIT_FAILURE);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static uint64_t written(void) {
        unsigned long long n = 0;
        FILE *f = fopen("/proc/self/io", "re");

        if (!f || fscanf(f, "rchar: %*u\nwchar: %llu", &n) != 1)
                give_up("reading /proc/self/io");
        (void)fclose(f);
        return n;
}

static void turn(Bench *b) {
        usec_t begin = now_clock(CLOCK_PROCESS_CPUTIME_ID);

        for (size_t i = 0; i < b->n; i++) {
                if (i % 5 > 0)
                        b->numbers[i] += (rand() % 2001 - 1000) * 4096LL;
                values_note(b->values, &b->slots[i], &b->questions[i],
                            &(Reading){ .is_known = true, .value = b->numbers[i], .whole = 1LL << 40 }, &b->now);
        }
        b->n_answers += b->n;
        b->n_commits++;
        if (ledger_commit(b->ledger) < 0)
                give_up("writing the ledger");
        b->longest = MAX(b->longest, now_clock(CLOCK_PROCESS_CPUTIME_ID) - begin);
}

static void run(Bench *b, usec_t span, usec_t step) {
        for (usec_t end = b->now.realtime + span; b->now.realtime < end;) {
                turn(b);
                b->now.realtime += step;
                b->now.boottime += step;
                b->now.monotonic += step;
        }
}

static int count_bucket(usec_t start, const Bucket *bucket, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

static usec_t query(Bench *b, unsigned *ret_n) {
        usec_t begin = now_clock(CLOCK_PROCESS_CPUTIME_ID);

        for (unsigned i = 0; i < 100; i++) {
                usec_t grain = 0;

                *ret_n = 0;
                if (values_query(b->values, "disk-free /srv/1", b->now.realtime - USEC_PER_DAY, USEC_INFINITY, &grain,
                                 &b->now, count_bucket, ret_n) < 0)
                        give_up("a query");
        }
        return (now_clock(CLOCK_PROCESS_CPUTIME_ID) - begin) / 100;
}

static int sum_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        *(size_t *)userdata += n;
        return 0;
}

static void measure(size_t n) {
        Bench b = { .n = n, .now = { BEGIN_USEC, USEC_PER_DAY, USEC_PER_DAY } };
        char path[PATH_MAX + 32];
        size_t memory, payload = 0;
        uint64_t n_written, n_commits;
        usec_t begin, answers;
        unsigned n_buckets;
        struct stat st;

        b.slots = calloc(n, sizeof(*b.slots));
        b.questions = calloc(n, sizeof(*b.questions));
        b.numbers = calloc(n, sizeof(*b.numbers));
        if (!b.slots || !b.questions || !b.numbers || !mkdtemp(directory) ||
            ledger_open(&b.ledger, NULL, directory, NULL) < 0)
                give_up("making a ledger");
        for (size_t i = 0; i < n; i++) {
                char text[64];

                b.numbers[i] = (int64_t)(i + 1) << 33;
                (void)snprintf(text, sizeof(text), "disk-free /srv/%zu", i);
                if (question_parse(text, &b.questions[i], NULL) < 0)
                        give_up("a question");
        }
        if (values_new(&b.values, b.ledger) < 0 || values_load(b.values) < 0)
                give_up("making values");
        run(&b, (DAYS - 2) * USEC_PER_DAY, COARSE);
        run(&b, 2 * USEC_PER_DAY - USEC_PER_HOUR - STEP, STEP);
        b.longest = 0;
        b.n_answers = 0;
        n_written = written();
        n_commits = b.n_commits;
        begin = now_clock(CLOCK_PROCESS_CPUTIME_ID);
        run(&b, USEC_PER_HOUR, STEP);
        answers = now_clock(CLOCK_PROCESS_CPUTIME_ID) - begin;
        n_written = written() - n_written;
        (void)ledger_list_blobs(b.ledger, "", NULL, sum_blob, &payload);
        begin = query(&b, &n_buckets);
        values_close(b.values, &b.now);
        memory = mallinfo2().uordblks;
        values_free(b.values);
        memory -= mallinfo2().uordblks;
        ledger_close(b.ledger);
        (void)snprintf(path, sizeof(path), "%s/" LEDGER_FILE, directory);
        if (stat(path, &st) < 0)
                give_up("stat");
        printf("%zu questions: %zu bytes in memory and %zu on disk each (%zu without SQLite's); an hour: %zu answers, "
               "of %zu turns, %.0f KiB written; one answer %.2f us, longest turn %.1f ms; a query of %u buckets "
               "%" PRI_USEC " us\n",
               n, memory / n, (size_t)st.st_size / n, payload / n, (size_t)b.n_answers,
               (size_t)(b.n_commits - n_commits), (double)n_written / 1024, (double)answers / (double)b.n_answers,
               (double)b.longest / 1000, n_buckets, begin);
        for (size_t i = 0; i < n; i++)
                question_done(&b.questions[i]);
        free(b.slots);
        free(b.questions);
        free(b.numbers);
        (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char *argv[]) {
        const char *parent = argc > 1 ? argv[1] : getenv("TMPDIR") ?: "/tmp";

        for (size_t n = 50; n <= 1000; n *= 20) {
                (void)snprintf(directory, sizeof(directory), "%s/bench-values-XXXXXX", parent);
                measure(n);
        }
        return EXIT_SUCCESS;
}
