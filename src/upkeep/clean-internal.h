#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of the cleaner share. clean.c opens what paths name and says what is done; clean-walk.c reads trees;
 * clean-choice.c remembers files and chooses; clean-entry.c decides about one entry and removes it. */

#include <sys/stat.h>

#include "fs/path-text.h"
#include "upkeep/acting.h"
#include "upkeep/clean.h"
#include "upkeep/open-files.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/hash-table.h"
#include "util/path-filter.h"

#define ENTRY_MASK                                                                                                  \
        (STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_INO | STATX_BLOCKS | STATX_ATIME | STATX_MTIME | \
         STATX_CTIME | STATX_BTIME)
#define NOTHING UINT32_MAX /* no index */

/* A directory that is worked in. */
typedef struct Place {
        int fd;
        dev_t device;
        ino_t inode;
        Acting acting;
        bool is_mount_root;
} Place;

/* Names of any number in one piece of memory, by their offset. */
typedef struct Names {
        char *bytes;
        size_t length, n_allocated;
} Names;

/* A file that may go. */
typedef struct RememberedFile {
        uint64_t when;        /* µs since 1970: the newest of its times */
        uint64_t blocks : 45; /* of 512 bytes */
        uint64_t rule : 16;
        uint64_t has_links : 1;
        uint64_t is_done : 1;   /* gone, or known to stay */
        uint64_t is_newest : 1; /* of its rule, so that KeepMin= keeps it */
        uint32_t directory;
        uint32_t name;
} RememberedFile;

/* A directory that such files are in. */
typedef struct RememberedDirectory {
        ino_t inode;
        dev_t device;
        Acting acting;
        uint32_t parent; /* NOTHING: its name is an absolute path */
        uint32_t name;
        uint32_t n_left; /* entries */
        bool is_touched; /* some of them were removed by us */
} RememberedDirectory;

typedef struct Rule {
        uint64_t n_files, bytes; /* there are */
        uint64_t n_newer;        /* for keep_newest() */
} Rule;

/* A file with several names: of a rule; or, with NOTHING, of a plan. */
typedef struct LinkCount {
        HashNode node;
        dev_t device;
        ino_t inode;
        uint32_t rule;
        uint32_t n_names; /* of a rule: there are; of a plan: that would be gone */
} LinkCount;

typedef struct OwnerUse {
        uid_t uid;
        uint64_t n_entries;
        usec_t time;
} OwnerUse;

#define OPEN_PLACES 64U

typedef struct OpenPlace {
        Place place;
        int error; /* positive errno: it cannot be opened */
} OpenPlace;

struct Clean {
        const CleanDef *def;
        usec_t now;
        bool is_plan;
        bool makes_room; /* UntilFree= or UntilInodesFree= */
        bool remembers;  /* the choice is made at the end */
        CleanReport report;
        void *userdata;
        CleanTotals totals;
        PathFilter *filter; /* NULL: nothing is excluded */
        Actor actor;
        OpenFiles *open_files;
        LiveSockets *live_sockets;
        unsigned n_locked; /* whose holders were looked for */
        Place parent;      /* of the last file that a path matched, and */
        char *parent_path;
        uint32_t parent_index;

        /* the walk */
        size_t rule;
        PathText path;
        OwnerUse *owners;
        size_t n_owners;

        /* the choice */
        Rule *rules;
        RememberedFile *files;
        uint32_t n_files;
        uint64_t n_forgotten;
        Names file_names, directory_names;
        RememberedDirectory *directories;
        uint32_t n_directories;
        HashTable links;
        OpenPlace places[OPEN_PLACES];
        uint32_t next_place;
};

/* --- clean.c --- */

/* Opens a directory by its path, with a lock on it. 0; -EAGAIN: somebody else has one; other errors of guarded_open().
 */
int place_open(Clean *c, const char *path, Place *ret, char **reterr);
void place_close(Place *p);
/* Locks a file or directory; its own owner, or that of the directory that it is in, is one more user whose locks
 * count. 0; -EAGAIN: a process of one of these, of root or of us has locked it. Locks of others do not count, because
 * everybody can lock what they can read; file systems without locks have none. */
int take_lock(Clean *c, int fd, uid_t directory_uid);

/* c->path, by Exclude=. */
bool is_excluded(const Clean *c, bool is_directory) _pure_;

/* Everything about the path of c->path. reason as in CleanEvent. */
void clean_report(Clean *c, CleanAct act, bool is_directory, const char *reason);
void clean_report_file(Clean *c, CleanAct act, const struct statx *s, usec_t when, const char *reason);

/* n bytes. -E2BIG, -ENOMEM. */
int names_add(Names *n, const char *name, size_t length, uint32_t *ret);

/* --- clean-entry.c --- */

usec_t entry_time(const Clean *c, const struct statx *s) _pure_; /* the newest that AgeBy= names */
usec_t directory_time(const struct statx *s) _pure_;
bool is_older(const Clean *c, usec_t when) _pure_; /* than MaxAge= */

/* Removes a file that c->path is the path of; s is fresh. 1: it is gone, or would be; 0: it stays, which is reported.
 * -ENOMEM. */
int entry_remove(Clean *c, const Place *p, const char *name, const struct statx *s, const char *reason);

/* If it is old enough. 1 or 0 as above. */
int entry_decide(Clean *c, const Place *p, const char *name, const struct statx *s);

/* The same of an empty directory. */
int entry_remove_directory(Clean *c, const Place *p, const char *name, const Place *child, const char *reason);

/* Counts names of a file that has several, and returns how many were counted before; or -ENOMEM. */
int64_t links_count(Clean *c, uint32_t rule, const struct statx *s, int64_t change);

/* --- clean-walk.c --- */

/* What is in a directory that c->path is the path of; closes it. -ENOMEM. */
int walk_tree(Clean *c, const Place *root);

/* --- clean-choice.c --- */

/* parent NOTHING: name is an absolute path. */
int remember_directory(Clean *c, const Place *p, uint32_t parent, const char *name, size_t n, uint32_t *ret);
int remember_file(Clean *c, uint32_t directory, const char *name, const struct statx *s);
int choose(Clean *c);
void choice_done(Clean *c);
