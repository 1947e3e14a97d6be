/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As PID 1 of a container, or as a subreaper, vaktd becomes the parent of all processes whose own has ended; nobody
 * else waits for them, and each stays a zombie. Those that vaktd has started itself are left to who follows them:
 * nobody but the child executor starts any. A zombie of its own hides those behind it, so it is looked again when that
 * was taken. */

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "exec/child-internal.h"
#include "util/log.h"

static bool is_reaper(void) {
        int subreaper = 0;

        return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) >= 0 && subreaper);
}

void child_executor_reap(ChildExecutor *e) {
        siginfo_t si;

        if (!e->reaper_source)
                return;
        for (;;) {
                const ChildExecution *x;

                si.si_pid = 0;
                if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
                        return;
                x = child_execution_by_pid(e, si.si_pid);
                if (x && x->child_source)
                        return;
                (void)waitid(P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG);
        }
}

static int on_child_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        child_executor_reap(userdata);
        return 0;
}

int child_executor_add_reaper(ChildExecutor *e) {
        int r;

        if (!is_reaper())
                return 0;
        r = sd_event_add_signal(e->event, &e->reaper_source, SIGCHLD, on_child_signal, e);
        return r < 0 ? r : sd_event_source_set_description(e->reaper_source, "reaper");
}
