/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As git(1) and crontab(1) do it: the value of the first variable that is set is a command with arguments, and the
 * file stands behind it. Signals of the terminal are the editor's, as long as it has it. */

#include "ctl/editor.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "util/strv.h"

/* Those that take "+LINE" in front of the file. */
static const char *const take_line[] = { "editor", "emacs", "emacsclient", "joe",  "kak", "mcedit", "micro",
                                         "mg",     "nano",  "nvim",        "pico", "vi",  "vim" };

static bool takes_line(const char *command) {
        const char *slash = strrchr(command, '/');

        for (size_t i = 0; i < ELEMENTSOF(take_line); i++)
                if (streq(slash ? slash + 1 : command, take_line[i]))
                        return true;
        return false;
}

/* NULL: none is set. */
static const char *editor_from_environment(void) {
        static const char *const variables[] = { "VAKTCTL_EDITOR", "VISUAL", "EDITOR" };

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *value = getenv(variables[i]);

                if (value && value[strspn(value, " \t")] != '\0')
                        return value;
        }
        return NULL;
}

/* 0 or negative errno; *ret_status as of waitpid(2). */
static int spawn_and_wait(char **args, int *ret_status) {
        const struct sigaction ignore = { .sa_handler = SIG_IGN };
        struct sigaction old_int, old_quit;
        posix_spawnattr_t attributes;
        sigset_t signals;
        pid_t pid;
        int r;

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGQUIT);
        (void)posix_spawnattr_init(&attributes);
        (void)posix_spawnattr_setsigdefault(&attributes, &signals);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        (void)sigaction(SIGINT, &ignore, &old_int);
        (void)sigaction(SIGQUIT, &ignore, &old_quit);
        r = -posix_spawnp(&pid, args[0], NULL, &attributes, args, environ);
        (void)posix_spawnattr_destroy(&attributes);
        while (r == 0 && waitpid(pid, ret_status, 0) < 0)
                if (errno != EINTR)
                        r = -errno;
        (void)sigaction(SIGINT, &old_int, NULL);
        (void)sigaction(SIGQUIT, &old_quit, NULL);
        return r;
}

static int run_command(const char *command, const char *path, unsigned line, int *ret_status) {
        _cleanup_free_ char *words = alloc_string(command);
        _cleanup_(strv_freep) char **args = NULL;
        char *state = NULL;

        for (char *word = strtok_r(words, " \t", &state); word; word = strtok_r(NULL, " \t", &state))
                alloc_extend(&args, word);
        if (line > 0 && takes_line(args[0]))
                alloc_extendf(&args, "+%u", line);
        alloc_extend(&args, path);
        return spawn_and_wait(args, ret_status);
}

int editor_run(const char *path, unsigned line) {
        static const char *const usual[] = { "editor", "nano", "vim", "vi" };
        const char *command = editor_from_environment();
        int status = 0, r = -ENOENT;

        fflush(stdout);
        if (command)
                r = run_command(command, path, line, &status);
        for (size_t i = 0; !command && r == -ENOENT && i < ELEMENTSOF(usual); i++)
                r = run_command(usual[i], path, line, &status);
        if (r == -ENOENT && !command)
                ctl_complain(_("No editor was found; set VAKTCTL_EDITOR, VISUAL or EDITOR, or install nano or vim."));
        else if (r < 0)
                ctl_complain(_("Cannot start the editor '%s': %s."), strempty(command), strerror(-r));
        else if (WIFSIGNALED(status))
                ctl_complain(_("The editor was killed by signal %d."), WTERMSIG(status));
        else if (WEXITSTATUS(status) != 0)
                ctl_complain(_("The editor failed with exit status %d."), WEXITSTATUS(status));
        return r < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ? CTL_FAILED : CTL_DONE;
}
