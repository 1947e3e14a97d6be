#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a watched tree looked like when we last looked: directories with their entries, and of each entry as much as
 * tells whether it has changed. Events of the kernel are only hints where to look; what changed is what differs from
 * this. Pure: no system calls, no callbacks.
 *
 * An entry takes 38 bytes and its name, a directory 224 bytes and a table of its entries. Sizes and times are kept as
 * hashes: it is only ever asked whether they are the same. */

#include <sys/queue.h>
#include <sys/stat.h>

#include "util/hash-table.h"
#include "watch/event-queue.h"
#include "fs/path-text.h"

#define MODEL_NO_ID 0 /* of no directory */

typedef struct Model Model;
typedef struct Directory Directory;
typedef struct Entry Entry;

/* What identifies an entry and its state. */
typedef struct FileState {
        uint64_t inode;
        uint32_t birth;   /* time of birth, hashed: an inode's number is used again; 0 = not known */
        uint64_t content; /* size and mtime, hashed; never 0 */
        uint32_t status;  /* ctime, mode and owner, hashed */
        uint32_t rights;  /* mode and owner, hashed; never 0 */
        bool is_directory, is_regular;
} FileState;

/* birth: stat_with_birth() gives it. */
FileState file_state_from_stat(const struct stat *st, uint32_t birth);

typedef enum EntryFlags {
        ENTRY_DIRECTORY = 1 << 0,
        ENTRY_REGULAR = 1 << 1,
        ENTRY_SEEN = 1 << 2,      /* equals DIRECTORY_GENERATION of its directory when the reading of it has come by */
        ENTRY_FOUND = 1 << 3,     /* reported as created by a look at the directory: the event is still to come */
        ENTRY_UNSETTLED = 1 << 4, /* changed, and not reported as complete since */
        ENTRY_NEW = 1 << 5,       /* has appeared, and was never reported as complete */
} EntryFlags;

struct Entry {
        HashNode node; /* first: in the table of its directory */
        union {
                uint64_t content;
                Directory *directory; /* ENTRY_DIRECTORY */
        };
        uint64_t inode;
        uint32_t birth, status, rights;
        uint8_t flags;
        uint8_t length;
        char name[]; /* length bytes and a NUL */
} __attribute__((__packed__, __aligned__(8)));

typedef enum DirectoryFlags {
        DIRECTORY_GENERATION = 1 << 0, /* flips with each reading */
        DIRECTORY_READ = 1 << 1,       /* was read whole once */
        DIRECTORY_QUEUED = 1 << 2,     /* waits to be read */
        DIRECTORY_DEEP = 1 << 3,       /* and so do all below it then */
        DIRECTORY_MOVED = 1 << 4,      /* and what is in it is reported as moved */
        DIRECTORY_POLLED = 1 << 5,     /* the kernel tells nothing or not all: read again from time to time */
        DIRECTORY_COVERED = 1 << 6,    /* a mount lies over it, or another file system begins: kept, not looked at */
        DIRECTORY_DIRTY = 1 << 7,      /* changed since it was last saved */
        DIRECTORY_LOADED = 1 << 8,     /* from a snapshot, not compared yet */
        DIRECTORY_DEPARTED = 1 << 9,   /* it or one above was moved out of the model and may come back */
        DIRECTORY_UNREADABLE = 1 << 10,
        DIRECTORY_BUSY = 1 << 11,        /* is being read */
        DIRECTORY_UNSETTLED = 1 << 12,   /* has had files with ENTRY_UNSETTLED since it was last read */
        DIRECTORY_LOOK_ONCE = 1 << 13,   /* to be read some time, since something in it may have been missed */
        DIRECTORY_REMOTE = 1 << 14,      /* other hosts may change it without the knowledge of this kernel */
        DIRECTORY_MOVED_BELOW = 1 << 15, /* see MovedFrom */
        DIRECTORY_SAVED = 1 << 16,       /* the snapshot has a row of it */
        DIRECTORY_LOOK_AGAIN = DIRECTORY_POLLED | DIRECTORY_UNREADABLE | DIRECTORY_LOOK_ONCE,
} DirectoryFlags;

/* The path under which what is in a directory was reported last; with DIRECTORY_MOVED_BELOW that of its parent, which
 * all in that share: paths may be long, and directories many. */
typedef struct MovedFrom {
        unsigned n_refs;
        size_t length;
        char path[];
} MovedFrom;

struct Directory {
        Subscriber subscriber; /* first: its watch of the kernel */
        Model *model;
        Directory *parent;
        Entry *entry; /* in the parent; NULL for the root */
        HashTable entries;
        LIST_HEAD(, Directory) directories; /* directly below it */
        LIST_ENTRY(Directory) siblings;
        uint32_t height; /* so many levels of directories are below it at most */
        uint32_t cursor; /* of a walk through its slots that takes several turns: one at a time */
        uint32_t id;     /* unique in its model, for good: what a snapshot calls it */
        uint32_t flags;
        uint64_t device, inode; /* of the opened directory; 0 = never opened */
        Writer mover;           /* who has moved it, with DIRECTORY_MOVED */
        MovedFrom *moved_from;  /* until what is in it is read under its new path; or NULL */
        TAILQ_ENTRY(Directory) queue, polled;
        LIST_ENTRY(Directory) dirty;
};

/* owner: the object to be found from a directory. saves_all: the snapshot has directories without files, too. */
int model_new(Model **ret, void *owner, bool saves_all);
void *model_owner(const Model *m) _pure_;
Model *model_free(Model *m); /* with all directories; none may have a watch any more */
DEFINE_CLEANUP(Model, model_free)

Directory *model_root(const Model *m) _pure_;
const Entry *model_find(const Model *m,
                        const char *path) _pure_; /* relative, of a file or directory; NULL: not there */
size_t model_n_directories(const Model *m) _pure_;
size_t model_n_entries(const Model *m) _pure_; /* without directories */

/* Bytes, about, that it takes in memory. */
size_t model_size(const Model *m) _pure_;

/* --- entries --- */

Entry *directory_find(const Directory *f, const char *name, size_t n) _pure_;

/* Adds an entry that is not there, for a directory with an empty Directory below it. -ENOMEM, -EINVAL for a name
 * without bytes or longer than 255. */
int directory_add(Directory *f, const char *name, size_t n, const FileState *state, Entry **ret);

/* Takes over the state of what was looked at. True when something differed. */
bool entry_set_state(Directory *f, Entry *e, const FileState *state);
bool entry_is_same_file(const Entry *e, const FileState *state) _pure_;
bool entry_has_content(const Entry *e, const FileState *state) _pure_; /* same file with the same content */
bool entry_has_status(const Entry *e, const FileState *state) _pure_;
bool entry_has_rights(const Entry *e, const FileState *state) _pure_; /* or they were not known */

/* Takes an entry out and hands it, with the directory below it, to the caller. */
Entry *directory_take(Directory *f, Entry *e);

/* Puts a taken entry in under a name that is not there. On failure it is still the caller's. ret is the entry from
 * then on: a name of another length moves it. */
int directory_put(Directory *f, Entry *e, const char *name, size_t n, Entry **ret);

/* Frees an entry that was taken; a directory must be without directories, entries of files go with it. */
Entry *entry_free(Entry *e);

/* Takes a file out of a directory that is given up, whatever its name; at most so many steps. NULL: there is none, or
 * not yet. */
Entry *directory_pop(Directory *f, unsigned *steps);

static inline Entry *entry_in_slot(const Directory *f, uint32_t slot) {
        return (Entry *)(void *)f->entries.slots[slot];
}

static inline Entry *entry_next(const Entry *e) {
        return (Entry *)(void *)e->node.next;
}

#define DIRECTORY_FOREACH(e, f)                                         \
        for (uint32_t _slot = 0; _slot < (f)->entries.n_slots; _slot++) \
                for (Entry *e = entry_in_slot(f, _slot); e; e = entry_next(e))

/* --- directories --- */

/* The path of a directory, or of a name in it, relative to the root of the model. 0 or -ENOMEM. */
int directory_path(const Directory *f, PathText *ret);
int directory_path_of(const Directory *f, const char *name, size_t n, PathText *ret);

/* The path under which a name in it was reported last: another one while it waits to be read after a move. */
int directory_reported_path_of(const Directory *f, const char *name, size_t n, PathText *ret);
bool directory_is_moving(const Directory *f) _pure_; /* that one */

/* From now on that is this path (n bytes), or its name below the one of its parent. -ENOMEM: it is as it was. */
int directory_set_moved_from(Directory *f, const char *path, size_t n);
int directory_inherit_moved_from(Directory *f);
void directory_end_move(Directory *f); /* it is the path that it has */

unsigned directory_depth(const Directory *f) _pure_;
bool directory_is_below(const Directory *f, const Directory *above) _pure_; /* or the same */

/* The next directory of a walk over f and all below it, parents first: start with NULL, the end is NULL. A walk may
 * take many turns, as long as the last one that it gave stays where it is. */
Directory *directory_walk(Directory *f, Directory *last) _pure_;

/* A directory below f that has no directories itself; f itself when it has none. */
Directory *directory_deepest(Directory *f) _pure_;

/* Frees a directory that directory_deepest() gave, but not the one at the top: its parent forgets it, the entry goes
 * too. */
void directory_free_leaf(Directory *f);

/* --- what changed since it was saved --- */

/* A directory is to be saved once there has been a file in it: one that comes into an empty directory is new, whether
 * that was known or not. */
void directory_set_dirty(Directory *f);
Directory *model_first_dirty(const Model *m) _pure_;
void directory_clear_dirty(Directory *f);
Directory *directory_first_unsaved(Directory *f) _pure_; /* on the way to it; or itself */

/* What was the root becomes an entry without a name that was taken out, as by directory_take(), and an empty directory
 * takes its place and its id. -ENOMEM. */
int model_take_root(Model *m, Entry **ret);

/* Ids of directories that are gone since it was last asked; the model's, valid until its next change. */
const uint32_t *model_removed_ids(const Model *m, size_t *ret_n);
void model_forget_removed_ids(Model *m, size_t n); /* the last n of them */

/* next takes the place of m in the snapshot: the ids of m count as removed in it, those of its directories when they
 * are freed, and next uses none of them. next must be there for as long as m. */
void model_succeed(Model *next, Model *m);

/* For loading: gives a directory the id that it had. */
void directory_set_id(Directory *f, uint32_t id);

/* For loading: a directory that is nowhere yet, for directory_put(). -ENOMEM, -EINVAL. */
int model_new_directory(Model *m, const char *name, size_t n, const FileState *state, Entry **ret);
