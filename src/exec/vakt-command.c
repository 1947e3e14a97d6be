/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-command [session] [path] expand|as-is PATH WORD…
 *
 * Executes PATH with the words; all of them are encoded, and with "path" $VAKT_PATH is: see unit-command.h for why. It
 * runs in the place of the program, with the user, the sandbox and the environment that the service manager gave it,
 * and leaves nothing behind: should there be nothing to execute, it says so as the service manager would have, by its
 * exit status. */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "exec/command-line.h"
#include "exec/unit-command.h"
#include "util/log.h"
#include "util/strv.h"

/* ERRNO= of sd_notify(3), in one datagram; by hand, so that nothing has to be loaded at every start. */
static void notify_errno(int error) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        char message[32];
        size_t n = path ? strlen(path) : 0;
        int length;

        if (n < 2 || n >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, n);
        if (path[0] == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        length = snprintf(message, sizeof(message), "ERRNO=%d", error);
        if (fd >= 0)
                (void)sendto(fd, message, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static int execute(const char *name, char **argv, bool expand) {
        _cleanup_(strv_freep) char **expanded = NULL;
        _cleanup_free_ char *program = NULL;
        int r;

        r = program_find(&program, name, environ);
        if (r >= 0 && expand)
                r = arguments_expand(&expanded, argv, environ);
        if (r < 0)
                return r;
        (void)execve(program, expanded ?: argv, environ);
        return -errno;
}

static bool decode_path(void) {
        char *path = getenv("VAKT_PATH");

        return path && unit_command_decode_word(path);
}

static bool is_same_stream(int a, int b) {
        struct stat st, other;

        return fstat(a, &st) == 0 && fstat(b, &other) == 0 && st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}

/* The journal knows by now, and not for long, whose stream this is. */
static void mark_stream(int fd) {
        static const char mark[] = "<7>" OUTPUT_MARK "\n";
        struct sockaddr_un peer = {};
        socklen_t size = sizeof(peer) - 1;

        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
            startswith(peer.sun_path, "/run/systemd/journal"))
                (void)!write(fd, mark, strlen(mark));
}

int main(int argc, char *argv[]) {
        bool in_session = argc >= 2 && streq(argv[1], "session"), has_path, good;
        char **words; /* expand|as-is and what follows */
        int r = -EINVAL;

        if (in_session) {
                mark_stream(STDOUT_FILENO);
                if (!is_same_stream(STDOUT_FILENO, STDERR_FILENO))
                        mark_stream(STDERR_FILENO);
                argc--;
                argv++;
        }
        has_path = argc >= 2 && streq(argv[1], "path");
        words = argv + 1 + has_path;
        good = argv + argc - words >= 3 && (!has_path || decode_path());

        for (char **word = words + 1; good && *word; word++)
                good = unit_command_decode_word(*word);
        if (good)
                r = execute(words[1], words + 2, streq(words[0], "expand"));
        (void)fprintf(stderr, "Cannot execute %s: %s\n", good ? words[1] : "that", strerror(-r));
        notify_errno(-r);
        return UNIT_COMMAND_FAILED;
}
