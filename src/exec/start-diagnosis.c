/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run that has a user of its own: that user may have replaced its program by a link to a file that only we may see,
 * and the reason of a run can be read by everybody. So no link is followed for it, and no file is read that not
 * everybody may read. With a root directory of its own, its paths are not ours, and nothing is said. */

#include "exec/start-diagnosis.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/beneath.h"
#include "util/file.h"

#define SCRIPT_LINE_MAX 256 /* bytes, as the kernel reads */

static const UnitProperty *find_property(const JobDef *def, const char *name) {
        const UnitProperty *found = NULL;

        for (size_t i = 0; def && i < def->n_properties; i++)
                if (streq(def->properties[i].name, name) && def->properties[i].n_values > 0)
                        found = &def->properties[i];
        return found;
}

static bool has_own_user(const JobDef *def) {
        return find_property(def, "User") || find_property(def, "DynamicUser");
}

static bool has_own_root(const JobDef *def) {
        return find_property(def, "RootDirectory") || find_property(def, "RootImage");
}

/* O_PATH. Negative errno. */
static int open_path(const char *path, bool is_ours) {
        _cleanup_close_ int root = -EBADF, directory = -EBADF;
        const char *name = strrchr(path, '/');
        int fd;

        if (is_ours) {
                fd = open(path, O_PATH | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return -errno;
        directory = open_directory_beneath(root, path + 1, name > path ? (size_t)(name - path - 1) : 0,
                                           /* cross_mounts= */ true);
        if (directory < 0)
                return directory;
        fd = openat(directory, name + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The errno that a path without its file gives. */
static int missing(int error) {
        return error == -ENOENT || error == -ENOTDIR || error == -EACCES ? -error : 0;
}

/* Checks what the first line says, which is "#!" and an interpreter. Returns an errno. */
static int diagnose_content(int fd, const char *path, char ret[static DIAGNOSIS_MAX]) {
        char link[64], line[SCRIPT_LINE_MAX + 1], *interpreter;
        _cleanup_close_ int content = -EBADF;
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        content = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        n = content < 0 ? -1 : fd_read_up_to(content, line, SCRIPT_LINE_MAX);
        if (n < 4)
                return n < 0 ? 0 : ENOEXEC;
        line[n] = '\0';
        if (memcmp(line, "\177ELF", 4) == 0)
                return 0;
        if (!startswith(line, "#!"))
                return ENOEXEC;
        interpreter = line + 2 + strspn(line + 2, " \t");
        interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
        if (interpreter[0] != '/' || access(interpreter, X_OK) >= 0)
                return 0;
        n = errno;
        (void)snprintf(ret, DIAGNOSIS_MAX, "%s: its interpreter %s: %s", path, interpreter, strerror((int)n));
        return (int)n;
}

int diagnose_program(const char *path, bool is_ours, char ret[static DIAGNOSIS_MAX]) {
        _cleanup_close_ int fd = path[0] == '/' ? open_path(path, is_ours) : -EINVAL;
        struct stat st;
        int error;

        ret[0] = '\0';
        if (fd < 0)
                error = missing(fd);
        else if (fstat(fd, &st) < 0 || S_ISLNK(st.st_mode))
                return 0;
        else if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
                error = EACCES;
        else
                error = is_ours || (st.st_mode & S_IROTH) ? diagnose_content(fd, path, ret) : 0;
        if (error > 0 && ret[0] == '\0')
                (void)snprintf(ret, DIAGNOSIS_MAX, "%s: %s", path, strerror(error));
        return error;
}

void describe_exec_failure(const char *path, int error, char ret[static DIAGNOSIS_MAX]) {
        if (diagnose_program(path, /* is_ours= */ true, ret) != error)
                (void)snprintf(ret, DIAGNOSIS_MAX, "%s: %s", path, strerror(error));
}

int diagnose_programs(const JobDef *def, char ret[static DIAGNOSIS_MAX]) {
        int error = 0;

        for (size_t i = 0; def && i < def->n_commands && error == 0 && !has_own_root(def); i++)
                error = diagnose_program(def->commands[i].path, !has_own_user(def), ret);
        return error;
}

/* The first path of a setting that is not there; of a file that is written, its directory. A list begins with the
 * number of its items. */
static int diagnose_setting(const UnitProperty *p, bool is_ours, bool is_named, char ret[static DIAGNOSIS_MAX]) {
        bool is_written = startswith(p->name, "StandardOutput") || startswith(p->name, "StandardError");
        bool is_bind = streq(p->signature, "a(ssbt)"), is_pair = streq(p->signature, "a(ss)");
        size_t first = p->signature[0] != 'a' ? 0 : is_pair ? 2 : 1; /* behind the name of a credential */

        for (size_t i = first; i < p->n_values; i += is_bind ? 4 : is_pair ? 2 : 1) {
                const char *path = p->values[i].text, *slash = path ? strrchr(path, '/') : NULL;
                _cleanup_free_ char *directory = NULL;
                _cleanup_close_ int fd = -EBADF;

                if (!slash || path[0] != '/' || (is_bind && p->values[i + 2].number != 0)) /* "-" ignores that */
                        continue;
                directory = is_written && slash > path ? strndup(path, (size_t)(slash - path)) : strdup(path);
                fd = directory ? open_path(directory, is_ours) : -ENOMEM;
                if (fd >= 0 || missing(fd) == 0)
                        continue;
                (void)snprintf(ret, DIAGNOSIS_MAX, "%s%s%s: %s", is_named ? p->name : "", is_named ? "=" : "", path,
                               strerror(-fd));
                return -fd;
        }
        return 0;
}

int diagnose_paths(const JobDef *def, const char *const *settings, char ret[static DIAGNOSIS_MAX]) {
        bool is_named = settings[0] && settings[1] && !startswith(settings[0], "Standard");
        int error = 0;

        for (; *settings && error == 0; settings++)
                for (size_t i = 0; def && i < def->n_properties; i++) {
                        const UnitProperty *p = &def->properties[i];

                        if (!streq(p->name, *settings) || (has_own_root(def) && !startswith(*settings, "Root")))
                                continue;
                        if (p->signature[0] != 'a' || p->values[0].number == 0) /* what came before has no effect */
                                error = 0;
                        if (error == 0)
                                error = diagnose_setting(p, !has_own_user(def), is_named, ret);
                }
        return error;
}
