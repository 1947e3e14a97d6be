/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of conditions, one row each, and their arguments. An argument is written down in one form only ("nginx" is
 * nginx.service, "//var/" is /var), so that equal questions are found to be equal. */

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "condition/condition-internal.h"
#include "time/span.h"
#include "util/ascii.h"
#include "util/edit-distance.h"
#include "util/path-value.h"
#include "util/string-table.h"
#include "util/utf8.h"
#include "util/words.h"

#define SHOWN_MAX       64  /* bytes of an argument that a problem repeats */
#define NAME_MAX_BYTES  255 /* in the name of a unit, a process, a zone */
#define FIELD_NAME_MAX  64  /* in the name of a field of the journal */
#define UNIT_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@"
#define UNIT_GLOB_CHARS "*?[]^!"

#define FIELD_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/* Takes a word, or says what is to be written. Returns 0. */
static int take_argument(Scanner *s, const Question *q, char **ret, const char **ret_at) {
        const KindRow *row = kind_row(q->kind);
        int r = scanner_take_word(s, ret, ret_at);

        if (r != 0)
                return MIN(r, 0);
        return scanner_complain(s, *ret_at, "An argument of \"%s\" is missing. Write, for example, \"%s\".", row->name,
                                row->example);
}

static int complain_argument(Scanner *s, const char *at, const char *word, const char *message) {
        return scanner_complain(s, at, "\"%.*s\" %s", (int)utf8_cut(word, SHOWN_MAX), word, message);
}

static int take_word_of(Scanner *s, const Question *q, const char *word) {
        const KindRow *row = kind_row(q->kind);

        if (scanner_take_keyword(s, word))
                return 0;
        return scanner_complain(s, s->at, "\"%s\" is missing. Write, for example, \"%s\".", word, row->example);
}

/* Takes one of some words, as the aspect or as the subject. */
static int take_choice(Scanner *s, const Question *q, char **field, const char *const *choices, size_t n,
                       const char *message) {
        _cleanup_free_ char *word = NULL;
        const char *at;
        int r = take_argument(s, q, &word, &at);

        if (r < 0)
                return r;
        if (string_table_find(choices, n, word) < 0)
                return complain_argument(s, at, word, message);
        *field = TAKE_PTR(word);
        return 0;
}

static int take_path(Scanner *s, Question *q) {
        const char *at, *problem;
        int r = take_argument(s, q, &q->subject, &at);

        if (r < 0)
                return r;
        problem = path_value_tidy(q->subject);
        return problem ? complain_argument(s, at, q->subject, problem) : 0;
}

/* --- units and jobs --- */

static bool has_unit_type(const char *name) {
        static const char *const types[] = {
                ".service", ".socket", ".target", ".device", ".mount", ".automount",
                ".swap",    ".timer",  ".path",   ".slice",  ".scope",
        };
        const char *dot = strrchr(name, '.');

        return dot && dot > name && string_table_find(types, ELEMENTSOF(types), dot) >= 0;
}

/* What is wrong with the name of a unit that has its type, or NULL. */
static const char *check_unit(const char *name, bool is_glob) {
        const char *at = strchr(name, '@');

        if (name[strspn(name, is_glob ? UNIT_NAME_CHARS UNIT_GLOB_CHARS : UNIT_NAME_CHARS)] != '\0' || *name == '\0')
                return "is not the name of a unit. Write it as systemctl prints it.";
        if (strlen(name) > NAME_MAX_BYTES)
                return "is longer than the name of a unit may be. Shorten it.";
        if (!is_glob && at && (at[1] == '.' || at == name))
                return "is a template, of which there is no unit. Write an instance, or \"*\" behind the \"@\".";
        return NULL;
}

/* As systemctl: what has no type is a service, but a pattern is left as it is. */
static int take_unit_name(Scanner *s, Question *q) {
        const char *at, *problem;
        bool is_glob;
        int r = take_argument(s, q, &q->subject, &at);

        if (r < 0)
                return r;
        is_glob = strpbrk(q->subject, "*?[");
        if (*q->subject != '\0' && !is_glob && !has_unit_type(q->subject)) {
                _cleanup_free_ char *name = TAKE_PTR(q->subject);

                if (asprintf(&q->subject, "%s.service", name) < 0) {
                        q->subject = NULL;
                        return -ENOMEM;
                }
        }
        problem = check_unit(q->subject, is_glob);
        return problem ? complain_argument(s, at, q->subject, problem) : 0;
}

static int take_unit(Scanner *s, Question *q) {
        static const char *const states[] = { "failed", "active", "inactive", "activating" };
        int r = take_unit_name(s, q);

        if (r >= 0)
                r = take_word_of(s, q, "is");
        if (r >= 0)
                r = take_choice(s, q, &q->aspect, states, ELEMENTSOF(states),
                                "is not a state of a unit. Write failed, active, inactive or activating.");
        return r;
}

/* Whether there can be such a name is known to those who know jobs. */
static int take_job(Scanner *s, Question *q) {
        static const char *const states[] = { "failed", "running", "overdue" };
        const char *at;
        int r = take_argument(s, q, &q->subject, &at);

        if (r >= 0)
                r = take_word_of(s, q, "is");
        if (r >= 0)
                r = take_choice(s, q, &q->aspect, states, ELEMENTSOF(states),
                                "is not a state of a job. Write failed, running or overdue.");
        return r;
}

/* --- names of the kernel --- */

static int take_name(Scanner *s, Question *q) {
        const char *at;
        int r = take_argument(s, q, &q->subject, &at);

        if (r < 0)
                return r;
        if (*q->subject == '\0' || strlen(q->subject) > NAME_MAX_BYTES || strchr(q->subject, '/'))
                return complain_argument(s, at, q->subject, "is not a name. Write one without \"/\".");
        return 0;
}

static int take_process(Scanner *s, Question *q) {
        int r = take_name(s, q);

        return r < 0 ? r : take_word_of(s, q, "count");
}

static int take_pressure(Scanner *s, Question *q) {
        static const char *const resources[] = { "cpu", "memory", "io" };
        static const char *const shares[] = { "some", "full" };
        int r = take_choice(s, q, &q->subject, resources, ELEMENTSOF(resources),
                            "has no pressure. Write cpu, memory or io.");

        if (r >= 0)
                r = take_choice(s, q, &q->aspect, shares, ELEMENTSOF(shares),
                                "is neither some (of the processes wait) nor full (all do). Write some or full.");
        return r;
}

/* --- sockets --- */

static bool parse_port(const char *s, unsigned *ret) {
        unsigned long port = strtoul(s, NULL, 10);

        if (*s == '\0' || strlen(s) > 5 || s[strspn(s, "0123456789")] != '\0' || port == 0 || port > UINT16_MAX)
                return false;
        *ret = (unsigned)port;
        return true;
}

/* "8080", "127.0.0.1:8080", "[::1]:8080" in the form in which the system prints them. *ret is NULL for what is none;
 * -ENOMEM. */
static int normalize_endpoint(char *word, char **ret) {
        char *colon = strrchr(word, ':'), text[INET6_ADDRSTRLEN];
        struct in6_addr address;
        bool is_v6 = *word == '[';
        int family = is_v6 ? AF_INET6 : AF_INET, n;
        unsigned port;

        *ret = NULL;
        if (!parse_port(colon ? colon + 1 : word, &port))
                return 0;
        if (!colon)
                n = asprintf(ret, "%u", port);
        else {
                if (is_v6 && colon[-1] != ']')
                        return 0;
                colon[-is_v6] = '\0';
                if (inet_pton(family, word + is_v6, &address) != 1)
                        return 0;
                (void)inet_ntop(family, &address, text, sizeof(text));
                n = asprintf(ret, is_v6 ? "[%s]:%u" : "%s:%u", text, port);
        }
        if (n < 0)
                *ret = NULL;
        return n < 0 ? -ENOMEM : 0;
}

static int take_endpoint(Scanner *s, Question *q) {
        _cleanup_free_ char *word = NULL, *copy = NULL;
        const char *at;
        int r = take_argument(s, q, &word, &at);

        if (r < 0)
                return r;
        copy = strdup(word);
        r = copy ? normalize_endpoint(copy, &q->subject) : -ENOMEM;
        if (r < 0 || q->subject)
                return r;
        return complain_argument(s, at, word,
                                 "is not a port. Write one from 1 to 65535, or with an address: 127.0.0.1:8080, "
                                 "[::1]:8080.");
}

static int take_listening(Scanner *s, Question *q) {
        static const char *const families[] = { "tcp", "udp", "unix" };
        const char *at, *problem;
        int r = take_choice(s, q, &q->aspect, families, ELEMENTSOF(families),
                            "is not a kind of socket. Write tcp, udp or unix.");

        if (r < 0)
                return r;
        if (!streq(q->aspect, "unix"))
                return take_endpoint(s, q);
        r = take_argument(s, q, &q->subject, &at);
        if (r < 0 || (q->subject[0] == '@' && q->subject[1] != '\0'))
                return r;
        problem = path_value_tidy(q->subject);
        return problem ? complain_argument(s, at, q->subject, problem) : 0;
}

/* --- what has words of its own --- */

/* "FIELD=VALUE", and "+" between alternatives, as journalctl(1) takes them. */
static bool is_match(const char *word) {
        size_t n = strspn(word, FIELD_NAME_CHARS);

        if (streq(word, "+"))
                return true;
        return n > 0 && n <= FIELD_NAME_MAX && !is_digit(word[0]) && word[n] == '=';
}

/* Checks each word of an argument that is a list. */
static int check_words(Scanner *s, const char *at, const char *list, const char *(*check)(char *word, size_t i)) {
        _cleanup_free_ char *word = malloc(strlen(list) + 1), *message = NULL;
        const char *p = list, *problem = NULL;
        size_t n = 0;
        int r;

        if (!word)
                return -ENOMEM;
        while ((r = word_next(&p, word, &message)) > 0 && !problem)
                problem = check(word, n++);
        if (r == -EINVAL)
                return scanner_complain(s, at, "%s", message);
        if (r < 0)
                return r;
        if (n == 0)
                return scanner_complain(s, at, "There is nothing between the quotes.");
        return problem ? complain_argument(s, at, list, problem) : 0;
}

static const char *check_match(char *word, _unused_ size_t i) {
        return is_match(word) ? NULL : "does not match entries. Write FIELD=VALUE, with blanks between several.";
}

static const char *check_program(char *word, size_t i) {
        return i == 0 && path_value_tidy(word) ? "is not an absolute path of a program, with its arguments." : NULL;
}

static int take_journal_matches(Scanner *s, Question *q) {
        _cleanup_free_ char *amount = NULL;
        char text[SPAN_TEXT_MAX];
        const char *at;
        usec_t span;
        int r = take_argument(s, q, &q->subject, &at);

        if (r >= 0)
                r = check_words(s, at, q->subject, check_match);
        if (r < 0)
                return r;
        r = scanner_take_amount(s, /* several= */ true, &amount, &at);
        if (r < 0)
                return r;
        if (r == 0)
                return scanner_complain(s, at, "The time span is missing. Write, for example, \"%s\".",
                                        kind_row(q->kind)->example);
        r = span_parse(amount, &span);
        if (r < 0 || span == 0 || span > INT64_MAX)
                return complain_argument(s, at, amount, "is not a time span. Write one such as 5min.");
        q->aspect = strdup(span_format(text, span, 1));
        return q->aspect ? 0 : -ENOMEM;
}

static int take_exec(Scanner *s, Question *q) {
        const char *at;
        int r = take_argument(s, q, &q->subject, &at);

        return r < 0 ? r : check_words(s, at, q->subject, check_program);
}

/* --- the kinds --- */

static const KindRow rows[] = {
        /* clang-format off */
        [CONDITION_AC_POWER] = { "ac-power", CONDITION_TRUTH, false, NULL, NULL,
                "ac-power", "whether the machine runs on mains power" },
        [CONDITION_CERT_DAYS] = { "cert-days", CONDITION_DAYS, false, take_path, "%s",
                "cert-days /etc/ssl/server.pem < 14", "the days until the first certificate in a PEM file expires" },
        [CONDITION_CLOCK_SYNCHRONIZED] = { "clock-synchronized", CONDITION_TRUTH, false, NULL, NULL,
                "clock-synchronized", "whether the clock is synchronized" },
        [CONDITION_DISK_FREE] = { "disk-free", CONDITION_BYTES, true, take_path, "%s",
                "disk-free /var < 10%", "the free space of the file system of a path" },
        [CONDITION_DISK_FULL_IN] = { "disk-full-in", CONDITION_USEC, false, take_path, "%s",
                "disk-full-in /var < 4h", "the time until the file system of a path is full if it goes on as it does" },
        [CONDITION_ENTRIES] = { "entries", CONDITION_COUNT, false, take_path, "%s",
                "entries /var/spool/intake > 1000", "the number of files in a directory", CONDITION_ENTRIES_MAX },
        [CONDITION_EXEC] = { "exec", CONDITION_TRUTH, false, take_exec, "%s",
                "exec \"/usr/bin/test -e /run/ready\"", "whether a program ends with exit status 0" },
        [CONDITION_FAILED_UNITS] = { "failed-units", CONDITION_COUNT, false, NULL, NULL,
                "failed-units > 0", "the number of units that have failed" },
        [CONDITION_FD_FREE] = { "fd-free", CONDITION_COUNT, true, NULL, NULL,
                "fd-free < 10%", "the number of files that can still be opened" },
        [CONDITION_FILE_AGE] = { "file-age", CONDITION_USEC, false, take_path, "%s",
                "file-age /srv/backup/latest > 26h", "the time since a file was modified" },
        [CONDITION_FILE_EXISTS] = { "file-exists", CONDITION_TRUTH, false, take_path, "%s",
                "file-exists /run/reboot-required", "whether there is something at a path" },
        [CONDITION_FILE_SIZE] = { "file-size", CONDITION_BYTES, false, take_path, "%s",
                "file-size /var/log/app.log > 100M", "the size of a file" },
        [CONDITION_INODE_FREE] = { "inode-free", CONDITION_COUNT, true, take_path, "%s",
                "inode-free /srv < 5%", "the number of files that the file system of a path has room for" },
        [CONDITION_JOB] = { "job", CONDITION_TRUTH, false, take_job, "%s is %a",
                "job backup is failed", "whether a job is in a state: failed, running or overdue" },
        [CONDITION_JOURNAL_MATCHES] = { "journal-matches", CONDITION_COUNT, false, take_journal_matches, "%s %a",
                "journal-matches \"_SYSTEMD_UNIT=ssh.service PRIORITY=3\" 10min > 5",
                "the number of entries of the journal within a time that match", CONDITION_LINES_MAX },
        [CONDITION_LISTENING] = { "listening", CONDITION_TRUTH, false, take_listening, "%a %s",
                "listening tcp 8080", "whether a socket listens on a port or at a path" },
        [CONDITION_LOAD1] = { "load1", CONDITION_MILLI, false, NULL, NULL,
                "load1 > 8", "the load average of the last minute" },
        [CONDITION_LOAD5] = { "load5", CONDITION_MILLI, false, NULL, NULL,
                "load5 > 4", "the load average of the last five minutes" },
        [CONDITION_LOAD15] = { "load15", CONDITION_MILLI, false, NULL, NULL,
                "load15 > 4", "the load average of the last 15 minutes" },
        [CONDITION_MEMORY_AVAILABLE] = { "memory-available", CONDITION_BYTES, true, NULL, NULL,
                "memory-available < 500M", "the memory that programs can have without swapping" },
        [CONDITION_MOUNTED] = { "mounted", CONDITION_TRUTH, false, take_path, "%s",
                "mounted /backup", "whether something is mounted at a path" },
        [CONDITION_ONLINE] = { "online", CONDITION_TRUTH, false, NULL, NULL,
                "online", "whether the machine has a network connection" },
        [CONDITION_PIDS_FREE] = { "pids-free", CONDITION_COUNT, true, NULL, NULL,
                "pids-free < 10%", "the number of processes that can still be started" },
        [CONDITION_PRESSURE] = { "pressure", CONDITION_PERCENT, false, take_pressure, "%s %a",
                "pressure memory some > 20%", "the part of the last ten seconds in which processes waited for a resource" },
        [CONDITION_PROCESS] = { "process", CONDITION_COUNT, false, take_process, "%s count",
                "process postgres count < 1", "the number of processes with a name" },
        [CONDITION_SWAP_FREE] = { "swap-free", CONDITION_BYTES, true, NULL, NULL,
                "swap-free < 10%", "the free swap space" },
        [CONDITION_TEMPERATURE] = { "temperature", CONDITION_MILLI, false, take_name, "%s",
                "temperature x86_pkg_temp > 85", "the temperature of a thermal zone in degrees Celsius" },
        [CONDITION_UNIT] = { "unit", CONDITION_TRUTH, false, take_unit, "%s is %a",
                "unit *.service is failed", "whether a unit, or one that matches a pattern, is in a state" },
        /* clang-format on */
};
static_assert(ELEMENTSOF(rows) == _CONDITION_KIND_MAX, "each kind has a row");

const KindRow *kind_row(ConditionKind k) {
        assert(k < _CONDITION_KIND_MAX);
        return &rows[k];
}

int kind_from_name(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strlen(rows[i].name) == n && memcmp(rows[i].name, name, n) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *kind_nearest(const char *name) {
        Nearest nearest = nearest_begin(name);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                (void)nearest_take(&nearest, rows[i].name, edit_distance(name, rows[i].name, nearest.distance));
        return nearest.name;
}

const char *condition_kind_to_string(ConditionKind k) {
        return kind_row(k)->name;
}

ConditionUnit condition_kind_unit(ConditionKind k) {
        return kind_row(k)->unit;
}

const char *condition_kind_help(ConditionKind k) {
        return kind_row(k)->help;
}

const char *condition_kind_example(ConditionKind k) {
        return kind_row(k)->example;
}
