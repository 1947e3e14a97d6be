/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two ways to a run's process. Where nothing has to be done between fork and exec but streams and a directory, the
 * program is spawned directly. Else vakt-exec is spawned in its place, with its orders in a memory file, and executes
 * the program when it has done what the job's [Service] section says.
 *
 * Direct is the rule because it costs one exec less: about a tenth of what the shortest run takes. */

#include "exec/child-internal.h"

#include <fcntl.h>

#include "exec/child-environment.h"
#include "exec/child-orders.h"
#include "exec/command-line.h"
#include "util/log.h"
#include "util/nofile.h"
#include "util/strv.h"

static int add_streams(const ChildExecution *x, posix_spawn_file_actions_t *actions) {
        int r;

        if (x->list && paths_are_input(x->def)) /* anew for each command: from its beginning */
                r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, x->list, O_RDONLY | O_NOCTTY, 0);
        else
                r = posix_spawn_file_actions_adddup2(actions, x->executor->null_fd, STDIN_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, x->output_fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(actions, x->error_fd, STDERR_FILENO);
        return r;
}

static int spawn(const ChildExecution *x, const char *program, char *const *argv,
                 const posix_spawn_file_actions_t *actions, pid_t *ret) {
        int r;

        nofile_limit_restore();
        r = posix_spawn(ret, program, actions, &x->executor->attributes, argv, x->environment);
        nofile_limit_raise();
        return r;
}

/* --- directly --- */

static int spawn_program(const ChildExecution *x, const char *program, char *const *argv, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = add_streams(x, &actions);
        if (r == 0) /* what somebody has left open for us */
                r = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
        if (r == 0)
                r = posix_spawn_file_actions_addchdir_np(&actions, x->executor->directory);
        if (r == 0)
                r = spawn(x, program, argv, &actions, ret);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int spawn_directly(const ChildExecution *x, pid_t *ret) {
        const CommandDef *command = &x->def->commands[x->command];
        _cleanup_(strv_freep) char **expanded = NULL;
        _cleanup_free_ char *program = NULL;
        int r;

        r = program_find(&program, command->path, x->environment);
        if (r >= 0 && !(command->flags & COMMAND_NO_EXPAND))
                r = arguments_expand(&expanded, command->argv, x->environment);
        return r < 0 ? r : spawn_program(x, program, expanded ?: command->argv, ret);
}

/* --- through the helper --- */

static int write_orders(const ChildExecution *x) {
        const CommandDef *command = &x->def->commands[x->command];
        _cleanup_(child_settings_done) ChildSettings settings = {};
        _cleanup_(strv_freep) char **passed = NULL;
        _cleanup_free_ char *entrance = NULL;
        ChildOrders orders = {
                .directory = x->executor->directory,
                .list = x->list && !paths_reader_is_known(x->def) ? x->list : "",
                .program = command->path,
                .argv = command->argv,
                .expand = !(command->flags & COMMAND_NO_EXPAND),
                .properties = x->def->properties,
                .n_properties = x->def->n_properties,
        };
        int r;

        r = child_settings_read(&settings, x->def->properties, x->def->n_properties);
        if (r >= 0)
                r = environment_pass(&passed, settings.pass_environment);
        if (r < 0)
                return r;
        orders.passed = passed;
        if (x->has_group) {
                entrance = child_cgroup_entrance(x->executor->cgroup, x->run);
                if (!entrance)
                        return -ENOMEM;
        }
        orders.entrance = strempty(entrance);
        return child_orders_write(&orders);
}

/* The two descriptors keep their numbers; the helper takes care that the run's program does not get them. */
static int spawn_with(const ChildExecution *x, int orders_fd, int answer_fd, pid_t *ret) {
        char orders[sizeof("2147483647")], answer[sizeof("2147483647")];
        char *const argv[] = { (char *)"vakt-exec", orders, answer, NULL };
        posix_spawn_file_actions_t actions;
        int r;

        (void)snprintf(orders, sizeof(orders), "%d", orders_fd);
        (void)snprintf(answer, sizeof(answer), "%d", answer_fd);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = add_streams(x, &actions);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, orders_fd, orders_fd);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, answer_fd, answer_fd);
        if (r == 0)
                r = spawn(x, x->executor->helper_path, argv, &actions, ret);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int spawn_by_helper(ChildExecution *x, pid_t *ret) {
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
        r = spawn_with(x, orders_fd, answer_fd, ret);
        if (r < 0)
                (void)string_format(&x->failure_reason, "Cannot execute the program vakt-exec: %s.", strerror(-r));
        return r;
}

int child_spawn_answer(ChildExecution *x) {
        ChildFailed failed;
        ssize_t n;

        if (x->answer_fd < 0)
                return 0;
        n = read(x->answer_fd, &failed, sizeof(failed));
        x->answer_fd = safe_close(x->answer_fd);
        if (n != sizeof(failed))
                return 0;
        failed.message[sizeof(failed.message) - 1] = '\0';
        free(x->failure_reason);
        x->failure_reason = strdup(failed.message);
        return failed.error > 0 ? -failed.error : -EIO;
}

/* Somebody has been there: posix_spawn(3) would not say which file it did not find. */
static int check_list(ChildExecution *x) {
        int r;

        if (!x->list || access(x->list, R_OK) >= 0)
                return 0;
        r = -errno;
        (void)string_format(&x->failure_reason, "Cannot open its list of paths %s: %s.", x->list, strerror(-r));
        return r;
}

int child_spawn(ChildExecution *x, pid_t *ret) {
        int r = check_list(x);

        if (r < 0)
                return r;
        return x->with_helper ? spawn_by_helper(x, ret) : spawn_directly(x, ret);
}
