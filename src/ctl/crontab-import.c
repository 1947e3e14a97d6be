/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line becomes one job that does what cron does with it, also where nobody would write it like that: the environment
 * that cron gives, the home directory, runs at the same time. What cron reads in its own way (a step without a range,
 * "%" in a command) is translated as Vixie's cron and cronie read it, and not as vaktd would. */

#include "ctl/crontab-import.h"

#include <dirent.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/names.h"
#include "ctl/alloc.h"
#include "time/cron.h"
#include "util/ascii.h"
#include "util/strv.h"

#define BLANKS           " \t\r"
#define COMMENTS_MAX     3 /* lines above an entry that describe it; more are of the file */
#define DEFAULT_PATH     "/usr/bin:/bin"
#define DEFAULT_SHELL    "/bin/sh"
#define SCRIPTS_PATH     "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin" /* of Debian's /etc/crontab */
#define ANACRON_START    (7 * 60 + 30) /* minutes of the day, where START_HOURS_RANGE= does not say */
#define ANACRON_DAYS_MAX 36500

typedef enum TableKind {
        TABLE_USER,
        TABLE_SYSTEM,
        TABLE_ANACRON,
} TableKind;

struct CrontabMailer {
        char *address, *job;
};

/* A file that is read. */
typedef struct Table {
        Crontab *import;
        const char *file;
        TableKind kind;
        const char *owner;
        char **variables, **comments;
        bool has_mail_note;
} Table;

/* A line of it. */
typedef struct Entry {
        unsigned line;
        char *timer; /* lines of [Timer] */
        char *user, *command, *input;
        char *id; /* of anacron; or NULL */
        const char *mailer;
        size_t first_note;
} Entry;

static void skip_blanks(const char **p) {
        *p += strspn(*p, BLANKS);
}

/* The next word; NULL: there is none. */
static char *take_word(const char **p) {
        size_t n = strcspn(*p, BLANKS);
        char *word = n > 0 ? alloc_format("%.*s", (int)n, *p) : NULL;

        *p += n;
        skip_blanks(p);
        return word;
}

/* --- variables --- */

static const char *get_variable(const Table *t, const char *name) {
        return strv_env_get(t->variables, name, strlen(name));
}

/* A name or a value, with quotes or without, which count only around the whole. */
static char *take_text(const char **p, bool is_name) {
        char quote = **p == '"' || **p == '\'' ? *(*p)++ : '\0';
        const char *begin = *p;
        size_t n = quote     ? strcspn(begin, (char[]){ quote, '\0' })
                   : is_name ? strcspn(begin, "=" BLANKS)
                             : strlen(begin);

        if (quote && begin[n] != quote)
                return NULL;
        *p += n + (quote ? 1 : 0);
        while (!quote && n > 0 && strchr(BLANKS, begin[n - 1]))
                n--;
        return alloc_format("%.*s", (int)n, begin);
}

static bool is_variable_name(const char *s) {
        if (!is_letter(*s) && *s != '_')
                return false;
        while (is_alphanumeric(*s) || *s == '_')
                s++;
        return *s == '\0';
}

/* Whether a line is NAME=value, which holds for the lines below. */
static bool read_variable(Table *t, unsigned line, const char *text) {
        _cleanup_free_ char *name = take_text(&text, /* is_name= */ true), *value = NULL;

        skip_blanks(&text);
        if (!name || *text++ != '=')
                return false;
        skip_blanks(&text);
        value = take_text(&text, /* is_name= */ false);
        skip_blanks(&text);
        if (!value || *text != '\0')
                return false;
        if (!is_variable_name(name))
                import_note(&t->import->out, t->file, line,
                            "\"%s\" is no name of a variable for a job. It is left out.", name);
        else if (streq(name, "LOGNAME") || streq(name, "USER"))
                import_note(&t->import->out, t->file, line, "%s= has no effect: it is the user of the job.", name);
        else
                alloc_extendf(&t->variables, "%s=%s", name, value);
        if (streq(name, "CRON_TZ") && *value)
                import_note(&t->import->out, t->file, line,
                            "Times are meant in %s from here on, as cronie reads it. Debian's cron ignores CRON_TZ=; "
                            "remove TimeZone= if that is yours.",
                            value);
        return true;
}

/* --- values --- */

/* The first variable of a name is written with its last value. */
static void put_variables(FILE *f, const Table *t) {
        STRV_FOREACH(s, t->variables) {
                _cleanup_free_ char *name = alloc_format("%.*s", (int)strcspn(*s, "="), *s);
                bool is_first = true;

                for (char *const *k = t->variables; k < s; k++)
                        is_first &= strncmp(*k, *s, strlen(name) + 1) != 0;
                if (is_first)
                        import_put_variable(f, name, get_variable(t, name));
        }
}

/* The last newline is added to what is written, but an empty value would mean nothing at all. */
static void put_input(FILE *f, const char *input) {
        if (streq(input, "\n")) {
                fputs("StandardInput=data\nStandardInputData=Cg==\n", f);
                return;
        }
        fputs("StandardInput=data\nStandardInputText=", f);
        for (const char *p = input; *p; p++)
                if (*p == '\\' || *p == '%')
                        fprintf(f, "%c%c", *p, *p);
                else if (*p == '\n')
                        fputs(p[1] != '\0' ? "\\n" : "", f);
                else if (strchr(BLANKS, *p) && (p == input || p[1] == '\0'))
                        fprintf(f, "\\x%02x", (unsigned)*p); /* it would be lost at an end */
                else
                        fputc(*p, f);
        fputc('\n', f);
}

/* --- commands --- */

/* What is behind the first "%" is standard input, and each further one a newline. "\%" is a "%". In the command only,
 * "\\" is a backslash. Returns whether there was one. */
static bool split_command(Entry *e, const char *text) {
        size_t n = 0, n_input = 0;
        bool escaped = false, is_shorter = false;

        e->command = alloc_array(NULL, strlen(text) + 1, 1);
        for (; *text && (*text != '%' || escaped); text++) {
                n -= escaped && strchr("%\\", *text) ? 1 : 0; /* the backslash */
                is_shorter |= escaped && *text == '\\';
                e->command[n++] = *text;
                escaped = *text == '\\' && !escaped;
        }
        e->command[n] = '\0';
        if (*text == '\0' || *++text == '\0')
                return is_shorter;
        e->input = alloc_array(NULL, strlen(text) + 1, 1);
        for (escaped = false; *text; text++) {
                bool is_newline = *text == '%' && !escaped;

                n_input -= *text == '%' && escaped;
                e->input[n_input++] = is_newline ? '\n' : *text;
                escaped = *text == '\\';
        }
        e->input[n_input] = '\0';
        return is_shorter;
}

/* For the name of the job: the program, or the directory of run-parts. */
static char *name_command(const char *command) {
        const char *directory = strstr(command, "run-parts"), *begin = directory ? strchr(directory, '/') : NULL;
        const char *end;
        char *name;

        begin = begin ?: command;
        while (strcspn(begin, "=") < strcspn(begin, BLANKS)) { /* NAME=value in front */
                begin += strcspn(begin, BLANKS);
                begin += strspn(begin, BLANKS);
        }
        end = begin + strcspn(begin, BLANKS ";|&<>");
        for (const char *p = begin; p < end; p++)
                if (*p == '/' && p + 1 < end)
                        begin = p + 1;
        name = alloc_format("%.*s", (int)(end - begin), begin);
        return startswith(name, "cron.") ? memmove(name, name + 5, strlen(name) - 4) : name;
}

/* --- mail --- */

/* As cron has it: nothing that means something to a shell, or in a header. */
static bool is_address(const char *s) {
        if (!is_alphanumeric(*s))
                return false;
        while (is_alphanumeric(*s) || (*s && strchr("@!:%-.,_+", *s)))
                s++;
        return *s == '\0';
}

static const char *make_mailer(Table *t, unsigned line, const char *address) {
        Crontab *c = t->import;
        char *text = NULL, *name;
        size_t n;
        FILE *f;

        for (size_t i = 0; i < c->n_mailers; i++)
                if (streq(c->mailers[i].address, address))
                        return c->mailers[i].job;
        f = alloc_stream_open(&text, &n);
        fprintf(f,
                "# From %s: mails what a run printed, if anything, as cron does for MAILTO=%s.\n\n[Job]\n"
                "Description=Mail the output of cron jobs\n\n[Run]\n"
                "Shell=journalctl --sync; "
                "output=$(journalctl --quiet --output=cat _TRANSPORT=stdout VAKT_JOB=\"$VAKT_PARENT_JOB\" "
                "VAKT_RUN=\"$VAKT_PARENT_RUN\"); [ -z \"$output\" ] || "
                "printf 'To: %%%%s\\nSubject: Cron <%%%%s> %%%%s\\nAuto-Submitted: auto-generated\\n\\n%%%%s\\n' '",
                t->file, address);
        for (const char *p = address; *p; p++)
                fputs(*p == '%' ? "%%" : (char[]){ *p, '\0' }, f);
        fputs("' \"$(uname -n)\" \"$VAKT_PARENT_JOB\" \"$output\" | /usr/sbin/sendmail -i -t\n"
              "Overlap=queue\nQueueMax=1000\n",
              f);
        alloc_stream_close(f);
        name = import_name(&c->out, "cron-mail-", address, "");
        if (!import_add_job(&c->out, t->file, line, name, text))
                return NULL;
        c->mailers = alloc_array(c->mailers, c->n_mailers + 1, sizeof(*c->mailers));
        c->mailers[c->n_mailers] = (CrontabMailer){ alloc_string(address), alloc_string(name) };
        return c->mailers[c->n_mailers++].job;
}

static const char *find_mailer(Table *t, const Entry *e) {
        const char *address = get_variable(t, "MAILTO");
        bool is_told = t->has_mail_note;

        if (address && *address && is_address(address) && !t->import->is_user_instance)
                return make_mailer(t, e->line, address);
        t->has_mail_note |= !address || *address;
        if (!address && !is_told)
                import_note(
                        &t->import->out, t->file, e->line,
                        "Without MAILTO=, cron mails the output to the user, here and below. It is in the journal, "
                        "see 'vaktctl log'. For mail, set MAILTO= before the import.");
        else if (address && *address && !is_told)
                import_note(&t->import->out, t->file, e->line, "The output is not mailed to %s: %s.", address,
                            is_address(address) ? "jobs of a user have no mailer"
                                                : "that is no address for cron either");
        return NULL;
}

/* --- jobs --- */

/* What an entry is described by: the comments right above it, otherwise its command. */
static void put_description(FILE *f, const Table *t, const Entry *e) {
        _cleanup_free_ char *text = NULL;
        size_t n, n_comments = strv_length(t->comments);
        FILE *d = alloc_stream_open(&text, &n);

        if (n_comments == 0 || n_comments > COMMENTS_MAX)
                fputs(e->command, d);
        else
                STRV_FOREACH(s, t->comments)
                        fprintf(d, "%s%s", s == t->comments ? "" : " ", *s);
        alloc_stream_close(d);
        import_put_description(f, text);
}

/* How many backslashes s ends in. */
static size_t count_backslashes(const char *s, size_t n) {
        size_t count = 0;

        while (count < n && s[n - count - 1] == '\\')
                count++;
        return count;
}

/* A blank or a backslash at the end would mean something else, or nothing, in a job file. */
static void put_command(FILE *f, const Entry *e, const char *shell) {
        size_t n = strlen(e->command), blank = n > 0 && strchr(BLANKS, e->command[n - 1]) ? 1 : 0;
        _cleanup_free_ char *command =
                alloc_format("%s%s", e->command, count_backslashes(e->command, n - blank) > 0 ? ";" : "");

        if (streq(shell, DEFAULT_SHELL)) {
                import_put(f, "Shell", command);
                return;
        }
        fputs("Exec=:", f); /* without the dollar signs of Exec= */
        import_put_word(f, shell);
        fputs(" -c ", f);
        import_put_word(f, command);
        fputc('\n', f);
}

static void put_service(FILE *f, Table *t, const Entry *e) {
        const char *home = t->kind == TABLE_ANACRON ? "/" : get_variable(t, "HOME");
        _cleanup_free_ char *directory = alloc_format("-%s", home ?: "~"); /* cron goes on without it */

        fputs("\n[Service]\n", f);
        if (!t->import->is_user_instance)
                import_put(f, "User", e->user);
        if (!t->import->is_user_instance || home)
                import_put(f, "WorkingDirectory", directory);
        if (t->kind != TABLE_ANACRON && !get_variable(t, "SHELL"))
                import_put_variable(f, "SHELL", DEFAULT_SHELL);
        if (t->kind != TABLE_ANACRON && !get_variable(t, "PATH"))
                import_put_variable(f, "PATH", DEFAULT_PATH);
        put_variables(f, t);
        if (e->input)
                put_input(f, e->input);
        if (import_is_background(e->command))
                fputs("KillMode=process\n", f);
}

/* Makes the job of an entry that has all but its mailer. */
static void add_job(Table *t, Entry *e) {
        Crontab *c = t->import;
        const char *shell = t->kind != TABLE_ANACRON ? get_variable(t, "SHELL") : NULL;
        const char *slash = strrchr(t->file, '/');
        _cleanup_free_ char *base = e->id ? alloc_string(e->id) : name_command(e->command), *whole = NULL;
        char *text = NULL;
        size_t n;
        FILE *f;

        if (count_backslashes(e->command, strlen(e->command)) % 2 == 1) {
                import_note(&c->out, t->file, e->line,
                            "A command that ends in a backslash cannot be written in a job.");
                return;
        }
        e->mailer = find_mailer(t, e);
        if (import_is_background(e->command))
                import_note(&c->out, t->file, e->line,
                            "What the command leaves in the background goes on after the run (KillMode=process), and "
                            "its output is not part of it. For a service, write a unit.");
        f = alloc_stream_open(&text, &n);
        fprintf(f, "# From %s, line %u.\n", t->file, e->line);
        import_put_notes(f, &c->out, e->first_note, c->out.n_notes);
        STRV_FOREACH(s, strv_length(t->comments) > COMMENTS_MAX ? t->comments : NULL)
                fprintf(f, "# %s\n", *s);
        fputs("\n[Job]\n", f);
        put_description(f, t, e);
        if (e->mailer)
                fprintf(f, "OnSuccess=%s\nOnFailure=%s\n", e->mailer, e->mailer);
        fprintf(f, "\n[Timer]\n%s\n[Run]\n", e->timer);
        put_command(f, e, shell && *shell ? shell : DEFAULT_SHELL);
        fputs("Overlap=parallel\n", f);
        put_service(f, t, e);
        alloc_stream_close(f);
        slash = slash ? slash + 1 : t->file;
        whole = t->kind == TABLE_USER                                 ? alloc_format("%s-%s", e->user, base)
                : t->kind == TABLE_SYSTEM && !streq(slash, "crontab") ? alloc_string(slash)
                                                                      : TAKE_PTR(base);
        (void)import_add_job(&c->out, t->file, e->line,
                             import_name(&c->out, t->kind == TABLE_ANACRON ? "anacron-" : "cron-", whole, ""), text);
}

/* --- entries --- */

/* Vixie's cron and cronie read "5/15" as "5", and nothing more of the field. */
static void cut_step(Table *t, unsigned line, char *field) {
        for (char *item = field; *item; item += strcspn(item, ","), item += *item == ',') {
                size_t n = strcspn(item, ",");
                char *slash = memchr(item, '/', n);

                if (!slash || *item == '*' || memchr(item, '-', n))
                        continue;
                import_note(&t->import->out, t->file, line,
                            "Debian's cron reads %s as %.*s, because a step needs a range or a star. So does the job. "
                            "Cronie refuses it.",
                            field, (int)(slash - field), field);
                *slash = '\0';
                return;
        }
}

/* "@word", or five fields. NULL: there are fewer. */
static char *take_schedule(Table *t, unsigned line, const char **p) {
        int n_fields = **p == '@' ? 1 : 5;
        char *schedule = NULL;

        for (int i = 0; i < n_fields; i++) {
                _cleanup_free_ char *field = take_word(p), *before = schedule;

                schedule = NULL;
                if (!field)
                        return NULL;
                if (n_fields > 1)
                        cut_step(t, line, field);
                schedule = before ? alloc_format("%s %s", before, field) : TAKE_PTR(field);
        }
        return schedule;
}

static bool read_cron_entry(Table *t, Entry *e, const char *text) {
        const char *zone = get_variable(t, "CRON_TZ");
        _cleanup_free_ char *schedule = NULL;

        text += *text == '-'; /* cronie: not to be logged */
        schedule = take_schedule(t, e->line, &text);
        if (!schedule)
                return false;
        e->timer = zone && *zone ? alloc_format("OnCron=%s\nTimeZone=%s\n", schedule, zone)
                                 : alloc_format("OnCron=%s\n", schedule);
        e->user = t->kind == TABLE_SYSTEM ? take_word(&text) : alloc_string(t->owner);
        if (!e->user || *text == '\0')
                return false;
        if (split_command(e, text))
                import_note(&t->import->out, t->file, e->line,
                            "Debian's cron reads two backslashes of a command as one, and so does the job. Cronie "
                            "leaves both.");
        return true;
}

static const struct {
        const char *word;
        unsigned days; /* 0: of the calendar */
        const char *rest;
} periods[] = {
        { "1", 0, "* * *" },        { "@daily", 0, "* * *" },  { "@weekly", 7, NULL },      { "7", 7, NULL },
        { "@monthly", 0, "1 * *" }, { "@yearly", 0, "1 1 *" }, { "@annually", 0, "1 1 *" },
};

static char *make_anacron_timer(const Table *t, const char *period, unsigned delay) {
        const char *range = get_variable(t, "START_HOURS_RANGE"), *random = get_variable(t, "RANDOM_DELAY");
        unsigned hour = range && is_digit(*range) ? (unsigned)strtoul(range, NULL, 10) : 24;
        unsigned start = MIN((hour < 24 ? hour * 60 : ANACRON_START) + delay, 24U * 60 - 1);
        _cleanup_free_ char *spread = NULL;
        uint64_t n = 0, minutes;

        if (random && number_parse(random, &minutes) && minutes > 0 && minutes < 24U * 60)
                spread = alloc_format("RandomizedDelaySec=%" PRIu64 "min\n", minutes);
        for (size_t i = 0; i < ELEMENTSOF(periods); i++)
                if (streq(periods[i].word, period)) {
                        if (periods[i].days == 0)
                                return alloc_format("OnCron=%u %u %s\nCatchUp=once\n%s", start % 60, start / 60,
                                                    periods[i].rest, spread ?: "");
                        n = periods[i].days;
                }
        if (n == 0 && (!number_parse(period, &n) || n == 0 || n > ANACRON_DAYS_MAX))
                return NULL;
        return alloc_format("OnInterval=%" PRIu64 "d\nCatchUp=once\n%s", n, spread ?: "");
}

static bool read_anacron_entry(Table *t, Entry *e, const char *text) {
        _cleanup_free_ char *period = take_word(&text), *delay = take_word(&text), *id = take_word(&text);
        uint64_t minutes;

        if (!id || *text == '\0' || !number_parse(delay, &minutes))
                return false;
        e->timer = make_anacron_timer(t, period, (unsigned)MIN(minutes, UINT64_C(1440)));
        if (!e->timer)
                return false;
        e->id = TAKE_PTR(id);
        e->user = alloc_string("root");
        e->command = alloc_string(text);
        import_note(
                &t->import->out, t->file, e->line, "%s",
                startswith(e->timer, "OnInterval=")
                        ? "The days are counted from when vaktd first reads the job, and not from anacron's last run."
                        : "Anacron runs it when it is started for the first time in the period. The job has a time, "
                          "and "
                          "makes up for it if the machine was off.");
        return true;
}

static void read_entry(Table *t, unsigned line, const char *text) {
        Entry e = { .line = line, .first_note = t->import->out.n_notes };
        bool good = t->kind == TABLE_ANACRON ? read_anacron_entry(t, &e, text) : read_cron_entry(t, &e, text);

        if (good)
                add_job(t, &e);
        else
                import_note(&t->import->out, t->file, line, "This is no line of %s(5).",
                            t->kind == TABLE_ANACRON ? "anacrontab" : "crontab");
        free(e.timer);
        free(e.user);
        free(e.command);
        free(e.input);
        free(e.id);
}

/* Entries that are commented out describe nothing. */
static void read_comment(Table *t, const char *text) {
        _cleanup_(cron_freep) Cron *cron = NULL;
        _cleanup_free_ char *fields = NULL;
        const char *p;

        text += strspn(text, "#" BLANKS);
        p = text;
        for (int i = 0; i < 5; i++) {
                p += strcspn(p, BLANKS);
                skip_blanks(&p);
        }
        fields = alloc_format("%.*s", (int)(p - text), text);
        if (*text == '\0' || (*p && cron_parse(fields, NULL, &cron, NULL) >= 0))
                t->comments = strv_free(t->comments);
        else
                alloc_extend(&t->comments, text);
}

static int read_table(Crontab *c, const char *path, TableKind kind, const char *owner) {
        Table t = { .import = c, .file = path, .kind = kind, .owner = owner };
        _cleanup_free_ char *text = NULL;
        unsigned line = 1;
        int r = import_read(path, &text);

        if (r < 0)
                return r;
        for (char *p = text, *end; p; p = end, line++) {
                end = strchr(p, '\n');
                if (end)
                        *end++ = '\0';
                p += strspn(p, BLANKS);
                if (*p == '#') {
                        read_comment(&t, p);
                        continue;
                }
                if (*p != '\0' && !read_variable(&t, line, p))
                        read_entry(&t, line, p);
                t.comments = strv_free(t.comments);
        }
        strv_free(t.variables);
        strv_free(t.comments);
        return 0;
}

/* --- directories --- */

static const struct {
        const char *name, *schedule; /* as Debian's /etc/crontab has it */
} script_directories[] = {
        { "cron.hourly", "17 * * * *" },
        { "cron.daily", "25 6 * * *" },
        { "cron.weekly", "47 6 * * 7" },
        { "cron.monthly", "52 6 1 * *" },
};

static void add_script(Crontab *c, const char *path, const char *directory, const char *schedule) {
        const char *name = strrchr(path, '/') + 1;
        _cleanup_free_ char *base = alloc_format("%s-%s", directory + strlen("cron."), name);
        struct stat st;
        char *text = NULL;
        size_t n;
        FILE *f;

        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111)) {
                if (!streq(name, ".placeholder"))
                        import_note(&c->out, path, 0, "This is no program that run-parts(8) executes.");
                return;
        }
        f = alloc_stream_open(&text, &n);
        fprintf(f, "# From %s.\n\n[Job]\n", path);
        import_put(f, "Description", path);
        fprintf(f, "\n[Timer]\nOnCron=%s\n\n[Run]\nExec=:", schedule);
        import_put_word(f, path);
        fputs("\nOverlap=skip\n\n[Service]\n", f);
        import_put_variable(f, "SHELL", DEFAULT_SHELL);
        import_put_variable(f, "PATH", SCRIPTS_PATH);
        alloc_stream_close(f);
        (void)import_add_job(&c->out, path, 0, import_name(&c->out, "cron-", base, ""), text);
}

/* run-parts(8), and cron of /etc/cron.d, pass over other names, such as those of backups. */
static bool is_part(const char *name) {
        while (is_alphanumeric(*name) || *name == '_' || *name == '-')
                name++;
        return *name == '\0';
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int take_entry(const struct dirent *entry) {
        return *entry->d_name != '.';
}

/* By bytes, whatever the locale. */
static int compare_entries(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* The files of a directory in the order of their names, which is that of run-parts(8). */
static int read_directory(Crontab *c, const char *path) {
        const char *name = base_name(path), *schedule = NULL;
        struct dirent **entries;
        int n, r = 0;

        for (size_t i = 0; i < ELEMENTSOF(script_directories); i++)
                if (streq(script_directories[i].name, name))
                        schedule = script_directories[i].schedule;
        if (!schedule && !streq(name, "cron.d") && !streq(name, "crontabs")) {
                import_note(
                        &c->out, path, 0,
                        "This is none of the directories cron.d, crontabs, cron.hourly, cron.daily, cron.weekly and "
                        "cron.monthly. Name its files.");
                return 0;
        }
        n = scandir(path, &entries, take_entry, compare_entries);
        if (n < 0)
                return -errno;
        if (schedule && n > 0)
                import_note(
                        &c->out, path, 0,
                        "Cron runs these one after the other, at a time that /etc/crontab or anacron sets. The jobs "
                        "start together, at that of Debian: \"%s\".",
                        schedule);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = alloc_format("%s/%s", path, entries[i]->d_name);

                if (!is_part(entries[i]->d_name) && !streq(name, "crontabs"))
                        import_note(&c->out, file, 0, "Cron passes over a file with this name.");
                else if (schedule)
                        add_script(c, file, name, schedule);
                else
                        r = crontab_read(c, file);
                if (r < 0)
                        import_note(&c->out, file, 0, "Cannot be read: %s.", import_reason(r));
                r = 0;
                free(entries[i]);
        }
        free(entries);
        return 0;
}

int crontab_read(Crontab *c, const char *path) {
        const char *name = base_name(path);
        const struct passwd *self = c->owner ? NULL : getpwuid(geteuid());
        const char *owner = c->owner ?: self ? self->pw_name : "root";
        _cleanup_free_ char *directory = alloc_format("%.*s", name > path ? (int)(name - path - 1) : 0, path);
        _cleanup_free_ char *user = alloc_string(owner);
        struct stat st;

        if (strchr(path, '\n')) /* it would end a comment */
                return -EINVAL;
        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) {
                _cleanup_free_ char *without_slash = alloc_string(path);

                while (strlen(without_slash) > 1 && without_slash[strlen(without_slash) - 1] == '/')
                        without_slash[strlen(without_slash) - 1] = '\0';
                return read_directory(c, without_slash);
        }
        if (streq(name, "anacrontab"))
                return read_table(c, path, TABLE_ANACRON, NULL);
        if (streq(name, "crontab") || streq(base_name(directory), "cron.d"))
                return read_table(c, path, TABLE_SYSTEM, NULL);
        return read_table(c, path, TABLE_USER, streq(base_name(directory), "crontabs") ? name : user);
}

void crontab_done(Crontab *c) {
        import_done(&c->out);
        for (size_t i = 0; i < c->n_mailers; i++) {
                free(c->mailers[i].address);
                free(c->mailers[i].job);
        }
        free(c->mailers);
        *c = (Crontab){ 0 };
}
