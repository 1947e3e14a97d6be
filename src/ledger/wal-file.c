/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SQLite writes each page of a transaction to the write-ahead log with two calls, one for 24 bytes that describe it
 * and one for the page, which together are a frame. The calls were half of what a commit cost. Here, whole frames that
 * follow each other are collected, and written with one call as soon as the one that ends the transaction is complete.
 *
 * What SQLite relies on stays true: a commit is in the file before it is told of, because the frame that ends it is
 * never left in memory; whatever else is done to the file (a size, a truncation, a sync, a write anywhere else) comes
 * after what was written before; and what was written is read. Frames that remain in memory are those of a
 * transaction that is larger than SQLite's cache, or that was rolled back; nobody needs them after a crash.
 *
 * An error of frames in memory is returned by the call that writes them. SQLite believes these to be written, so after
 * such a loss nothing behind them is written or read until it begins again there or before, as it does when the
 * transaction was rolled back: no commit can cover a hole.
 *
 * A write counts as a frame only if it is made where the last frame ended, as the size says. When SQLite changes a
 * frame afterwards, or does anything that is unknown here, it is written at once, in two calls as usual. The file is
 * the one of SQLite's default VFS, with some of its methods replaced, and bytes of ours behind it. The format is that
 * of https://www.sqlite.org/fileformat2.html#walformat. */

#include "ledger/wal-file.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

#include "util/macro.h"

#define VFS_NAME      "vakt"
#define FRAME_HEADER  24
#define COMMIT_OFFSET 4                            /* four bytes of the header of a frame, not 0 in the last one */
#define BUFFER_SIZE   (16 * (FRAME_HEADER + 4096)) /* SQLite's default VFS takes less than 128 KiB in one call */

typedef struct WalFile {
        sqlite3_io_methods methods;
        const sqlite3_io_methods *base;
        char *buffer;             /* NULL until it is needed */
        int n;                    /* bytes in it: whole frames, and perhaps the header of another one */
        bool has_header;          /* it ends with that */
        sqlite3_int64 end;        /* of the last whole frame, in the buffer or not; 0: not known */
        sqlite3_int64 header_end; /* of a header that was just written at once, or 0 */
        sqlite3_int64 lost;       /* where frames begin that could not be written, or 0 */
        int page_size;            /* of the last page that was written at once */
} WalFile;

static sqlite3_vfs *base_vfs;

static int wal_file_offset(void) {
        const int unit = _Alignof(WalFile);

        return (base_vfs->szOsFile + unit - 1) / unit * unit;
}

static WalFile *wal_file(sqlite3_file *file) {
        return (void *)((char *)file + wal_file_offset());
}

/* On failure nothing is left in memory either. */
static int flush(sqlite3_file *file) {
        WalFile *w = wal_file(file);
        sqlite3_int64 end = w->end + (w->has_header ? FRAME_HEADER : 0);
        int code, n = w->n;

        w->n = 0;
        w->has_header = false;
        code = n > 0 ? w->base->xWrite(file, w->buffer, n, end - n) : SQLITE_OK;
        if (code != SQLITE_OK)
                w->lost = end - n;
        return code;
}

static int write_at_once(sqlite3_file *file, const void *data, int n, sqlite3_int64 at, bool is_page) {
        WalFile *w = wal_file(file);
        int code;

        code = flush(file);
        if (code == SQLITE_OK)
                code = w->base->xWrite(file, data, n, at);
        if (code != SQLITE_OK)
                return code;
        if (n == FRAME_HEADER || at == 0) /* not a page alone, which is that of a frame that was there */
                w->lost = 0;
        if (n == FRAME_HEADER)
                w->header_end = at + n;
        else if (is_page) {
                w->end = at + n;
                w->page_size = n;
        } else if (at == 0) /* of the log */
                w->end = n;
        return SQLITE_OK;
}

static void append(WalFile *w, const void *data, int n) {
        assert(w->n + n <= BUFFER_SIZE);
        memcpy(w->buffer + w->n, data, (size_t)n);
        w->n += n;
}

/* True if a frame that begins here can be collected. */
static bool can_begin(WalFile *w, sqlite3_int64 at) {
        if (w->has_header || at != w->end || FRAME_HEADER + w->page_size > BUFFER_SIZE)
                return false;
        if (!w->buffer)
                w->buffer = malloc(BUFFER_SIZE);
        return w->buffer;
}

static int wal_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
        static const char no_commit[4];
        WalFile *w = wal_file(file);
        bool is_commit, is_after_header = w->header_end > 0 && at == w->header_end;
        int code;

        w->header_end = 0;
        if (w->lost > 0 && at > w->lost)
                return SQLITE_IOERR_WRITE;
        if (n == FRAME_HEADER && can_begin(w, at)) {
                code = w->n + n + w->page_size > BUFFER_SIZE ? flush(file) : SQLITE_OK;
                if (code == SQLITE_OK) {
                        append(w, data, n);
                        w->has_header = true;
                }
                return code;
        }
        if (!w->has_header || n != w->page_size || at != w->end + FRAME_HEADER)
                return write_at_once(file, data, n, at, is_after_header);
        is_commit = memcmp(w->buffer + w->n - FRAME_HEADER + COMMIT_OFFSET, no_commit, sizeof(no_commit)) != 0;
        append(w, data, n);
        w->has_header = false;
        w->end = at + n;
        return is_commit ? flush(file) : SQLITE_OK;
}

/* What is in memory is read there, and need not be written for that. */
static int wal_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at) {
        WalFile *w = wal_file(file);
        sqlite3_int64 end = w->end + (w->has_header ? FRAME_HEADER : 0), begin = end - w->n;
        int code = SQLITE_OK;

        if (w->lost > 0 && at + n > w->lost)
                return SQLITE_IOERR_READ;
        if (at >= begin && at + n <= end) {
                memcpy(data, w->buffer + (at - begin), (size_t)n);
                return SQLITE_OK;
        }
        if (at + n > begin)
                code = flush(file);
        return code != SQLITE_OK ? code : w->base->xRead(file, data, n, at);
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size) {
        int code = flush(file);

        return code != SQLITE_OK ? code : wal_file(file)->base->xTruncate(file, size);
}

static int wal_sync(sqlite3_file *file, int flags) {
        int code = flush(file);

        return code != SQLITE_OK ? code : wal_file(file)->base->xSync(file, flags);
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *ret) {
        int code = flush(file);

        return code != SQLITE_OK ? code : wal_file(file)->base->xFileSize(file, ret);
}

static int wal_close(sqlite3_file *file) {
        WalFile *w = wal_file(file);

        (void)flush(file); /* no transaction ends with it */
        w->buffer = mfree(w->buffer);
        return w->base->xClose(file);
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags) {
        WalFile *w = wal_file(file);
        int code;

        code = base_vfs->xOpen(base_vfs, path, file, flags, ret_flags);
        if (code != SQLITE_OK || !(flags & SQLITE_OPEN_WAL))
                return code;
        *w = (WalFile){ .methods = *file->pMethods, .base = file->pMethods };
        w->methods.xClose = wal_close;
        w->methods.xRead = wal_read;
        w->methods.xWrite = wal_write;
        w->methods.xTruncate = wal_truncate;
        w->methods.xSync = wal_sync;
        w->methods.xFileSize = wal_size;
        file->pMethods = &w->methods;
        return SQLITE_OK;
}

const char *wal_file_vfs(void) {
        static sqlite3_vfs vfs; /* methods and what they use are those of the default one, unless replaced */

        if (base_vfs)
                return VFS_NAME;
        base_vfs = sqlite3_vfs_find(NULL);
        if (!base_vfs)
                return NULL;
        vfs = *base_vfs;
        vfs.zName = VFS_NAME;
        vfs.pNext = NULL;
        vfs.szOsFile = wal_file_offset() + (int)sizeof(WalFile);
        vfs.xOpen = open_file;
        if (sqlite3_vfs_register(&vfs, /* makeDflt= */ false) == SQLITE_OK)
                return VFS_NAME;
        base_vfs = NULL;
        return NULL;
}
