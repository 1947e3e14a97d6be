/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks paths up by itself, name by name as path_resolution(7) says, because only then is it known which directories
 * the answer depends on. systemd.path(5) watches the parents, too; but where the path has symbolic links, it watches
 * the link and not what lies behind, and a link that is replaced by rename goes unseen. */

#include "watch/path-chain.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "fs/beneath.h"
#include "fs/guarded.h"
#include "fs/mount-table.h"
#include "util/file.h"
#include "util/glob.h"

#define SYMLINKS_MAX     40      /* as the kernel has it */
#define PLAIN_COST_MAX   32768U  /* of all that is done for one answer: about 10 ms; */
#define PATTERN_COST_MAX 262144U /* with patterns, about 100 ms */
#define NAME_COST        1U      /* of a name that is read and compared with a pattern */
#define STEP_COST        8U      /* of one that is opened */
#define LINK_EVENTS      (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

typedef struct Link Link;
struct Link {
        Subscriber subscriber; /* first */
        PathChain *chain;
        Glob *glob; /* or NULL: name is meant literally */
        LIST_ENTRY(Link) links;
        char name[];
};

LIST_HEAD(LinkList, Link);

struct PathChain {
        EventQueue *queue;
        char *path;
        bool glob, follow_all, stays_local, blind, refused, cut, remote;
        void (*changed)(void *userdata);
        void *userdata;
        int (*visit)(void *userdata, int fd, const char *path); /* NULL: the first that is there is wanted */
        void *visit_data;
        struct LinkList links;
        unsigned n_links, n_symlinks, left; /* left: of the cost */
        PathText found;
        dev_t device, checked_device;
};

static void links_free(struct LinkList *list) {
        Link *l;

        while ((l = LIST_FIRST(list))) {
                LIST_REMOVE(l, links);
                event_queue_unsubscribe(l->chain->queue, &l->subscriber);
                glob_free(l->glob);
                free(l);
        }
}

static void on_link_event(Subscriber *s, const Notice *n) {
        const Link *l = (const Link *)s;

        /* No name: the directory itself is gone or was moved. */
        if (n->length == 0 || (l->glob ? glob_match(l->glob, n->name, n->length) : streq(l->name, n->name)))
                l->chain->changed(l->chain->userdata);
}

/* From now on a change of name in the directory is heard of, as far as there are links left. Only a link takes the
 * pattern over, and keeps it until the next look. */
static int chain_watch(PathChain *c, int dir_fd, const char *name, size_t n, Glob **glob) {
        Link *l;
        int r;

        assert(c->n_links <= PATH_CHAIN_LINKS_MAX);
        if (c->n_links >= PATH_CHAIN_LINKS_MAX) {
                c->blind = true;
                return 0;
        }
        l = malloc(sizeof(*l) + n + 1);
        if (!l)
                return -ENOMEM;
        *l = (Link){ .chain = c, .glob = TAKE_PTR(*glob) };
        memcpy(l->name, name, n);
        l->name[n] = '\0';
        subscriber_init(&l->subscriber);
        l->subscriber.notify = on_link_event;
        LIST_INSERT_HEAD(&c->links, l, links);
        c->n_links++;
        r = event_queue_subscribe(c->queue, &l->subscriber, dir_fd, LINK_EVENTS);
        if (r < 0 && r != -ENOTDIR)
                c->blind = true;
        return 0;
}

/* --- looking up --- */

/* How far a look has come. What is on the way is up to others, so nothing is called once for each name of it, and each
 * name costs something of what one look may. */
typedef struct Position {
        int fd;           /* O_PATH; in it is to be walked */
        const char *rest; /* what is left of the path */
        size_t written; /* so many of its last bytes stand in the path as it is written: they may be patterns, and are
                         * part of what was found. What is before them comes from a symbolic link. */
        char *text;     /* that rest points into when there was a symbolic link, else NULL */
} Position;

static void position_done(Position *p) {
        p->fd = safe_close(p->fd);
        p->text = mfree(p->text);
}

static int chain_walk(PathChain *c, Position *p, int *ret_fd);

/* -E2BIG: that is enough for one look. */
static int chain_pay(PathChain *c, unsigned cost) {
        if (c->left >= cost) {
                c->left -= cost;
                return 0;
        }
        c->cut = c->blind = true;
        return -E2BIG;
}

/* The target of a symbolic link with the rest of the path behind it. */
static int read_link(int link_fd, const char *rest, char **ret) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(link_fd, "", target, sizeof(target));
        char *path;

        if (n < 0)
                return -errno;
        if ((size_t)n >= sizeof(target))
                return -ENAMETOOLONG;
        path = malloc((size_t)n + strlen(rest) + 2);
        if (!path)
                return -ENOMEM;
        memcpy(path, target, (size_t)n);
        path[n] = '/';
        strcpy(path + n + 1, rest);
        *ret = path;
        return 0;
}

static int chain_follow(PathChain *c, Position *p, int link_fd) {
        char *text;
        int r;

        if (!c->follow_all && !guarded_may_follow(p->fd, link_fd)) {
                c->refused = true;
                return -ELOOP;
        }
        if (++c->n_symlinks > SYMLINKS_MAX)
                return -ELOOP;
        r = read_link(link_fd, p->rest, &text);
        if (r < 0)
                return r;
        p->written = MIN(p->written, strlen(p->rest));
        free(p->text);
        p->rest = p->text = text;
        if (text[0] != '/')
                return 0;
        safe_close(p->fd);
        p->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return p->fd < 0 ? -errno : 0;
}

/* What others may change in a directory of another file system is not heard of. */
static void chain_note_device(PathChain *c, int fd, dev_t device) {
        FileSystemTraits traits;

        if (device != c->device && file_system_traits(fd, &traits) >= 0 && traits.is_remote)
                c->blind = true;
        c->device = device;
}

/* On to the name that was just watched, and taken off what is left. */
static int chain_enter(PathChain *c, Position *p, const char *name) {
        _cleanup_close_ int fd = openat(p->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0)
                return -errno;
        if ((c->stays_local ? file_is_local(fd, &c->checked_device) : file_is_answered(fd, &c->checked_device)) ==
            -EREMOTE) {
                c->device = c->checked_device; /* what was below it is covered, and not gone */
                c->checked_device = 0;         /* or the next entry that it is mounted on would be entered */
                c->remote = c->blind = true;
                return -EREMOTE;
        }
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) /* on overlayfs, a file's is not that of its directory */
                chain_note_device(c, fd, st.st_dev);
        if (S_ISLNK(st.st_mode))
                return chain_follow(c, p, fd);
        if (!S_ISDIR(st.st_mode) && p->rest[strspn(p->rest, "/")] != '\0')
                return -ENOTDIR;
        safe_close(p->fd);
        p->fd = TAKE_FD(fd);
        return 0;
}

/* Tries one name of a directory against a pattern; -ENOENT goes on with the next. */
static int chain_try(PathChain *c, const Position *p, const Glob *glob, bool dot, const char *name, int *ret_fd) {
        _cleanup_(position_done) Position next = { .fd = -EBADF, .rest = p->rest, .written = strlen(p->rest) };
        size_t before = c->found.length;
        unsigned n_symlinks = c->n_symlinks;
        int r;

        if (streq(name, ".") || streq(name, "..") || (name[0] == '.' && !dot) || !glob_match(glob, name, strlen(name)))
                return -ENOENT;
        r = chain_pay(c, STEP_COST);
        if (r < 0)
                return r;
        next.fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
        r = next.fd < 0 ? -errno : path_text_append(&c->found, name, strlen(name));
        if (r >= 0)
                r = chain_enter(c, &next, name);
        if (r >= 0)
                r = chain_walk(c, &next, ret_fd);
        if (r < 0) {
                c->n_symlinks = n_symlinks;
                c->found.length = before;
                c->found.bytes[before] = '\0';
        }
        return r == -ENOTDIR || r == -EACCES || r == -ELOOP || r == -ENAMETOOLONG || r == -EREMOTE ? -ENOENT : r;
}

static int chain_enter_pattern(PathChain *c, const Position *p, const Glob *glob, bool dot, int *ret_fd) {
        _cleanup_(closedirp) DIR *dir = fd_list(p->fd);
        const struct dirent *d;
        int r = -ENOENT;

        if (!dir)
                return -errno;
        while (r == -ENOENT && (d = readdir(dir))) {
                r = chain_pay(c, NAME_COST);
                if (r >= 0)
                        r = chain_try(c, p, glob, dot, d->d_name, ret_fd);
        }
        return r;
}

/* One name on. 1: what is left begins with a pattern, and all of that was tried. */
static int chain_step(PathChain *c, Position *p, int *ret_fd) {
        _cleanup_(glob_freep) Glob *glob = NULL;
        size_t n = strcspn(p->rest, "/");
        char name[NAME_MAX + 1];
        bool is_written;
        const Glob *used;
        int r;

        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(name, p->rest, n);
        name[n] = '\0';
        is_written = strlen(p->rest) <= p->written;
        assert(is_written || p->text); /* else a link has put it there */
        if (c->glob && is_written && glob_is_pattern(name)) {
                r = glob_new(&glob, name);
                if (r < 0)
                        return r;
        }
        used = glob;
        r = chain_watch(c, p->fd, name, n, &glob);
        if (r < 0)
                return r;
        p->rest += n;
        if (used) {
                r = chain_enter_pattern(c, p, used, name[0] == '.', ret_fd);
                return r < 0 ? r : 1;
        }
        r = is_written ? path_text_append(&c->found, name, n) : 0;
        return r < 0 ? r : chain_enter(c, p, name);
}

static int chain_walk(PathChain *c, Position *p, int *ret_fd) {
        int r = 0;

        while (r == 0) {
                p->rest += strspn(p->rest, "/");
                if (*p->rest == '\0' && c->visit) {
                        r = c->visit(c->visit_data, p->fd, path_text_string(&c->found));
                        return r < 0 ? r : -ENOENT; /* on to the next */
                }
                if (*p->rest == '\0') {
                        *ret_fd = TAKE_FD(p->fd);
                        return 0;
                }
                r = chain_pay(c, STEP_COST);
                if (r >= 0)
                        r = chain_step(c, p, ret_fd);
        }
        return r < 0 ? r : 0;
}

int path_chain_resolve(PathChain *c, int *ret_fd, PathText *ret_path, dev_t *ret_device) {
        _cleanup_(position_done) Position p = { .fd = -EBADF, .rest = c->path, .written = strlen(c->path) };
        struct LinkList old = c->links;
        struct stat root = {};
        int r, fd = -EBADF;

        /* The old links go when the new ones are there, so that nothing is missed in between. */
        if (LIST_FIRST(&old))
                LIST_FIRST(&old)->links.le_prev = &LIST_FIRST(&old);
        LIST_INIT(&c->links);
        c->n_links = c->n_symlinks = 0;
        c->blind = c->refused = c->cut = c->remote = false;
        c->left = c->glob ? PATTERN_COST_MAX : PLAIN_COST_MAX;
        c->device = 0;
        path_text_clear(&c->found);
        p.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = p.fd < 0 || fstat(p.fd, &root) < 0 ? -errno : path_text_append(&c->found, "/", 1);
        c->checked_device = root.st_dev;
        if (r >= 0)
                r = chain_walk(c, &p, &fd);
        links_free(&old);
        c->refused = c->refused && r < 0;
        if (ret_device)
                *ret_device = c->device;
        if (r >= 0 && ret_path) {
                path_text_clear(ret_path);
                r = path_text_append(ret_path, path_text_string(&c->found), c->found.length);
        }
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

int path_chain_visit(PathChain *c, int (*visit)(void *userdata, int fd, const char *path), void *userdata) {
        int r, fd = -EBADF;

        c->visit = visit;
        c->visit_data = userdata;
        r = path_chain_resolve(c, &fd, NULL, NULL);
        c->visit = NULL;
        assert(r < 0); /* there is never a first */
        return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP || r == -EREMOTE ? 0 : r;
}

bool path_chain_is_blind(const PathChain *c) {
        return c->blind;
}

bool path_chain_is_refused(const PathChain *c) {
        return c->refused;
}

bool path_chain_is_remote(const PathChain *c) {
        return c->remote;
}

void path_chain_stay_local(PathChain *c) {
        c->stays_local = true;
}

bool path_chain_is_cut(const PathChain *c) {
        return c->cut;
}

int path_chain_new(PathChain **ret, EventQueue *queue, const char *path, bool glob, bool follow_all,
                   void (*changed)(void *userdata), void *userdata) {
        _cleanup_(path_chain_freep) PathChain *c = NULL;

        if (path[0] != '/')
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        LIST_INIT(&c->links);
        c->queue = queue;
        c->glob = glob;
        c->follow_all = follow_all;
        c->changed = changed;
        c->userdata = userdata;
        c->path = strdup(path);
        if (!c->path)
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

PathChain *path_chain_free(PathChain *c) {
        if (!c)
                return NULL;
        links_free(&c->links);
        path_text_done(&c->found);
        free(c->path);
        return mfree(c);
}
