/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf: read as a job file is, with a table of its own and without specifiers. All or nothing: a daemon that
 * runs with half of what was asked of it is harder to understand than one that says what is wrong. */

#include "config/settings.h"

#include <stdio.h>

#include "config/key-table.h"
#include "config/source.h"
#include "job/job-def.h"
#include "util/log.h"
#include "util/string-table.h"

static const char *const executor_choice_table[] = {
        [EXECUTOR_AUTO] = "auto",
        [EXECUTOR_CHILD] = "child",
};
DEFINE_TO_STRING(executor_choice, ExecutorChoice)
DEFINE_FROM_STRING(executor_choice)

void settings_init(Settings *s) {
        *s = (Settings){
                .default_timeout = USEC_INFINITY,
                .executor = EXECUTOR_AUTO,
                .resume_ramp = 30 * USEC_PER_SEC,
                .log_level = -1,
        };
}

/* 0 turns it off, as everywhere. */
static int parse_default_timeout(const KeyLine *k, void *field) {
        usec_t span;
        int r = key_read_span(k, &span);

        if (r <= 0)
                return r;
        *(usec_t *)field = span > 0 ? span : USEC_INFINITY;
        return 0;
}

static int parse_log_level(const KeyLine *k, void *field) {
        int level = *k->value != '\0' ? log_level_from_string(k->value) : -1;

        if (level < 0 && *k->value != '\0')
                return key_fault_value(k, "is no log level. Write emerg, alert, crit, err, warning, notice, info or "
                                          "debug.");
        *(int *)field = level;
        return 0;
}

static const KeyRange running_range = { 0, JOB_QUEUE_MAX };
static const KeySpan ramp_span = { 0, .endless = false };
static const KeyWords executor_words = { executor_choice_from_string, "auto or child" };

#define FIELD(name) offsetof(Settings, name)

static const KeyRow settings_rows[] = {
        { "Manager", "MaxRunning", key_parse_unsigned, FIELD(max_running), &running_range, "0" },
        { "Manager", "DefaultTimeoutSec", parse_default_timeout, FIELD(default_timeout), NULL, "infinity" },
        { "Manager", "Executor", key_parse_word, FIELD(executor), &executor_words, "auto" },
        { "Manager", "ResumeRampSec", key_parse_span, FIELD(resume_ramp), &ramp_span, "30s" },
        { "Manager", "LogLevel", parse_log_level, FIELD(log_level) },
};

static int read_text(Settings *s, const JobText *text, Diagnostics *d, unsigned *faults) {
        FileFaults file_faults = { .list = d, .file = text->path };
        KeyReading reading = {
                .rows = settings_rows,
                .n_rows = ELEMENTSOF(settings_rows),
                .object = s,
                .faults = &file_faults,
        };
        int r = key_table_read(&reading, text->bytes, text->n);

        if (r >= 0)
                r = file_faults_end(&file_faults);
        *faults += file_faults.n;
        return r;
}

/* Reads one file. One that is not there, or masked, says nothing. */
static int read_file(Settings *s, const Folder *folder, const char *name, uid_t owner, Diagnostics *d,
                     unsigned *faults) {
        _cleanup_(job_text_done) JobText text = {};
        _cleanup_free_ char *sentence = NULL, *path = NULL;
        FileStamp stamp;
        int r;

        r = source_stat(folder, name, &stamp, &sentence);
        if (r == -ENOENT || r == SOURCE_MASK)
                return 0;
        if (r >= 0)
                r = source_read(folder, name, owner, &text, &stamp, &sentence);
        if (r >= 0)
                return read_text(s, &text, d, faults);
        if (r != -EINVAL)
                return r;
        (*faults)++;
        path = folder_join(folder, name);
        return path ? diagnostics_add(d, path, 0, "%s", sentence) : -ENOMEM;
}

/* Reads the file and its drop-ins over s. */
static int read_files(Settings *s, const Folder *folder, const char *name, uid_t owner, Diagnostics *d,
                      unsigned *faults) {
        _cleanup_(sources_done) Sources dropins = {};
        _cleanup_free_ char *dropin_folder = NULL;
        int r;

        r = read_file(s, folder, name, owner, d, faults);
        if (r < 0)
                return r;
        if (asprintf(&dropin_folder, "%s.d", name) < 0)
                return -ENOMEM;
        r = sources_add_dropins(&dropins, folder, &(const unsigned){ 0 }, 1, dropin_folder, owner, d);
        if (r < 0)
                return r;
        *faults += (unsigned)r;
        for (size_t i = 0; i < dropins.n_items; i++) {
                r = read_file(s, folder, dropins.items[i].name, owner, d, faults);
                if (r < 0)
                        return r;
        }
        return 0;
}

int settings_load(Settings *s, const char *path, uid_t owner, Diagnostics *d) {
        _cleanup_(folder_done) Folder folder = FOLDER_NONE;
        unsigned faults = 0;
        Settings fresh;
        const char *name;
        int r;

        settings_init(&fresh);
        r = folder_of_file(path, &folder, &name);
        if (r >= 0)
                r = read_files(&fresh, &folder, name, owner, d, &faults);
        else if (r != -ENOENT && r != -ENOMEM) {
                faults++;
                r = diagnostics_add(d, path, 0, "The folder of the file cannot be opened: %s.", strerror(-r));
        }
        if (r < 0 && r != -ENOENT)
                return r;
        if (faults > 0)
                return -EINVAL;
        *s = fresh;
        return 0;
}
