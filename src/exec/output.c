/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pipe that the daemon holds breaks when the daemon dies; so it is for the daemon's own children only, which end
 * with it. A run that writes faster than lines are taken is held back by the pipe. At its end what is in the pipe is
 * read and it is closed, without waiting for other processes that still hold the other side. Most runs write nothing,
 * or whole lines: a buffer is kept for a line that is not whole only. */

#include "exec/output.h"

#include <fcntl.h>

#define OUTPUT_FINISH_MAX (1024 * 1024) /* bytes read after the run's end from who goes on writing */

struct Output {
        sd_event_source *source;
        int fd;
        bool is_stderr;
        output_line_t line;
        void *userdata;
        char *buf; /* OUTPUT_LINE_MAX bytes; NULL: there is no line that is not whole yet */
        size_t used;
};

/* n bytes are left, in buf or elsewhere. Without memory they are handed out as they are. */
static void output_keep(Output *o, const char *rest, size_t n) {
        if (n > 0 && !o->buf) {
                o->buf = malloc(OUTPUT_LINE_MAX);
                if (!o->buf) {
                        o->line(o->userdata, rest, n, o->is_stderr);
                        n = 0;
                }
        }
        if (n > 0)
                memmove(o->buf, rest, n);
        else
                o->buf = mfree(o->buf);
        o->used = n;
}

/* Hands out the whole lines in buf; all of it when it is full. */
static void output_take_lines(Output *o, const char *buf) {
        size_t start = 0;

        assert(o->used <= OUTPUT_LINE_MAX);
        for (;;) {
                const char *newline = memchr(buf + start, '\n', o->used - start);

                if (!newline)
                        break;
                o->line(o->userdata, buf + start, (size_t)(newline - buf) - start, o->is_stderr);
                start = (size_t)(newline - buf) + 1;
        }
        if (start == 0 && o->used == OUTPUT_LINE_MAX) {
                o->line(o->userdata, buf, o->used, o->is_stderr);
                start = o->used;
        }
        output_keep(o, buf + start, o->used - start);
        assert(o->used < OUTPUT_LINE_MAX); /* reading goes on */
}

/* Reads once. Positive = bytes read, 0 = end, negative errno. */
static ssize_t output_read(Output *o) {
        char local[OUTPUT_LINE_MAX], *buf = o->buf ?: local;
        ssize_t n = read(o->fd, buf + o->used, OUTPUT_LINE_MAX - o->used);

        if (n < 0)
                return -errno;
        o->used += (size_t)n;
        output_take_lines(o, buf);
        return n;
}

static void output_flush(Output *o) {
        if (o->used > 0)
                o->line(o->userdata, o->buf, o->used, o->is_stderr);
        output_keep(o, NULL, 0);
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Output *o = userdata;
        ssize_t n = output_read(o);

        if (n > 0 || n == -EAGAIN || n == -EINTR)
                return 0;
        (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        output_flush(o);
        return 0;
}

int output_new(Output **ret, int *ret_write_fd, sd_event *event, bool is_stderr, output_line_t line, void *userdata) {
        _cleanup_(output_freep) Output *o = NULL;
        _cleanup_close_ int write_fd = -EBADF;
        int fds[2], r;

        o = malloc(sizeof(*o));
        if (!o)
                return -ENOMEM;
        *o = (Output){ .fd = -EBADF, .is_stderr = is_stderr, .line = line, .userdata = userdata };
        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        o->fd = fds[0];
        write_fd = fds[1];
        if (fcntl(o->fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(event, &o->source, o->fd, EPOLLIN, on_readable, o);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(o->source, is_stderr ? "run-stderr" : "run-stdout");
        *ret_write_fd = TAKE_FD(write_fd);
        *ret = TAKE_PTR(o);
        return 0;
}

void output_finish(Output *o) {
        size_t total = 0;

        while (total < OUTPUT_FINISH_MAX) {
                ssize_t n = output_read(o);

                if (n == -EINTR)
                        continue;
                if (n <= 0)
                        break;
                total += (size_t)n;
        }
        output_flush(o);
}

Output *output_free(Output *o) {
        if (!o)
                return NULL;
        sd_event_source_disable_unref(o->source);
        safe_close(o->fd);
        free(o->buf);
        return mfree(o);
}
