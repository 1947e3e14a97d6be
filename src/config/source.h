#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files that a configuration is made of: found in trusted directories, told apart by their stat data, read whole.
 */

#include <sys/stat.h>
#include <sys/types.h>

#include "config/diagnostics.h"

#define SOURCE_SIZE_MAX    (1024 * 1024) /* bytes in one file */
#define SOURCE_DROPINS_MAX 256           /* drop-ins of one job */

/* A directory of configuration, open. */
typedef struct Directory {
        char *path;
        int fd;
} Directory;

/* Tells whether a file is the same as when it was read. Times are ns of CLOCK_REALTIME. */
typedef struct FileStamp {
        dev_t dev;
        ino_t ino;
        off_t size;
        int64_t mtime;
        int64_t ctime;
        mode_t mode; /* 0: nobody has looked at the file yet */
        bool linked; /* the file has several names; not compared */
} FileStamp;

typedef struct Source {
        char *name; /* relative to its directory */
        unsigned directory;
        FileStamp stamp;
} Source;

typedef struct Sources {
        Source *items;
        size_t n_items;
} Sources;

/* A file's content. */
typedef struct JobText {
        char *path;
        char *bytes;
        size_t n;
} JobText;

typedef enum SourceKind {
        SOURCE_FILE,
        SOURCE_MASK, /* empty, or a link to /dev/null */
} SourceKind;

#define DIRECTORY_NONE ((Directory){ .fd = -EBADF })

/* Opens the directory that a file is in; *ret_name is the rest of path. -ENOENT, or another negative errno. */
int directory_of_file(const char *path, Directory *ret, const char **ret_name);
void directory_done(Directory *f);

/* Opens a directory, relative to at_fd, if it belongs to root or owner and no other user may write to it. Returns the
 * fd; -ENOENT when there is none; -EINVAL or -ENOMEM as complain() does. */
int directory_open(int at_fd, const char *name, uid_t owner, char **reterr);

/* Looks at a file, following links. Returns a SourceKind; -ENOENT when there is none; -EINVAL or -ENOMEM. */
int source_stat(const Directory *directory, const char *name, FileStamp *ret, char **reterr);

/* Reads a file that is regular, belongs to root or owner, is not writable by anyone else and not too large. *stamp is
 * what source_stat() has found, or all zero, and then what the file was when the reading began. 0, -EINVAL or
 * -ENOMEM. */
int source_read(const Directory *directory, const char *name, uid_t owner, JobText *ret, FileStamp *stamp,
                char **reterr);

/* Adds the drop-ins that directories hold in NAME (a directory in them: "backup.job.d"), in the order of their file
 * names; of several with one name that in the first directory counts, and masks take effect. which says which of
 * directories to look into, ascending. Returns the number of problems, each written to d; or -ENOMEM. */
int sources_add_dropins(Sources *s, const Directory *directories, const unsigned *which, size_t n_which,
                        const char *name, uid_t owner, Diagnostics *d);

uint64_t file_stamp_digest(const FileStamp *s) _pure_; /* differs when the stamp does, but for one in 2^64 */
bool sources_equal(const Sources *a, const Sources *b) _pure_;
void sources_done(Sources *s);
void job_text_done(JobText *t);
char *directory_join(const Directory *directory, const char *name); /* the path of a file in it; NULL without memory */
