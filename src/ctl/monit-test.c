/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What monit says of what is used, vaktd says of what is free, so a percentage and its operator are mirrored. What
 * vaktd cannot tell is refused with what could be written instead; nothing is guessed. */

#include "ctl/monit-test.h"

#include <stdio.h>

#include "condition/condition.h"
#include "ctl/alloc.h"
#include "util/size.h"

#define NOISE        "is as are on only with and has using use the to than was but of at in usage used does do"
#define PGREP        "/usr/bin/pgrep"
#define PERCENT_FULL (100 * PERCENT_ONE)
#define NETWORK_HINT                                                                                                  \
        "exec has no network. Write a job with [Timer] that runs a program such as curl, and OnFailure= or job NAME " \
        "is failed."

/* The words of a test that mean something. */
typedef struct Words {
        const MonitWord *items[64];
        size_t n, next;
} Words;

static bool take(Words *w, const char *words) {
        if (w->next >= w->n || !monit_word_is(w->items[w->next], words))
                return false;
        w->next++;
        return true;
}

/* Passes over what is before one of these words, and takes it. */
static bool find(Words *w, const char *words) {
        for (size_t i = 0; i < w->n; i++)
                if (monit_word_is(w->items[i], words)) {
                        w->next = i + 1;
                        return true;
                }
        return false;
}

static const char *take_any(Words *w) {
        return w->next < w->n ? w->items[w->next++]->text : NULL;
}

static void refuse(MonitTest *t, const char *reason) {
        if (!t->reason)
                t->reason = alloc_string(reason);
}

/* "disk-free /var" as a condition has it. */
static char *question(ConditionKind kind, const char *subject, const char *aspect) {
        Question q = { .kind = kind, .subject = (char *)subject, .aspect = (char *)aspect };
        char *text = NULL;

        if (question_format(&q, &text) < 0)
                alloc_failed();
        return text;
}

/* --- operators and values --- */

static const struct {
        const char *words, *text, *mirrored;
} operators[] = {
        { "< less lt", "<", ">" }, { "> greater gt more", ">", "<" }, { "<=", "<=", ">=" },
        { ">=", ">=", "<=" },      { "= == equal eq", "=", "=" },     { "!= notequal ne", "!=", "!=" },
};

static int take_operator(Words *w) {
        for (size_t i = 0; i < ELEMENTSOF(operators); i++)
                if (take(w, operators[i].words))
                        return (int)i;
        return -1;
}

typedef enum UnitType {
        UNIT_NONE,
        UNIT_PERCENT,
        UNIT_SIZE,
        UNIT_TIME,
} UnitType;

static const struct {
        const char *words;
        UnitType type;
        const char *suffix;
} units[] = {
        { "%", UNIT_PERCENT, "%" },
        { "b byte bytes", UNIT_SIZE, "B" },
        { "k kb kilobyte kilobytes", UNIT_SIZE, "K" },
        { "m mb megabyte megabytes", UNIT_SIZE, "M" },
        { "g gb gigabyte gigabytes", UNIT_SIZE, "G" },
        { "t tb terabyte terabytes", UNIT_SIZE, "T" },
        { "second seconds sec", UNIT_TIME, "s" },
        { "minute minutes min", UNIT_TIME, "min" },
        { "hour hours", UNIT_TIME, "h" },
        { "day days", UNIT_TIME, "d" },
        { "month months", UNIT_TIME, "month" },
        { "year years", UNIT_TIME, "y" },
};

typedef struct Value {
        char number[32];
        UnitType type;
        const char *suffix;
} Value;

/* Takes "80%", "80 %", "500 MB", "15 minutes". */
static bool take_value(Words *w, Value *ret) {
        const char *text = take_any(w);
        size_t n = text ? strspn(text, "0123456789.") : 0;

        *ret = (Value){ .suffix = "" };
        if (n == 0 || n >= sizeof(ret->number))
                return false;
        memcpy(ret->number, text, n);
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                const MonitWord behind = { .text = (char *)text + n };

                if (text[n] != '\0' ? !monit_word_is(&behind, units[i].words) : !take(w, units[i].words))
                        continue;
                ret->type = units[i].type;
                ret->suffix = units[i].suffix;
                return true;
        }
        return text[n] == '\0';
}

/* Takes an operator and a value of a type, behind a question that it takes over. */
static void compare(MonitTest *t, Words *w, char *asked, UnitType type) {
        _cleanup_free_ char *subject = asked;
        int op = take_operator(w);
        Value v;

        if (op < 0 || !take_value(w, &v) || (v.type != type && !(v.type == UNIT_NONE && type == UNIT_SIZE)))
                refuse(t, "The operator or the value is not understood.");
        else
                t->condition = alloc_format("%s %s %s%s", subject, operators[op].text, v.number, v.suffix);
}

/* The same of what is used, where vaktd asks for what is free. */
static void compare_free(MonitTest *t, Words *w, char *asked, const char *reason_of_size) {
        _cleanup_free_ char *subject = asked, *percent = NULL;
        int op = take_operator(w);
        uint32_t used;
        Value v;

        if (op < 0 || !take_value(w, &v)) {
                refuse(t, "The operator or the value is not understood.");
                return;
        }
        if (v.type != UNIT_PERCENT) {
                refuse(t, reason_of_size);
                return;
        }
        percent = alloc_format("%s%%", v.number);
        if (percent_parse(percent, &used) < 0 || used > PERCENT_FULL)
                refuse(t, "The percentage is not between 0 and 100, with at most two decimals.");
        else
                t->condition = alloc_format("%s %s %u.%02u%%", subject, operators[op].mirrored,
                                            (PERCENT_FULL - used) / PERCENT_ONE, (PERCENT_FULL - used) % PERCENT_ONE);
}

/* --- tests --- */

static void test_load(MonitTest *t, Words *w) {
        ConditionKind kind;

        (void)take(w, "(");
        kind = take(w, "15min") ? CONDITION_LOAD15 : take(w, "5min") ? CONDITION_LOAD5 : CONDITION_LOAD1;
        (void)take(w, "1min");
        (void)take(w, ")");
        if (take(w, "per")) {
                refuse(t, "There is no load per core. Multiply by the number of processors and write, for example, "
                          "load1 > 8.");
                return;
        }
        compare(t, w, question(kind, NULL, NULL), UNIT_NONE);
}

static void test_system(MonitTest *t, Words *w) {
        (void)take(w, "total");
        if (take(w, "loadavg"))
                test_load(t, w);
        else if (take(w, "memory mem totalmemory totalmem"))
                compare_free(t, w, question(CONDITION_MEMORY_AVAILABLE, NULL, NULL),
                             "vaktd asks how much memory is available. Write, for example, memory-available < 500M.");
        else if (take(w, "swap"))
                compare_free(t, w, question(CONDITION_SWAP_FREE, NULL, NULL),
                             "vaktd asks how much swap space is free. Write, for example, swap-free < 500M.");
        else if (take(w, "cpu totalcpu"))
                refuse(t, "How busy processors are is not a condition. pressure cpu some > 20% tells that work waits "
                          "for them.");
}

static void test_filesystem(MonitTest *t, Words *w, const char *path) {
        bool is_space = take(w, "space"), is_inode = !is_space && take(w, "inode inodes");
        ConditionKind kind = is_space ? CONDITION_DISK_FREE : CONDITION_INODE_FREE;

        if (!is_space && !is_inode)
                return;
        if (startswith(path, "/dev/")) {
                refuse(t, "vaktd asks for the file system that a path is on. Write where the device is mounted.");
                return;
        }
        if (take(w, "free")) {
                size_t start = w->next;
                Value v;

                (void)take_operator(w);
                (void)take_value(w, &v);
                w->next = start;
                compare(t, w, question(kind, path, NULL), v.type);
                return;
        }
        compare_free(t, w, question(kind, path, NULL),
                     is_space ? "vaktd asks how much space is free. Write, for example, disk-free PATH < 5G."
                              : "vaktd asks for how many files there is room. Write, for example, inode-free PATH < "
                                "10000.");
}

static void test_file(MonitTest *t, Words *w, const MonitSubject *s) {
        if (take(w, "changed")) {
                if (take(w, "size timestamp checksum content mtime modification"))
                        t->is_change = true;
                else
                        refuse(t, "This change is not reported. [Path] reports changes of content and time.");
        } else if (take(w, "size"))
                compare(t, w, question(CONDITION_FILE_SIZE, s->target, NULL), UNIT_SIZE);
        else if (take(w, "timestamp mtime") || (take(w, "modification") && (take(w, "time timestamp") || true)))
                compare(t, w, question(CONDITION_FILE_AGE, s->target, NULL), UNIT_TIME);
        else if (take(w, "atime ctime access change"))
                refuse(t, "vaktd asks for the time of modification only: file-age.");
        else if (take(w, "content match"))
                refuse(t, "Let a job with [Path] PathModified= look at the content, or write journal-matches if the "
                          "lines are in the journal.");
        else if (take(w, "failed"))
                refuse(t, "Owner, permissions and checksum are no condition. Write exec with a program that checks "
                          "them.");
}

static void test_program(MonitTest *t, Words *w, const char *command) {
        _cleanup_free_ char *asked = NULL;
        const char *value;
        int op;

        if (!take(w, "status"))
                return;
        op = take_operator(w);
        value = take_any(w);
        if (!value || !streq(value, "0") || op < 0 || !strchr("=!>", operators[op].text[0]) ||
            streq(operators[op].text, ">=")) {
                refuse(t, "exec is true with exit status 0 and false with any other one. Write a program that tells "
                          "them apart.");
                return;
        }
        asked = question(CONDITION_EXEC, command, NULL);
        t->condition = alloc_format("%s%s", streq(operators[op].text, "=") ? "" : "not ", asked);
}

static bool is_local(const char *address) {
        return streq(address, "localhost") || streq(address, "::1") || startswith(address, "127.");
}

static void test_socket(MonitTest *t, Words *w, const MonitSubject *s) {
        _cleanup_free_ char *asked = NULL;
        const char *host = find(w, "host") ? take_any(w) : NULL, *port = NULL;
        bool is_udp = find(w, "udp"), is_unix = find(w, "unixsocket unix");

        if (!is_unix && !find(w, "port")) {
                refuse(t, "A host is not pinged. " NETWORK_HINT);
                return;
        }
        port = take_any(w);
        if (!host)
                host = s->kind == MONIT_HOST ? s->target : "localhost";
        if (!is_unix && !is_local(host)) {
                refuse(t, "No connections are made to other machines. " NETWORK_HINT);
                return;
        }
        asked = question(CONDITION_LISTENING, strempty(port), is_unix ? "unix" : is_udp ? "udp" : "tcp");
        t->condition = alloc_format("not %s", asked);
        if (find(w, "protocol proto send expect request"))
                t->loss = "It is tested that something listens, but not what it replies. " NETWORK_HINT;
}

/* A word in a command line. */
static char *quote_argument(const char *s) {
        _cleanup_free_ char *asked = question(CONDITION_FILE_EXISTS, s, NULL);

        return alloc_string(asked + strlen("file-exists "));
}

/* Whether the PID file is called as the check is, so that both say the name of the program. */
static bool has_name(const MonitSubject *s) {
        const char *slash = strrchr(s->target, '/'), *file = slash ? slash + 1 : s->target;
        size_t n = strlen(strempty(s->name));

        return n > 0 && strncmp(file, s->name, n) == 0 && streq(file + n, ".pid");
}

/* A PID file is not read: the program of an exec condition, executed as nobody, may be unable to, and would say that
 * there is no process. */
static void test_process(MonitTest *t, const MonitSubject *s, bool negated) {
        _cleanup_free_ char *asked = NULL, *pattern = NULL, *command = NULL;

        if (s->is_pattern) {
                pattern = quote_argument(s->target);
                command = alloc_format(PGREP " --full -- %s", pattern);
                asked = question(CONDITION_EXEC, command, NULL);
                t->condition = alloc_format("%s%s", negated ? "not " : "", asked);
        } else if (has_name(s)) {
                asked = question(CONDITION_PROCESS, s->name, NULL);
                t->condition = alloc_format("%s %s 1", asked, negated ? "<" : ">=");
                t->loss = "PID files are not read. The process is found by its name, that of the file: compare it to "
                          "the output of ps -C NAME.";
        } else
                refuse(t, "PID files are not read. Write unit NAME is failed for a service, or process NAME count < 1 "
                          "with the name of the program.");
}

static char *ask_existence(const MonitSubject *s) {
        switch (s->kind) {
        case MONIT_FILESYSTEM:
                return startswith(s->target, "/dev/") ? NULL : question(CONDITION_MOUNTED, s->target, NULL);
        case MONIT_FILE:
        case MONIT_FIFO:
        case MONIT_DIRECTORY:
                return question(CONDITION_FILE_EXISTS, s->target, NULL);
        case MONIT_PROCESS:
        case MONIT_HOST:
        case MONIT_SYSTEM:
        case MONIT_PROGRAM:
        case MONIT_NETWORK:
        case _MONIT_KIND_MAX:
                break;
        }
        return NULL;
}

static bool test_existence(MonitTest *t, Words *w, const MonitSubject *s) {
        _cleanup_free_ char *asked = NULL;
        bool negated = take(w, "not");

        if (!take(w, "exist exists"))
                return false;
        if (s->kind == MONIT_PROCESS) {
                test_process(t, s, negated);
                return true;
        }
        asked = ask_existence(s);
        if (asked)
                t->condition = alloc_format("%s%s", negated ? "not " : "", asked);
        return true;
}

static void test_other(MonitTest *t, Words *w, const MonitSubject *s) {
        switch (s->kind) {
        case MONIT_SYSTEM:
                test_system(t, w);
                break;
        case MONIT_FILESYSTEM:
                test_filesystem(t, w, s->target);
                break;
        case MONIT_FILE:
        case MONIT_FIFO:
        case MONIT_DIRECTORY:
                test_file(t, w, s);
                break;
        case MONIT_PROGRAM:
                test_program(t, w, s->target);
                break;
        case MONIT_PROCESS:
        case MONIT_HOST:
                if (take(w, "failed"))
                        test_socket(t, w, s);
                else if (find(w, "memory mem totalmemory totalmem cpu totalcpu"))
                        refuse(t, "What a process uses is not a condition. Limit it in its unit, with MemoryMax= or "
                                  "CPUQuota=.");
                break;
        case MONIT_NETWORK:
                refuse(t, "Network interfaces are no condition. online tells whether the machine has a connection.");
                break;
        case _MONIT_KIND_MAX:
                break;
        }
}

void monit_test_translate(MonitTest *ret, const MonitSubject *subject, const MonitWord *words, size_t n) {
        _cleanup_(condition_freep) Condition *c = NULL;
        ConditionError e;
        Words w = { .n = 0 };

        *ret = (MonitTest){ 0 };
        for (size_t i = 0; i < n && w.n < ELEMENTSOF(w.items); i++)
                if (!monit_word_is(&words[i], NOISE))
                        w.items[w.n++] = &words[i];
        if (find(&w, "restart restarts"))
                refuse(ret, "How often a job runs is limited by MinIntervalSec= and EverySec=.");
        w.next = 0;
        if (!ret->reason && !test_existence(ret, &w, subject)) {
                w.next = 0;
                test_other(ret, &w, subject);
        }
        if (ret->condition && condition_parse(ret->condition, &c, &e) < 0) {
                ret->reason = alloc_format("\"%s\" is not a valid condition: column %zu: %s", ret->condition, e.column,
                                           e.message);
                ret->condition = mfree(ret->condition);
        } else if (c) {
                free(ret->condition);
                ret->is_exec = condition_test(c, 0)->question.kind == CONDITION_EXEC;
                if (condition_format(c, &ret->condition) < 0)
                        alloc_failed();
        }
        if (!ret->condition && !ret->is_change)
                refuse(ret, "There is no condition for this test. exec can run a program for it.");
}

void monit_test_done(MonitTest *t) {
        free(t->condition);
        free(t->reason);
        *t = (MonitTest){ 0 };
}
