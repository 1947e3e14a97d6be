/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program whose exit status is the answer: 0 is true, and as with shells and systemd, 126 and 127 mean that it could
 * not be executed. It has no time limit here: who asks gives up waiting and closes the socket, and everything is ended
 * then. This process is the reaper of all that the program leaves behind, so none of it gets away. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "probe/reader.h"
#include "util/spawn-signals.h"
#include "util/words.h"

#define WORDS_MAX       64
#define SHELL_NO_ACCESS 126
#define SHELL_NOT_FOUND 127

/* Into words, one behind the other in text, which is as long as what they are made of. */
static bool split(const char *subject, char *text, char *words[static WORDS_MAX + 1]) {
        _cleanup_free_ char *problem = NULL; /* the parser of conditions has said so already */
        size_t n = 0;
        int r;

        while ((r = word_next(&subject, text, &problem)) > 0 && n < WORDS_MAX) {
                words[n++] = text;
                text += strlen(text) + 1;
        }
        words[n] = NULL;
        return r == 0 && n > 0;
}

static int add_streams(posix_spawn_file_actions_t *actions) {
        int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR | O_NOCTTY, 0);

        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDERR_FILENO);
        return r;
}

static int spawn(char *const *words, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = add_streams(&actions);
                if (r == 0)
                        r = spawn_set_signals(&attributes);
                if (r == 0)
                        r = posix_spawnp(ret, words[0], &actions, &attributes, words, environ);
                posix_spawnattr_destroy(&attributes);
        }
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* Until the process has ended; false: there is nobody to answer to. */
static bool wait_for(pid_t pid) {
        struct pollfd fds[] = {
                { .fd = pidfd_open(pid, 0), .events = POLLIN },
                { .fd = OUTSIDE_SOCKET_FD, .events = POLLRDHUP },
        };

        while (fds[0].fd >= 0 && !fds[0].revents && !fds[1].revents)
                if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                        break;
        safe_close(fds[0].fd);
        return fds[0].revents;
}

static pid_t any_child(void) {
        FILE *f = fopen("/proc/thread-self/children", "re");
        int pid = 0;

        if (f && fscanf(f, "%d", &pid) != 1)
                pid = 0;
        if (f)
                (void)fclose(f);
        return pid;
}

/* The children of one that is killed become ours. */
static void end_children(void) {
        pid_t pid;

        while ((pid = any_child()) > 0)
                if (kill(pid, SIGKILL) < 0 || waitpid(pid, NULL, 0) < 0)
                        return;
}

static void answer_status(const char *program, int status, OutsideAnswer *a) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

        if (code == SHELL_NO_ACCESS || code == SHELL_NOT_FOUND)
                answer_unknown(a, "%s could not execute its program (exit status %d).", program, code);
        else if (code >= 0)
                answer_known(a, code == 0, 0);
        else
                answer_unknown(a, "%s was ended by signal %d (%s).", program, WTERMSIG(status),
                               strsignal(WTERMSIG(status)));
}

void read_exec(const OutsideQuestion *q, OutsideAnswer *a) {
        char text[CONDITION_TEXT_MAX], *words[WORDS_MAX + 1];
        int status = 0, r;
        bool is_over;
        pid_t pid;

        if (!split(q->subject, text, words)) {
                answer_unknown(a, "This is not a program with at most %d arguments.", WORDS_MAX - 1);
                return;
        }
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        r = spawn(words, &pid);
        if (r < 0) {
                answer_unknown(a, "Cannot execute %s: %s.", words[0], strerror(-r));
                return;
        }
        is_over = wait_for(pid);
        if (!is_over)
                (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        end_children();
        if (!is_over)
                _exit(EXIT_SUCCESS);
        answer_status(words[0], status, a);
}
