/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The agent says that it is ready by closing a pipe, which it also does when it ends: then there is nobody to ask, and
 * the daemon refuses the call. It is in our process group, so that Ctrl-C ends it as well. */

#include "ctl/polkit-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

#define AGENT "/usr/bin/pkttyagent"

__attribute__((__noreturn__)) static void run_agent(int ready_fd) {
        char number[16];
        sigset_t none;

        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)snprintf(number, sizeof(number), "%d", ready_fd);
        if (fcntl(ready_fd, F_SETFD, 0) >= 0)
                execl(AGENT, AGENT, "--notify-fd", number, "--fallback", (char *)NULL);
        _exit(EXIT_FAILURE);
}

pid_t polkit_agent_open(void) {
        _cleanup_close_ int in = -EBADF, out = -EBADF;
        struct pollfd p;
        int fds[2];
        pid_t pid;

        if (geteuid() == 0 || !isatty(STDIN_FILENO) || pipe2(fds, O_CLOEXEC) < 0)
                return 0;
        in = fds[0];
        out = fds[1];
        (void)fflush(stdout);
        pid = fork();
        if (pid < 0)
                return 0;
        if (pid == 0)
                run_agent(out);
        out = safe_close(out);
        p = (struct pollfd){ .fd = in, .events = POLLIN };
        while (poll(&p, 1, -1) < 0 && errno == EINTR)
                ;
        return pid;
}

void polkit_agent_close(pid_t pid) {
        if (pid <= 0)
                return;
        (void)kill(pid, SIGTERM);
        (void)kill(pid, SIGCONT);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}
