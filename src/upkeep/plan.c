/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A log is due for its size or its age, or at each run if the job names neither. The time of its last rotation is that
 * of its record; without one it is taken from the files: a log that was made by a rotation was born then, and the
 * newest copy got its name then. */

#include "upkeep/plan.h"

#include <stdarg.h>

#include "time/span.h"
#include "util/size.h"
#include "util/strv.h"

#define TOLERANCE_PART 12
#define TOLERANCE_MAX  (6 * USEC_PER_HOUR)

/* How long before MaxAge= a log is due, so that a job which runs once a day rotates each day, though it starts some
 * minutes earlier than on the day before, or an hour. */
static usec_t tolerance(usec_t max_age) {
        return MIN(max_age / TOLERANCE_PART, TOLERANCE_MAX);
}

static int say(char **ret, int verdict, const char *format, ...) _printf_(3, 4);
static int say(char **ret, int verdict, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret, format, ap);
        va_end(ap);
        if (n < 0)
                *ret = NULL;
        return n < 0 ? -ENOMEM : verdict;
}

static const char *kind_of_file(mode_t mode) {
        return S_ISLNK(mode)    ? "a symbolic link"
               : S_ISFIFO(mode) ? "a FIFO"
               : S_ISSOCK(mode) ? "a socket"
                                : "a device";
}

/* --- what may not be touched --- */

static bool is_ours(const Log *l, const struct stat *st) {
        return st->st_uid == l->directory->place->directory.uid;
}

/* There others can create files beside those of the owner, but not replace these. (Where they can do that, too, which
 * only a user's own directory may allow, they need no trick.) */
static bool takes_files_of_others(const Workplace *place) {
        return place->directory.is_shared && place->directory.is_sticky;
}

/* In such a directory, a name says nothing about who made the file. */
static bool has_foreign_file(const Log *l) {
        if (!takes_files_of_others(l->directory->place) && !takes_files_of_others(l->directory->old))
                return false;
        if (l->has_foreign_leftover ||
            (l->exists && takes_files_of_others(l->directory->place) && !is_ours(l, &l->st)))
                return true;
        for (size_t i = 0; i < l->n_copies; i++)
                if (!is_ours(l, &l->copies[i].st))
                        return true;
        return false;
}

/* The rotation that has given it a second name can be finished, see logfile_recover(). */
static bool is_half_rotated(const Log *l) {
        if (l->is_half_rotated)
                return l->st.st_nlink == 2;
        for (size_t i = 0; i < l->n_copies; i++)
                if (l->copies[i].st.st_ino == l->st.st_ino && l->copies[i].st.st_dev == l->st.st_dev)
                        return l->st.st_nlink == 2;
        return false;
}

static bool has_room_for_names(const RotateDef *def, const Log *l, usec_t realtime) {
        CopyName c = { .number = ROTATE_KEEP_MAX, .compressed = compress_suffix(def->compress) };
        char name[NAME_MAX + 1], temporary[NAME_MAX + 1];

        copy_name_set_date(def, realtime, &c);
        return copy_name_format(def, l->name, &c, name) >= 0 && leftover_name(name, LEFTOVER_ZIP, temporary) >= 0 &&
               leftover_name(l->name, LEFTOVER_COPY, temporary) >= 0;
}

static int refuse(const RotateDef *def, const Log *l, usec_t realtime, char **ret) {
        if (l->directory->problem)
                return say(ret, VERDICT_REFUSE, "%s", l->directory->problem);
        if (l->taken_by)
                return say(ret, VERDICT_REFUSE,
                           "%s rotates it, too. Remove it there, or write TakeOver=yes if logrotate is not used",
                           l->taken_by);
        if (has_foreign_file(l))
                return say(ret, VERDICT_REFUSE,
                           "The log or a copy belongs to another user than the directory, in which others can replace "
                           "them. Use a directory that only one user can write to");
        if (!l->exists)
                return VERDICT_KEEP;
        if (!S_ISREG(l->st.st_mode))
                return say(ret, l->is_expected ? VERDICT_REFUSE : VERDICT_SKIP,
                           "It is %s, and only regular files are rotated", kind_of_file(l->st.st_mode));
        if (l->is_mount)
                return say(ret, VERDICT_REFUSE, "Another file is mounted over it");
        if (l->st.st_nlink > 1 && !is_half_rotated(l))
                return say(ret, VERDICT_REFUSE, "It has %u names (hard links), and might be a file of somebody else",
                           (unsigned)l->st.st_nlink);
        if (!has_room_for_names(def, l, realtime))
                return say(ret, VERDICT_REFUSE, "Its name is too long for that of a copy");
        return VERDICT_KEEP;
}

/* --- what is due --- */

/* A time of the future is that of a clock that was wrong, and says nothing. */
static usec_t last_rotation(const RotateDef *def, const Log *l, usec_t realtime) {
        usec_t born = def->mode == ROTATE_RENAME && def->create ? l->born : 0, last = 0;

        if (l->rotated <= realtime)
                last = l->rotated;
        if (born <= realtime)
                last = MAX(last, born);
        if (last == 0 && l->n_copies > 0)
                last = timespec_load(&l->copies[0].st.st_ctim);
        if (last == 0 || last > realtime)
                last = l->born;
        return last <= realtime ? last : 0;
}

static int judge_age(const RotateDef *def, const Log *l, usec_t realtime, char **ret) {
        usec_t last = last_rotation(def, l, realtime), age = realtime - last;
        bool is_due = usec_add(age, tolerance(def->max_age)) >= def->max_age;
        char shown[SPAN_TEXT_MAX], max[SPAN_TEXT_MAX];

        (void)span_format(max, def->max_age, USEC_PER_SEC);
        if (last == 0)
                return say(ret, VERDICT_ROTATE, "it is not known when it was last rotated");
        (void)span_format(shown, age, age < USEC_PER_HOUR ? USEC_PER_SEC : USEC_PER_MINUTE);
        return is_due ? say(ret, VERDICT_ROTATE, "its last rotation was %s ago (MaxAge=%s)", shown, max)
                      : say(ret, VERDICT_KEEP, "its last rotation was %s ago, less than MaxAge=%s", shown, max);
}

int logfile_judge(const RotateDef *def, const Log *l, usec_t realtime, char **ret_reason) {
        uint64_t size = (uint64_t)l->st.st_size;
        char shown[SIZE_TEXT_MAX], mark[SIZE_TEXT_MAX];
        int r = refuse(def, l, realtime, ret_reason);

        if (r != VERDICT_KEEP)
                return r;
        if (!l->exists)
                return say(ret_reason, VERDICT_KEEP, "it does not exist");
        if (l->is_finished)
                return say(ret_reason, VERDICT_KEEP,
                           "its last rotation, which was interrupted, was finished just now");
        (void)size_format(shown, size);
        if (def->skip_empty && size == 0)
                return say(ret_reason, VERDICT_KEEP, "it is empty (SkipEmpty=yes)");
        if (size < def->min_size)
                return say(ret_reason, VERDICT_KEEP, "it has %s, less than MinSize=%s", shown,
                           size_format(mark, def->min_size));
        if (size >= def->max_size)
                return say(ret_reason, VERDICT_ROTATE, "it has %s (MaxSize=%s)", shown,
                           size_format(mark, def->max_size));
        if (def->max_age != USEC_INFINITY)
                return judge_age(def, l, realtime, ret_reason);
        if (def->max_size != SIZE_ENDLESS)
                return say(ret_reason, VERDICT_KEEP, "it has %s, less than MaxSize=%s", shown,
                           size_format(mark, def->max_size));
        return say(ret_reason, VERDICT_ROTATE, "each run rotates it");
}

/* --- copies --- */

int copies_have_surplus(const RotateDef *def, const Log *l, bool rotates, usec_t realtime, char **ret_reason) {
        size_t n = l->n_copies + rotates;
        uint64_t bytes = rotates ? (uint64_t)l->st.st_size : 0;
        char size[SIZE_TEXT_MAX], span[SPAN_TEXT_MAX];
        int r = 0;

        if (n == 0)
                return 0;
        for (size_t k = 0; k < l->n_copies; k++)
                bytes += (uint64_t)l->copies[k].st.st_size;
        if (def->keep != UINT_MAX && n > def->keep)
                r = say(ret_reason, 1, "there are more than Keep=%u", def->keep);
        else if (l->n_copies > 0 &&
                 usec_sub(realtime, timespec_load(&l->copies[l->n_copies - 1].st.st_mtim)) > def->keep_usec)
                r = say(ret_reason, 1, "it is older than KeepSec=%s", span_format(span, def->keep_usec, USEC_PER_SEC));
        else if (bytes > def->keep_size)
                r = say(ret_reason, 1, "all copies have more than KeepSize=%s", size_format(size, def->keep_size));
        return r;
}

bool copy_wants_compression(const RotateDef *def, const Log *l, size_t i, bool rotates) {
        return def->compress != ROTATE_COMPRESS_NONE && isempty(l->copies[i].parts.compressed) &&
               i + rotates >= def->compress_delay && S_ISREG(l->copies[i].st.st_mode);
}
