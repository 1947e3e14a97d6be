/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of problems. Texts are made fit for a terminal and for the bus on their way in, once, because the name of a
 * file and the words of a bad line may hold any byte. */

#include "config/diagnostics.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "util/array.h"
#include "util/utf8.h"

/* Puts a question mark for each byte that is no UTF-8, and for control characters. */
static char *make_presentable(char *s) {
        size_t n = strlen(s), length;

        for (size_t i = 0; i < n; i += length) {
                length = utf8_char_length(s + i, n - i);
                if (length == 0 || (length == 1 && ((unsigned char)s[i] < 0x20 || s[i] == 0x7f))) {
                        s[i] = '?';
                        length = 1;
                }
        }
        return s;
}

/* False unless everybody may read the file and look into each directory on the way to it. */
static bool everybody_may_read(const char *file) {
        _cleanup_free_ char *path = strdup(file);
        mode_t needed = S_IROTH;
        struct stat st;

        while (path && path[0] == '/') {
                if (stat(path[1] == '\0' ? "/" : path, &st) < 0 || (st.st_mode & needed) == 0)
                        return false;
                if (path[1] == '\0')
                        return true;
                needed = S_IXOTH;
                path[MAX(strrchr(path, '/') - path, 1)] = '\0';
        }
        return false;
}

/* The message is taken over, also on failure. */
static int append(Diagnostics *d, const char *file, unsigned line, char *message, bool is_private) {
        _cleanup_free_ char *text = message, *name = strdup(file);
        Diagnostic *item = ARRAY_NEXT(d->items, d->n_items);

        if (!text || !name || !item)
                return -ENOMEM;
        make_presentable(name);
        make_presentable(text);
        d->n_items++;
        *item = (Diagnostic){
                .file = TAKE_PTR(name),
                .line = line,
                .message = TAKE_PTR(text),
                .is_private = is_private,
        };
        return 0;
}

static int append_v(Diagnostics *d, const char *file, unsigned line, const char *format, va_list ap) {
        char *message = NULL;

        if (vasprintf(&message, format, ap) < 0)
                return -ENOMEM;
        return append(d, file, line, message, /* is_private= */ true);
}

int diagnostics_add(Diagnostics *d, const char *file, unsigned line, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = append_v(d, file, line, format, ap);
        va_end(ap);
        return r;
}

int diagnostics_merge(Diagnostics *d, const Diagnostics *from) {
        for (size_t i = 0; i < from->n_items; i++) {
                const Diagnostic *item = &from->items[i];
                int r = append(d, item->file, item->line, strdup(item->message), item->is_private);

                if (r < 0)
                        return r;
        }
        return 0;
}

void diagnostics_find_private(Diagnostics *d) {
        for (size_t i = 0; i < d->n_items; i++)
                if (i > 0 && streq(d->items[i].file, d->items[i - 1].file))
                        d->items[i].is_private = d->items[i - 1].is_private;
                else
                        d->items[i].is_private = !everybody_may_read(d->items[i].file);
}

void diagnostics_done(Diagnostics *d) {
        for (size_t i = 0; i < d->n_items; i++) {
                free(d->items[i].file);
                free(d->items[i].message);
        }
        free(d->items);
        *d = (Diagnostics){};
}

int file_problems_add(FileProblems *f, unsigned line, const char *format, ...) {
        va_list ap;
        int r;

        if (f->n++ >= DIAGNOSTICS_PER_FILE_MAX || !f->list)
                return 0;
        va_start(ap, format);
        r = append_v(f->list, f->file, line, format, ap);
        va_end(ap);
        return r;
}

int file_problems_end(FileProblems *f) {
        unsigned more = f->n > DIAGNOSTICS_PER_FILE_MAX ? f->n - DIAGNOSTICS_PER_FILE_MAX : 0;

        if (more == 0 || !f->list)
                return 0;
        return diagnostics_add(f->list, f->file, 0, "%u further problem%s in this file. Fix those above first.", more,
                               more == 1 ? "" : "s");
}
