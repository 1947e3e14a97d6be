/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Defaults and words of [Rotate] and [Clean]. */

#include "job/upkeep-def.h"

#include <limits.h>
#include <stdlib.h>

#include "util/ascii.h"
#include "util/size.h"
#include "util/string-table.h"
#include "util/strv.h"

const RotateDef rotate_def_defaults = {
        .max_size = SIZE_ENDLESS,
        .max_age = USEC_INFINITY,
        .keep = 7,
        .keep_usec = USEC_INFINITY,
        .keep_size = SIZE_ENDLESS,
        .create = true,
        .create_mode = (mode_t)-1,
};

const CleanDef clean_def_defaults = {
        .max_age = USEC_INFINITY,
        .age_by = CLEAN_AGE_CHANGE | CLEAN_AGE_MODIFY | CLEAN_AGE_BIRTH,
        .max_size = SIZE_ENDLESS,
        .max_count = UINT64_MAX,
        .recursive = true,
};

void rotate_def_done(RotateDef *d) {
        strv_free(d->paths);
        strv_free(d->exclude);
        free(d->date_format);
        free(d->extension);
        free(d->create_user);
        free(d->create_group);
        free(d->old_dir);
        free(d->reload_unit);
        free(d->signal_unit);
        free(d->pre_rotate);
        free(d->post_rotate);
        *d = rotate_def_defaults;
}

void clean_def_done(CleanDef *d) {
        strv_free(d->paths);
        strv_free(d->exclude);
        *d = clean_def_defaults;
}

int rotate_def_new(RotateDef **ret) {
        RotateDef *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = rotate_def_defaults;
        *ret = d;
        return 0;
}

int clean_def_new(CleanDef **ret) {
        CleanDef *d = malloc(sizeof(*d));

        if (!d)
                return -ENOMEM;
        *d = clean_def_defaults;
        *ret = d;
        return 0;
}

RotateDef *rotate_def_free(RotateDef *d) {
        if (d)
                rotate_def_done(d);
        return mfree(d);
}

CleanDef *clean_def_free(CleanDef *d) {
        if (d)
                clean_def_done(d);
        return mfree(d);
}

/* A number behind a word, which *p is moved past. */
static bool take_number(const char **p, const char *word, uint64_t *ret) {
        const char *digits = startswith(*p, word);
        char *end;

        if (!digits || !is_digit(*digits))
                return false;
        errno = 0;
        *ret = strtoull(digits, &end, 10);
        *p = end;
        return errno == 0;
}

bool upkeep_summary_parse(const char *status, uint64_t *ret_files, uint64_t *ret_freed, const char **ret_text) {
        const char *p = status;
        uint64_t files, freed;

        if (!take_number(&p, "files=", &files) || !take_number(&p, " freed=", &freed))
                return false;
        p = startswith(p, ": ");
        if (!p)
                return false;
        *ret_files = files;
        *ret_freed = freed;
        *ret_text = p;
        return true;
}

static const char *const rotate_mode_table[] = {
        [ROTATE_RENAME] = "rename",
        [ROTATE_COPYTRUNCATE] = "copytruncate",
};
DEFINE_FROM_STRING(rotate_mode)

static const char *const rotate_compress_table[] = {
        [ROTATE_COMPRESS_NONE] = "none",
        [ROTATE_COMPRESS_GZIP] = "gzip",
        [ROTATE_COMPRESS_ZSTD] = "zstd",
};
DEFINE_FROM_STRING(rotate_compress)

static const char *const rotate_suffix_table[] = {
        [ROTATE_SUFFIX_NUMBER] = "number",
        [ROTATE_SUFFIX_DATE] = "date",
};
DEFINE_FROM_STRING(rotate_suffix)
