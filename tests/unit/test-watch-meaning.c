/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each way to change files means: the table of vaktd.job(5), over all backends and all ways of noticing. Each row
 * is done at once, on files that are there already, and then it is looked at what was reported of each name. To be
 * closed and to be moved there are one event, since no comparison can tell them apart. */

#include <linux/capability.h>
#include <utime.h>

#include "watch/tree.h" /* first: test-watch.h has a name that it uses */
#include "watch/watch-internal.h"

#include "test-watch.h"

#define CREATE   WATCH_CREATE
#define WRITE    WATCH_WRITE
#define COMPLETE WATCH_CLOSE
#define DELETE   WATCH_DELETE
#define ATTRIB   WATCH_ATTRIB
#define APPEARS  (CREATE | WRITE | COMPLETE)
#define NAMES    5

typedef enum Way {
        WAY_LIVE,
        WAY_OVERFLOW, /* the kernel has lost the events, and says so */
        WAY_STOPPED,  /* vaktd was not running */
        _WAY_MAX,
} Way;

static const char *const way_names[_WAY_MAX] = { "live", "overflow", "stopped" };
static const WatchBackend backends[] = { WATCH_BACKEND_INOTIFY, WATCH_BACKEND_FANOTIFY, WATCH_BACKEND_POLL };

typedef struct Expected {
        const char *name;
        unsigned events, heard; /* heard: beside, what no comparison can find */
} Expected;

typedef struct Meaning {
        const char *what;
        void (*act)(unsigned *seed);
        Expected expected[NAMES];
} Meaning;

static void exchange(const char *a, const char *b) {
        assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
}

static void move(const char *from, const char *to) {
        assert_int_equal(rename(from, to), 0);
}

static void act_make(unsigned *seed) {
        write_file(at("in/n"), "new");
}
static void act_make_empty(unsigned *seed) {
        write_file(at("in/n"), "");
}
static void act_write(unsigned *seed) {
        write_file(at("in/a"), "longer");
}
static void act_truncate(unsigned *seed) {
        write_file(at("in/a"), "");
}
static void act_remove(unsigned *seed) {
        unlink(at("in/a"));
}
static void act_chmod(unsigned *seed) {
        assert_int_equal(chmod(at("in/a"), 0640), 0);
}
static void act_rename(unsigned *seed) {
        move(at("in/a"), at("in/n"));
}
static void act_rename_over(unsigned *seed) {
        move(at("in/a"), at("in/b"));
}
static void act_move_in(unsigned *seed) {
        move(at("out/o"), at("in/n"));
}
static void act_move_in_over(unsigned *seed) {
        move(at("out/o"), at("in/a"));
}
static void act_move_out(unsigned *seed) {
        move(at("in/a"), at("out/n"));
}
static void act_exchange(unsigned *seed) {
        exchange(at("in/a"), at("in/b"));
}
static void act_symlink(unsigned *seed) {
        assert_int_equal(symlink("nowhere", at("in/n")), 0);
}
static void act_link(unsigned *seed) {
        assert_int_equal(link(at("out/o"), at("in/n")), 0);
}
static void act_fifo(unsigned *seed) {
        assert_int_equal(mkfifo(at("in/n"), 0600), 0);
}
static void act_move_directory(unsigned *seed) {
        move(at("in/d"), at("in/e"));
}
static void act_move_directory_in(unsigned *seed) {
        move(at("out/d"), at("in/e"));
}
static void act_move_directory_out(unsigned *seed) {
        move(at("in/d"), at("out/e"));
}
static void act_exchange_directories(unsigned *seed) {
        exchange(at("in/d"), at("in/g"));
}

static void act_replace(unsigned *seed) {
        unlink(at("in/a"));
        write_file(at("in/a"), "other");
}

static void act_rotate(unsigned *seed) {
        move(at("in/a"), at("in/a.1"));
        write_file(at("in/a"), "x");
}

static void act_rotate_twice(unsigned *seed) {
        move(at("in/b"), at("in/b.2"));
        move(at("in/a"), at("in/b"));
        write_file(at("in/a"), "x");
}

static void act_swap(unsigned *seed) {
        move(at("in/a"), at("in/t"));
        move(at("in/b"), at("in/a"));
        move(at("in/t"), at("in/b"));
}

static void act_chain(unsigned *seed) {
        move(at("in/b"), at("in/n"));
        move(at("in/a"), at("in/b"));
}

static void act_into_place(unsigned *seed) {
        write_file(at("in/.a.tmp"), "new");
        move(at("in/.a.tmp"), at("in/a"));
}

static void act_make_and_remove(unsigned *seed) {
        write_file(at("in/n"), "new");
        unlink(at("in/n"));
}

static void act_touch(unsigned *seed) {
        const struct utimbuf times = { .actime = 1, .modtime = 1 };

        assert_int_equal(utime(at("in/a"), &times), 0);
}

static void act_write_and_chmod(unsigned *seed) {
        write_file(at("in/a"), "longer");
        assert_int_equal(chmod(at("in/a"), 0640), 0);
}

static void act_make_directory(unsigned *seed) {
        make_directory(at("in/e"));
        write_file(at("in/e/x"), "new");
}

static void act_remove_directory(unsigned *seed) {
        remove_tree(at("in/d"));
}

static void act_move_directory_and_write(unsigned *seed) {
        move(at("in/d"), at("in/e"));
        write_file(at("in/e/x"), "longer");
        make_directory(at("in/d"));
        write_file(at("in/d/y"), "new");
}

static const Meaning meanings[] = {
        { "made", act_make, { { "n", APPEARS } } },
        { "made, empty", act_make_empty, { { "n", CREATE | COMPLETE } } },
        { "written", act_write, { { "a", WRITE | COMPLETE } } },
        { "emptied", act_truncate, { { "a", WRITE | COMPLETE } } },
        { "times set", act_touch, { { "a", WRITE | COMPLETE, ATTRIB } } },
        { "mode set", act_chmod, { { "a", ATTRIB } } },
        { "written, mode set", act_write_and_chmod, { { "a", WRITE | COMPLETE | ATTRIB } } },
        { "removed", act_remove, { { "a", DELETE } } },
        { "removed and made", act_replace, { { "a", APPEARS } } },
        { "made and removed", act_make_and_remove, {} },
        { "renamed", act_rename, { { "a", DELETE }, { "n", APPEARS } } },
        { "renamed over another", act_rename_over, { { "a", DELETE }, { "b", APPEARS } } },
        { "renamed into place", act_into_place, { { "a", APPEARS } } },
        { "moved in", act_move_in, { { "n", APPEARS } } },
        { "moved in over another", act_move_in_over, { { "a", APPEARS } } },
        { "moved out", act_move_out, { { "a", DELETE } } },
        { "rotated", act_rotate, { { "a", APPEARS }, { "a.1", APPEARS } } },
        { "rotated twice", act_rotate_twice, { { "a", APPEARS }, { "b", APPEARS }, { "b.2", APPEARS } } },
        { "swapped", act_swap, { { "a", APPEARS }, { "b", APPEARS } } },
        { "exchanged", act_exchange, { { "a", APPEARS }, { "b", APPEARS } } },
        { "chain", act_chain, { { "a", DELETE }, { "b", APPEARS }, { "n", APPEARS } } },
        { "symbolic link", act_symlink, { { "n", CREATE | COMPLETE } } },
        { "linked", act_link, { { "n", APPEARS } } },
        { "FIFO", act_fifo, { { "n", CREATE | COMPLETE } } },
        { "directory made", act_make_directory, { { "e/x", APPEARS } } },
        { "directory removed", act_remove_directory, { { "d/s/x", DELETE }, { "d/x", DELETE } } },
        { "directory renamed",
          act_move_directory,
          { { "d/s/x", DELETE }, { "d/x", DELETE }, { "e/s/x", APPEARS }, { "e/x", APPEARS } } },
        { "directory moved in", act_move_directory_in, { { "e/x", APPEARS } } },
        { "directory moved out", act_move_directory_out, { { "d/s/x", DELETE }, { "d/x", DELETE } } },
        { "directories exchanged",
          act_exchange_directories,
          { { "d/s/x", DELETE }, { "d/x", APPEARS }, { "g/s/x", APPEARS }, { "g/x", APPEARS } } },
        { "directory renamed and written to",
          act_move_directory_and_write,
          { { "d/s/x", DELETE }, { "d/x", DELETE }, { "d/y", APPEARS }, { "e/s/x", APPEARS }, { "e/x", APPEARS } } },
};

/* --- noticing --- */

/* What is in the kernel's queue is not to be had any more. */
static void drop_events(const Watch *watch) {
        char buffer[64 * 1024];

        (void)fcntl(event_queue_fd(w.watcher->queue), F_SETFL, O_NONBLOCK);
        while (read(event_queue_fd(w.watcher->queue), buffer, sizeof(buffer)) > 0)
                ;
        if (watch->tree->fan) {
                int fd = fan_queue_fd(watch->tree->fan);

                while (read(fd, buffer, sizeof(buffer)) > 0)
                        ;
        }
}

/* As when it has run over. */
static void lose_events(Watch *watch) {
        drop_events(watch);
        watch_wake(watch);
        tree_rescan(watch->tree);
}

/* Until what came before is worked on, however it is noticed, and nothing is waited for that may have been moved. */
static void wait_for_the_last(const Watch *watch, const char *last) {
        unlink(at("in/%s", last));
        settle();
        while ((!record_of(last) && !strstr(w.gone, last)) || watch->tree->n_departed > 0)
                assert_true(sd_event_run(w.event, 60 * USEC_PER_SEC) > 0);
        settle();
}

/* --- comparing --- */

static unsigned events_of(const char *name) {
        unsigned events = 0;

        for (size_t i = 0; i < w.n_records; i++)
                if (streq(w.records[i].path, name))
                        events |= w.records[i].events;
        return events & WATCH_COMPLETE ? (events & ~(unsigned)WATCH_COMPLETE) | COMPLETE : events;
}

static const Expected *expected_of(const Meaning *m, const char *name) {
        for (size_t i = 0; i < NAMES && m->expected[i].name; i++)
                if (streq(m->expected[i].name, name))
                        return &m->expected[i];
        return NULL;
}

static unsigned check(const Meaning *m, unsigned asked, const char *how) {
        unsigned wrong = 0;

        for (size_t i = 0; i < NAMES && m->expected[i].name; i++) {
                const Expected *e = &m->expected[i];
                unsigned got = events_of(e->name);

                if ((got & ~(e->heard & asked)) == (e->events & asked & ~e->heard))
                        continue;
                print_message("# %s, %s: %s: %x instead of %x\n", m->what, how, e->name, got, e->events & asked);
                wrong++;
        }
        for (size_t i = 0; i < w.n_records; i++)
                if (!expected_of(m, w.records[i].path) && strncmp(w.records[i].path, "last", 4) != 0) {
                        print_message("# %s, %s: %s: %x\n", m->what, how, w.records[i].path, w.records[i].events);
                        wrong++;
                }
        return wrong;
}

static void prepare(void) {
        static const char *const directories[] = { "in", "in/d", "in/d/s", "in/g", "out", "out/d" };
        static const char *const files[] = { "in/a",     "in/b",     "in/d/x", "in/d/s/x", "in/g/x",
                                             "in/last1", "in/last2", "out/o",  "out/d/x" };

        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                make_directory(at("%s", directories[i]));
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                write_file(at("%s", files[i]), files[i]);
}

/* What was done is done, and all of it has been noticed. */
static Watch *act_and_notice(const WatchDef *def, Way way, void (*act)(unsigned *seed), unsigned seed) {
        Watch *watch;

        prepare();
        watch = start_watch(def);
        if (way == WAY_STOPPED)
                stop_and_keep(watch);
        act(&seed);
        if (way == WAY_STOPPED)
                watch = start_kept(def);
        else if (way == WAY_OVERFLOW)
                lose_events(watch);
        wait_for_the_last(watch, "last1");
        wait_for_the_last(watch, "last2");
        return watch;
}

static void clean_up(Watch *watch) {
        stop_watch(watch);
        forget_records();
        remove_tree(at("in"));
        remove_tree(at("out"));
}

static WatchDef tree_def(const char *path, WatchBackend backend, unsigned events) {
        return (WatchDef){ .kind = WATCH_TREE,
                           .path = path,
                           .events = events,
                           .recursive = true,
                           .backend = backend,
                           .poll_min = 2 * USEC_PER_MSEC };
}

static unsigned run_row(const Meaning *m, WatchBackend backend, Way way, unsigned asked) {
        _cleanup_free_ char *path = strdup(at("in"));
        const WatchDef def = tree_def(path, backend, asked);
        char how[64];
        Watch *watch;
        unsigned wrong;

        watch = act_and_notice(&def, way, m->act, 0);
        (void)snprintf(how, sizeof(how), "backend %d, %s, %x", (int)backend, way_names[way], asked);
        wrong = check(m, asked, how);
        clean_up(watch);
        return wrong;
}

/* Who asks for little gets of it what is left of the same. */
static void test_meanings(void **state) {
        static const unsigned asked[] = { WATCH_ALL,   WATCH_ALL & ~(unsigned)WATCH_WRITE,
                                          WATCH_WRITE, WATCH_CREATE,
                                          WATCH_MOVE,  WATCH_DELETE,
                                          WATCH_ATTRIB };
        unsigned wrong = 0;

        for (size_t b = 0; b < ELEMENTSOF(backends); b++) {
                if (backends[b] == WATCH_BACKEND_FANOTIFY && !fanotify_is_permitted()) {
                        print_message("# fanotify is not permitted\n");
                        continue;
                }
                for (Way way = 0; way < _WAY_MAX; way++)
                        for (size_t a = 0; a < (way == WAY_OVERFLOW ? 2 : ELEMENTSOF(asked)); a++) {
                                unsigned events = asked[a] & WATCH_COMPLETE ? asked[a] | WATCH_COMPLETE : asked[a];

                                for (size_t i = 0; i < ELEMENTSOF(meanings); i++)
                                        wrong += run_row(&meanings[i], backends[b], way, events);
                        }
        }
        assert_int_equal(wrong, 0);
}

/* --- anything --- */

static bool is_possible(WatchBackend backend) {
        return backend != WATCH_BACKEND_FANOTIFY || fanotify_is_permitted();
}

static const char *const names[] = { "a", "b", "n", "m", "d/x", "d/y", "g/x", "g/y" };
static const char *const directory_names[] = { "d", "g", "e" };

/* Whatever fails does so each time that the same numbers are drawn. Hard links are left out: what is done to a file
 * under another name is not heard of. */
static void act_at_random(unsigned *seed) {
        for (unsigned n = 1 + (unsigned)rand_r(seed) % 6; n > 0; n--) {
                const char *a = at("in/%s", names[(unsigned)rand_r(seed) % ELEMENTSOF(names)]);
                const char *b = at("in/%s", names[(unsigned)rand_r(seed) % ELEMENTSOF(names)]);
                const char *f = at("in/%s", directory_names[(unsigned)rand_r(seed) % ELEMENTSOF(directory_names)]);
                const char *g = at("in/%s", directory_names[(unsigned)rand_r(seed) % ELEMENTSOF(directory_names)]);
                int fd;

                switch ((unsigned)rand_r(seed) % 9) {
                case 0:
                        (void)unlink(a);
                        break;
                case 1:
                        (void)mkdir(f, 0700);
                        break;
                case 2:
                        (void)renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
                        break;
                case 3:
                        (void)rename(f, g);
                        break;
                case 4:
                        (void)renameat2(AT_FDCWD, f, AT_FDCWD, g, RENAME_EXCHANGE);
                        break;
                case 5:
                        (void)rename(at("out/o"), a);
                        break;
                case 6:
                        fd = open(a, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
                        if (fd < 0)
                                break;
                        assert_int_equal(write(fd, "x", 1), 1);
                        close(fd);
                        break;
                default:
                        (void)rename(a, b);
                }
        }
}

typedef struct Outcome {
        unsigned events[64];
        char *path[64];
        bool is_there[64];
        size_t n;
} Outcome;

static unsigned outcome_of(const Outcome *o, const char *path) {
        for (size_t i = 0; i < o->n; i++)
                if (streq(o->path[i], path))
                        return o->events[i];
        return 0;
}

static void play(unsigned seed, WatchBackend backend, Way way, Outcome *ret) {
        _cleanup_free_ char *path = strdup(at("in"));
        const WatchDef def = tree_def(path, backend, WATCH_ALL);
        Watch *watch = act_and_notice(&def, way, act_at_random, seed);

        *ret = (Outcome){};
        for (size_t i = 0; i < w.n_records; i++)
                if (outcome_of(ret, w.records[i].path) == 0) {
                        assert_true(ret->n < ELEMENTSOF(ret->path));
                        ret->path[ret->n] = strdup(w.records[i].path);
                        ret->events[ret->n] = events_of(w.records[i].path);
                        ret->is_there[ret->n++] = access(at("in/%s", w.records[i].path), F_OK) == 0;
                }
        clean_up(watch);
}

static unsigned compare(unsigned seed, const Outcome *reference, const Outcome *o, const char *how) {
        unsigned wrong = 0;

        for (size_t i = 0; i < reference->n; i++) {
                unsigned heard = outcome_of(o, reference->path[i]), missing = reference->events[i] & ~heard;

                if (heard & CREATE) /* moved away and back again: more than that something was done to it */
                        missing &= ~(unsigned)ATTRIB;
                if (missing == 0)
                        continue;
                print_message("# VAKT_SEED=%u, %s: %s: %x is missing\n", seed, how, reference->path[i], missing);
                wrong++;
        }
        for (size_t i = 0; i < o->n; i++)
                if ((o->events[i] & WATCH_DELETE) && !(outcome_of(reference, o->path[i]) & WATCH_DELETE) &&
                    o->is_there[i]) {
                        print_message("# VAKT_SEED=%u, %s: %s is not gone\n", seed, how, o->path[i]);
                        wrong++;
                }
        return wrong;
}

static void outcome_done(Outcome *o) {
        for (size_t i = 0; i < o->n; i++)
                free(o->path[i]);
}

/* Whatever a comparison finds has been heard of, too. More may be heard: what was moved away and back, say. */
static void test_anything(void **state) {
        unsigned first = getenv("VAKT_SEED") ? (unsigned)atoi(getenv("VAKT_SEED")) : 1;
        unsigned n = getenv("VAKT_SEED") ? 1 : getenv("VAKT_TEST_FULL") ? 3000 : 30, wrong = 0;

        for (unsigned seed = first; seed < first + n; seed++) {
                Outcome reference, o;
                char how[64];

                play(seed, WATCH_BACKEND_INOTIFY, WAY_STOPPED, &reference);
                for (size_t b = 0; b < ELEMENTSOF(backends) && is_possible(backends[b]); b++)
                        for (Way way = WAY_LIVE; way <= WAY_OVERFLOW; way++) {
                                play(seed, backends[b], way, &o);
                                (void)snprintf(how, sizeof(how), "backend %d, %s", (int)backends[b], way_names[way]);
                                wrong += compare(seed, &reference, &o, how);
                                outcome_done(&o);
                        }
                outcome_done(&reference);
        }
        assert_int_equal(wrong, 0);
}

/* --- one file, one report --- */

static Watch *start_kind(WatchKind kind, const char *path, WatchBackend backend) {
        return start_watch(&(WatchDef){ .kind = kind,
                                        .path = path,
                                        .events = WATCH_ALL & ~(unsigned)WATCH_WRITE,
                                        .recursive = kind == WATCH_TREE,
                                        .backend = backend,
                                        .poll_min = 2 * USEC_PER_MSEC });
}

/* Looked at after each step, from the first to the last: it counts when it is complete. */
static void make_in_steps(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        settle();
        assert_int_equal(write(fd, "1", 1), 1);
        settle();
        assert_int_equal(fchmod(fd, 0640), 0);
        settle();
        assert_int_equal(write(fd, "2", 1), 1);
        close(fd);
}

static void test_one_report(void **state) {
        static const WatchKind kinds[] = { WATCH_PATH_CHANGED, WATCH_TREE };

        for (size_t b = 0; b < ELEMENTSOF(backends); b++)
                for (size_t k = 0; k < 2 * ELEMENTSOF(kinds) && is_possible(backends[b]); k++) {
                        bool is_file = k >= ELEMENTSOF(kinds);
                        Watch *watch;

                        make_directory(at("in"));
                        write_file(at("in/last1"), "x");
                        watch = start_kind(kinds[k % ELEMENTSOF(kinds)], is_file ? at("in/f") : at("in"), backends[b]);
                        make_in_steps(at("in/f"));
                        run_until_reported(1);
                        if (is_file) {
                                unlink(at("in/f")); /* after it nothing else is to come */
                                run_until_reported(2);
                        } else
                                wait_for_the_last(watch, "last1");
                        assert_n_reported(2);
                        assert_true(w.records[0].events & WATCH_COMPLETE);
                        stop_watch(watch);
                        forget_records();
                        remove_tree(at("in"));
                }
}

/* A temporary name that was looked at before the file was complete is not told of, nor that it is gone. */
static void test_temporary_name(void **state) {
        for (size_t b = 0; b < ELEMENTSOF(backends) && is_possible(backends[b]); b++)
                for (unsigned i = 0; i < 3; i++) {
                        Watch *watch;
                        int fd;

                        make_directory(at("in"));
                        make_directory(at("in/d"));
                        make_directory(at("out"));
                        write_file(at("in/last1"), "x");
                        write_file(at("in/last2"), "x");
                        watch = start_kind(WATCH_TREE, at("in"), backends[b]);
                        fd = open(at("in/d/.f.tmp"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                        settle();
                        wait_for_the_last(watch, "last1");
                        close(fd);
                        if (i == 0)
                                unlink(at("in/d/.f.tmp"));
                        else if (i == 1)
                                move(at("in/d/.f.tmp"), at("in/d/f"));
                        else
                                move(at("in/d"), at("out/d"));
                        wait_for_the_last(watch, "last2");
                        assert_int_equal(count_of("d/.f.tmp"), 0);
                        assert_int_equal(count_of("d/f"), i == 1);
                        stop_watch(watch);
                        forget_records();
                        remove_tree(at("in"));
                        remove_tree(at("out"));
                }
}

/* Open for writing, and nobody tells when it is closed: it was opened under a name that is gone. So is a file for whom
 * looks at it while it is being closed, after that was told. */
static int open_unheard(const char *path, bool keep_name) {
        _cleanup_free_ char *other = strdup(at("out/other"));
        int fd;

        assert_int_equal(link(path, other), 0);
        fd = open(other, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(fd >= 0);
        if (!keep_name)
                assert_int_equal(unlink(other), 0);
        return fd;
}

static void find_in_directory(Watch *watch) {
        move(at("out/d"), at("in/d"));
}

static void find_moved(Watch *watch) {
        move(at("out/d/f"), at("in/f"));
}

static void find_linked(Watch *watch) {
        assert_int_equal(link(at("out/d/f"), at("in/f")), 0);
}

static void find_after_overflow(Watch *watch) {
        move(at("out/d/f"), at("in/f"));
        lose_events(watch);
}

/* Of the closing of a file nothing may be heard. It is reported all the same, once, and not before. */
static void test_unheard_closing(void **state) {
        static const struct {
                void (*find)(Watch *watch);
                const char *name;
                bool keep_name;
        } table[] = {
                { find_in_directory, "d/f", false },
                { find_moved, "f", false },
                { find_linked, "f", true },
                { find_after_overflow, "f", false },
        };

        for (size_t b = 0; b < ELEMENTSOF(backends) && is_possible(backends[b]); b++)
                for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                        Watch *watch;
                        int fd;

                        make_directory(at("in"));
                        make_directory(at("out"));
                        make_directory(at("out/d"));
                        write_file(at("out/d/f"), "x");
                        write_file(at("in/last1"), "x");
                        watch = start_kind(WATCH_TREE, at("in"), backends[b]);
                        fd = open_unheard(at("out/d/f"), table[i].keep_name);
                        table[i].find(watch);
                        wait_for_the_last(watch, "last1");
                        assert_int_equal(count_of(table[i].name), 0);
                        close(fd);
                        run_until_reported(2);
                        assert_int_equal(count_of(table[i].name), 1);
                        assert_n_reported(2);
                        clean_up(watch);
                }
}

/* The same of a file that is watched by itself. */
static void test_unheard_closing_of_a_file(void **state) {
        Watch *watch;
        int fd;

        write_file(at("f"), "x");
        watch = start_kind(WATCH_PATH_CHANGED, at("f"), WATCH_BACKEND_INOTIFY);
        fd = open(at("f"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(write(fd, "y", 1), 1);
        lose_events(watch);
        settle();
        assert_n_reported(0);
        close(fd);
        drop_events(watch);
        run_until_reported(1);
        assert_n_reported(1);
        stop_watch(watch);
}

/* Who is seen to write to it will be heard of when he closes it: nobody has to look again. After some looks that is
 * assumed of all. */
static void test_looks_come_to_an_end(void **state) {
        for (unsigned i = 0; i < 4 && is_possible(backends[i / 2]); i++) {
                _cleanup_free_ char *path = strdup(at("in"));
                WatchDef def = tree_def(path, backends[i / 2], WATCH_ALL & ~(unsigned)WATCH_WRITE);
                bool grows = i % 2 == 0;
                unsigned n_looks = 0;
                Watch *watch;
                int fd;

                make_directory(at("in"));
                make_directory(at("out"));
                make_directory(at("out/d"));
                def.poll_min = def.poll_max = USEC_PER_HOUR;
                fd = open(at("out/d/f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                watch = start_watch(&def);
                find_in_directory(watch);
                settle();
                for (; watch->tree->n_look_once > 0 && n_looks < 100; n_looks++) {
                        if (grows)
                                assert_int_equal(write(fd, "x", 1), 1);
                        tree_poll(watch->tree);
                        watch_wake(watch);
                        settle();
                }
                if (grows ? n_looks != 1 : n_looks < 2 || n_looks == 100)
                        fail_msg("backend %d, %s: %u looks", (int)def.backend, grows ? "growing" : "idle", n_looks);
                assert_n_reported(0);
                close(fd);
                settle();
                assert_n_reported(1);
                clean_up(watch);
        }
}

/* A file that is open, found in its directory while nobody looks by the clock. The number of looks that it takes. */
static unsigned count_looks(Watch *watch) {
        unsigned n = 0;

        for (; watch->tree->n_look_once > 0 && n < 100; n++) {
                tree_poll(watch->tree);
                watch_wake(watch);
                settle();
        }
        return n;
}

/* Under which name somebody has opened a file nobody tells, and that is where its closing is told. But it is told of
 * the file itself, too: until then it is looked at no more, and then it is. */
static void test_open_under_another_name(void **state) {
        for (unsigned i = 0; i < 2 && is_possible(backends[i]); i++) {
                _cleanup_free_ char *path = strdup(at("in"));
                WatchDef def = tree_def(path, backends[i], WATCH_CLOSE);
                Watch *watch;
                int fd, second;

                def.poll_min = def.poll_max = USEC_PER_HOUR;
                make_directory(at("in"));
                make_directory(at("out"));
                make_directory(at("out/d"));
                write_file(at("out/d/f"), "x");
                watch = start_watch(&def);
                fd = open_unheard(at("out/d/f"), /* keep_name= */ true);
                second = open(at("out/other"), O_WRONLY | O_APPEND | O_CLOEXEC);
                find_linked(watch);
                settle();
                assert_in_range(count_looks(watch), 1, 2);
                close(fd);
                settle();
                assert_in_range(count_looks(watch), 1, 3);
                assert_n_reported(0);
                close(second);
                settle();
                assert_int_equal(count_looks(watch), 1);
                assert_n_reported(1);
                assert_int_equal(count_of("f"), 1);
                clean_up(watch);
        }
}

/* In a tree that has more files than are kept in mind, each look at a directory finds the others anew. */
static void test_open_in_a_full_model(void **state) {
        for (unsigned i = 0; i < 2 && is_possible(backends[i]); i++) {
                _cleanup_free_ char *path = strdup(at("in"));
                WatchDef def = tree_def(path, backends[i], WATCH_CLOSE);
                Watch *watch;
                int fd;

                def.poll_min = def.poll_max = USEC_PER_HOUR;
                def.model_max = 1;
                make_directory(at("in"));
                make_directory(at("out"));
                write_file(at("in/other"), "x");
                watch = start_watch(&def);
                fd = open(at("out/f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                move(at("out/f"), at("in/f"));
                settle();
                assert_int_equal(count_looks(watch), 0);
                assert_n_reported(0);
                close(fd);
                settle();
                assert_n_reported(1);
                assert_int_equal(count_of("f"), 1);
                clean_up(watch);
        }
}

/* A file is made first, and opened then: in between it has no writer, and is not complete. */
static void test_made_and_not_opened_yet(void **state) {
        for (size_t b = 0; b < ELEMENTSOF(backends) && is_possible(backends[b]); b++)
                for (unsigned i = 0; i < 2; i++) {
                        _cleanup_free_ char *path = strdup(at("in"));
                        WatchDef def = tree_def(path, backends[b], WATCH_CLOSE);
                        Watch *watch;

                        if (backends[b] == WATCH_BACKEND_POLL)
                                break;
                        def.poll_min = i == 0 ? USEC_PER_HOUR : 2 * USEC_PER_MSEC;
                        make_directory(at("in"));
                        make_directory(at("out"));
                        watch = start_watch(&def);
                        assert_int_equal(mknod(at("in/f"), S_IFREG | 0600, 0), 0);
                        if (i == 0) {
                                settle();
                                assert_n_reported(0);
                                write_file(at("in/f"), "x");
                        }
                        run_until_reported(1); /* and one that nobody opens */
                        assert_n_reported(1);
                        clean_up(watch);
                }
}

/* CAP_LEASE or not: without it, nobody tells who has other users' files open. */
static bool set_lease_right(bool on) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (geteuid() != 0 || syscall(SYS_capget, &header, data) < 0)
                return false;
        data[0].effective = on ? data[0].permitted : data[0].effective & ~(1U << CAP_LEASE);
        return syscall(SYS_capset, &header, data) == 0;
}

static int make_for_another(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(fchown(fd, 1, 1), 0);
        return fd;
}

/* Of another user's files it is known when they are closed, and else that they stay as they are. */
static void test_one_report_of_others(void **state) {
        static const WatchBackend events[] = { WATCH_BACKEND_INOTIFY, WATCH_BACKEND_FANOTIFY };

        if (!set_lease_right(false)) {
                print_message("# not done: other users are for root only\n");
                return;
        }
        for (size_t b = 0; b < ELEMENTSOF(events) && is_possible(events[b]); b++) {
                Watch *watch;
                int fd;

                make_directory(at("in"));
                write_file(at("in/last1"), "x");
                watch = start_watch(&(WatchDef){ .kind = WATCH_PATH_CHANGED,
                                                 .path = at("in"),
                                                 .backend = events[b],
                                                 .poll_min = USEC_PER_HOUR });
                fd = make_for_another(at("in/closed"));
                settle();
                assert_n_reported(0);
                close(fd);
                settle();
                assert_n_reported(1);
                stop_watch(watch);
                forget_records();

                watch = start_kind(WATCH_PATH_CHANGED, at("in"), events[b]);
                assert_int_equal(mknod(at("in/made"), S_IFREG | 0644, 0), 0);
                assert_int_equal(chown(at("in/made"), 1, 1), 0);
                run_until_reported(1);
                wait_for_the_last(watch, "last1");
                assert_n_reported(2);
                assert_true(record_of("made")->events & WATCH_COMPLETE);
                stop_watch(watch);
                forget_records();
                remove_tree(at("in"));
        }
        assert_true(set_lease_right(true));
}

/* --- an inode's number that is used again --- */

/* A file system on disk; those in memory count on. */
static void use_disk(void) {
        (void)umount2(w.directory, MNT_DETACH);
        (void)rmdir(w.directory);
        strcpy(w.directory, "/var/tmp/vakt-test-watch-XXXXXX");
        assert_non_null(mkdtemp(w.directory));
}

static uint64_t inode_of(const char *path) {
        struct stat st;

        assert_int_equal(lstat(path, &st), 0);
        return st.st_ino;
}

/* True when the file at path is another one with the number that the one before had. */
static bool replace_in_place(const char *path, const char *text) {
        uint64_t inode = inode_of(path);

        unlink(path);
        write_file(path, text);
        return inode_of(path) == inode;
}

static void test_file_made_anew(void **state) {
        bool is_possible_here = false;

        use_disk();
        for (size_t b = 0; b < ELEMENTSOF(backends); b++)
                for (unsigned i = 0; i < 20 && is_possible(backends[b]); i++) {
                        Watch *watch;

                        write_file(at("f"), "0");
                        watch = start_kind(WATCH_PATH_CHANGED, at("f"), backends[b]);
                        is_possible_here = replace_in_place(at("f"), "1") || is_possible_here;
                        run_until_reported(1);
                        forget_records();
                        write_file(at("f"), "22");
                        run_until_reported(1);
                        assert_true(record_of("")->events & WATCH_COMPLETE);
                        stop_watch(watch);
                        forget_records();
                }
        if (!is_possible_here)
                print_message("# not done: the file system under /var/tmp gives no number again\n");
}

/* What is on the way to it: a directory, and one that is a condition. */
static void test_directory_made_anew(void **state) {
        Watch *there, *filled;

        use_disk();
        make_directory(at("d"));
        there = start_watch(&(WatchDef){ .kind = WATCH_PATH_EXISTS, .path = at("d/f") });
        filled = start_watch(&(WatchDef){ .kind = WATCH_DIRECTORY_NOT_EMPTY, .path = at("d") });
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(rmdir(at("d")), 0);
                make_directory(at("d"));
                settle();
                write_file(at("d/f"), "x");
                settle();
                assert_n_reported(2);
                unlink(at("d/f"));
                settle();
                forget_records();
        }
        stop_watch(there);
        stop_watch(filled);
}

/* The same number, size and time of change: only when it was born differs. */
static void test_file_made_anew_meanwhile(void **state) {
        static const WatchKind kinds[] = { WATCH_PATH_CHANGED, WATCH_TREE };
        const struct utimbuf times = { .actime = 1000, .modtime = 1000 };
        unsigned n = 0;

        use_disk();
        for (unsigned i = 0; i < 20; i++) {
                bool is_file = i % 2;
                _cleanup_free_ char *path = strdup(is_file ? at("f") : w.directory);
                const WatchDef def = { .kind = kinds[is_file ? 0 : i / 2 % 2],
                                       .path = path,
                                       .events = WATCH_CREATE | WATCH_COMPLETE };
                Watch *watch;

                write_file(at("f"), "1");
                assert_int_equal(utime(at("f"), &times), 0);
                watch = start_watch(&def);
                stop_and_keep(watch);
                n += replace_in_place(at("f"), "2");
                assert_int_equal(utime(at("f"), &times), 0);
                watch = start_kept(&def);
                settle();
                assert_n_reported(1);
                assert_true((w.records[0].events & WATCH_CREATE) && (w.records[0].events & WATCH_COMPLETE));
                stop_watch(watch);
                forget_records();
                unlink(at("f"));
        }
        if (n == 0)
                print_message("# not done: the file system under /var/tmp gives no number again\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                watch_test(test_meanings),
                watch_test(test_anything),
                watch_test(test_one_report),
                watch_test(test_temporary_name),
                watch_test(test_unheard_closing),
                watch_test(test_unheard_closing_of_a_file),
                watch_test(test_looks_come_to_an_end),
                watch_test(test_open_under_another_name),
                watch_test(test_open_in_a_full_model),
                watch_test(test_made_and_not_opened_yet),
                watch_test(test_one_report_of_others),
                watch_test(test_file_made_anew),
                watch_test(test_directory_made_anew),
                watch_test(test_file_made_anew_meanwhile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
