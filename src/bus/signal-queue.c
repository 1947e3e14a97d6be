/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A list in order of arrival, and a tree (tsearch(3)) of the changes in it, so that an object that changes a thousand
 * times before a signal is sent is announced once. The change itself is not stored: values are read when the signal is
 * created, so a client always gets the newest ones. */

#include "bus/signal-queue.h"

#include <search.h>

#include "util/text-copy.h"

struct SignalQueue {
        Signal *first, **last; /* last: where the next one is appended */
        size_t n;
        void *changes;
};

int signal_queue_new(SignalQueue **ret) {
        SignalQueue *q = calloc(1, sizeof(*q));

        if (!q)
                return -ENOMEM;
        q->last = &q->first;
        *ret = q;
        return 0;
}

SignalQueue *signal_queue_free(SignalQueue *q) {
        Signal *s;

        if (!q)
                return NULL;
        while ((s = signal_queue_pop(q)))
                free(s);
        return mfree(q);
}

static bool is_change(SignalKind k) {
        return k >= SIGNAL_JOB_CHANGED;
}

static int change_compare(const void *x, const void *y) {
        const Signal *a = x, *b = y;

        if (a->kind != b->kind)
                return a->kind < b->kind ? -1 : 1;
        if (a->run != b->run)
                return a->run < b->run ? -1 : 1;
        return strcmp(strempty(a->job), strempty(b->job));
}

int signal_queue_push(SignalQueue *q, const Signal *s) {
        static const size_t texts[] = { offsetof(Signal, job), offsetof(Signal, key), offsetof(Signal, reason) };
        _cleanup_free_ Signal *copy = NULL;

        if (is_change(s->kind) && tfind(s, &q->changes, change_compare))
                return 0;
        if (q->n >= SIGNAL_QUEUE_MAX)
                return -ENOBUFS;
        copy = COPY_WITH_TEXTS(s, texts);
        if (!copy || (is_change(s->kind) && !tsearch(copy, &q->changes, change_compare)))
                return -ENOMEM;
        copy->next = NULL;
        *q->last = copy;
        q->last = &TAKE_PTR(copy)->next;
        q->n++;
        return 0;
}

void signal_queue_forget(SignalQueue *q, const Signal *change) {
        Signal *const *found = tfind(change, &q->changes, change_compare);
        Signal *s;

        if (!found)
                return;
        s = *found;
        (void)tdelete(s, &q->changes, change_compare);
        s->kind = _SIGNAL_KIND_MAX; /* until it is the first */
        q->n--;
}

static Signal *take_first(SignalQueue *q) {
        Signal *s = q->first;

        if (!s)
                return NULL;
        q->first = s->next;
        if (!q->first)
                q->last = &q->first;
        s->next = NULL;
        return s;
}

Signal *signal_queue_pop(SignalQueue *q) {
        Signal *s;

        while ((s = take_first(q)) && s->kind == _SIGNAL_KIND_MAX)
                free(s);
        assert((q->n > 0) == (s != NULL));
        if (!s)
                return NULL;
        if (is_change(s->kind))
                (void)tdelete(s, &q->changes, change_compare);
        q->n--;
        return s;
}

size_t signal_queue_size(const SignalQueue *q) {
        return q->n;
}
