/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* New lines of a journal. The last output of a process may reach the journal after the service manager has seen its
 * end; the journal is asked to read everything that is there or, if that is refused (to all users except root), we
 * wait until it replies at all, and then until nothing has arrived for a moment. */

#include "ctl/journal-tail.h"

#include "ctl/alloc.h"
#include "ctl/ctl.h"

#define QUIET     (250 * USEC_PER_MSEC)
#define QUIET_MAX (5 * USEC_PER_SEC) /* others may write for ever */

struct JournalTail {
        Journal *journal;
        sd_event_source *source;
        JournalLineFunction print;
        void *userdata;
        bool broken; /* told already */
};

static void drain(JournalTail *t) {
        JournalLine line;
        int r;

        while ((r = journal_next(t->journal, &line)) > 0)
                t->print(&line, t->userdata);
        if (r < 0 && !TAKE_GENERIC(t->broken, true))
                ctl_complain(_("Cannot read entries of the journal: %s."), strerror(-r));
}

static int on_journal(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        JournalTail *t = userdata;

        if (journal_process(t->journal) >= 0)
                drain(t);
        return 0;
}

int journal_tail_new(JournalTail **ret, Journal *journal, sd_event *event, JournalLineFunction print, void *userdata) {
        _cleanup_(journal_tail_freep) JournalTail *t = alloc_array(NULL, 1, sizeof(JournalTail));
        int r;

        *t = (JournalTail){ .print = print, .userdata = userdata };
        r = journal_watch(journal, event, &t->source, on_journal, t);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(t->source, "journal");
        t->journal = journal;
        drain(t);
        *ret = TAKE_PTR(t);
        return 0;
}

JournalTail *journal_tail_free(JournalTail *t) {
        if (!t)
                return NULL;
        sd_event_source_disable_unref(t->source);
        journal_free(t->journal);
        return mfree(t);
}

void journal_tail_finish(JournalTail *t) {
        usec_t deadline;

        if (journal_synchronize() >= 0) {
                (void)journal_process(t->journal);
                drain(t);
                return;
        }
        (void)journal_knock();
        deadline = now_clock(CLOCK_MONOTONIC) + QUIET_MAX;
        do
                drain(t);
        while (journal_wait(t->journal, QUIET) > 0 && now_clock(CLOCK_MONOTONIC) < deadline);
        drain(t);
}
