/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl cat: the file of a job and its drop-ins, each under its path. The daemon names the file; the drop-ins are
 * found here by the rules of vaktd.job(5): over all directories, by file name, where a file (or mask) in an earlier
 * directory hides one with the same name in a later directory. A file outside the default directories has only
 * drop-ins next to it. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "client/job-view.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "util/places.h"
#include "util/strv.h"

#define CAT_SIZE_MAX (4 * 1024 * 1024) /* bytes; four times what vaktd reads */

/* Reads a regular file. The caller frees it. */
static int read_whole(const char *path, char **ret, size_t *ret_n) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *buf = NULL;
        struct stat st;
        size_t n = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > CAT_SIZE_MAX)
                return -EFBIG;
        buf = alloc_array(NULL, (size_t)st.st_size + 1, 1);
        while (n < (size_t)st.st_size) {
                ssize_t k = read(fd, buf + n, (size_t)st.st_size - n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        buf[n] = '\0';
        *ret = TAKE_PTR(buf);
        *ret_n = n;
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
                ctl_complain("Cannot read %s: %s.", path, strerror(-r));
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

static const char *file_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(file_name(*(char *const *)a), file_name(*(char *const *)b));
}

static bool is_known(char *const *paths, const char *name) {
        STRV_FOREACH(p, paths) {
                if (streq(file_name(*p), name))
                        return true;
        }
        return false;
}

/* Adds the drop-ins of one directory, which need not exist. */
static void collect(char ***paths, const char *directory) {
        DIR *dir = opendir(directory);
        struct dirent *e;

        while (dir && (e = readdir(dir))) {
                size_t n = strlen(e->d_name);

                if (e->d_name[0] == '.' || n < 6 || !streq(e->d_name + n - 5, ".conf") || is_known(*paths, e->d_name))
                        continue;
                if (strv_consume(paths, alloc_format("%s/%s", directory, e->d_name)) < 0)
                        alloc_failed();
        }
        if (dir)
                (void)closedir(dir);
}

/* The directories that may contain drop-ins for a file: all the default ones if the file is in one of them. */
static char **drop_in_directories(bool user, const char *fragment) {
        _cleanup_(strv_freep) char **dirs = NULL;
        _cleanup_free_ char *own = alloc_format("%.*s", (int)(file_name(fragment) - fragment), fragment);
        char **ret = NULL;
        size_t n = strlen(own);

        if (places_job_dirs(user, &dirs) == -ENOMEM)
                alloc_failed();
        if (n > 1)
                own[n - 1] = '\0';
        STRV_FOREACH(d, dirs) {
                if (streq(*d, own))
                        return TAKE_PTR(dirs);
        }
        if (strv_consume(&ret, TAKE_PTR(own)) < 0)
                alloc_failed();
        return ret;
}

static bool is_mask(const char *path) {
        struct stat st;

        return stat(path, &st) >= 0 && (S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && st.st_size == 0));
}

/* Appends the drop-ins in the directories NAME.job.d, in the order in which they are applied. */
static void add_drop_ins(char ***paths, char *const *directories, const char *name) {
        _cleanup_(strv_freep) char **found = NULL;

        STRV_FOREACH(directory, directories) {
                _cleanup_free_ char *d = alloc_format("%s/%s.job.d", *directory, name);

                collect(&found, d);
        }
        if (found)
                qsort(found, strv_length(found), sizeof(char *), compare_names);
        STRV_FOREACH(p, found) {
                if (!is_mask(*p) && strv_extend(paths, *p) < 0)
                        alloc_failed();
        }
}

/* The drop-ins of a job, those of the template before those of the instance; the caller frees it. */
static char **drop_ins(bool user, const char *job, const char *fragment) {
        _cleanup_(strv_freep) char **directories = drop_in_directories(user, fragment);
        const char *at = strchr(job, '@');
        char **paths = NULL;

        if (at) {
                _cleanup_free_ char *template = alloc_format("%.*s", (int)(at + 1 - job), job);

                add_drop_ins(&paths, directories, template);
        }
        add_drop_ins(&paths, directories, job);
        return paths;
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
        _cleanup_(strv_freep) char **paths = NULL;
        _cleanup_free_ char *file = NULL;
        int r;

        r = job_view_get(c->connection, job, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        file = job_file(&v);
        if (!file) {
                ctl_complain("vaktd reports no file for job %s; see 'vaktctl status %s'.", job, job);
                return CTL_FAILED;
        }
        r = cat_file(c, file, array);
        paths = drop_ins(c->user, v.name, file);
        STRV_FOREACH(p, paths) {
                int q;

                if (!c->json)
                        putchar('\n');
                q = cat_file(c, *p, array);
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
                r = cat_job(c, *job, array);
                ret = ret ?: r;
                if (r == CTL_NO_DAEMON)
                        return r;
        }
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}
