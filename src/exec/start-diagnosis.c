/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run that has a user of its own: that user may have replaced its program by a link to a file that only we may see,
 * or by a script whose interpreter is such a file, and the reason of a run can be read by everybody. So only links of
 * root's are followed for it, no file is read that not everybody may read, and an interpreter is looked for only where
 * everybody could. With a root directory of its own, its paths are not ours, and nothing is said.
 *
 * This is done by the loop of the daemon, so a file system that may not answer is not looked at. */

#include "exec/start-diagnosis.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/guarded.h"
#include "util/file.h"

#define SCRIPT_LINE_MAX 256 /* bytes, as the kernel reads */

static const UnitProperty *find_property(const JobDef *def, const char *name) {
        const UnitProperty *found = NULL;

        for (size_t i = 0; def && i < def->rare->n_properties; i++)
                if (streq(def->rare->properties[i].name, name) && def->rare->properties[i].n_values > 0)
                        found = &def->rare->properties[i];
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
        return guarded_find_local(path, is_ours ? GUARDED_FIND_ALL : GUARDED_FIND_OWN);
}

/* The errno that a path without its file gives. */
static int missing(int error) {
        return error == -ENOENT || error == -ENOTDIR || error == -EACCES ? -error : 0;
}

typedef struct FdLink {
        char path[64];
} FdLink;

/* What was opened with O_PATH, for calls that need a path. */
static FdLink link_of(int fd) {
        FdLink link;

        (void)snprintf(link.path, sizeof(link.path), "/proc/self/fd/%d", fd);
        return link;
}

int diagnose_file(const char *path) {
        _cleanup_close_ int fd = open_path(path, /* is_ours= */ true);

        if (fd < 0)
                return missing(fd);
        return access(link_of(fd).path, R_OK) < 0 && errno == EACCES ? EACCES : 0;
}

/* Returns an errno. */
static int diagnose_interpreter(const char *interpreter, bool is_ours) {
        _cleanup_close_ int fd = guarded_find_local(interpreter, is_ours ? GUARDED_FIND_ALL : GUARDED_FIND_PUBLIC);

        if (fd < 0)
                return missing(fd);
        return access(link_of(fd).path, X_OK) < 0 && errno == EACCES ? EACCES : 0;
}

/* Checks what the first line says, which is "#!" and an interpreter. Returns an errno. */
static int diagnose_content(int fd, const char *path, bool is_ours, char ret[static DIAGNOSIS_MAX]) {
        char line[SCRIPT_LINE_MAX + 1], *interpreter;
        _cleanup_close_ int content = -EBADF;
        ssize_t n;
        int error;

        content = open(link_of(fd).path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
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
        error = interpreter[0] == '/' ? diagnose_interpreter(interpreter, is_ours) : 0;
        if (error > 0)
                (void)snprintf(ret, DIAGNOSIS_MAX, "%s: its interpreter %s: %s", path, interpreter, strerror(error));
        return error;
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
                error = is_ours || (st.st_mode & S_IROTH) ? diagnose_content(fd, path, is_ours, ret) : 0;
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
                for (size_t i = 0; def && i < def->rare->n_properties; i++) {
                        const UnitProperty *p = &def->rare->properties[i];

                        if (!streq(p->name, *settings) || (has_own_root(def) && !startswith(*settings, "Root")))
                                continue;
                        if (p->signature[0] != 'a' || p->values[0].number == 0) /* what came before has no effect */
                                error = 0;
                        if (error == 0)
                                error = diagnose_setting(p, !has_own_user(def), is_named, ret);
                }
        return error;
}
