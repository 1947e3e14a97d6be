#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fifty job files, each bad in a way of its own, with the line and a part of the message that a good diagnostic has.
 * The unit test of the loader and the daemon's test share them. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct BadJob {
        const char *name;    /* the file is NAME.job */
        unsigned line;       /* that the diagnostic names, 0: none */
        const char *message; /* part of it */
        const char *content;
        size_t n_content;                /* 0: up to the NUL */
        const char *dropin;              /* content of NAME.job.d/50-bad.conf, which is the file that is named then */
        void (*build)(const char *path); /* makes the file in another way */
} BadJob;

static inline void bad_job_write(const char *path, const char *content, size_t n) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, content, n) != (ssize_t)n || close(fd) < 0) {
                perror(path);
                abort();
        }
}

static inline void bad_job_repeat(const char *path, const char *head, const char *piece, size_t times,
                                  const char *tail) {
        FILE *f = fopen(path, "we");

        if (!f)
                abort();
        fputs(head, f);
        for (size_t i = 0; i < times; i++)
                fputs(piece, f);
        fputs(tail, f);
        if (fclose(f) != 0)
                abort();
}

static inline void bad_job_build_long_line(const char *path) {
        bad_job_repeat(path, "[Run]\n\nExec=/bin/echo ", "0123456789abcdef", 4096, "\n");
}

static inline void bad_job_build_long_continued_line(const char *path) {
        bad_job_repeat(path, "[Run]\nTimeoutSec=1\nExec=/bin/echo \\\n", "0123456789abcde\\\n", 5000, "x\n");
}

static inline void bad_job_build_triggers(const char *path) {
        bad_job_repeat(path, "[Run]\nExec=/bin/true\n[Timer]\n", "OnInterval=1h\n", 257, "");
}

static inline void bad_job_build_commands(const char *path) {
        bad_job_repeat(path, "[Run]\n", "Exec=/bin/true\n", 65, "");
}

static inline void bad_job_build_words(const char *path) {
        bad_job_repeat(path, "[Run]\nExec=/bin/echo", " a", 4096, "\n");
}

static inline void bad_job_build_writable(const char *path) {
        bad_job_repeat(path, "[Run]\nExec=/bin/true\n", "", 0, "");
        if (chmod(path, 0664) < 0)
                abort();
}

static inline void bad_job_build_fifo(const char *path) {
        if (mkfifo(path, 0644) < 0 && errno != EEXIST)
                abort();
}

static inline void bad_job_build_link(const char *path) {
        if (symlink("nothing-there", path) < 0 && errno != EEXIST)
                abort();
}

#define GOOD_RUN "[Run]\nExec=/bin/true\n"

static const BadJob bad_jobs[] = {
        /* what inih or systemd would pass over */
        { "no-equal-sign", 3, "has no \"=\"", GOOD_RUN "TimeoutSec 5min\n" },
        { "colon", 2, "has no \"=\"", "[Timer]\nOnInterval: 5min\n" GOOD_RUN },
        { "blank-in-key", 2, "is not a key", "[Timer]\nOn Interval=5min\n" GOOD_RUN },
        { "empty-key", 3, "is not a key", GOOD_RUN "=5\n" },
        { "open-section", 1, "not a section header", "[Run\nExec=/bin/true\n" },
        { "text-behind-section", 2, "not a section header", "# a job\n[Run] # runs\nExec=/bin/true\n" },
        { "empty-section", 1, "not a section header", "[]\nExec=/bin/true\n" },
        { "nul-byte", 4, "NUL byte", "[Run]\nExec=/bin/true\n\nShell=a\0b\n", 32 },
        { "latin-1", 2, "not valid UTF-8 (byte 0xf8)", "[Job]\nDescription=Br\xf8t\n" GOOD_RUN },
        { "escape-byte", 2, "control character 0x1b", "[Job]\nDescription=\x1b[31mred\n" GOOD_RUN },
        { "long-line", 3, "longer than 65536 bytes", .build = bad_job_build_long_line },
        { "long-continued-line", 3, "longer than 65536 bytes", .build = bad_job_build_long_continued_line },
        { "crlf", 4, "Unknown key Exce=", "[Job]\r\nDescription=x\r\n[Run]\r\nExce=/bin/true\r\n" },
        { "continuation", 3, "Unknown key Exce=", "[Run]\n\nExce=/bin/echo \\\n  one \\\n# two\n  three\n" GOOD_RUN },
        { "after-continuation", 6, "Unknown key Foo=", "[Run]\nExec=/bin/echo \\\n  one \\\n# two\n  three\nFoo=1\n" },

        /* names */
        { "unknown-key", 4, "Unknown key OnIntervall= in section [Timer]. Did you mean OnInterval=?",
          GOOD_RUN "[Timer]\nOnIntervall=5min\n" },
        { "letter-case", 2, "Did you mean Exec=?", "[Run]\nexec=/bin/true\n" },
        { "wrong-section", 2, "TimeoutSec= is in section [Job], but belongs in section [Run]",
          "[Job]\nTimeoutSec=5min\n" GOOD_RUN },
        { "no-section", 1, "Exec= is before the first section, but belongs in section [Run]", "Exec=/bin/true\n" },
        { "unknown-section", 1, "Unknown section [Timers]. Did you mean [Timer]?",
          "[Timers]\nOnInterval=1h\n" GOOD_RUN },
        { "unrelated-key", 2, "Unknown key Frequency= in section [Timer]. Remove it",
          "[Timer]\nFrequency=daily\n" GOOD_RUN },

        /* spans */
        { "interval-zero", 4, "shorter than 1ms", GOOD_RUN "[Timer]\nOnInterval=0\n" },
        { "interval-short", 4, "shorter than 1ms", GOOD_RUN "[Timer]\nOnInterval=999us\n" },
        { "interval-infinite", 4, "never elapses", GOOD_RUN "[Timer]\nOnInterval=infinity\n" },
        { "interval-garbage", 4, "OnInterval=often is not a time span", GOOD_RUN "[Timer]\nOnInterval=often\n" },
        { "interval-negative", 4, "not a time span", GOOD_RUN "[Timer]\nOnInterval=-5min\n" },
        { "interval-overflow", 4, "too long a time span", GOOD_RUN "[Timer]\nOnInterval=600000y\n" },
        { "boot-garbage", 4, "OnBootSec=5 parsecs is not a time span", GOOD_RUN "[Timer]\nOnBootSec=5 parsecs\n" },
        { "timeout-garbage", 3, "TimeoutSec=x is not a time span", GOOD_RUN "TimeoutSec=x\n" },

        /* the whole */
        { "no-command", 3, "nothing to run", "# every hour\n[Timer]\nOnInterval=1h\nOnBootSec=1min\n" },
        { "nothing", 0, "nothing to run", "[Job]\nDescription=idle\n" },
        { "exec-and-shell", 3, "both Exec= and Shell=", GOOD_RUN "Shell=true\n" },
        { "too-many-triggers", 260, "more than 256 triggers", .build = bad_job_build_triggers },
        { "too-many-commands", 66, "more than 64 commands", .build = bad_job_build_commands },

        /* command lines */
        { "open-quote", 2, "quote ' is not closed", "[Run]\nExec=/bin/echo it's\n" },
        { "unknown-escape", 2, "\\d is not a valid escape sequence", "[Run]\nExec=/bin/grep \\d+ /etc/passwd\n" },
        { "relative-path", 2, "neither an absolute path nor a plain name", "[Run]\nExec=bin/backup\n" },
        { "privileged-prefix", 2, "prefix \"+\" is not supported", "[Run]\nExec=-+/bin/true\n" },
        { "only-prefix", 2, "The name of the program is missing", "[Run]\nExec=-\n" },
        { "too-many-words", 2, "more than 4096 words", .build = bad_job_build_words },
        { "unknown-specifier", 2, "%H is not a specifier", "[Run]\nShell=date +%H\n" },
        { "no-instance", 2, "this job is not an instance", "[Run]\nExec=/bin/echo %i\n" },

        /* words and numbers */
        { "overlap", 3, "Write queue, skip, replace or parallel", GOOD_RUN "Overlap=wait\n" },
        { "queue-too-long", 3, "from 0 to 100000", GOOD_RUN "QueueMax=100001\n" },
        { "enabled", 2, "neither yes nor no", "[Job]\nEnabled=maybe\n" GOOD_RUN },
        { "documentation", 2, "not a URI of documentation", "[Job]\nDocumentation=see the wiki\n" GOOD_RUN },

        /* the file itself, and drop-ins */
        { "writable", 0, "mode 0664", .build = bad_job_build_writable },
        { "fifo", 0, "This is a FIFO", .build = bad_job_build_fifo },
        { "broken-link", 0, "a link to a file that does not exist", .build = bad_job_build_link },
        { "bad-dropin", 2, "QueueMax=many is not a whole number", GOOD_RUN, .dropin = "[Run]\nQueueMax=many\n" },
};

#define N_BAD_JOBS (sizeof(bad_jobs) / sizeof(bad_jobs[0]))
_Static_assert(N_BAD_JOBS == 50, "fifty bad jobs");

/* Puts the bad job into a directory. path becomes the file that its diagnostic names. */
static inline void bad_job_put(const BadJob *b, const char *directory, char path[static PATH_MAX]) {
        (void)snprintf(path, PATH_MAX, "%s/%s.job", directory, b->name);
        if (b->build)
                b->build(path);
        else
                bad_job_write(path, b->content, b->n_content > 0 ? b->n_content : strlen(b->content));
        if (!b->dropin)
                return;
        (void)snprintf(path, PATH_MAX, "%s/%s.job.d", directory, b->name);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                abort();
        (void)snprintf(path, PATH_MAX, "%s/%s.job.d/50-bad.conf", directory, b->name);
        bad_job_write(path, b->dropin, strlen(b->dropin));
}
