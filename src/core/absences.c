/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the ledger keeps of jobs that are gone. Of a job whose file is gone all is kept for a day: a package that is
 * upgraded takes its files away and brings them back, and with them the job is as it was, paused if it was, with its
 * alarms and with intervals that go on from where they were; but the time in which there was no such job is not one
 * that it missed. Then everything is forgotten but its history, which has rules of its own (HistoryKeepSec=).
 *
 * It is looked at when vaktd starts and at each reload. */

#include "core/absences.h"
#include "core/manager-body.h"
#include "core/outbox.h"
#include "util/log.h"

#define GONE_STAMP     "gone" /* among the stamps of the triggers, whose keys hold a "=": since when the job is */
#define GONE_KEPT_USEC USEC_PER_DAY

static void look_at_job(Manager *m, const char *name) {
        Job *job = job_table_get(m->jobs, name);
        usec_t since, now = turn_now(m->event).realtime;
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        bool was_gone = ledger_get_stamp(m->ledger, name, GONE_STAMP, &since) >= 0;

        /* An instance that somebody asked for by name is there as long as its template is. */
        if (job ? !job->gone : strchr(name, '@') && job_loader_instantiate(m->loader, name, &def, NULL) != -ENOENT) {
                if (!was_gone)
                        return;
                (void)ledger_forget_stamp(m->ledger, name, GONE_STAMP);
                if (job)
                        job->came_back = true;
        } else if (!was_gone || since > now)
                (void)ledger_set_stamp(m->ledger, name, GONE_STAMP, now);
        else if (!job && now - since >= GONE_KEPT_USEC) {
                log_debug("%s has been gone for a day; forgetting everything about it except its history.", name);
                (void)ledger_forget_job(m->ledger, name);
        }
}

void absences_look(Manager *m) {
        _cleanup_free_ char *name = strdup(""); /* that is what is said about all jobs */

        if (runs_commit(m) < 0)
                return;               /* the next reload looks again */
        ledger_read_ahead(m->ledger); /* the caller ends that */
        while (name) {
                char *next = NULL;

                if (ledger_next_kept_job(m->ledger, name, &next) < 0)
                        return;
                free(name);
                name = next;
                look_at_job(m, name);
        }
}
