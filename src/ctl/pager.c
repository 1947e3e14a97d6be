/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pager is our child and we have to wait for it: if the user returned to the shell while it still draws, they
 * would type into it. When it is quit early, further output is discarded, hence no SIGPIPE. A pager that cannot be
 * started is replaced by copying, in the child, so that no output is lost.
 *
 * less can start programs. If vaktctl has more rights than its user (sudo), less is told not to, and a pager from the
 * environment is not used, unless SYSTEMD_PAGERSECURE= says so. */

#include "ctl/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>

#include "ctl/alloc.h"
#include "ctl/text.h"

#define LESS_OPTIONS "FRSXMK" /* as systemd's own */

struct Pager {
        pid_t pid;
        int saved_stdout, saved_stderr; /* -EBADF: not replaced */
};

/* Whether the session belongs to a user with fewer rights than ours. */
static bool is_secure(void) {
        const char *e = getenv("SYSTEMD_PAGERSECURE");
        uid_t owner;

        if (!isempty(e))
                return !text_is_no(e);
        if (getenv("SUDO_UID") || getenv("PKEXEC_UID") || getuid() != geteuid())
                return true;
        return sd_pid_get_owner_uid(0, &owner) >= 0 && owner != geteuid();
}

/* The command line of the pager; NULL: no pager. */
static const char *pager_command(bool secure) {
        const char *e = getenv("SYSTEMD_PAGER");

        if (!e)
                e = getenv("PAGER");
        if (e && (isempty(e) || streq(e, "cat")))
                return NULL;
        return secure || !e ? "less" : e;
}

static void copy_all(void) {
        char buf[4096];
        ssize_t n;

        while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
                for (ssize_t k, done = 0; done < n; done += k) {
                        k = write(STDOUT_FILENO, buf + done, (size_t)(n - done));
                        if (k < 0)
                                return;
                }
}

__attribute__((__noreturn__)) static void run_pager(const char *command, bool secure) {
        const char *options = getenv("SYSTEMD_LESS"), *charset = getenv("SYSTEMD_LESSCHARSET");

        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)setenv("LESS", options ?: LESS_OPTIONS, 1);
        if (charset)
                (void)setenv("LESSCHARSET", charset, 1);
        if (secure)
                (void)setenv("LESSSECURE", "1", 1);
        if (strpbrk(command, " \t\"'$|;&<>"))
                execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        else
                execlp(command, command, (char *)NULL);
        copy_all();
        _exit(EXIT_SUCCESS);
}

/* Replaces the descriptor of stream with fd. Returns a copy of the old one. */
static int replace(FILE *stream, int fd) {
        int number = fileno(stream), saved;

        fflush(stream);
        saved = fcntl(number, F_DUPFD_CLOEXEC, 3);
        if (saved < 0 || dup2(fd, number) < 0)
                return safe_close(saved);
        return saved;
}

static void restore(FILE *stream, int saved) {
        if (saved < 0)
                return;
        fflush(stream);
        (void)dup2(saved, fileno(stream));
        (void)safe_close(saved);
}

Pager *pager_open(void) {
        _cleanup_close_ int out = -EBADF, in = -EBADF;
        bool secure = is_secure();
        const char *command = pager_command(secure);
        int fds[2];
        pid_t pid;
        Pager *p;

        if (!command || pipe2(fds, O_CLOEXEC) < 0)
                return NULL;
        in = fds[0];
        out = fds[1];
        fflush(stdout);
        pid = fork();
        if (pid < 0)
                return NULL;
        if (pid == 0) {
                (void)dup2(in, STDIN_FILENO);
                out = safe_close(out); /* or it would wait for itself */
                run_pager(command, secure);
        }
        (void)signal(SIGPIPE, SIG_IGN);
        p = alloc_array(NULL, 1, sizeof(Pager));
        *p = (Pager){ .pid = pid, .saved_stdout = replace(stdout, out), .saved_stderr = -EBADF };
        if (isatty(STDERR_FILENO))
                p->saved_stderr = replace(stderr, out);
        return p;
}

Pager *pager_close(Pager *p) {
        if (!p)
                return NULL;
        restore(stdout, p->saved_stdout);
        restore(stderr, p->saved_stderr);
        clearerr(stdout); /* if the pager was quit early, there is no more output and no error */
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return mfree(p);
}
