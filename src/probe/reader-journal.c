/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How many lines of the journal match, with the meaning that journalctl(1) gives to its arguments. A span is counted
 * from its beginning, and no further than JOURNAL_LINES_MAX. */

#include <systemd/sd-journal.h>

#include "probe/reader.h"
#include "util/words.h"

static int add_matches(sd_journal *j, const char *text) {
        _cleanup_free_ char *problem = NULL; /* the parser of conditions has said so already */
        char word[CONDITION_TEXT_MAX];
        int r;

        while ((r = word_next(&text, word, &problem)) > 0) {
                r = streq(word, "+") ? sd_journal_add_disjunction(j) : sd_journal_add_match(j, word, 0);
                if (r < 0)
                        break;
        }
        return r;
}

static int64_t count_lines(sd_journal *j, usec_t since) {
        int64_t n = 0;
        int r = sd_journal_seek_realtime_usec(j, since);

        while (r >= 0 && n <= JOURNAL_LINES_MAX && (r = sd_journal_next(j)) > 0)
                n++;
        return r < 0 ? r : n;
}

void read_journal_matches(const OutsideQuestion *q, OutsideAnswer *a) {
        sd_journal *j;
        int64_t n;
        int r;

        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);
        if (r < 0) {
                answer_unknown(a, "Cannot open the journal: %s.", strerror(-r));
                return;
        }
        r = add_matches(j, q->subject);
        n = r < 0 ? r : count_lines(j, usec_sub(q->now_realtime, q->span));
        sd_journal_close(j);
        if (r == -EINVAL)
                answer_unknown(a, "\"%s\" is not a list of FIELD=VALUE.", q->subject);
        else if (n < 0)
                answer_unknown(a, "Cannot read the journal: %s.", strerror((int)-n));
        else
                answer_known(a, n, 0);
}
