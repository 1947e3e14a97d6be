/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service stays what it is: the job has Unit=, and [Timer] of the timer, or [Path] of the path unit. What a timer
 * counts from its own start, or that of its service, is counted from something else here, which is said. */

#include "ctl/unit-import.h"

#include <glob.h>
#include <sys/stat.h>

#include "config/key-table.h"
#include "config/reader.h"
#include "ctl/alloc.h"
#include "util/strv.h"

typedef struct TriggerUnit {
        Import *out;
        UnitKind kind;
        const char *file; /* that is read */
        char *description, *documentation, *unit;
        char **triggers, **others; /* lines of [Timer] or [Path] */
        bool from_start, from_end; /* intervals */
        bool is_of_start;          /* of the machine, or of its end */
} TriggerUnit;

/* enabled: the links of those that are. */
static const struct {
        const char *suffix, *section, *enabled;
} kinds[_UNIT_KIND_MAX] = {
        [UNIT_TIMER] = { ".timer", "Timer", "timers.target.wants/*.timer" },
        [UNIT_PATH] = { ".path", "Path", "*.wants/*.path" },
};

typedef enum Use {
        USE_TRIGGER,
        USE_SETTING,
        USE_NONE, /* without a word */
} Use;

#define LIMIT_REMARK "delays the next run, where it makes the path unit fail"

static const struct {
        const char *section, *key;
        Use use;
        const char *becomes;
        const char *remark;
} rows[] = {
        { "Timer", "OnCalendar", USE_TRIGGER, "OnCalendar", NULL },
        { "Timer", "OnBootSec", USE_TRIGGER, "OnBootSec", NULL },
        { "Timer", "OnStartupSec", USE_TRIGGER, "OnStartupSec",
          "is counted from the start of vaktd, and not of the service manager, and elapses again when it is "
          "restarted" },
        { "Timer", "OnActiveSec", USE_TRIGGER, "OnStartupSec",
          "is counted from the start of vaktd, and not of the timer, and elapses again when it is restarted" },
        { "Timer", "OnUnitActiveSec", USE_TRIGGER, "OnInterval",
          "is counted from one due time to the next, from when vaktd first reads the job, also over a reboot" },
        { "Timer", "OnUnitInactiveSec", USE_TRIGGER, "OnInterval",
          "is counted from the end of the last run, first from when vaktd first reads the job, also over a reboot" },
        { "Timer", "AccuracySec", USE_SETTING, "AccuracySec", NULL },
        { "Timer", "RandomizedDelaySec", USE_SETTING, "RandomizedDelaySec", NULL },
        { "Timer", "FixedRandomDelay", USE_SETTING, "FixedRandomDelay", NULL },
        { "Timer", "Persistent", USE_SETTING, "Persistent", NULL },
        { "Timer", "WakeSystem", USE_SETTING, "WakeSystem", NULL },
        { "Timer", "RemainAfterElapse", USE_NONE, NULL, NULL },
        { "Path", "PathExists", USE_TRIGGER, "PathExists", NULL },
        { "Path", "PathExistsGlob", USE_TRIGGER, "PathExistsGlob", NULL },
        { "Path", "PathChanged", USE_TRIGGER, "PathChanged", NULL },
        { "Path", "PathModified", USE_TRIGGER, "PathModified", NULL },
        { "Path", "DirectoryNotEmpty", USE_TRIGGER, "DirectoryNotEmpty", NULL },
        { "Path", "MakeDirectory", USE_SETTING, "MakeDirectory", NULL },
        { "Path", "DirectoryMode", USE_SETTING, "DirectoryMode", NULL },
        { "Path", "TriggerLimitIntervalSec", USE_SETTING, "TriggerLimitIntervalSec", LIMIT_REMARK },
        { "Path", "TriggerLimitBurst", USE_SETTING, "TriggerLimitBurst", LIMIT_REMARK },
        { "Unit", "After", USE_NONE, NULL, NULL },
        { "Unit", "Before", USE_NONE, NULL, NULL },
        { "Unit", "DefaultDependencies", USE_NONE, NULL, NULL },
        { "Install", "WantedBy", USE_NONE, NULL, NULL },
};

static void set_text(char **field, const char *value) {
        free(*field);
        *field = *value != '\0' ? alloc_string(value) : NULL;
}

static void add_line(char ***list, const char *key, const char *value) {
        alloc_extendf(list, "%s=%s", key, value);
}

/* The path of a line twice is the same as once, and a problem in a job. */
static void add_path(TriggerUnit *t, unsigned line, const char *key, const char *value) {
        _cleanup_free_ char *whole = alloc_format("%s=%s", key, value);
        bool is_known = false;

        if (streq(key, "PathExistsGlob") && strchr(value, '{'))
                import_note(t->out, t->file, line,
                            "Braces are no part of a pattern in a job. Write a line for each of what they stand for.");
        STRV_FOREACH(s, t->triggers)
                is_known |= streq(*s, whole);
        if (!is_known)
                alloc_extend(&t->triggers, whole);
}

static void add_trigger(TriggerUnit *t, unsigned line, const char *key, const char *becomes, const char *value) {
        if (*value == '\0') { /* clears all kinds, as it does there */
                t->triggers = strv_free(t->triggers);
                t->from_start = t->from_end = false;
                return;
        }
        if (t->kind == UNIT_PATH) {
                add_path(t, line, key, value);
                return;
        }
        t->from_start |= streq(key, "OnUnitActiveSec");
        t->from_end |= streq(key, "OnUnitInactiveSec");
        add_line(&t->triggers, becomes, value);
}

static bool has_specifier(const char *value) {
        const char *p = strchr(value, '%');

        while (p && p[1] == '%')
                p = strchr(p + 2, '%');
        return p;
}

static void read_row(TriggerUnit *t, unsigned line, const char *section, const char *key, const char *value) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                if (!streq(rows[i].section, section) || !streq(rows[i].key, key))
                        continue;
                if (rows[i].use != USE_NONE && has_specifier(value))
                        import_note(t->out, t->file, line,
                                    "A specifier is something else in a job, or nothing. Write what it stands for.");
                if (rows[i].use == USE_TRIGGER)
                        add_trigger(t, line, key, rows[i].becomes, value);
                else if (rows[i].use == USE_SETTING)
                        add_line(&t->others, rows[i].becomes, value);
                if (rows[i].remark && *value)
                        import_note(t->out, t->file, line, "%s= becomes %s=, which %s.", key, rows[i].becomes,
                                    rows[i].remark);
                return;
        }
        import_note(t->out, t->file, line, "%s= has no counterpart in a job.", key);
}

static int read_key(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        TriggerUnit *t = userdata;

        if (streq(section, "Unit") && streq(key, "Description"))
                set_text(&t->description, value);
        else if (streq(section, "Unit") && streq(key, "Documentation"))
                set_text(&t->documentation, value);
        else if (streq(section, kinds[t->kind].section) && streq(key, "Unit"))
                set_text(&t->unit, value);
        else if (!startswith(section, "X-") && !startswith(key, "X-"))
                read_row(t, line, section, key, value);
        if (streq(section, "Unit") && streq(key, "DefaultDependencies"))
                t->is_of_start = key_bool_from_string(value) == 0;
        return 0;
}

static int read_section(_unused_ void *userdata, _unused_ unsigned line, _unused_ const char *section) {
        return 0;
}

static int read_file(TriggerUnit *t, const char *path) {
        const ReaderSink sink = { read_section, read_key, t };
        _cleanup_(diagnostics_done) Diagnostics d = { 0 };
        _cleanup_free_ char *text = NULL;
        FileProblems problems = { &d, path, 0 };
        int r = import_read(path, &text);

        if (r < 0)
                return r;
        t->file = path;
        if (reader_parse(text, strlen(text), &sink, &problems) < 0)
                alloc_failed();
        for (size_t i = 0; i < d.n_items; i++)
                import_note(t->out, path, d.items[i].line, "%s", d.items[i].message);
        return 0;
}

/* --- files --- */

static char **get_directories(bool user) {
        static const char *const of_system[] = { "/etc/systemd/system", "/run/systemd/system",
                                                 "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                                 "/lib/systemd/system" };
        static const char *const of_user[] = { "/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user",
                                               "/usr/lib/systemd/user" };
        const char *const *usual = user ? of_user : of_system;
        size_t n_usual = user ? ELEMENTSOF(of_user) : ELEMENTSOF(of_system);
        const char *path = getenv("SYSTEMD_UNIT_PATH"), *home = getenv("XDG_CONFIG_HOME");
        char **list = NULL;

        if (!isempty(path)) {
                for (; *path; path += strcspn(path, ":"), path += *path == ':')
                        alloc_extendf(&list, "%.*s", (int)strcspn(path, ":"), path);
                n_usual = 0;
        } else if (user && !isempty(home))
                alloc_extendf(&list, "%s/systemd/user", home);
        else if (user && !isempty(getenv("HOME")))
                alloc_extendf(&list, "%s/.config/systemd/user", getenv("HOME"));
        for (size_t i = 0; i < n_usual; i++)
                alloc_extend(&list, usual[i]);
        return list;
}

static const char *base_name(const char *path) {
        return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

/* The files that match in any of the directories, in the order of their names; of several with one name, the first. */
static char **find_files(char *const *directories, const char *pattern) {
        char **list = NULL;

        STRV_FOREACH(directory, directories) {
                _cleanup_free_ char *whole = alloc_format("%s/%s", *directory, pattern);
                glob_t found = { 0 };

                if (glob(whole, 0, NULL, &found) != 0)
                        continue;
                for (size_t i = 0; i < found.gl_pathc; i++) {
                        bool is_known = false;

                        STRV_FOREACH(s, list)
                                is_known |= streq(base_name(*s), base_name(found.gl_pathv[i]));
                        if (!is_known)
                                alloc_extend(&list, found.gl_pathv[i]);
                }
                globfree(&found);
        }
        if (list)
                qsort(list, strv_length(list), sizeof(*list), compare_names);
        return list;
}

UnitKind unit_import_kind(const char *name) {
        size_t n = strlen(name), n_suffix = strlen(kinds[UNIT_PATH].suffix);

        return n > n_suffix && streq(name + n - n_suffix, kinds[UNIT_PATH].suffix) ? UNIT_PATH : UNIT_TIMER;
}

char **unit_import_list(UnitKind kind, bool user) {
        _cleanup_(strv_freep) char **directories = get_directories(user);
        char **list = find_files(directories, kinds[kind].enabled);

        for (char **s = list; s && *s; s++) {
                char *name = alloc_string(base_name(*s));

                free(*s);
                *s = name;
        }
        return list;
}

/* --- the job --- */

static void add_job(TriggerUnit *t, const char *path, const char *stem, size_t first_note) {
        bool makes_directories = false; /* PathExists= makes none */
        char *text = NULL;
        size_t n;
        FILE *f = alloc_stream_open(&text, &n);

        fprintf(f, "# From %s.\n", path);
        import_put_notes(f, t->out, first_note, t->out->n_notes);
        fprintf(f, "# To have only one of the two start the unit: systemctl disable --now %s%s\n\n[Job]\n", stem,
                kinds[t->kind].suffix);
        if (t->description)
                fprintf(f, "Description=%s\n", t->description);
        if (t->documentation)
                fprintf(f, "Documentation=%s\n", t->documentation);
        fprintf(f, "\n[%s]\n", kinds[t->kind].section);
        STRV_FOREACH(s, t->triggers) {
                makes_directories |= !startswith(*s, "PathExists");
                fprintf(f, "%s\n", *s);
        }
        if (t->from_end)
                fputs("IntervalFrom=end\n", f);
        STRV_FOREACH(s, t->others)
                if (makes_directories || !startswith(*s, "MakeDirectory="))
                        fprintf(f, "%s\n", *s);
        if (t->unit)
                fprintf(f, "\n[Run]\nUnit=%s\n", t->unit);
        else
                fprintf(f, "\n[Run]\nUnit=%s.service\n", stem);
        fputs("Overlap=skip\n", f);
        alloc_stream_close(f);
        (void)import_add_job(t->out, path, 0, import_name(t->out, "", stem, ""), text);
}

int unit_import(Import *i, UnitKind kind, const char *name, bool user) {
        _cleanup_(strv_freep) char **directories = get_directories(user), **files = NULL, **drop_ins = NULL;
        const char *suffix = kinds[kind].suffix, *end = strstr(name, suffix);
        _cleanup_free_ char *stem = alloc_format("%.*s", end ? (int)(end - name) : (int)strlen(name), name),
                            *pattern = alloc_format("%s%s", stem, suffix),
                            *pattern_drop_ins = alloc_format("%s%s.d/*.conf", stem, suffix);
        TriggerUnit t = { .out = i, .kind = kind };
        size_t first_note = i->n_notes;
        struct stat st;
        int r;

        if (stem[strcspn(stem, "/*?[@\\")] != '\0') /* and a template has no counterpart */
                return -EINVAL;
        files = find_files(directories, pattern);
        drop_ins = find_files(directories, pattern_drop_ins);
        if (!files)
                return -ENOENT;
        if (stat(files[0], &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size == 0)) {
                import_note(i, files[0], 0, "The unit is masked.");
                return 0;
        }
        r = read_file(&t, files[0]);
        STRV_FOREACH(s, drop_ins)
                if (r >= 0 && stat(*s, &st) == 0 && S_ISREG(st.st_mode))
                        r = read_file(&t, *s);
        if (r >= 0 && t.from_start && t.from_end)
                import_note(i, files[0], 0,
                            "A job counts all intervals from the same: those of OnUnitActiveSec= also are "
                            "counted from the end of the last run.");
        if (r >= 0 && kind == UNIT_PATH && t.is_of_start)
                import_note(i, files[0], 0,
                            "The path unit is for the start or the end of the machine (DefaultDependencies=no), when "
                            "vaktd is not there. Leave it as it is.");
        else if (r >= 0)
                add_job(&t, files[0], stem, first_note);
        free(t.description);
        free(t.documentation);
        free(t.unit);
        strv_free(t.triggers);
        strv_free(t.others);
        return r;
}
