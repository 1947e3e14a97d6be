#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a watched tree looked like when we last looked: folders with their entries, and of each entry as much as tells
 * whether it has changed. Events of the kernel are only hints where to look; what changed is what differs from this.
 * Pure: no system calls, no callbacks.
 *
 * An entry takes 38 bytes and its name, a folder 224 bytes and a table of its entries. Sizes and times are kept as
 * hashes: it is only ever asked whether they are the same. */

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "util/hash-table.h"
#include "watch/event-queue.h"
#include "fs/path-text.h"

#define MODEL_NO_ID 0 /* of no folder */

typedef struct Model Model;
typedef struct Folder Folder;
typedef struct Entry Entry;

/* What identifies an entry and its state. */
typedef struct FileState {
        uint64_t inode;
        uint32_t birth;   /* time of birth, hashed: an inode's number is used again; 0 = not known */
        uint64_t content; /* size and mtime, hashed; never 0 */
        uint32_t status;  /* ctime, mode and owner, hashed */
        uint32_t rights;  /* mode and owner, hashed; never 0 */
        bool is_folder, is_regular;
} FileState;

/* birth: stat_with_birth() gives it. */
FileState file_state_from_stat(const struct stat *st, uint32_t birth);

typedef enum EntryFlags {
        ENTRY_FOLDER = 1 << 0,
        ENTRY_REGULAR = 1 << 1,
        ENTRY_SEEN = 1 << 2,      /* equals FOLDER_GENERATION of its folder when the reading of it has come by */
        ENTRY_FOUND = 1 << 3,     /* reported as created by a look at the folder: the event is still to come */
        ENTRY_UNSETTLED = 1 << 4, /* changed, and not reported as complete since */
        ENTRY_NEW = 1 << 5,       /* has appeared, and was never reported as complete */
} EntryFlags;

struct Entry {
        HashNode node; /* first: in the table of its folder */
        union {
                uint64_t content;
                Folder *folder; /* ENTRY_FOLDER */
        };
        uint64_t inode;
        uint32_t birth, status, rights;
        uint8_t flags;
        uint8_t length;
        char name[]; /* length bytes and a NUL */
} __attribute__((__packed__, __aligned__(8)));

typedef enum FolderFlags {
        FOLDER_GENERATION = 1 << 0, /* flips with each reading */
        FOLDER_READ = 1 << 1,       /* was read whole once */
        FOLDER_QUEUED = 1 << 2,     /* waits to be read */
        FOLDER_DEEP = 1 << 3,       /* and so do all below it then */
        FOLDER_MOVED = 1 << 4,      /* and what is in it is reported as moved */
        FOLDER_POLLED = 1 << 5,     /* the kernel tells nothing or not all: read again from time to time */
        FOLDER_COVERED = 1 << 6,    /* a mount lies over it, or another file system begins: kept, not looked at */
        FOLDER_DIRTY = 1 << 7,      /* changed since it was last saved */
        FOLDER_LOADED = 1 << 8,     /* from a snapshot, not compared yet */
        FOLDER_DEPARTED = 1 << 9,   /* it or one above was moved out of the model and may come back */
        FOLDER_UNREADABLE = 1 << 10,
        FOLDER_BUSY = 1 << 11,        /* is being read */
        FOLDER_UNSETTLED = 1 << 12,   /* has had files with ENTRY_UNSETTLED since it was last read */
        FOLDER_LOOK_ONCE = 1 << 13,   /* to be read some time, since something in it may have been missed */
        FOLDER_REMOTE = 1 << 14,      /* others may change it without this kernel knowing */
        FOLDER_MOVED_BELOW = 1 << 15, /* see MovedFrom */
        FOLDER_LOOK_AGAIN = FOLDER_POLLED | FOLDER_UNREADABLE | FOLDER_LOOK_ONCE,
} FolderFlags;

/* The path under which what is in a folder was reported last; with FOLDER_MOVED_BELOW that of its parent, which all in
 * that share: paths may be long, and folders many. */
typedef struct MovedFrom {
        unsigned n_refs;
        size_t length;
        char path[];
} MovedFrom;

struct Folder {
        Subscriber subscriber; /* first: its watch of the kernel */
        Model *model;
        Folder *parent;
        Entry *entry; /* in the parent; NULL for the root */
        HashTable entries;
        LIST_HEAD(, Folder) folders; /* directly below it */
        LIST_ENTRY(Folder) siblings;
        uint32_t height; /* so many levels of folders are below it at most */
        uint32_t cursor; /* of whoever goes through its slots in several turns: one at a time */
        uint32_t id;     /* unique in its model, for good: what a snapshot calls it */
        uint32_t flags;
        uint64_t device, inode; /* of the opened folder; 0 = never opened */
        Writer mover;           /* who has moved it, with FOLDER_MOVED */
        MovedFrom *moved_from;  /* until what is in it is read under its new path; or NULL */
        TAILQ_ENTRY(Folder) queue, polled;
        LIST_ENTRY(Folder) dirty;
};

/* owner: whoever wants to find himself from a folder. */
int model_new(Model **ret, void *owner);
void *model_owner(const Model *m) _pure_;
Model *model_free(Model *m); /* with all folders; none may have a watch any more */
DEFINE_CLEANUP(Model, model_free)

Folder *model_root(const Model *m) _pure_;
const Entry *model_find(const Model *m, const char *path) _pure_; /* relative, of a file or folder; NULL: not there */
size_t model_n_folders(const Model *m) _pure_;
size_t model_n_entries(const Model *m) _pure_; /* without folders */

/* Bytes, about, that it takes in memory. */
size_t model_size(const Model *m) _pure_;

/* --- entries --- */

Entry *folder_find(const Folder *f, const char *name, size_t n) _pure_;

/* Adds an entry that is not there, for a folder with an empty Folder below it. -ENOMEM, -EINVAL for a name without
 * bytes or longer than 255. */
int folder_add(Folder *f, const char *name, size_t n, const FileState *state, Entry **ret);

/* Takes over the state of what was looked at. True when something differed. */
bool entry_set_state(Folder *f, Entry *e, const FileState *state);
bool entry_is_same_file(const Entry *e, const FileState *state) _pure_;
bool entry_has_content(const Entry *e, const FileState *state) _pure_; /* same file with the same content */
bool entry_has_status(const Entry *e, const FileState *state) _pure_;
bool entry_has_rights(const Entry *e, const FileState *state) _pure_; /* or they were not known */

/* Takes an entry out and hands it, with the folder below it, to the caller. */
Entry *folder_take(Folder *f, Entry *e);

/* Puts a taken entry in under a name that is not there. On failure it is still the caller's. ret is the entry from
 * then on: a name of another length moves it. */
int folder_put(Folder *f, Entry *e, const char *name, size_t n, Entry **ret);

/* Frees an entry that was taken; a folder must be without folders, entries of files go with it. */
Entry *entry_free(Entry *e);

/* Takes a file out of a folder that is given up, whatever its name; at most so many steps. NULL: there is none, or not
 * yet. */
Entry *folder_pop(Folder *f, unsigned *steps);

static inline Entry *entry_in_slot(const Folder *f, uint32_t slot) {
        return (Entry *)(void *)f->entries.slots[slot];
}

static inline Entry *entry_next(const Entry *e) {
        return (Entry *)(void *)e->node.next;
}

#define FOLDER_FOREACH(e, f)                                            \
        for (uint32_t _slot = 0; _slot < (f)->entries.n_slots; _slot++) \
                for (Entry *e = entry_in_slot(f, _slot); e; e = entry_next(e))

/* --- folders --- */

/* The path of a folder, or of a name in it, relative to the root of the model. 0 or -ENOMEM. */
int folder_path(const Folder *f, PathText *ret);
int folder_path_of(const Folder *f, const char *name, size_t n, PathText *ret);

/* The path under which a name in it was reported last: another one while it waits to be read after a move. */
int folder_reported_path_of(const Folder *f, const char *name, size_t n, PathText *ret);
bool folder_is_moving(const Folder *f) _pure_; /* that one */

/* From now on that is this path (n bytes), or its name below the one of its parent. -ENOMEM: it is as it was. */
int folder_set_moved_from(Folder *f, const char *path, size_t n);
int folder_inherit_moved_from(Folder *f);
void folder_end_move(Folder *f); /* it is the path that it has */

unsigned folder_depth(const Folder *f) _pure_;
bool folder_is_below(const Folder *f, const Folder *above) _pure_; /* or the same */

/* The next folder of a walk over f and all below it, parents first: start with NULL, the end is NULL. A walk may take
 * many turns, as long as the last one that it gave stays where it is. */
Folder *folder_walk(Folder *f, Folder *last) _pure_;

/* A folder below f that has no folders itself; f itself when it has none. */
Folder *folder_deepest(Folder *f) _pure_;

/* Frees a folder that folder_deepest() gave, but not the one at the top: its parent forgets it, the entry goes too. */
void folder_free_leaf(Folder *f);

/* --- what changed since it was saved --- */

void folder_set_dirty(Folder *f);
Folder *model_first_dirty(const Model *m) _pure_;
void folder_clear_dirty(Folder *f);

/* What was the root becomes an entry without a name that was taken out, as by folder_take(), and an empty folder takes
 * its place and its id. -ENOMEM. */
int model_take_root(Model *m, Entry **ret);

/* Ids of folders that are gone since it was last asked; the model's, valid until its next change. */
const uint32_t *model_removed_ids(const Model *m, size_t *ret_n);
void model_forget_removed_ids(Model *m, size_t n); /* the last n of them */

/* next takes the place of m in the snapshot: the ids of m count as removed in it, those of its folders when they are
 * freed, and next uses none of them. next must be there for as long as m. */
void model_succeed(Model *next, Model *m);

/* For loading: gives a folder the id that it had. */
void folder_set_id(Folder *f, uint32_t id);

/* For loading: a folder that is nowhere yet, for folder_put(). -ENOMEM, -EINVAL. */
int model_new_folder(Model *m, const char *name, size_t n, const FileState *state, Entry **ret);
