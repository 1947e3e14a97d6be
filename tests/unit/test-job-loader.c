/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Directories -> jobs, in a scratch directory: who wins, what masks, what is merged, what is refused; and what a
 * second load leaves alone. Loads are made "an hour later", so that no stamp is too young to be relied on; where that
 * is the point, it is said. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <ftw.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "bad-jobs.h"
#include "config/job-loader.h"
#include "config/source.h"
#include "util/file.h"

#define HOUR_NSEC (3600 * 1000000000LL)

typedef struct Scratch {
        char root[64];
        char *dirs[3]; /* "a", which wins, and "b" */
        JobLoader *loader;
} Scratch;

static int64_t now_nsec(void) {
        struct timespec ts;

        assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static char *scratch_path(const Scratch *s, const char *name) {
        char *path;

        assert_true(asprintf(&path, "%s/%s", s->root, name) > 0);
        return path;
}

/* Writes a file anew; directories before it are made. */
static void put(const Scratch *s, const char *name, const char *content) {
        char path[PATH_MAX], directory[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", s->root, name);
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
        assert_int_equal(make_directories(directory, 0755), 0);
        bad_job_write(path, content, strlen(content));
}

static void put_link(const Scratch *s, const char *name, const char *target) {
        _cleanup_free_ char *path = scratch_path(s, name);

        assert_int_equal(symlink(target, path), 0);
}

/* A copy of a zone of the system. */
static void put_zone(const Scratch *s, const char *name) {
        _cleanup_free_ char *path = scratch_path(s, name);
        _cleanup_close_ int fd = open("/usr/share/zoneinfo/Asia/Tokyo", O_RDONLY | O_CLOEXEC);
        char content[4096];
        ssize_t n = read(fd, content, sizeof(content));

        assert_true(n > 0);
        put(s, name, "");
        bad_job_write(path, content, (size_t)n);
}

static void drop(const Scratch *s, const char *name) {
        _cleanup_free_ char *path = scratch_path(s, name);

        assert_int_equal(unlink(path), 0);
}

static void set_mode(const Scratch *s, const char *name, mode_t mode) {
        _cleanup_free_ char *path = scratch_path(s, name);

        assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state) {
        Scratch *s = calloc(1, sizeof(*s));

        strcpy(s->root, "/tmp/vakt-loader-XXXXXX");
        assert_non_null(mkdtemp(s->root));
        s->dirs[0] = scratch_path(s, "a");
        s->dirs[1] = scratch_path(s, "b");
        assert_int_equal(mkdir(s->dirs[0], 0755), 0);
        assert_int_equal(mkdir(s->dirs[1], 0755), 0);
        assert_int_equal(job_loader_new(&s->loader, s->dirs, getuid(), NULL, LOADER_FOR_ANY, NULL), 0);
        *state = s;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Scratch *s = *state;

        job_loader_free(s->loader);
        (void)chmod(s->dirs[0], 0755);
        (void)nftw(s->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(s->dirs[0]);
        free(s->dirs[1]);
        free(s);
        return 0;
}

static void load(const Scratch *s) {
        assert_int_equal(job_loader_load_at(s->loader, now_nsec() + HOUR_NSEC, LOADER_JOBS_MAX), 0);
}

/* The names of all jobs, each with what its first command is called, "?" without a definition, "!" with a problem. */
static void assert_jobs(const Scratch *s, const char *expected) {
        char shown[4096] = "", *p = shown;
        const LoadedJob *jobs;
        size_t n;

        jobs = job_loader_jobs(s->loader, &n);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        assert_true(strcmp(jobs[i - 1].name, jobs[i].name) < 0);
                p += sprintf(p, "%s%s:%s%s", i > 0 ? " " : "", jobs[i].name,
                             jobs[i].def ? jobs[i].def->commands[0].argv[0] : "?", jobs[i].problem ? "!" : "");
        }
        assert_string_equal(shown, expected);
}

static const LoadedJob *find_job(const Scratch *s, const char *name) {
        size_t n;
        const LoadedJob *jobs = job_loader_jobs(s->loader, &n);

        for (size_t i = 0; i < n; i++)
                if (streq(jobs[i].name, name))
                        return &jobs[i];
        fail_msg("no job %s", name);
        return NULL;
}

/* The one diagnostic there is: the path below the scratch directory, the line, a part of the message. */
static void assert_problem(const Scratch *s, const char *file, unsigned line, const char *message) {
        const Diagnostics *d = job_loader_diagnostics(s->loader);

        assert_int_equal(d->n_items, 1);
        assert_string_equal(d->items[0].file + strlen(s->root) + 1, file);
        assert_int_equal(d->items[0].line, line);
        if (!strstr(d->items[0].message, message))
                fail_msg("%s", d->items[0].message);
}

static void assert_clean(const Scratch *s) {
        const Diagnostics *d = job_loader_diagnostics(s->loader);

        if (d->n_items > 0)
                fail_msg("%s:%u: %s", d->items[0].file, d->items[0].line, d->items[0].message);
}

#define RUN(program) "[Run]\nExec=" program "\n"

static void test_empty(void **state) {
        Scratch *s = *state;

        load(s);
        assert_jobs(s, "");
        assert_clean(s);
}

static void test_missing_directory(void **state) {
        char *dirs[] = { (char *)"/nonexistent/vakt/jobs.d", NULL };
        JobLoader *l;
        size_t n;

        assert_int_equal(job_loader_new(&l, dirs, getuid(), NULL, LOADER_FOR_ANY, NULL), 0);
        assert_int_equal(job_loader_load(l, now_realtime()), 0);
        (void)job_loader_jobs(l, &n);
        assert_int_equal(n, 0);
        assert_int_equal(job_loader_diagnostics(l)->n_items, 0);
        job_loader_free(l);
}

static void test_precedence_and_masks(void **state) {
        Scratch *s = *state;

        put(s, "b/x.job", RUN("b-x"));
        put(s, "a/x.job", RUN("a-x"));
        put(s, "b/y.job", RUN("b-y"));
        put(s, "b/masked.job", RUN("b"));
        put(s, "a/masked.job", "");
        put(s, "b/nulled.job", RUN("b"));
        put_link(s, "a/nulled.job", "/dev/null");
        put(s, "b/linked.job", "");
        put(s, "a/real", RUN("a-linked"));
        put_link(s, "a/linked.job", "real");
        put(s, "b/unmasked.job", "");
        put(s, "a/unmasked.job", RUN("a"));
        load(s);
        assert_jobs(s, "linked:a-linked unmasked:a x:a-x y:b-y");
        assert_clean(s);

        drop(s, "a/x.job");
        drop(s, "a/masked.job");
        drop(s, "a/nulled.job");
        drop(s, "a/unmasked.job");
        load(s);
        assert_jobs(s, "linked:a-linked masked:b nulled:b x:b-x y:b-y");
        assert_clean(s);

        drop(s, "b/y.job");
        load(s);
        assert_jobs(s, "linked:a-linked masked:b nulled:b x:b-x");
}

static void test_names(void **state) {
        Scratch *s = *state;

        put(s, "a/A-b_c.1.job", RUN("x"));
        put(s, "a/README", "hello");
        put(s, "a/.hidden.job", "no");
        put(s, "a/.#x.job", "no");
        put(s, "a/x.job~", "no");
        put(s, "a/x.job.dpkg-new", "no");
        put(s, "a/x.job.dpkg-old", "no");
        put(s, "a/#x.job#", "no");
        put(s, "a/x.conf", "no");
        put(s, "a/lonely.job.d/a.conf", "no");
        put(s, "a/bad name.job.d/a.conf", "no");
        load(s);
        assert_jobs(s, "A-b_c.1:x");
        assert_clean(s);

        put(s, "a/bad name.job", RUN("x"));
        load(s);
        assert_jobs(s, "A-b_c.1:x");
        assert_problem(s, "a/bad name.job", 0, "not a valid job name");
        drop(s, "a/bad name.job");

        put(s, "a/-x.job", RUN("x"));
        load(s);
        assert_problem(s, "a/-x.job", 0, "not a valid job name");
        drop(s, "a/-x.job");

        put(s, "a/x@y@z.job", RUN("x"));
        load(s);
        assert_problem(s, "a/x@y@z.job", 0, "not a valid job name");
        drop(s, "a/x@y@z.job");

        put(s, "a/a123456789a123456789a123456789a123456789a123456789a1234567891234.job", RUN("x"));
        load(s);
        assert_clean(s);
        put(s, "a/a123456789a123456789a123456789a123456789a123456789a12345678912345.job", RUN("x"));
        load(s);
        assert_problem(s, "a/a123456789a123456789a123456789a123456789a123456789a12345678912345.job", 0,
                       "not a valid job name");
}

/* Descriptions tell the order in which drop-ins were read. */
static void test_dropins(void **state) {
        Scratch *s = *state;

        put(s, "b/x.job", "[Job]\nTags=file\n" RUN("x"));
        put(s, "a/x.job.d/20-two.conf", "[Job]\nTags=a20\n");
        put(s, "b/x.job.d/10-one.conf", "[Job]\nTags=b10\n");
        put(s, "b/x.job.d/20-two.conf", "[Job]\nTags=b20\n");
        put(s, "b/x.job.d/30-masked.conf", "[Job]\nTags=b30\n");
        put(s, "a/x.job.d/30-masked.conf", "");
        put(s, "b/x.job.d/40-nulled.conf", "[Job]\nTags=b40\n");
        put_link(s, "a/x.job.d/40-nulled.conf", "/dev/null");
        put(s, "a/x.job.d/.50.conf", "[Job]\nTags=no\n");
        put(s, "a/x.job.d/60.conf~", "[Job]\nTags=no\n");
        put(s, "a/x.job.d/70.txt", "no");
        load(s);
        assert_clean(s);
        assert_jobs(s, "x:x");
        {
                char **tags = find_job(s, "x")->def->rare->tags;

                assert_string_equal(tags[0], "file");
                assert_string_equal(tags[1], "b10");
                assert_string_equal(tags[2], "a20");
                assert_null(tags[3]);
        }

        /* a bad one makes its job bad, which keeps what it had */
        put(s, "b/x.job.d/10-one.conf", "[Job]\n\nTag=b10\n");
        put(s, "b/other.job", RUN("other"));
        load(s);
        assert_problem(s, "b/x.job.d/10-one.conf", 3, "Did you mean Tags=?");
        assert_jobs(s, "other:other x:x!");
        assert_string_equal(find_job(s, "x")->def->rare->tags[1], "b10");

        drop(s, "b/x.job.d/10-one.conf");
        load(s);
        assert_clean(s);
        assert_string_equal(find_job(s, "x")->def->rare->tags[1], "a20");

        put_link(s, "b/x.job.d/90.conf", "nowhere");
        load(s);
        assert_problem(s, "b/x.job.d/90.conf", 0, "link to a file that does not exist");
        drop(s, "b/x.job.d/90.conf");
        put(s, "c", "x");
        put(s, "b/other.job.d", "no directory");
        load(s);
        assert_problem(s, "b/other.job.d", 0, "This is not a directory");
}

static JobDef *instance(const Scratch *s, const char *name, int expected) {
        JobDef *d = NULL;

        assert_int_equal(job_loader_instantiate(s->loader, name, &d, NULL), expected);
        return d;
}

static void test_templates(void **state) {
        Scratch *s = *state;
        JobDef *one, *two, *other;
        char path[PATH_MAX];

        put(s, "b/t@.job", "[Job]\nTags=template\n[Run]\nExec=/bin/%i\n");
        put(s, "a/t@.job.d/50.conf", "[Job]\nTags=all\n");
        put_link(s, "a/t@linked.job", "../b/t@.job");
        put(s, "a/t@own.job", RUN("own"));
        put(s, "a/t@masked.job", "");
        put(s, "b/t@linked.job.d/10.conf", "[Job]\nTags=%i\n");
        put(s, "a/t@dropped.job.d/10.conf", "[Job]\nTags=only-dropped\n");
        load(s);
        assert_clean(s);
        /* neither the template nor an instance of which only a drop-in is known is a job */
        assert_jobs(s, "t@linked:/bin/linked t@own:own");
        assert_string_equal(find_job(s, "t@linked")->def->rare->tags[1], "all");
        assert_string_equal(find_job(s, "t@linked")->def->rare->tags[2], "linked");
        assert_string_equal(find_job(s, "t@own")->def->rare->tags[0], "all");

        one = instance(s, "t@1", 0);
        assert_string_equal(one->name, "t@1");
        assert_string_equal(one->commands[0].path, "/bin/1");
        assert_string_equal(strrchr(job_def_fragment(one, path), '/'), "/t@.job");
        assert_int_equal(one->file, JOB_DEF_FILE_OF_TEMPLATE);
        assert_string_equal(strrchr(job_def_fragment(find_job(s, "t@own")->def, path), '/'), "/t@own.job");
        assert_string_equal(one->rare->tags[1], "all");
        two = instance(s, "t@1", 0);
        assert_ptr_equal(one, two);
        job_def_unref(two);

        two = instance(s, "t@dropped", 0);
        assert_string_equal(two->commands[0].path, "/bin/dropped");
        assert_string_equal(two->rare->tags[2], "only-dropped");
        job_def_unref(two);
        two = instance(s, "t@linked", 0);
        assert_ptr_equal(two, find_job(s, "t@linked")->def);
        job_def_unref(two);

        instance(s, "t@masked", -ENOENT);
        instance(s, "t@", -ENOENT);
        instance(s, "t", -ENOENT);
        instance(s, "u@1", -ENOENT);
        instance(s, "t@a b", -ENOENT);
        instance(s, "", -ENOENT);
        instance(s, "t@123456789012345678901234567890123456789012345678901234567890123", -ENOENT);

        /* an edit counts after the load only; a load that changes nothing leaves the definition */
        put(s, "b/t@.job", "[Run]\nExec=/sbin/%i\n");
        two = instance(s, "t@1", 0);
        assert_ptr_equal(one, two);
        job_def_unref(two);
        load(s);
        assert_jobs(s, "t@linked:/sbin/linked t@own:own");
        other = instance(s, "t@1", 0);
        assert_string_equal(other->commands[0].path, "/sbin/1");
        assert_string_equal(one->commands[0].path, "/bin/1");
        job_def_unref(one);

        /* a bad template keeps its last good version for new instances */
        put(s, "b/t@.job", "[Run]\nExec=%i %q\n");
        load(s);
        assert_int_equal(job_loader_diagnostics(s->loader)->n_items, 3); /* t@, t@linked, t@dropped */
        assert_jobs(s, "t@linked:/sbin/linked! t@own:own");
        one = instance(s, "t@2", 0);
        assert_string_equal(one->commands[0].path, "/sbin/2");
        job_def_unref(one);
        one = instance(s, "t@1", 0);
        assert_ptr_equal(one, other);
        job_def_unref(one);
        job_def_unref(other);

        drop(s, "b/t@.job");
        drop(s, "a/t@linked.job");
        load(s);
        assert_jobs(s, "t@own:own");
        instance(s, "t@1", -ENOENT);
        instance(s, "t@dropped", -ENOENT);
}

static void test_bad_instances(void **state) {
        Scratch *s = *state;
        Diagnostics d = {};
        JobDef *def = NULL;

        put(s, "a/n@.job", "[Timer]\nOnInterval=%i\n" RUN("x"));
        put(s, "a/never@.job", "[Run]\nExec=bin/x %i\nQueueMax=x\n");
        load(s);
        assert_int_equal(job_loader_diagnostics(s->loader)->n_items, 1);
        assert_int_equal(job_loader_instantiate(s->loader, "n@5min", &def, &d), 0);
        assert_true(def->triggers[0].span == 5 * USEC_PER_MINUTE);
        job_def_unref(def);
        assert_int_equal(d.n_items, 0);
        assert_int_equal(job_loader_instantiate(s->loader, "n@often", &def, &d), -EINVAL);
        assert_int_equal(d.n_items, 1);
        assert_int_equal(d.items[0].line, 2);
        assert_int_equal(job_loader_instantiate(s->loader, "never@x", &def, &d), -EINVAL);
        assert_int_equal(d.n_items, 2);
        assert_int_equal(d.items[1].line, 3);
        diagnostics_done(&d);
}

/* Definitions of instances that nobody holds any more do not pile up. */
static void test_many_instances(void **state) {
        Scratch *s = *state;
        JobDef *held[300];

        put(s, "a/t@.job", RUN("%i"));
        load(s);
        for (unsigned round = 0; round < 2; round++)
                for (unsigned i = 0; i < 1000; i++) {
                        char name[16];
                        JobDef *d;

                        (void)snprintf(name, sizeof(name), "t@%u", i);
                        d = instance(s, name, 0);
                        if (round > 0 && i < ELEMENTSOF(held)) {
                                assert_ptr_equal(d, held[i]);
                                job_def_unref(held[i]);
                        }
                        if (i < ELEMENTSOF(held))
                                held[i] = d;
                        else
                                job_def_unref(d);
                }
        assert_in_range(job_loader_n_instances(s->loader), ELEMENTSOF(held), 2 * ELEMENTSOF(held));
        for (unsigned i = 0; i < ELEMENTSOF(held); i++) {
                assert_int_equal(held[i]->n_ref, 2);
                job_def_unref(held[i]);
        }
        load(s);
        assert_int_equal(job_loader_n_instances(s->loader), 0);
}

static void test_reload(void **state) {
        Scratch *s = *state;
        JobDef *x, *y;

        put(s, "a/x.job", RUN("x"));
        put(s, "a/y.job", RUN("y"));
        put(s, "b/z.job", "[Foo]\n");
        put(s, "b/x.job.d/1.conf", "[Run]\nQueueMax=2\n");
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 4);
        x = job_def_ref(find_job(s, "x")->def);
        y = job_def_ref(find_job(s, "y")->def);
        assert_jobs(s, "x:x y:y z:?!");

        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 0);
        assert_ptr_equal(find_job(s, "x")->def, x);
        assert_jobs(s, "x:x y:y z:?!");
        assert_problem(s, "b/z.job", 1, "Unknown section [Foo]");

        /* written anew with the same content, and with a comment more: read, and found to be the same */
        put(s, "a/x.job", RUN("x"));
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 2);
        assert_ptr_equal(find_job(s, "x")->def, x);
        put(s, "a/x.job", "# the same\n" RUN("x"));
        load(s);
        assert_ptr_equal(find_job(s, "x")->def, x);

        put(s, "a/x.job", RUN("x2"));
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 2);
        assert_jobs(s, "x:x2 y:y z:?!");
        assert_ptr_equal(find_job(s, "y")->def, y);
        assert_string_equal(x->commands[0].path, "x");

        /* a drop-in alone */
        put(s, "b/x.job.d/1.conf", "[Run]\nQueueMax=3\n");
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 2);
        assert_int_equal(find_job(s, "x")->def->rare->queue_max, 3);
        drop(s, "b/x.job.d/1.conf");
        load(s);
        assert_int_equal(find_job(s, "x")->def->rare->queue_max, 1);

        /* bad: the last good version stays; good again: the very same definition */
        put(s, "a/y.job", "[Run\n");
        load(s);
        assert_jobs(s, "x:x2 y:y! z:?!");
        assert_ptr_equal(find_job(s, "y")->def, y);
        assert_int_equal(find_job(s, "y")->problem->line, 1);
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 0);
        assert_ptr_equal(find_job(s, "y")->def, y);
        put(s, "a/y.job", RUN("y"));
        put(s, "b/z.job", RUN("z"));
        load(s);
        assert_jobs(s, "x:x2 y:y z:z");
        assert_ptr_equal(find_job(s, "y")->def, y);
        assert_clean(s);

        /* the same content elsewhere is another job file */
        drop(s, "a/y.job");
        put(s, "b/y.job", RUN("y"));
        load(s);
        assert_ptr_not_equal(find_job(s, "y")->def, y);
        drop(s, "b/y.job");
        load(s);
        assert_jobs(s, "x:x2 z:z");
        job_def_unref(x);
        job_def_unref(y);
}

/* A stamp of the same tick as the load says nothing: the file is read again until the tick is over. */
static void test_racy_stamps(void **state) {
        Scratch *s = *state;
        struct stat st;
        int64_t ctime;

        put(s, "a/x.job", RUN("x1"));
        {
                _cleanup_free_ char *path = scratch_path(s, "a/x.job");

                assert_int_equal(stat(path, &st), 0);
        }
        ctime = st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec;

        assert_int_equal(job_loader_load_at(s->loader, ctime + 5000000, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_load_at(s->loader, ctime + 10000000, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_files_read(s->loader), 1);
        assert_int_equal(job_loader_load_at(s->loader, ctime + 100000000, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_files_read(s->loader), 1);
        assert_int_equal(job_loader_load_at(s->loader, ctime + 200000000, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_files_read(s->loader), 0);

        /* the clock was set back: stamps of the future are never relied on */
        put(s, "a/y.job", RUN("y"));
        assert_int_equal(job_loader_load_at(s->loader, ctime - HOUR_NSEC, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_load_at(s->loader, ctime - HOUR_NSEC, LOADER_JOBS_MAX), 0);
        assert_int_equal(job_loader_files_read(s->loader), 1);
}

static void test_trust(void **state) {
        Scratch *s = *state;

        put(s, "a/x.job", RUN("x"));
        put(s, "a/y.job", RUN("y"));
        put(s, "b/z.job", RUN("z"));
        load(s);
        assert_jobs(s, "x:x y:y z:z");

        set_mode(s, "a/x.job", 0646);
        load(s);
        assert_jobs(s, "x:x! y:y z:z");
        assert_problem(s, "a/x.job", 0, "mode 0646) is writable by other users than its owner");
        set_mode(s, "a/x.job", 0444);
        load(s);
        assert_jobs(s, "x:x y:y z:z");
        assert_clean(s);

        put(s, "a/y.job.d/1.conf", "");
        set_mode(s, "a/y.job.d", 0775);
        load(s);
        assert_jobs(s, "x:x y:y! z:z");
        assert_problem(s, "a/y.job.d", 0, "mode 0775");
        set_mode(s, "a/y.job.d", 0755);

        /* a directory that others can write to, with the sticky bit too, gives nothing and takes nothing away */
        set_mode(s, "a", 01777);
        put(s, "a/new.job", RUN("new"));
        load(s);
        assert_jobs(s, "x:x! y:y! z:z");
        assert_problem(s, "a", 0, "mode 1777");
        load(s);
        assert_jobs(s, "x:x! y:y! z:z");
        assert_string_equal(find_job(s, "x")->problem->message, job_loader_diagnostics(s->loader)->items[0].message);
        set_mode(s, "a", 0755);
        load(s);
        assert_jobs(s, "new:new x:x y:y z:z");
        assert_clean(s);
}

static void test_foreign_owner(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *path = scratch_path(s, "a/x.job");

        if (getuid() != 0)
                skip();
        put(s, "a/x.job", RUN("x"));
        assert_int_equal(chown(path, 12345, 0), 0);
        load(s);
        assert_jobs(s, "x:?!");
        assert_problem(s, "a/x.job", 0, "belongs to user 12345 (mode 0644) but must belong to root.");

        /* the user of a user instance is trusted beside root, others are not */
        job_loader_free(s->loader);
        assert_int_equal(job_loader_new(&s->loader, s->dirs, 12345, NULL, LOADER_FOR_ANY, NULL), 0);
        load(s);
        assert_jobs(s, "x:x");
        assert_int_equal(chown(path, 12346, 0), 0);
        load(s);
        assert_problem(s, "a/x.job", 0, "belongs to user 12346 (mode 0644) but must belong to root or user 12345.");
}

/* A directory that cannot be read while its jobs have drop-ins elsewhere, and files in a better directory. */
static void test_refused_directory(void **state) {
        Scratch *s = *state;

        put(s, "b/x.job", RUN("b-x"));
        put(s, "b/y.job", RUN("b-y"));
        put(s, "b/t@.job", RUN("%i"));
        put(s, "a/z.job", RUN("a-z"));
        put(s, "b/z.job.d/1.conf", "[Run]\nQueueMax=5\n");
        put(s, "b/m.job", "");
        load(s);
        set_mode(s, "b", 0777);
        put(s, "a/x.job", RUN("a-x"));
        load(s);
        assert_jobs(s, "x:a-x y:b-y! z:a-z!");
        assert_int_equal(find_job(s, "z")->def->rare->queue_max, 5);
        job_def_unref(instance(s, "t@1", 0));
        set_mode(s, "b", 0755);
        drop(s, "b/y.job");
        load(s);
        assert_jobs(s, "x:a-x z:a-z");
        assert_clean(s);
}

static void test_fifty_bad_jobs(void **state) {
        Scratch *s = *state;
        const Diagnostics *d;

        for (size_t i = 0; i < N_BAD_JOBS; i++) {
                char path[PATH_MAX], name[32];

                bad_job_put(&bad_jobs[i], s->dirs[0], path);
                (void)snprintf(name, sizeof(name), "b/good-%zu.job", i);
                put(s, name, RUN("true"));
        }
        load(s);
        d = job_loader_diagnostics(s->loader);
        for (size_t i = 0; i < N_BAD_JOBS; i++) {
                const BadJob *b = &bad_jobs[i];
                const LoadedJob *job = find_job(s, b->name);
                char path[PATH_MAX];

                assert_null(job->def);
                assert_non_null(job->problem);
                (void)snprintf(path, sizeof(path), b->dropin ? "%s/%s.job.d/50-bad.conf" : "%s/%s.job", s->dirs[0],
                               b->name);
                if (!streq(job->problem->file, path) || job->problem->line != b->line ||
                    !strstr(job->problem->message, b->message))
                        fail_msg("%s: %s:%u: %s", b->name, job->problem->file, job->problem->line,
                                 job->problem->message);
        }
        if (d->n_items != N_BAD_JOBS)
                for (size_t i = 0; i < d->n_items; i++)
                        print_message("%s:%u: %s\n", d->items[i].file, d->items[i].line, d->items[i].message);
        assert_int_equal(d->n_items, N_BAD_JOBS);
        for (size_t i = 0; i < N_BAD_JOBS; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "good-%zu", i);
                assert_non_null(find_job(s, name)->def);
                assert_null(find_job(s, name)->problem);
        }

        /* each alone is told the same by a check, and the messages are messages */
        for (size_t i = 0; i < d->n_items; i++) {
                const char *message = d->items[i].message;

                assert_int_equal(message[strlen(message) - 1] == '.' || message[strlen(message) - 1] == '?', true);
        }
}

static void test_check_file(void **state) {
        Scratch *s = *state;
        Diagnostics d = {};
        char path[PATH_MAX];
        _cleanup_free_ char *good = scratch_path(s, "a/x@1.job"), *absent = scratch_path(s, "a/none.job"),
                            *conf = scratch_path(s, "a/x.conf"), *nowhere = scratch_path(s, "c/x.job");

        for (size_t i = 0; i < N_BAD_JOBS; i++) {
                _cleanup_free_ char *file = NULL;

                bad_job_put(&bad_jobs[i], s->dirs[0], path);
                assert_true(asprintf(&file, "%s/%s.job", s->dirs[0], bad_jobs[i].name) > 0);
                assert_int_equal(job_file_check(file, getuid(), NULL, NULL, &d), 0);
                assert_int_equal(d.n_items, 1);
                assert_string_equal(d.items[0].file, path);
                assert_int_equal(d.items[0].line, bad_jobs[i].line);
                assert_non_null(strstr(d.items[0].message, bad_jobs[i].message));
                diagnostics_done(&d);
        }

        put(s, "a/x@1.job", RUN("%i"));
        put(s, "a/x@1.job.d/1.conf", "[Run]\nExec=%i\n");
        assert_int_equal(job_file_check(good, getuid(), NULL, NULL, &d), 0);
        assert_int_equal(d.n_items, 0);
        put(s, "a/x@.job.d/1.conf", "[Run]\nExce=%i\n");
        assert_int_equal(job_file_check(good, getuid(), NULL, NULL, &d), 0);
        assert_int_equal(d.n_items, 1);
        assert_non_null(strstr(d.items[0].file, "/a/x@.job.d/1.conf"));
        diagnostics_done(&d);

        assert_int_equal(job_file_check(absent, getuid(), NULL, NULL, &d), 0);
        assert_non_null(strstr(d.items[0].message, "The file does not exist"));
        assert_int_equal(job_file_check(conf, getuid(), NULL, NULL, &d), 0);
        assert_non_null(strstr(d.items[1].message, "not a valid job name"));
        assert_int_equal(job_file_check(nowhere, getuid(), NULL, NULL, &d), 0);
        assert_non_null(strstr(d.items[2].message, "No such file or directory"));
        diagnostics_done(&d);

        /* a name without a directory is one of the current directory, and is shown as it was given */
        assert_int_equal(chdir(s->dirs[0]), 0);
        put(s, "a/plain.job", "[Run]\nExce=1\n");
        assert_int_equal(job_file_check("plain.job", getuid(), NULL, NULL, &d), 0);
        assert_string_equal(d.items[0].file, "plain.job");
        assert_int_equal(d.items[0].line, 2);
        diagnostics_done(&d);
        assert_int_equal(chdir("/"), 0);
}

static void test_limits(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *large = scratch_path(s, "a/large.job");

        bad_job_repeat(large, "[Run]\nExec=/bin/true\n#", "0123456789abcdef", SOURCE_SIZE_MAX / 16, "\n");
        load(s);
        assert_problem(s, "a/large.job", 0, "larger than 1048576 bytes");
        drop(s, "a/large.job");

        for (unsigned i = 0; i < 20; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "a/j%02u.job", i);
                put(s, name, RUN("x"));
        }
        assert_int_equal(job_loader_load_at(s->loader, now_nsec(), 20), 0);
        assert_clean(s);
        assert_int_equal(job_loader_load_at(s->loader, now_nsec(), 19), 0);
        assert_problem(s, "a", 0, "more than 19 job files");

        for (unsigned i = 0; i < 257; i++) {
                char name[40];

                (void)snprintf(name, sizeof(name), "b/j00.job.d/%u.conf", i);
                put(s, name, "[Run]\n");
        }
        load(s);
        assert_problem(s, "b/j00.job.d", 0, "more than 256 drop-ins");
}

/* A zone that is not there makes a file bad until it comes, without a change of the file; one that goes leaves the job
 * as it is. */
static void test_zones(void **state) {
        static const char zone[] = "usr/share/zoneinfo/Test/Place";
        Scratch *s = *state;
        ZoneCache *zones;
        JobDef *def, *instance;

        assert_int_equal(zone_cache_new(s->root, &zones), 0);
        job_loader_free(s->loader);
        assert_int_equal(job_loader_new(&s->loader, s->dirs, getuid(), zones, LOADER_FOR_ANY, NULL), 0);
        put(s, "a/plain.job", "[Timer]\nOnCalendar=daily\n" RUN("x"));
        put(s, "a/end.job", "[Timer]\nOnCalendar=daily Test/Place\n" RUN("x"));
        put(s, "a/place.job", "[Timer]\nTimeZone=Test/Place\nOnCalendar=daily\n" RUN("x"));
        put(s, "a/t@.job", "[Timer]\nTimeZone=Test/%i\nOnCalendar=daily\n" RUN("x"));
        load(s);
        assert_jobs(s, "end:?! place:?! plain:x");
        assert_ptr_equal(find_job(s, "plain")->def->zone, zone_cache_local(zones));
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 2);
        assert_int_equal(job_loader_instantiate(s->loader, "t@Place", &instance, NULL), -EINVAL);

        put_zone(s, zone);
        load(s);
        assert_jobs(s, "end:x place:x plain:x");
        assert_clean(s);
        def = find_job(s, "place")->def;
        assert_string_equal(zone_name(def->zone), "Test/Place");
        assert_int_equal(job_loader_instantiate(s->loader, "t@Place", &instance, NULL), 0);
        assert_ptr_equal(instance->zone, def->zone);
        job_def_unref(instance);

        drop(s, zone);
        assert_int_equal(zone_cache_refresh(zones), 0);
        load(s);
        assert_int_equal(job_loader_files_read(s->loader), 0);
        assert_clean(s);
        assert_ptr_equal(find_job(s, "place")->def, def);

        s->loader = job_loader_free(s->loader);
        zone_cache_free(zones);
}

/* Files in a row with one expression and different zones, or different ones that begin alike. */
static void test_calendars(void **state) {
        static const struct {
                const char *name, *timer, *zone, *normalized;
        } jobs[] = {
                { "a/1.job", "OnCalendar=3:00", "UTC", "*-*-* 03:00:00" },
                { "a/2.job", "OnCalendar=3:00", "UTC", "*-*-* 03:00:00" },
                { "a/3.job", "TimeZone=Asia/Tokyo\nOnCalendar=3:00", "Asia/Tokyo", "*-*-* 03:00:00" },
                { "a/4.job", "OnCalendar=3:00", "UTC", "*-*-* 03:00:00" },
                { "a/5.job", "OnCalendar=3:00:30", "UTC", "*-*-* 03:00:30" },
                { "a/6.job", "OnCalendar=3:00\nOnCalendar=3:00:30", "UTC", "*-*-* 03:00:00" },
                { "a/7.job", "OnCalendar=3:00 Asia/Tokyo", "Asia/Tokyo", "*-*-* 03:00:00 Asia/Tokyo" },
                { "a/8.job", "OnCalendar=3:00 Asia/Tokyo", "Asia/Tokyo", "*-*-* 03:00:00 Asia/Tokyo" },
        };
        Scratch *s = *state;
        const LoadedJob *loaded;
        ZoneCache *zones;
        size_t n;

        assert_int_equal(zone_cache_new(NULL, &zones), 0);
        assert_int_equal(zone_cache_set_local(zones, "UTC"), 0);
        job_loader_free(s->loader);
        assert_int_equal(job_loader_new(&s->loader, s->dirs, getuid(), zones, LOADER_FOR_ANY, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                char text[256];

                (void)snprintf(text, sizeof(text), "[Timer]\n%s\n" RUN("x"), jobs[i].timer);
                put(s, jobs[i].name, text);
        }
        load(s);
        assert_clean(s);
        loaded = job_loader_jobs(s->loader, &n);
        assert_int_equal(n, ELEMENTSOF(jobs));
        for (size_t i = 0; i < n; i++) {
                const Calendar *calendar = loaded[i].def->triggers[0].calendar;
                _cleanup_free_ char *normalized = NULL;

                assert_int_equal(calendar_format(calendar, &normalized), 0);
                assert_string_equal(normalized, jobs[i].normalized);
                assert_string_equal(zone_name(calendar_zone(calendar)), jobs[i].zone);
        }
        s->loader = job_loader_free(s->loader);
        zone_cache_free(zones);
}

/* --- what has changed since --- */

static int add_unchanged(const char *path, dev_t device, ino_t inode, bool has_dropins, void *userdata) {
        char *shown = userdata;
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_dev == device && st.st_ino == inode);
        (void)sprintf(shown + strlen(shown), "%s%s", strrchr(path, '/') + 1, has_dropins ? "+ " : " ");
        return 0;
}

static void assert_unchanged(const Scratch *s, const char *expected) {
        char shown[64] = "";

        assert_int_equal(job_loader_unchanged(s->loader, add_unchanged, shown), 0);
        assert_string_equal(shown, expected);
}

/* False in a scratch directory on a file system that does not tell, such as an overlay. */
static bool load_tells(const Scratch *s) {
        struct statfs fs;

        load(s);
        assert_int_equal(statfs(s->root, &fs), 0);
        return fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC ||
               fs.f_type == XFS_SUPER_MAGIC;
}

static void test_unchanged(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *one = scratch_path(s, "a/one.job"), *two = scratch_path(s, "a/two.job"),
                            *moved = scratch_path(s, "moved");

        assert_unchanged(s, ""); /* nothing was loaded yet */
        put(s, "a/one.job", RUN("one"));
        if (!load_tells(s))
                skip();
        assert_unchanged(s, "a b ");
        assert_unchanged(s, "a b ");
        put(s, "a/one.job", RUN("other"));
        assert_unchanged(s, "b ");
        put(s, "a/one.job", RUN("one"));
        assert_unchanged(s, "b "); /* back again is a change */
        load(s);
        assert_unchanged(s, "a b ");
        set_mode(s, "a/one.job", 0600);
        assert_unchanged(s, "b ");
        load(s);
        put(s, "b/new.job", RUN("new"));
        assert_unchanged(s, "a ");
        load(s);
        assert_int_equal(rename(one, two), 0);
        assert_unchanged(s, "b ");
        load(s);
        drop(s, "a/two.job");
        assert_unchanged(s, "b ");
        load(s);
        assert_int_equal(rename(s->dirs[0], moved), 0);
        assert_unchanged(s, "b ");
        load(s);
        assert_unchanged(s, "b "); /* there is no a */
}

static void test_unchanged_with_links(void **state) {
        Scratch *s = *state;
        _cleanup_free_ char *one = scratch_path(s, "a/one.job"), *elsewhere = scratch_path(s, "elsewhere");

        put(s, "a/one.job", RUN("one"));
        put(s, "a/template@.job", RUN("%i"));
        put_link(s, "a/template@x.job", "template@.job");
        put_link(s, "a/masked.job", "/dev/null");
        put(s, "b/one.job.d/10.conf", "[Run]\nQueueMax=1\n");
        if (!load_tells(s))
                skip();
        assert_unchanged(s, "a b+ ");
        assert_int_equal(link(one, elsewhere), 0);
        load(s);
        assert_unchanged(s, "b+ "); /* who writes to "elsewhere" changes the job unseen */
        load(s);
        assert_unchanged(s, "b+ "); /* nothing was read now, and it is known all the same */
        assert_int_equal(unlink(one), 0);
        load(s);
        assert_unchanged(s, "a b+ ");
        put_link(s, "a/one.job", "../elsewhere");
        load(s);
        assert_unchanged(s, "b+ ");
        drop(s, "a/one.job");
        put_link(s, "b/one.job", "../elsewhere");
        load(s);
        assert_unchanged(s, "a ");
}

/* The link in the middle is no job of its own. */
static void test_unchanged_with_links_to_links(void **state) {
        Scratch *s = *state;

        put(s, "elsewhere", RUN("one"));
        put(s, "a/two.job", RUN("two"));
        put_link(s, "b/two.job", "../elsewhere");
        if (!load_tells(s))
                skip();
        assert_unchanged(s, "a b "); /* nobody reads b/two.job */
        put_link(s, "b/one.job", "two.job");
        load(s);
        assert_unchanged(s, "a ");
        drop(s, "b/one.job");
        put_link(s, "b/.hidden.job", "../elsewhere");
        put_link(s, "b/one.job", ".hidden.job");
        load(s);
        assert_unchanged(s, "a ");
        drop(s, "b/one.job");
        put(s, "b/.hidden", RUN("one"));
        put_link(s, "b/one.job", ".hidden");
        load(s);
        assert_unchanged(s, "a b ");
        put(s, "b/.hidden", RUN("other"));
        assert_unchanged(s, "a ");
}

/* Its drop-ins in another directory are not read now, but they are there. */
static void test_unchanged_while_refused(void **state) {
        Scratch *s = *state;

        put(s, "a/one.job", RUN("one"));
        put(s, "b/one.job.d/10.conf", "[Run]\nQueueMax=1\n");
        if (!load_tells(s))
                skip();
        assert_unchanged(s, "a b+ ");
        set_mode(s, "a", 0777);
        load(s);
        assert_unchanged(s, "b+ ");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_empty),
                cmocka_unit_test(test_missing_directory),
                TEST(test_precedence_and_masks),
                TEST(test_calendars),
                TEST(test_unchanged),
                TEST(test_unchanged_with_links),
                TEST(test_unchanged_with_links_to_links),
                TEST(test_unchanged_while_refused),
                TEST(test_names),
                TEST(test_dropins),
                TEST(test_templates),
                TEST(test_bad_instances),
                TEST(test_many_instances),
                TEST(test_reload),
                TEST(test_racy_stamps),
                TEST(test_trust),
                TEST(test_foreign_owner),
                TEST(test_refused_directory),
                TEST(test_fifty_bad_jobs),
                TEST(test_check_file),
                TEST(test_limits),
                TEST(test_zones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
