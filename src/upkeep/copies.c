/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything that DateFormat= can contain has a fixed width, so a date is recognized from the end of a name, and two
 * dates are compared as text: config/job-upkeep.c takes only formats whose text sorts by time. */

#include "upkeep/copies.h"

#include <time.h>

#include "util/ascii.h"

#define DATE_FORMAT "-%Y%m%d"
#define DIGITS_MAX  9 /* of a number in a name */

const char *compress_suffix(RotateCompress c) {
        static const char *const suffixes[] = {
                [ROTATE_COMPRESS_NONE] = "",
                [ROTATE_COMPRESS_GZIP] = ".gz",
                [ROTATE_COMPRESS_ZSTD] = ".zst",
        };

        return suffixes[c];
}

/* Also of copies that another program has made. */
static const char *const compressed_suffixes[] = { ".gz", ".zst", ".xz", ".bz2" };

static const struct {
        char letter;
        unsigned width, min, max;
} date_parts[] = {
        { 'Y', 4, 1970, 9999 }, { 'm', 2, 1, 12 }, { 'd', 2, 1, 31 }, { 'H', 2, 0, 23 },
        { 'M', 2, 0, 59 },      { 'S', 2, 0, 60 }, { 'V', 2, 1, 53 }, { 's', 10, 0, UINT_MAX },
};

static size_t date_part(char letter) {
        size_t i = 0;

        while (i < ELEMENTSOF(date_parts) && date_parts[i].letter != letter)
                i++;
        assert(i < ELEMENTSOF(date_parts)); /* the format was checked */
        return i;
}

static const char *date_format(const RotateDef *def) {
        return def->date_format ?: DATE_FORMAT;
}

static size_t date_width(const char *format) {
        size_t n = 0;

        for (const char *f = format; *f; f++)
                n += *f == '%' ? date_parts[date_part(*++f)].width : 1;
        return n;
}

bool copy_date_fits(const RotateDef *def) {
        return date_width(date_format(def)) < COPY_DATE_MAX;
}

/* Is the text, which is as long as the format asks for, such a date? */
static bool is_date(const char *format, const char *text) {
        for (const char *f = format; *f; f++) {
                uint64_t value = 0;
                size_t part;

                if (*f != '%') {
                        if (*text++ != *f)
                                return false;
                        continue;
                }
                part = date_part(*++f);
                for (unsigned i = 0; i < date_parts[part].width; i++, text++) {
                        if (!is_digit(*text))
                                return false;
                        value = value * 10 + (uint64_t)(*text - '0');
                }
                if (value < date_parts[part].min || value > date_parts[part].max)
                        return false;
        }
        return true;
}

/* --- parsing, from the end of a name of n bytes --- */

static bool take_suffix(const char *name, size_t *n, const char *suffix) {
        size_t k = strlen(suffix);

        if (*n <= k || memcmp(name + *n - k, suffix, k) != 0)
                return false;
        *n -= k;
        return true;
}

/* ".12" */
static bool take_number(const char *name, size_t *n, uint64_t *ret) {
        uint64_t value = 0;
        size_t i = *n;

        while (i > 0 && is_digit(name[i - 1]))
                i--;
        if (i < 2 || i == *n || *n - i > DIGITS_MAX || name[i - 1] != '.' || name[i] == '0')
                return false;
        for (size_t k = i; k < *n; k++)
                value = value * 10 + (uint64_t)(name[k] - '0');
        *n = i - 1;
        *ret = value;
        return true;
}

static bool take_date(const RotateDef *def, const char *name, size_t *n, CopyName *c) {
        const char *format = date_format(def);
        size_t width = date_width(format);

        if (*n <= width || !is_date(format, name + *n - width))
                return false;
        *n -= width;
        memcpy(c->date, name + *n, width);
        c->date[width] = '\0';
        return true;
}

bool copy_name_parse(const RotateDef *def, const char *name, char log[static NAME_MAX + 1], CopyName *ret) {
        const char *extension = strempty(def->extension);
        size_t n = strlen(name);
        bool extended;

        *ret = (CopyName){ .compressed = "" };
        for (size_t i = 0; isempty(ret->compressed) && i < ELEMENTSOF(compressed_suffixes); i++)
                if (take_suffix(name, &n, compressed_suffixes[i]))
                        ret->compressed = compressed_suffixes[i];
        extended = !isempty(extension) && take_suffix(name, &n, extension);
        if (def->suffix == ROTATE_SUFFIX_NUMBER) {
                if (!take_number(name, &n, &ret->number))
                        return false;
        } else if (!take_date(def, name, &n, ret) &&
                   (!take_number(name, &n, &ret->number) || !take_date(def, name, &n, ret)))
                return false;
        if (n + strlen(extension) > NAME_MAX)
                return false;
        memcpy(log, name, n);
        log[n] = '\0';
        if (extended)
                (void)strcpy(log + n, extension);
        /* A log with the extension would have kept it at the end. */
        return extended || isempty(extension) || !take_suffix(log, &n, extension);
}

int copy_name_format(const RotateDef *def, const char *log, const CopyName *c, char ret[static NAME_MAX + 1]) {
        const char *extension = strempty(def->extension);
        size_t n = strlen(log);
        char number[32] = "";
        int k;

        if (isempty(extension) || !take_suffix(log, &n, extension))
                extension = "";
        if (c->number > 0)
                (void)snprintf(number, sizeof(number), ".%" PRIu64, c->number);
        k = snprintf(ret, NAME_MAX + 1, "%.*s%s%s%s%s", (int)n, log, c->date, number, extension, c->compressed);
        return k > NAME_MAX ? -ENAMETOOLONG : 0;
}

int copy_name_compare(const CopyName *a, const CopyName *b) {
        int by_date = strcmp(b->date, a->date);

        if (by_date != 0 || a->number == b->number)
                return by_date;
        return (a->number < b->number) == isempty(a->date) ? -1 : 1;
}

void copy_name_set_date(const RotateDef *def, usec_t realtime, CopyName *c) {
        time_t seconds = (time_t)(realtime / USEC_PER_SEC);
        struct tm tm;

        c->date[0] = '\0';
        if (def->suffix == ROTATE_SUFFIX_DATE && localtime_r(&seconds, &tm))
                (void)strftime(c->date, sizeof(c->date), date_format(def), &tm);
}

/* --- our own files --- */

static const char *const leftover_suffixes[] = {
        [LEFTOVER_NEW] = ".vakt-new", [LEFTOVER_TELL] = ".vakt-tell", [LEFTOVER_COPY] = ".vakt-copy",
        [LEFTOVER_CUT] = ".vakt-cut", [LEFTOVER_ZIP] = ".vakt-zip",
};

int leftover_name(const char *name, Leftover which, char ret[static NAME_MAX + 1]) {
        int n = snprintf(ret, NAME_MAX + 1, ".%s%s", name, leftover_suffixes[which]);

        return n > NAME_MAX ? -ENAMETOOLONG : 0;
}

bool leftover_parse(const char *file, char name[static NAME_MAX + 1], Leftover *ret) {
        size_t n = strlen(file);

        for (unsigned i = 0; file[0] == '.' && i < _LEFTOVER_MAX; i++) {
                size_t k = strlen(leftover_suffixes[i]);

                if (n <= k + 1 || n > NAME_MAX || !streq(file + n - k, leftover_suffixes[i]))
                        continue;
                memcpy(name, file + 1, n - k - 1);
                name[n - k - 1] = '\0';
                *ret = i;
                return true;
        }
        return false;
}
