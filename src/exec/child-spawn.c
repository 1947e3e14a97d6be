/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ways to a run's process. Where nothing has to be done between fork and exec but streams, a directory and a
 * control group, the program is spawned directly. Else vakt-exec is spawned in its place, with its orders in a memory
 * file, and executes the program when it has done what the job's [Service] section says.
 *
 * Direct is the rule because it costs one exec less: about a tenth of what the shortest run takes. */

#include "exec/child-internal.h"

#include <fcntl.h>

#include "exec/child-environment.h"
#include "exec/child-orders.h"
#include "exec/command-line.h"
#include "util/log.h"
#include "util/nofile.h"
#include "util/spawn-process.h"
#include "util/strv.h"

/* A list of paths that is standard input is read anew by each command, from its beginning. */
static int open_input(ChildExecution *x, int *ret) {
        int fd, r;

        if (!x->list)
                return 0;
        fd = open(x->list, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0) {
                *ret = fd;
                return 0;
        }
        r = -errno; /* somebody has been there */
        (void)string_format(&x->failure_reason, "Cannot open its list of paths %s: %s.", x->list, strerror(-r));
        return r;
}

static int open_group(ChildExecution *x, int *ret) {
        int fd;

        if (!x->has_group)
                return 0;
        fd = child_cgroup_open(x->executor->cgroup, x->run);
        if (fd < 0) {
                (void)string_format(&x->failure_reason, "Cannot open the control group of the run: %s.",
                                    strerror(-fd));
                return fd;
        }
        *ret = fd;
        return 0;
}

/* orders_fd and answer_fd become 3 and 4, if they are there. */
static int spawn(ChildExecution *x, const char *program, char *const *argv, int orders_fd, int answer_fd,
                 ChildProcess *ret) {
        const ChildExecutor *e = x->executor;
        _cleanup_close_ int list_fd = -EBADF, group_fd = -EBADF;
        int r;

        r = open_input(x, &list_fd);
        if (r >= 0)
                r = open_group(x, &group_fd);
        if (r < 0)
                return r;
        return spawn_begin(
                &x->spawn,
                &(SpawnRequest){
                        .program = program,
                        .argv = argv,
                        .envp = x->environment,
                        .fds = (const int[]){ list_fd >= 0 && paths_are_input(x->def) ? list_fd : e->null_fd,
                                              x->output_fd, x->error_fd >= 0 ? x->error_fd : x->output_fd, orders_fd,
                                              answer_fd },
                        .n_fds = orders_fd >= 0 ? 5 : 3,
                        .directory = e->directory,
                        .cgroup_fd = group_fd,
                        .cgroup_was_killed = x->command > 0,
                        .ignored = &e->ignored,
                        .nofile = nofile_limit_original(),
                },
                &ret->pid, &ret->pidfd);
}

/* --- directly --- */

/* What is not there is said before it is told of a start. The child still reads what it is given when we are back. */
static int spawn_directly(ChildExecution *x, ChildProcess *ret) {
        const CommandDef *command = &x->def->commands[x->command];
        int r;

        x->arguments = strv_free(x->arguments);
        x->program = mfree(x->program);
        r = program_find(&x->program, command->path, x->environment);
        if (r >= 0 && access(x->program, X_OK) < 0)
                r = -errno;
        if (r >= 0 && !(command->flags & COMMAND_NO_EXPAND))
                r = arguments_expand(&x->arguments, command->argv, x->environment);
        return r < 0 ? r : spawn(x, x->program, x->arguments ?: command->argv, -EBADF, -EBADF, ret);
}

/* --- through the helper --- */

static int write_orders(const ChildExecution *x) {
        const CommandDef *command = &x->def->commands[x->command];
        _cleanup_(child_settings_done) ChildSettings settings = {};
        _cleanup_(strv_freep) char **passed = NULL;
        ChildOrders orders = {
                .directory = x->executor->directory,
                .list = x->list && !paths_reader_is_known(x->def) ? x->list : "",
                .program = command->path,
                .argv = command->argv,
                .expand = !(command->flags & COMMAND_NO_EXPAND),
                .properties = x->def->rare->properties,
                .n_properties = x->def->rare->n_properties,
        };
        int r;

        r = child_settings_read(&settings, x->def->rare->properties, x->def->rare->n_properties);
        if (r >= 0)
                r = environment_pass(&passed, settings.pass_environment);
        if (r < 0)
                return r;
        orders.passed = passed;
        return child_orders_write(&orders);
}

static void explain_helper(ChildExecution *x, int error) {
        if (!x->failure_reason)
                (void)string_format(&x->failure_reason, "Cannot execute the program vakt-exec: %s.", strerror(-error));
}

static int spawn_by_helper(ChildExecution *x, ChildProcess *ret) {
        static char *const argv[] = { (char *)"vakt-exec", (char *)"3", (char *)"4", NULL };
        _cleanup_close_ int orders_fd = -EBADF, answer_fd = -EBADF;
        int fds[2], r;

        assert(x->answer_fd < 0); /* what the last command's helper had to say was read */
        if (x->executor->helper_fd < 0) {
                (void)string_format(&x->failure_reason,
                                    "Cannot execute the program vakt-exec that applies the settings of [Service]: %s. "
                                    "Install vaktd completely.",
                                    strerror(-x->executor->helper_fd));
                return x->executor->helper_fd;
        }
        orders_fd = write_orders(x);
        if (orders_fd < 0)
                return orders_fd;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        x->answer_fd = fds[0];
        answer_fd = fds[1];
        r = spawn(x, x->executor->helper_path, argv, orders_fd, answer_fd, ret);
        if (r < 0)
                explain_helper(x, r);
        return r;
}

int child_spawn_answer(ChildExecution *x) {
        ChildFailed failed;
        int r = -spawn_error(&x->spawn);
        ssize_t n;

        if (r < 0 && x->with_helper)
                explain_helper(x, r);
        if (x->answer_fd < 0 || r < 0) {
                x->answer_fd = safe_close(x->answer_fd);
                return r;
        }
        n = read(x->answer_fd, &failed, sizeof(failed));
        x->answer_fd = safe_close(x->answer_fd);
        if (n != sizeof(failed))
                return 0;
        failed.message[sizeof(failed.message) - 1] = '\0';
        free(x->failure_reason);
        x->failure_reason = strdup(failed.message);
        return failed.error > 0 ? -failed.error : -EIO;
}

int child_spawn(ChildExecution *x, ChildProcess *ret) {
        return x->with_helper ? spawn_by_helper(x, ret) : spawn_directly(x, ret);
}
