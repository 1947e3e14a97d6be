/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl cat: the file of a job and its drop-ins, each under its path. The daemon names the file; the drop-ins are
 * found here by the code that the daemon uses. A file outside the default directories has only drop-ins next to it. */

#include <fcntl.h>
#include <sys/stat.h>

#include "client/job-view.h"
#include "config/source.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "util/file.h"
#include "util/places.h"
#include "util/strv.h"

#define CAT_SIZE_MAX (4 * 1024 * 1024) /* bytes; four times what vaktd reads */

/* Reads a regular file. The caller frees it. */
static int read_whole(const char *path, char **ret, size_t *ret_n) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *buf = NULL;
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > CAT_SIZE_MAX)
                return -EFBIG;
        buf = alloc_array(NULL, (size_t)st.st_size + 1, 1);
        n = fd_read_up_to(fd, buf, (size_t)st.st_size);
        if (n < 0)
                return (int)n;
        buf[n] = '\0';
        *ret = TAKE_PTR(buf);
        *ret_n = (size_t)n;
        return 0;
}

/* Escaped on a terminal, otherwise unchanged. */
static void print_content(Ctl *c, const char *path, const char *content, size_t n) {
        _cleanup_free_ char *escaped = NULL, *title = alloc_format("# %s", path);

        ctl_open_pager(c);
        ctl_print_colored(c, COLOR_GREY, title);
        putchar('\n');
        if (c->terminal) {
                escaped = text_escape_n(content, n, TEXT_KEEP_LINES);
                content = escaped;
                n = strlen(escaped);
        }
        (void)fwrite(content, 1, n, stdout);
        if (n > 0 && content[n - 1] != '\n')
                putchar('\n');
}

static int cat_file(Ctl *c, const char *path, json_object *array) {
        _cleanup_free_ char *content = NULL;
        json_object *o;
        size_t n = 0;
        int r;

        r = read_whole(path, &content, &n);
        if (r < 0) {
                ctl_complain(_("Cannot read %s: %s."), path, strerror(-r));
                return r == -EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
        }
        if (!c->json) {
                print_content(c, path, content, n);
                return CTL_DONE;
        }
        o = json_new_object();
        json_add_string(o, "file", path);
        json_add_string(o, "content", content);
        json_append(array, o);
        return CTL_DONE;
}

/* All the default ones if the file is in one of them. */
char **ctl_job_directories(bool user, const char *fragment) {
        _cleanup_(strv_freep) char **dirs = NULL;
        const char *slash = strrchr(fragment, '/');
        size_t n = slash > fragment ? (size_t)(slash - fragment) : 1;
        char **own = NULL;

        if (places_job_dirs(user, &dirs) == -ENOMEM || strv_extendf(&own, "%.*s", (int)n, fragment) < 0)
                alloc_failed();
        STRV_FOREACH(d, dirs)
                if (streq(*d, *own)) {
                        strv_free(own);
                        return TAKE_PTR(dirs);
                }
        return own;
}

/* Those in the directories NAME.job.d. */
static void find_drop_ins(const Directory *directories, unsigned n, const char *name, char ***paths) {
        _cleanup_free_ char *directory = alloc_format("%s.job.d", name);
        _cleanup_free_ unsigned *which = alloc_array(NULL, n, sizeof(unsigned));
        _cleanup_(diagnostics_done) Diagnostics unused = { 0 };
        _cleanup_(sources_done) Sources found = { 0 };

        for (unsigned i = 0; i < n; i++)
                which[i] = i;
        if (sources_add_dropins(&found, directories, which, n, directory, getuid(), &unused) < 0)
                alloc_failed();
        for (size_t i = 0; i < found.n_items; i++)
                if (strv_consume(paths, directory_join(&directories[found.items[i].directory], found.items[i].name)) <
                    0)
                        alloc_failed();
}

/* Those of the template before those of the instance. */
char **ctl_drop_ins(bool user, const char *job, const char *fragment) {
        _cleanup_(strv_freep) char **paths = ctl_job_directories(user, fragment);
        Directory *directories = alloc_array(NULL, strv_length(paths), sizeof(Directory));
        const char *at = strchr(job, '@');
        char **ret = NULL;
        unsigned n = 0;

        STRV_FOREACH(p, paths) {
                int fd = open(*p, O_PATH | O_DIRECTORY | O_CLOEXEC);

                if (fd >= 0)
                        directories[n++] = (Directory){ .path = alloc_string(*p), .fd = fd };
        }
        if (at && at[1] != '\0') {
                _cleanup_free_ char *template = alloc_format("%.*s", (int)(at + 1 - job), job);

                find_drop_ins(directories, n, template, &ret);
        }
        find_drop_ins(directories, n, job, &ret);
        while (n > 0)
                directory_done(&directories[--n]);
        free(directories);
        return ret;
}

/* The file that a job was read from; that of a job that was never valid is in its problem, "file:line: message". */
static char *job_file(const JobView *v) {
        const char *end = strstr(v->problem, ".job:");

        if (!isempty(v->fragment))
                return alloc_string(v->fragment);
        return end ? alloc_format("%.*s.job", (int)(end - v->problem), v->problem) : NULL;
}

static int cat_job(Ctl *c, const char *job, json_object *array) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ char *file = NULL;
        _cleanup_(strv_freep) char **drop_ins = NULL;
        int r;

        r = job_view_get(c->connection, job, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        file = job_file(&v);
        if (!file) {
                ctl_complain(_("vaktd reports no file for job %s; see 'vaktctl status %s'."), job, job);
                return CTL_FAILED;
        }
        r = cat_file(c, file, array);
        drop_ins = ctl_drop_ins(c->user, v.name, file);
        STRV_FOREACH(path, drop_ins) {
                int q;

                if (!c->json)
                        putchar('\n');
                q = cat_file(c, *path, array);
                r = r ?: q;
        }
        return r;
}

int verb_cat(Ctl *c, char **args) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        int ret = CTL_DONE;

        for (char **job = args; *job; job++) {
                int r;

                if (job > args && !c->json)
                        putchar('\n');
                ctl_about_argument(*job);
                r = cat_job(c, *job, array);
                ctl_error_ends(r);
                ret = ret ?: r;
                if (r == CTL_NO_DAEMON)
                        return r;
        }
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}
