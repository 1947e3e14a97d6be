/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fills a state directory with a month of values, up to some minutes ago, as a vaktd would have kept them that was
 * then stopped; for tests of those that show them. */

#include <stdio.h>

#include "core/values.h"

#define STEP (30 * USEC_PER_SEC)

typedef struct Filled {
        const char *question;
        Value *value;
} Filled;

static void note(Values *v, Filled *f, Reading r, const Instant *now) {
        Question q;

        if (question_parse(f->question, &q, NULL) < 0)
                abort();
        values_note(v, &f->value, &q, &r, now);
        question_done(&q);
}

/* A value that goes up and down in three hours, one that is true for a quarter of each hour, and one that is not known
 * for the last two hours. */
static void fill(Values *v, Filled filled[static 3], const Instant *now, usec_t left) {
        uint64_t minute = now->realtime / USEC_PER_MINUTE, wave = minute % 180;

        note(v, &filled[0], (Reading){ .is_known = true, .value = (int64_t)(wave < 90 ? wave : 180 - wave) }, now);
        note(v, &filled[1], (Reading){ .is_known = true, .value = minute % 60 < 15 }, now);
        if (left < 2 * USEC_PER_HOUR)
                note(v, &filled[2], (Reading){ .reason = "The disk is gone." }, now);
        else
                note(v, &filled[2], (Reading){ .is_known = true, .value = 3LL << 30, .whole = 10LL << 30 }, now);
}

int main(int argc, char *argv[]) {
        Filled filled[] = { { .question = "process vakt-no-such count" },
                            { .question = "mounted /vakt-no-such" },
                            { .question = "disk-free /vakt-no-such" } };
        _cleanup_(ledger_closep) Ledger *ledger = NULL;
        _cleanup_(values_freep) Values *v = NULL;
        usec_t end = now_realtime() - 5 * USEC_PER_MINUTE, span = 31 * USEC_PER_DAY;
        Instant now = { .realtime = (end - span) / USEC_PER_MINUTE * USEC_PER_MINUTE };

        if (argc != 2 || ledger_open(&ledger, NULL, argv[1], NULL) < 0 || values_new(&v, ledger) < 0)
                return EXIT_FAILURE;
        (void)values_load(v);
        for (; now.realtime < end; now.realtime += STEP) {
                now.boottime = now.monotonic = now.realtime;
                fill(v, filled, &now, end - now.realtime);
                if (now.realtime % USEC_PER_HOUR == 0 && ledger_commit(ledger) < 0)
                        return EXIT_FAILURE;
        }
        now.boottime = now.monotonic = now.realtime;
        values_close(v, &now);
        return EXIT_SUCCESS;
}
