/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The texts of a set-up that was read are those of the memory file. */

#include "exec/runner-setup.h"

#include <signal.h>

#include "exec/child-settings.h"
#include "exec/serialize.h"

typedef struct SetupRead {
        RunnerSetup setup;
        Deserializer in;
} SetupRead;

int runner_setup_write(const RunnerSetup *s) {
        FILE *f = serialize_begin("vakt-runner-setup");

        if (!f)
                return -errno;
        serialize_text(f, s->job);
        serialize_text(f, s->identifier);
        serialize_number(f, s->own_output);
        serialize_number(f, s->kill_mode);
        serialize_number(f, (uint64_t)s->kill_signal);
        serialize_number(f, s->send_sigkill);
        serialize_number(f, s->send_sighup);
        serialize_number(f, s->stop_timeout);
        serialize_bytes(f, s->success_statuses, sizeof(s->success_statuses));
        serialize_number(f, s->success_signals);
        serialize_number(f, s->n_commands);
        for (size_t i = 0; i < s->n_commands; i++) {
                serialize_text(f, s->commands[i].path);
                serialize_list(f, s->commands[i].argv);
                serialize_number(f, s->commands[i].flags);
        }
        return serialize_finish(f);
}

static int read_commands(RunnerSetup *s, Deserializer *in) {
        size_t n = deserialize_count(in);
        int r;

        s->commands = calloc(n, sizeof(struct RunnerCommand));
        if (!s->commands && n > 0)
                return -ENOMEM;
        for (; s->n_commands < n; s->n_commands++) {
                struct RunnerCommand *c = &s->commands[s->n_commands];

                c->path = deserialize_text(in);
                r = deserialize_list(in, &c->argv);
                if (r < 0)
                        return r;
                c->flags = (unsigned)deserialize_number(in);
                in->bad = in->bad || !c->argv[0];
        }
        return 0;
}

static bool is_valid(const RunnerSetup *s) {
        return s->n_commands > 0 && s->kill_mode < _CHILD_KILL_MODE_MAX && s->kill_signal > 0 &&
               s->kill_signal < _NSIG;
}

int runner_setup_read(RunnerSetup **ret, int fd) {
        SetupRead *read = calloc(1, sizeof(*read));
        _cleanup_(runner_setup_freep) RunnerSetup *s = read ? &read->setup : NULL;
        Deserializer *in;
        int r;

        if (!read)
                return -ENOMEM;
        in = &read->in;
        r = deserialize_begin(in, fd);
        if (r < 0)
                return r;
        s->job = deserialize_text(in);
        s->identifier = deserialize_text(in);
        s->own_output = deserialize_number(in) > 0;
        s->kill_mode = (unsigned)deserialize_number(in);
        s->kill_signal = (int)deserialize_number(in);
        s->send_sigkill = deserialize_number(in) > 0;
        s->send_sighup = deserialize_number(in) > 0;
        s->stop_timeout = deserialize_number(in);
        deserialize_bytes(in, s->success_statuses, sizeof(s->success_statuses));
        s->success_signals = deserialize_number(in);
        r = read_commands(s, in);
        if (r < 0)
                return r;
        if (in->bad || !is_valid(s))
                return -EBADMSG;
        *ret = TAKE_PTR(s);
        return 0;
}

RunnerSetup *runner_setup_free(RunnerSetup *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_commands; i++)
                free(s->commands[i].argv);
        free(s->commands);
        deserialize_done(&((SetupRead *)s)->in);
        return mfree(s);
}
