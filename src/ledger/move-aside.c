/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The log is renamed first and the database last. Otherwise a crash in between would leave the log of a damaged
 * database next to the new one, and SQLite would take it for that of the new one. */

#include "ledger/move-aside.h"

#include <fcntl.h>

#include "util/file.h"
#include "util/strv.h"

#define NAMES_MAX 64 /* files looked at when old ones are counted */

static const char *const suffixes[] = { "-wal", "-shm", "-journal", "" };

/* A name that sorts by time and is free. */
static int choose_name(int dir_fd, const char *file, usec_t now_realtime, char ret[static NAME_MAX + 1]) {
        for (usec_t second = now_realtime / USEC_PER_SEC, end = second + 60; second < end; second++) {
                time_t t = (time_t)second;
                char stamp[32];
                struct tm tm;

                if (!gmtime_r(&t, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0)
                        return -EINVAL;
                if (snprintf(ret, NAME_MAX + 1, "%s.corrupt-%s", file, stamp) > NAME_MAX)
                        return -ENAMETOOLONG;
                if (faccessat(dir_fd, ret, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        return 0;
        }
        return -EEXIST;
}

static int rename_with_suffix(int dir_fd, const char *from, const char *to, const char *suffix) {
        char old[NAME_MAX + 16], new[NAME_MAX + 16];

        (void)snprintf(old, sizeof(old), "%s%s", from, suffix);
        (void)snprintf(new, sizeof(new), "%s%s", to, suffix);
        return renameat(dir_fd, old, dir_fd, new) < 0 ? -errno : 0;
}

static void remove_with_suffixes(int dir_fd, const char *name) {
        char path[NAME_MAX + 16];

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                (void)snprintf(path, sizeof(path), "%s%s", name, suffixes[i]);
                (void)unlinkat(dir_fd, path, 0);
        }
}

/* FILE.corrupt-TIMESTAMP itself, not the files that belong to it. */
static bool is_moved_aside(const char *name, const char *file) {
        const char *rest = startswith(name, file);

        rest = rest ? startswith(rest, ".corrupt-") : NULL;
        return rest && !strchr(rest, '-');
}

static void remove_oldest(int dir_fd, const char *file) {
        _cleanup_(closedirp) DIR *dir = fd_list(dir_fd);
        const struct dirent *entry;
        char *names[NAMES_MAX];
        size_t n = 0;

        while (dir && n < NAMES_MAX && (entry = readdir(dir)))
                if (is_moved_aside(entry->d_name, file) && (names[n] = strdup(entry->d_name)))
                        n++;
        strings_sort(names, n);
        for (size_t i = 0; i < n; i++) {
                if (i + MOVED_ASIDE_MAX < n)
                        remove_with_suffixes(dir_fd, names[i]);
                free(names[i]);
        }
}

int move_aside(int dir_fd, const char *file, usec_t now_realtime, char ret_name[static NAME_MAX + 1]) {
        int r;

        r = choose_name(dir_fd, file, now_realtime, ret_name);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(suffixes); i++) {
                r = rename_with_suffix(dir_fd, file, ret_name, suffixes[i]);
                if (r == -ENOENT && suffixes[i][0] != '\0')
                        r = 0;
        }
        if (r >= 0)
                remove_oldest(dir_fd, file);
        return r;
}
