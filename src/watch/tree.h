#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One watched directory (with what is below it) or file: PathChanged=, PathModified= and trees. Of this directory of
 * src/ only. The files that share it: tree-root.c is about the root, tree-scan.c reads directories, tree-look.c looks
 * at single names and reports, tree-fan.c is about fanotify, snapshot.c keeps it, and tree.c is what they need. */

#include <limits.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "fs/beneath.h"
#include "watch/fan-queue.h"
#include "watch/model.h"
#include "watch/path-chain.h"
#include "watch/watch.h"

typedef struct Tree Tree;
typedef struct Loader Loader;

/* What was taken out of the model: it may come back under another name, else it is gone and its watches with it. */
typedef struct Departed {
        Entry *entry;
        Directory *at;  /* how far it is given up; NULL = not begun */
        bool synthetic; /* no event told of it */
        char *path;     /* that it had; "" = it was the root */
        size_t length;
        uint64_t inode;
        Writer writer;
        usec_t deadline; /* CLOCK_MONOTONIC */
        TAILQ_ENTRY(Departed) order;
} Departed;

TAILQ_HEAD(DepartedList, Departed);

/* A file that was just created, by its inode number; see tree_look_at_nameless(). */
typedef struct Newborn {
        const Directory *directory; /* to compare with: perhaps it is gone */
        uint64_t inode;
        size_t length;
        char name[NAME_MAX + 1];
} Newborn;

#define NEWBORNS 64U /* that are remembered */

/* A file with several names that somebody writes to: his closing is told under the name by which he has opened it,
 * which need not be one of ours, and of the file itself. */
typedef struct OpenFile {
        Subscriber subscriber; /* first */
        Tree *tree;
        Directory *directory;
        uint64_t inode;
        LIST_ENTRY(OpenFile) files;
} OpenFile;

#define OPEN_FILES_MAX 64U /* that are followed; more are looked at from time to time */

/* A model that another one has taken the place of, freed bit by bit. */
typedef struct DeadModel {
        Model *model;
        Directory *at;
        TAILQ_ENTRY(DeadModel) order;
} DeadModel;

#define DEPARTED_MAX 4096U /* that are waited for at once; the oldest is given up for another one */

/* A model with the file system that it belongs to. */
typedef struct RootIdentity {
        uint64_t file_system; /* statfs(2) says so; survives a remount where the file system has an id */
        uint64_t device, inode;
        bool is_file;
} RootIdentity;

/* A new file in it that was asked whether it is complete. */
typedef struct Candidate {
        const char *name; /* in the buffer of the scan */
        struct stat st;
        uint32_t birth;
        int finished; /* as in Observation */
} Candidate;

#define CANDIDATES_MAX 64U

/* The directory that is being read. */
typedef struct Scan {
        Directory *directory; /* NULL = none */
        int fd;
        char *buffer;
        size_t used, at;
        Candidate *candidates; /* that are not seen yet */
        size_t n_candidates;
        PathText path;
        Writer mover;
        uint32_t flags; /* DIRECTORY_DEEP, DIRECTORY_MOVED: what was asked for */
        bool is_ours;   /* directory_is_ours_alone(), for the candidates */
        bool is_new;    /* nothing was known of it */
        bool is_read;   /* to the end; what it did not come by is looked at */
} Scan;

/* Until all was read once, what is found is either how it was before, and not reported, or new. */
typedef enum TreeStage {
        TREE_BASE_LINE, /* how it was before */
        TREE_DOUBTFUL,  /* the same, but something was heard and not understood: what changed since is new */
        TREE_BEGINNING, /* new, or other than what was loaded */
        TREE_STARTED,   /* all was read once */
} TreeStage;

typedef enum TreeHold {
        TREE_FREE,
        TREE_HELD,   /* nothing is looked at */
        TREE_MISSED, /* the same, and something happened meanwhile */
} TreeHold;

struct Tree {
        Watch *watch; /* NULL: it is retired */
        EventQueue *queue;
        PathChain *chain;
        Model *model, *parked; /* parked: of what was mounted here before */
        Model *durable;        /* the one of both that is saved */
        Loader *loader;
        RootIdentity root, parked_root;
        dev_t directory_device; /* of a root that is a file: of the directory that it is in; 0 = not known */
        FileSystemTraits traits;
        TreeStage stage;
        TreeHold hold;
        bool has_root, resolve_due, too_deep, too_many;
        Newborn *newborns; /* NULL: none yet */
        LIST_HEAD(, OpenFile) open_files;
        unsigned n_open_files;
        size_t n_polled, n_unreadable, n_look_once, n_remote;
        size_t n_to_poll;               /* n_to_poll: that are not queued yet */
        unsigned closing_looks;         /* at files whose closing may not have been told, still to come */
        TAILQ_HEAD(, Directory) polled; /* DIRECTORY_LOOK_AGAIN */

        FanQueue *fan;       /* by which directories are heard of; NULL: by inotify */
        bool fan_refused;    /* and not tried again */
        int fan_error;       /* why it is not possible, where it has to be; negative errno */
        int fan_error_below; /* the same of something that is mounted below */
        usec_t base_time;    /* CLOCK_REALTIME: what changed later is no base line */
        unsigned n_postponed;
        Writer writer, mover; /* who made what is reported just now, and moved what is queued just now */

        Subscriber file_subscriber; /* a root that is a file, which is the one entry of the model */

        TAILQ_HEAD(, Directory) scans;
        Scan scan;
        struct DepartedList departed, drops;
        TAILQ_HEAD(, DeadModel) dead;
        size_t n_departed, n_lost_roots; /* n_lost_roots: in drops */
        Directory *resting;        /* of the parked model: its watches are given up from here on; NULL: they are */
        Directory *at;             /* how far a retired model is freed */
        TAILQ_ENTRY(Tree) retired; /* of the watcher's */

        int root_fd, open_fd; /* open during one turn */
        const Directory *open_directory;

        usec_t poll_at, poll_began, poll_interval; /* CLOCK_MONOTONIC; USEC_INFINITY = not */
        sd_event_source *timer;
        PathText path, from; /* scratch */
        char *real_path;     /* of the root, without symbolic links */
        WatchCounters counters;
};

/* How a name is seen. */
typedef struct Observation {
        Directory *directory;
        const char *name;
        size_t length;
        const char *path; /* of it, from the root */
        size_t path_length;
        int dir_fd;       /* of the directory */
        const char *file; /* how to open it from there */
        const struct stat *st;
        uint32_t birth;
        uint32_t mask; /* IN_* that led here; 0 = by reading the directory */
        bool moved;    /* with the directory it is in */
        bool is_asked; /* st is of when this was asked, and what is heard has been read since: */
        int finished;  /* has who wrote it? 1, 0, or negative errno */
} Observation;

/* --- tree.c --- */

int tree_open_root(Tree *t); /* until tree_close() */
void tree_close(Tree *t);    /* what is open for this turn */
void tree_resolve_later(Tree *t);
void tree_arm_timer(Tree *t);
void tree_set_stage(Tree *t, TreeStage stage);

/* --- tree-root.c --- */

int tree_new(Tree **ret, Watch *watch, EventQueue *queue, sd_event *event);
/* Its watch is freed: nothing is reported any more. What it has is freed bit by bit, by tree_work_retired(), which
 * gives false when only tree_free() is left. */
void tree_retire(Tree *t);
bool tree_work_retired(Tree *t);
Tree *tree_free(Tree *t); /* at once, whatever is left */

/* One bounded piece of work; false when there is nothing to do. Before tree_rest(). */
bool tree_work(Tree *t);
void tree_rest(Tree *t);

/* Does what is found go unreported, as what was there before? */
static inline bool tree_is_silent(const Tree *t) {
        return t->stage <= TREE_DOUBTFUL;
}

void tree_hold(Tree *t, bool on);
void tree_rescan(Tree *t);                          /* all of it, as after an overflow */
void tree_mount_changed(Tree *t, const char *path); /* a mount came or went there */

/* --- tree-scan.c --- */

void tree_queue(Tree *t, Directory *f, uint32_t flags); /* DIRECTORY_DEEP, DIRECTORY_MOVED */
void tree_dequeue(Tree *t, Directory *f);
bool tree_work_scan(Tree *t);
void tree_scan_abort(Tree *t);
void tree_set_directory_flag(Tree *t, Directory *f, uint32_t flag, bool on);
void tree_poll(Tree *t); /* all that has to be looked at again from time to time, bit by bit: */
bool tree_work_poll(Tree *t);

uint32_t tree_mask(const Tree *t) _pure_;

/* --- tree-fan.c --- */

/* Asks the kernel for the events of a directory that is open, by whatever is used for this tree. As
 * event_queue_subscribe(). */
int tree_subscribe(Tree *t, Directory *f, int fd);
void tree_unsubscribe(Tree *t, Directory *f);

/* The same for a directory that was just seen, if that is worth while before it is read. True when it is new and
 * everything that happens in it will be heard of, so that it need not be read. */
bool tree_subscribe_seen(Tree *t, const Observation *s, Entry *e);

/* Is what stands under the name of a known directory still the one that is heard of? */
bool tree_is_subscribed_to(Tree *t, const Observation *s, Entry *e);

void tree_choose_backend(Tree *t, int fd); /* for a root that is there now, open with O_PATH */
bool tree_check_root(Tree *t, int fd);     /* false: it is another directory than what is heard of */
void tree_outgrow(Tree *t);                /* if it is too large for inotify */
void tree_introduce(Tree *t, const void *handle);
void tree_release_fan(Tree *t);

/* --- snapshot.c --- */

/* Puts together what tree_load() was given. */
void tree_finish_load(Tree *t);
int tree_load(Tree *t, uint32_t id, const void *bytes, size_t n);
int tree_save(Tree *t, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
              void *userdata);

/* --- tree-look.c --- */

/* Looks at one name because of an event (or without, mask 0) and reports what differs. */
void tree_look(Tree *t, Directory *f, const char *name, size_t n, uint32_t mask);

/* Takes over and reports what was seen. */
void tree_see(Tree *t, const Observation *s);

/* As fstatat(2), with a hash of the time of birth (0 = the file system does not tell). Negative errno. */
int stat_with_birth(int dir_fd, const char *name, bool is_remote, struct stat *ret, uint32_t *ret_birth);

/* What has been heard up to now is read. */
void tree_hear(Tree *t);

/* As stat_with_birth(), of what was a regular file just now. ret_finished: as in Observation. */
int stat_and_ask(int dir_fd, const char *name, bool is_ours, struct stat *ret, uint32_t *ret_birth, int *ret_finished);

/* It is not there any more. */
void tree_lose(Tree *t, Directory *f, Entry *e, uint32_t mask);
void tree_lose_all(Tree *t); /* what is in the root */

/* Gives up a directory that is not in the model any more, and all below it, from *at on: a bounded part of it.
 * Reported as gone for d, or not at all. True when only the directory itself is left to be freed. */
bool tree_bury(Tree *t, Directory *top, Directory **at, const Departed *d);

void tree_forget_open(Tree *t, const Directory *f); /* OpenFile of a directory, or NULL: all of them */
bool tree_work_drop(Tree *t);
void tree_expire_departed(Tree *t, usec_t now_monotonic);
void tree_on_directory_event(Subscriber *s, const Notice *n);

/* Reports a path if it was asked for. from may be NULL. */
void tree_report(Tree *t, const char *path, size_t n, const char *from, unsigned events, bool synthetic,
                 bool is_directory);

static inline bool tree_is_attached(const Tree *t, const Directory *f) {
        return directory_is_below(f, model_root(t->model));
}

static inline bool name_is_private(const char *name) {
        return strncmp(name, WATCH_PRIVATE_PREFIX, sizeof(WATCH_PRIVATE_PREFIX) - 1) == 0;
}
