/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line becomes one job that runs the same command in the same shell, with the file in VAKT_PATH: where incron puts a
 * name into the text of the command, the job names the variable, so that a name is never taken for a command. incron
 * starts a command for each event, and a job a run for each file; what follows from that is said. How incron reads its
 * tables was tried with incron 0.5.12, whose manual tells less. */

#include "ctl/incron-import.h"

#include <dirent.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/alloc.h"
#include "util/ascii.h"
#include "util/strv.h"

#define BLANKS     " \t"
#define USER_PATH  "/usr/local/bin:/usr/bin:/bin:/usr/X11R6/bin"
#define BOTH_GONE  (IN_DELETE_SELF | IN_MOVE_SELF)
#define ONLY_READS (IN_ACCESS | IN_CLOSE_NOWRITE | IN_OPEN)

typedef struct Table {
        Incrontab *import;
        const char *file;
        const char *user; /* NULL: a table of the system */
        char **paths;     /* of the lines above */
        char *comment;    /* the line above */
} Table;

typedef struct Line {
        unsigned number;
        char *path, *command;
        char **matches; /* what the path stands for */
        bool are_files; /* they are no directories */
        uint32_t mask;
        bool is_flat, has_hidden, is_queued;
        size_t first_note;
} Line;

/* Events, each with the word of Events= for it, if there is one. */
static const struct {
        const char *symbol;
        uint32_t mask;
        const char *event;
} symbols[] = {
        { "IN_ACCESS", IN_ACCESS, NULL },
        { "IN_MODIFY", IN_MODIFY, "write" },
        { "IN_ATTRIB", IN_ATTRIB, "attrib" },
        { "IN_CLOSE_WRITE", IN_CLOSE_WRITE, "close" },
        { "IN_CLOSE_NOWRITE", IN_CLOSE_NOWRITE, NULL },
        { "IN_OPEN", IN_OPEN, NULL },
        { "IN_MOVED_FROM", IN_MOVED_FROM, "delete" },
        { "IN_MOVED_TO", IN_MOVED_TO, "move" },
        { "IN_CREATE", IN_CREATE, "create" },
        { "IN_DELETE", IN_DELETE, "delete" },
        { "IN_DELETE_SELF", IN_DELETE_SELF, "delete" },
        { "IN_MOVE_SELF", IN_MOVE_SELF, "delete" },
};

/* Several events, and what else a mask can say. */
static const struct {
        const char *symbol;
        uint32_t mask;
} others[] = {
        { "IN_CLOSE", IN_CLOSE },           { "IN_MOVE", IN_MOVE },
        { "IN_ALL_EVENTS", IN_ALL_EVENTS }, { "IN_DONT_FOLLOW", IN_DONT_FOLLOW },
        { "IN_ONESHOT", IN_ONESHOT },       { "IN_ONLYDIR", IN_ONLYDIR },
};

/* Events that are one for a job. */
static const struct {
        uint32_t asked, missing;
        const char *remark;
} pairs[] = {
        { IN_CLOSE_WRITE | IN_CREATE, IN_MOVED_TO, "that is moved in" },
        { IN_MOVED_TO, IN_CLOSE_WRITE, "that is written and closed" },
        { IN_DELETE, IN_MOVED_FROM, "that is moved away" },
        { IN_MOVED_FROM, IN_DELETE, "that is removed" },
};

#define remark(t, l, ...) import_note(&(t)->import->out, (t)->file, (l)->number, __VA_ARGS__)

/* --- the mask --- */

static uint32_t symbol_mask(const char *s) {
        for (size_t i = 0; i < ELEMENTSOF(symbols); i++)
                if (streq(symbols[i].symbol, s))
                        return symbols[i].mask;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (streq(others[i].symbol, s))
                        return others[i].mask;
        return 0;
}

static void read_word(Table *t, Line *l, const char *word) {
        if (streq(word, "IN_NO_LOOP") || streq(word, "loopable=true"))
                l->is_queued = true;
        else if (streq(word, "recursive=false"))
                l->is_flat = true;
        else if (streq(word, "dotdirs=true"))
                l->has_hidden = true;
        else if (symbol_mask(word) != 0)
                l->mask |= symbol_mask(word);
        else if (!streq(word, "loopable=false") && !streq(word, "recursive=true") && !streq(word, "dotdirs=false"))
                remark(t, l, "\"%s\" is no event; incron ignores it, and so does the job.", word);
}

/* A number is all of it: what follows is not read. */
static void read_mask(Table *t, Line *l, const char *text) {
        if (is_digit(*text)) {
                l->mask = (uint32_t)strtoul(text, NULL, 10);
                if (text[strspn(text, "0123456789")] != '\0')
                        remark(t, l, "incron reads nothing behind a number, and so it is in the job.");
                return;
        }
        while (*text) {
                size_t n = strcspn(text, ",");
                _cleanup_free_ char *word = alloc_format("%.*s", (int)n, text);

                if (n > 0)
                        read_word(t, l, word);
                text += n + (text[n] == ',');
        }
}

/* The symbols of a mask, in the order of their values, as incron writes them. */
static char *list_symbols(uint32_t mask) {
        char *list = alloc_string("");

        for (size_t i = 0; i < ELEMENTSOF(symbols); i++)
                if (symbols[i].mask & mask) {
                        _cleanup_free_ char *before = list;

                        list = alloc_format("%s%s%s", before, *before ? "," : "", symbols[i].symbol);
                }
        return list;
}

/* The words of Events=; empty if there is none. */
static char *list_events(const Line *l) {
        uint32_t mask = l->are_files ? l->mask : l->mask & ~(uint32_t)BOTH_GONE;
        char *list = alloc_string("");

        for (size_t i = 0; i < ELEMENTSOF(symbols); i++)
                if ((symbols[i].mask & mask) && symbols[i].event && !strstr(list, symbols[i].event)) {
                        _cleanup_free_ char *before = list;

                        list = alloc_format("%s%s%s", before, *before ? " " : "", symbols[i].event);
                }
        return list;
}

static void remark_events(Table *t, const Line *l) {
        _cleanup_free_ char *reads = list_symbols(l->mask & ONLY_READS), *gone = list_symbols(l->mask & BOTH_GONE);

        if (l->mask & ONLY_READS)
                remark(t, l, "%s: a job does not run because a file is opened or read.", reads);
        if (l->mask & BOTH_GONE && !l->are_files)
                remark(t, l, "%s: a job does not run because the directory itself disappears.", gone);
        if (l->mask & (IN_CREATE | IN_DELETE | IN_ATTRIB) && !l->are_files)
                remark(t, l,
                       "A run is for files only: a directory that is created, removed or changed starts none itself.");
        for (size_t i = 0; i < ELEMENTSOF(pairs) && !l->are_files; i++)
                if (l->mask & pairs[i].asked && !(l->mask & pairs[i].missing))
                        remark(t, l, "A file %s starts a run as well.", pairs[i].remark);
        if (l->mask & IN_ONESHOT)
                remark(t, l, "IN_ONESHOT: the job runs each time. For once, disable it afterwards.");
        if (l->mask & IN_DONT_FOLLOW)
                remark(t, l, "IN_DONT_FOLLOW: a job follows symbolic links on the way to its path.");
}

/* --- the command --- */

/* Writes what a name becomes: within quotes, and without. */
static void put_name(FILE *f, const char *name, char quote) {
        fprintf(f, quote == '"' ? "%s" : quote == '\'' ? "'\"%s\"'" : "\"%s\"", name);
}

/* Writes one of the wildcards, and returns how long it is. */
static size_t put_wildcard(FILE *f, Table *t, const Line *l, const char *p, char quote) {
        _cleanup_free_ char *list = list_symbols(l->mask);
        uint32_t mask = l->mask & IN_ALL_EVENTS;

        if (p[1] == '$')
                fputc('$', f);
        else if (startswith(p, "$@/$#")) {
                put_name(f, "${VAKT_PATH}", quote);
                return strlen("$@/$#");
        } else if (p[1] == '@')
                put_name(f, l->are_files ? "${VAKT_PATH}" : "${VAKT_PATH%/*}", quote);
        else if (p[1] == '#' && !l->are_files)
                put_name(f, "${VAKT_PATH##*/}", quote);
        else if (p[1] == '%')
                fputs(list, f);
        else if (p[1] == '&')
                fprintf(f, "%" PRIu32, mask);
        else
                return p[1] == '#' ? 2 : 1; /* of other words, the dollar sign is lost there, too */
        if ((p[1] == '%' || p[1] == '&') && (mask & (mask - 1)))
                remark(t, l, "$%c: a run is not told the event. It gets all of them: %s.", p[1], list);
        return 2;
}

static char *translate_command(Table *t, const Line *l) {
        char *text = NULL, quote = '\0';
        size_t n;
        FILE *f = alloc_stream_open(&text, &n);

        for (const char *p = l->command; *p;) {
                if (*p == '$') {
                        p += put_wildcard(f, t, l, p, quote);
                        continue;
                }
                if (*p == '\\' && quote != '\'' && p[1] != '\0' && p[1] != '$')
                        fputc(*p++, f);
                else if (quote ? *p == quote : *p == '"' || *p == '\'')
                        quote = quote ? '\0' : *p;
                fputc(*p++, f);
        }
        alloc_stream_close(f);
        return text;
}

/* --- the user --- */

typedef struct Rights {
        gid_t gid, *groups;
        int n_groups; /* negative: nothing has changed */
} Rights;

static void rights_restore(Rights *r) {
        if (r->n_groups >= 0 &&
            (seteuid(0) < 0 || setegid(r->gid) < 0 || setgroups((size_t)r->n_groups, r->groups) < 0))
                abort(); /* to continue would be to act with the wrong rights */
        free(r->groups);
}

/* From now on, root sees only what the user of a table sees: who can read the job learns what is said of its path. */
static int rights_of_user(Rights *before, const char *name) {
        const struct passwd *user;
        int n;

        if (geteuid() != 0 || !name || streq(name, "root"))
                return 0;
        user = getpwnam(name);
        if (!user)
                return -ENOENT;
        n = getgroups(0, NULL);
        before->groups = alloc_array(NULL, (size_t)MAX(n, 1), sizeof(gid_t));
        before->gid = getegid();
        before->n_groups = getgroups(n, before->groups);
        return initgroups(name, user->pw_gid) < 0 || setegid(user->pw_gid) < 0 || seteuid(user->pw_uid) < 0 ? -errno
                                                                                                            : 0;
}

/* --- the path --- */

/* A pattern stands for what matches when incron reads the table. False: it cannot be a job. */
static bool find_matches(Table *t, Line *l) {
        _cleanup_(rights_restore) Rights rights = { .n_groups = -1 };
        size_t n_files = 0, n = 0;
        glob_t found = { 0 };
        struct stat st;
        int r = rights_of_user(&rights, t->user);

        if (r < 0) {
                remark(t, l, "The path cannot be looked at as user %s: %s.", t->user,
                       r == -ENOENT ? "there is no such user" : strerror(-r));
                return false;
        }

        if (strchr(l->path, '*') && glob(l->path, 0, NULL, &found) == 0) {
                for (size_t i = 0; i < found.gl_pathc; i++)
                        alloc_extend(&l->matches, found.gl_pathv[i]);
                remark(t, l,
                       "The pattern stands for the %zu paths that match now, as in incron. For new ones, watch "
                       "their parent with Recursive= and Include=.",
                       found.gl_pathc);
        } else
                alloc_extend(&l->matches, l->path);
        globfree(&found);
        STRV_FOREACH(s, l->matches) {
                n_files += stat(*s, &st) >= 0 && !S_ISDIR(st.st_mode);
                n++;
        }
        l->are_files = n_files == n;
        if (n_files > 0 && !l->are_files)
                remark(t, l,
                       "The pattern stands for files and directories, which a job cannot watch in one way. "
                       "Write a line for each of what it stands for.");
        return n_files == 0 || l->are_files;
}

/* --- the job --- */

static void put_trigger(FILE *f, const Line *l, const char *events) {
        fputs("\n[Path]\n", f);
        STRV_FOREACH(s, l->matches)
                import_put(f, "PathChanged", *s);
        if (!l->are_files && !l->is_flat)
                fputs(l->has_hidden ? "Recursive=yes\n" : "Recursive=yes\nExclude=.*/\n", f);
        fprintf(f, "Events=%s\nBatch=each\n", events);
}

/* incron empties the environment for a user, but not for the system and for root. */
static void put_service(FILE *f, const Table *t, const char *command) {
        bool is_user = t->user && !t->import->is_user_instance && !streq(t->user, "root");

        if (is_user || import_is_background(command))
                fputs("\n[Service]\n", f);
        if (is_user) {
                import_put(f, "User", t->user);
                import_put_variable(f, "USERNAME", t->user);
                import_put_variable(f, "PATH", USER_PATH);
        }
        if (import_is_background(command))
                fputs("KillMode=process\n", f);
}

static void add_job(Table *t, const Line *l, const char *events) {
        const char *last = strrchr(l->path, '/') ?: l->path, *slash = strrchr(t->file, '/');
        _cleanup_free_ char *command = translate_command(t, l);
        _cleanup_free_ char *name = t->user ? alloc_format("%s-%s", t->user, last + (*last == '/'))
                                            : alloc_string(slash ? slash + 1 : t->file);
        char *text = NULL;
        size_t n;
        FILE *f = alloc_stream_open(&text, &n);

        fprintf(f, "# From %s, line %u.\n", t->file, l->number);
        import_put_notes(f, &t->import->out, l->first_note, t->import->out.n_notes);
        fputs("\n[Job]\n", f);
        import_put_description(f, t->comment ?: l->command);
        put_trigger(f, l, events);
        fputs("\n[Run]\nExec=:/bin/bash -c ", f);
        import_put_word(f, command);
        fprintf(f, "\nOverlap=%s\n", l->is_queued ? "queue" : "parallel");
        put_service(f, t, command);
        alloc_stream_close(f);
        (void)import_add_job(&t->import->out, t->file, l->number, import_name(&t->import->out, "incron-", name, ""),
                             text);
}

/* --- tables --- */

/* A word in which a backslash quotes the next character. */
static char *take_word(const char **p) {
        char *word = alloc_array(NULL, strlen(*p) + 1, 1);
        size_t n = 0;

        for (; **p && !strchr(BLANKS, **p); (*p)++) {
                if (**p == '\\' && (*p)[1] != '\0')
                        (*p)++;
                word[n++] = **p;
        }
        word[n] = '\0';
        *p += strspn(*p, BLANKS);
        return word;
}

/* Of several lines with the same path, incron takes the first. */
static bool is_first_of_path(Table *t, const Line *l) {
        STRV_FOREACH(s, t->paths)
                if (streq(*s, l->path)) {
                        remark(t, l, "incron passes over this line, because a line above it has the same path.");
                        import_add_dead(&t->import->out, t->file, l->number);
                        return false;
                }
        alloc_extend(&t->paths, l->path);
        return true;
}

static void read_line(Table *t, unsigned number, const char *text) {
        Line l = { .number = number, .first_note = t->import->out.n_notes };
        _cleanup_free_ char *mask = NULL, *events = NULL;

        l.path = take_word(&text);
        mask = take_word(&text);
        l.command = alloc_string(text);
        if (*mask == '\0' || *text == '\0')
                remark(t, &l, "This is no line of incrontab(5).");
        else if (is_first_of_path(t, &l)) {
                read_mask(t, &l, mask);
                if (find_matches(t, &l)) {
                        remark_events(t, &l);
                        events = list_events(&l);
                        if (*events)
                                add_job(t, &l, events);
                        else
                                remark(t, &l, "There is no event that a job can run for.");
                }
        }
        free(l.path);
        free(l.command);
        strv_free(l.matches);
}

static int read_table(Incrontab *i, const char *path, const char *user) {
        Table t = { .import = i, .file = path, .user = user };
        _cleanup_free_ char *text = NULL;
        unsigned number = 1;
        int r = import_read(path, &text);

        if (r < 0)
                return r;
        for (char *p = text, *end; p; p = end, number++) {
                end = strchr(p, '\n');
                if (end)
                        *end++ = '\0';
                p += strspn(p, BLANKS);
                if (*p != '#' && *p != '\0')
                        read_line(&t, number, p);
                free(t.comment);
                t.comment = *p == '#' && p[1 + strspn(p + 1, "#" BLANKS)]
                                    ? alloc_string(p + 1 + strspn(p + 1, "#" BLANKS))
                                    : NULL;
        }
        free(t.comment);
        strv_free(t.paths);
        return 0;
}

static int take_entry(const struct dirent *entry) {
        return *entry->d_name != '.';
}

static int read_directory(Incrontab *i, const char *path) {
        struct dirent **entries;
        size_t length = strlen(path);
        int n = scandir(path, &entries, take_entry, alphasort);

        while (length > 1 && path[length - 1] == '/')
                length--;

        for (int k = 0; k < n; k++) {
                _cleanup_free_ char *file = alloc_format("%.*s/%s", (int)length, path, entries[k]->d_name);
                int r = incrontab_read(i, file);

                if (r < 0)
                        import_note(&i->out, file, 0, "Cannot be read: %s.", import_reason(r));
                free(entries[k]);
        }
        if (n >= 0)
                free(entries);
        return n < 0 ? -errno : 0;
}

int incrontab_read(Incrontab *i, const char *path) {
        const struct passwd *self = i->owner ? NULL : getpwuid(geteuid());
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *directory = alloc_format("/%.*s", slash ? (int)(slash - path) : 0, path),
                            *owner = alloc_string(i->owner
                                                          ?: self ? self->pw_name
                                                                  : "root");
        struct stat st;

        if (strchr(path, '\n')) /* it would end a comment */
                return -EINVAL;
        if (stat(path, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return read_directory(i, path);
        if (streq(strrchr(directory, '/'), "/incron.d"))
                return read_table(i, path, NULL);
        return read_table(i, path, streq(strrchr(directory, '/'), "/incron") ? name : owner);
}

void incrontab_done(Incrontab *i) {
        import_done(&i->out);
}
