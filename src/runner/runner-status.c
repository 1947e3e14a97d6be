/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd_notify(3). Everybody in our network name space can send to the socket, so that it is counted. */

#include <sys/epoll.h>

#include "exec/notify-message.h"
#include "runner/runner.h"

#define MESSAGES_PER_TURN   32
#define MESSAGES_PER_WINDOW 3200
#define WINDOW_USEC         (100 * USEC_PER_MSEC)

int status_open(Runner *r, char **ret) {
        int k;

        r->status_fd = notify_message_socket();
        k = r->status_fd < 0 ? r->status_fd : notify_message_bind(r->status_fd, ret);
        return k < 0 ? k : runner_watch(r, r->status_fd, EPOLLIN, SOURCE_STATUS, 0);
}

static Run *find_run(Runner *r, pid_t sender) {
        pid_t session = getsid(sender);
        uint64_t number;

        for (size_t i = 0; i < RUNNER_ENTRIES; i++)
                if (r->pids[i] > 0 && (r->pids[i] == sender || r->pids[i] == session))
                        return &r->runs[i];
        number = r->cgroup ? child_cgroup_run_of(r->cgroup, sender) : 0;
        for (size_t i = 0; number > 0 && i < RUNNER_ENTRIES; i++)
                if (r->pids[i] > 0 && r->runs[i].group && r->runs[i].group->number == number)
                        return &r->runs[i];
        return NULL;
}

static void take(Runner *r, const NotifyMessage *m) {
        Run *run = m->status ? find_run(r, m->sender) : NULL;
        char *status = run ? strdup(m->status) : NULL;

        if (!status)
                return;
        r->n_status += !run->owes_status;
        free(run->status);
        run->status = status;
        run->owes_status = true;
}

void status_receive(Runner *r) {
        NotifyMessage m;

        for (unsigned i = 0; i < MESSAGES_PER_TURN && notify_message_receive(r->status_fd, &m); i++) {
                take(r, &m);
                r->n_notes++;
        }
        if (r->now - r->window >= WINDOW_USEC) {
                r->window = r->now;
                r->n_notes = 0;
        } else if (r->n_notes > MESSAGES_PER_WINDOW)
                runner_pause(r, r->status_fd, SOURCE_STATUS);
}
