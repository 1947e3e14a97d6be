/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stat(2) is all that these answers take.
 *
 * What does not exist has neither a size nor an age: that is unknown, not 0, because a backup that was never made must
 * not look like a small or a young one. */

#include "probe/path-answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* How far in the future a file may be: the clock of a file server is not ours. */
#define FUTURE_MAX (5 * USEC_PER_MINUTE)

bool path_answers(ConditionKind k) {
        static const bool answers[_CONDITION_KIND_MAX] = {
                [CONDITION_DISK_FREE] = true,   [CONDITION_DISK_FULL_IN] = true, [CONDITION_FILE_AGE] = true,
                [CONDITION_FILE_EXISTS] = true, [CONDITION_FILE_SIZE] = true,    [CONDITION_INODE_FREE] = true,
        };

        return answers[k];
}

void answer_known(OutsideAnswer *a, int64_t value, int64_t whole) {
        a->is_known = true;
        a->value = value;
        a->whole = whole;
}

void answer_unknown(OutsideAnswer *a, const char *format, ...) {
        va_list ap;

        a->is_known = false;
        va_start(ap, format);
        (void)vsnprintf(a->reason, sizeof(a->reason), format, ap);
        va_end(ap);
}

/* Of a and b the product, or the largest number. */
static int64_t multiply(uint64_t a, uint64_t b) {
        int64_t product;

        return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* As df(1) and systemd have it: what is kept back for root is not free. */
static void answer_free(const OutsideQuestion *q, int fd, OutsideAnswer *a) {
        struct statvfs s;

        if (fstatvfs(fd, &s) < 0)
                answer_unknown(a, "Cannot look at the file system of %s: %m.", q->subject);
        else if (q->kind == CONDITION_INODE_FREE && s.f_files == 0)
                answer_unknown(a, "The file system of %s has no fixed number of inodes. Use disk-free.", q->subject);
        else if (q->kind == CONDITION_INODE_FREE)
                answer_known(a, multiply(MIN(s.f_favail, s.f_files), 1), multiply(s.f_files, 1));
        else if (s.f_blocks == 0)
                answer_unknown(a, "The file system of %s does not have a size.", q->subject);
        else
                answer_known(a, multiply(MIN(s.f_bavail, s.f_blocks), s.f_frsize), multiply(s.f_blocks, s.f_frsize));
}

static void answer_age(const OutsideQuestion *q, const struct stat *st, OutsideAnswer *a) {
        usec_t modified = st->st_mtim.tv_sec < 0 ? 0 : timespec_load(&st->st_mtim);

        if (modified > usec_add(q->now_realtime, FUTURE_MAX))
                answer_unknown(a, "The modification time of %s is in the future.", q->subject);
        else
                answer_known(a, (int64_t)usec_sub(q->now_realtime, modified), 0);
}

void path_answer(const OutsideQuestion *q, int fd, OutsideAnswer *a) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                answer_unknown(a, "Cannot look at %s: %m.", q->subject);
        else if (S_ISLNK(st.st_mode))
                answer_unknown(a, "%s is a symbolic link.", q->subject);
        else if (q->kind == CONDITION_DISK_FREE || q->kind == CONDITION_DISK_FULL_IN ||
                 q->kind == CONDITION_INODE_FREE)
                answer_free(q, fd, a);
        else if (q->kind == CONDITION_FILE_EXISTS)
                answer_known(a, true, 0);
        else if (q->kind == CONDITION_FILE_AGE)
                answer_age(q, &st, a);
        else if (S_ISREG(st.st_mode))
                answer_known(a, st.st_size, 0);
        else
                answer_unknown(a, "%s is not a regular file.", q->subject);
}
