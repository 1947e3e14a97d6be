/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Output of runs. A line goes to the journal by its native protocol, with the fields of the run; a stream of the run's
 * own to the journal could not carry them. A journal that takes none lets the pipe fill up, and so the run waits, as
 * it would with a stream of its own; only its last lines are not waited for without an end.
 *
 * All streams share one buffer; what is left in it, a line that is not complete, is kept apart. */

#include <endian.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <syslog.h>

#include "exec/runner-setup.h"
#include "runner/runner.h"

#define LINE_MAX_BYTES 49152         /* as the journal's LineMax=; a longer line arrives in pieces of this size */
#define FINISH_MAX     (1024 * 1024) /* bytes read after the run's end from who goes on writing */

/* --- one line --- */

static int send_to_journal(const Runner *r, const Run *run, int level, const char *line, size_t n) {
        uint64_t size = htole64(n);
        char priority[] = "\nPRIORITY=6\n";
        struct iovec parts[] = {
                { (void *)"MESSAGE\n", strlen("MESSAGE\n") }, /* by its length: it may hold anything */
                { &size, sizeof(size) },
                { (void *)line, n },
                { priority, strlen(priority) },
                { (void *)r->fields, r->n_fields },
                { (void *)run->fields, run->n_fields },
        };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };

        priority[strlen("\nPRIORITY=")] = (char)('0' + level);
        for (;;) {
                if (sendmsg(r->journal_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static void write_to_stderr(const Runner *r, int level, const char *line, size_t n) {
        (void)fprintf(stderr, "<%d>%s: ", level, r->setup->identifier);
        (void)fwrite(line, 1, n, stderr);
        (void)fputc('\n', stderr);
}

/* False: the journal is busy, once more later. */
static bool take_line(Runner *r, const Run *run, const char *line, size_t n, bool is_stderr) {
        bool has_level = n >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>';
        int level = has_level ? line[1] - '0' : LOG_INFO, k = -ENOTCONN;
        size_t skip = has_level ? 3 : 0; /* sd-daemon(3) */

        if (r->journal_fd >= 0)
                k = send_to_journal(r, run, level, line + skip, n - skip);
        if (k == -EAGAIN)
                return false;
        if (k < 0)
                write_to_stderr(r, level, line + skip, n - skip);
        if (run->flags & RUNNER_FOLLOW)
                link_send_line(r, run, line, n, is_stderr);
        return true;
}

/* --- one stream --- */

static void stream_unwatch(const Runner *r, RunnerStream *s) {
        if (s->is_watched)
                runner_unwatch(r, s->fd);
        s->is_watched = false;
}

/* To close it would not be enough: a process that has not executed its program yet has it, too, and it would be ready
 * all the while. */
static void stream_close(const Runner *r, RunnerStream *s) {
        stream_unwatch(r, s);
        s->fd = safe_close(s->fd);
}

/* rest may be a part of what is kept. Without memory it is lost. */
static void keep_rest(RunnerStream *s, const char *rest, size_t n) {
        char *p = n > 0 ? malloc(n) : NULL;

        if (p)
                memcpy(p, rest, n);
        free(s->rest);
        s->rest = p;
        s->n_rest = p ? n : 0;
}

static void wait_for_journal(Runner *r, RunnerStream *s) {
        stream_unwatch(r, s);
        s->waits = true;
        r->n_waiting++;
        (void)runner_watch(r, r->journal_fd, EPOLLOUT, SOURCE_JOURNAL, 0);
}

/* Takes the lines among n bytes, and keeps the rest: all of it when the journal is busy. */
static void take_lines(Runner *r, Run *run, unsigned stream, const char *text, size_t n, bool flush) {
        RunnerStream *s = &run->streams[stream];
        size_t start = 0;

        while (start < n) {
                const char *newline = memchr(text + start, '\n', n - start);
                size_t length = newline ? (size_t)(newline - text) - start : n - start;

                if (!newline && !flush && length < LINE_MAX_BYTES)
                        break;
                if (!take_line(r, run, text + start, length, stream > 0)) {
                        wait_for_journal(r, s);
                        break;
                }
                start += length + (newline ? 1 : 0);
        }
        if (s->n_rest > 0 || start < n)
                keep_rest(s, text + start, n - start);
}

/* Positive = bytes read, 0 = end, negative errno. */
static ssize_t read_lines(Runner *r, Run *run, unsigned stream) {
        static char buffer[LINE_MAX_BYTES];
        RunnerStream *s = &run->streams[stream];
        size_t used = s->n_rest;
        ssize_t n;

        assert(used < sizeof(buffer) && !s->waits);
        if (used > 0)
                memcpy(buffer, s->rest, used);
        n = read(s->fd, buffer + used, sizeof(buffer) - used);
        if (n < 0)
                return -errno;
        take_lines(r, run, stream, buffer, used + (size_t)n, /* flush= */ n == 0);
        return n;
}

void lines_on_readable(Runner *r, Run *run, unsigned stream) {
        RunnerStream *s = &run->streams[stream];

        if (s->fd >= 0 && !s->waits && read_lines(r, run, stream) == 0)
                stream_close(r, s);
}

/* --- all of a run --- */

int lines_open(Run *run) {
        unsigned n = run->flags & RUNNER_FOLLOW ? 2 : 1; /* one pipe for both keeps their lines in order */

        for (unsigned i = 0; i < n; i++) {
                int fds[2];

                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                run->streams[i] = (RunnerStream){ .fd = fds[0] };
                run->write_fds[i] = fds[1];
                if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
                        return -errno;
        }
        return 0;
}

int lines_watch(const Runner *r, Run *run) {
        size_t index = RUNNER_STREAMS * (size_t)(run - r->runs);

        for (unsigned i = 0; i < RUNNER_STREAMS; i++) {
                RunnerStream *s = &run->streams[i];
                int k = 0;

                if (s->fd >= 0 && !s->waits && !s->is_watched)
                        k = runner_watch(r, s->fd, EPOLLIN, SOURCE_STREAM, index + i);
                if (k < 0)
                        return k;
                s->is_watched = s->fd >= 0 && !s->waits;
        }
        return 0;
}

/* True when nothing of it is left. */
static bool stream_finish(Runner *r, Run *run, unsigned stream) {
        RunnerStream *s = &run->streams[stream];
        size_t total = 0;
        ssize_t n = 1;

        while (s->fd >= 0 && !s->waits && n > 0 && total < FINISH_MAX) {
                n = read_lines(r, run, stream);
                if (n == -EINTR)
                        n = 1;
                total += n > 0 ? (size_t)n : 0;
        }
        if (!s->waits) {
                stream_close(r, s);
                if (s->n_rest > 0)
                        take_lines(r, run, stream, s->rest, s->n_rest, /* flush= */ true);
        }
        return !s->waits;
}

bool lines_finish(Runner *r, Run *run) {
        bool all = true;

        for (unsigned i = 0; i < RUNNER_STREAMS; i++) {
                run->write_fds[i] = safe_close(run->write_fds[i]);
                all = stream_finish(r, run, i) && all;
        }
        return all;
}

static void stream_resume(Runner *r, Run *run, unsigned stream) {
        RunnerStream *s = &run->streams[stream];

        s->waits = false;
        r->n_waiting--;
        if (s->n_rest > 0)
                take_lines(r, run, stream, s->rest, s->n_rest, /* flush= */ s->fd < 0);
        if (lines_watch(r, run) < 0)
                stream_close(r, s);
}

void lines_on_journal(Runner *r) {
        for (size_t i = 0; i < RUNNER_ENTRIES && r->n_waiting > 0; i++) {
                Run *run = &r->runs[i];
                bool waited = false;

                for (unsigned k = 0; k < RUNNER_STREAMS; k++)
                        if (run->streams[k].waits) {
                                stream_resume(r, run, k);
                                waited = true;
                        }
                if (waited && run->is_over && lines_finish(r, run))
                        run_end(r, run);
        }
        if (r->n_waiting == 0 && r->journal_fd >= 0)
                runner_unwatch(r, r->journal_fd);
}

void lines_drop(Runner *r, Run *run) {
        for (unsigned i = 0; i < RUNNER_STREAMS; i++) {
                RunnerStream *s = &run->streams[i];

                stream_close(r, s);
                keep_rest(s, NULL, 0);
                r->n_waiting -= s->waits;
                s->waits = false;
        }
        if (r->n_waiting == 0 && r->journal_fd >= 0)
                runner_unwatch(r, r->journal_fd);
}
