/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-probe [as-nobody]: asks the machine what may never answer, for vaktd. It gets questions on its socket, and ends
 * when the socket does, or with vaktd. It keeps of vaktd's privileges the one to look at all files; as-nobody, for
 * programs, it keeps none. */

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>

#include "fs/identity.h"
#include "probe/reader.h"

typedef void (*Reader)(const OutsideQuestion *q, OutsideAnswer *a);

static const Reader readers[_CONDITION_KIND_MAX] = {
        [CONDITION_CERT_DAYS] = read_cert_days,
        [CONDITION_DISK_FREE] = read_path,
        [CONDITION_ENTRIES] = read_entries,
        [CONDITION_EXEC] = read_exec,
        [CONDITION_FILE_AGE] = read_path,
        [CONDITION_FILE_EXISTS] = read_path,
        [CONDITION_FILE_SIZE] = read_path,
        [CONDITION_INODE_FREE] = read_path,
        [CONDITION_JOURNAL_MATCHES] = read_journal_matches,
        [CONDITION_TEMPERATURE] = read_temperature,
};

/* --- privileges --- */

static int keep_capabilities(uint32_t keep) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0] = (struct __user_cap_data_struct){
                .effective = data[0].permitted & keep,
                .permitted = data[0].permitted & keep,
        };
        data[1] = (struct __user_cap_data_struct){};
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become_nobody(void) {
        const gid_t group = UID_NOBODY;

        if (setgroups(1, &group) < 0 || setresgid(group, group, group) < 0 ||
            setresuid(UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0)
                return -errno;
        return 0;
}

/* Returns what it could not do, or NULL. */
static const char *drop_privileges(bool as_nobody) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return "give up new privileges";
        if (as_nobody && become_nobody() < 0)
                return "become the user nobody";
        if (keep_capabilities(as_nobody ? 0 : 1U << CAP_DAC_READ_SEARCH) < 0)
                return "give up capabilities";
        return NULL;
}

/* --- questions --- */

static bool is_good(const OutsideQuestions *q, ssize_t n) {
        ssize_t n_texts = n - (ssize_t)offsetof(OutsideQuestions, texts);

        if (n_texts <= 0 || (size_t)n > sizeof(*q) || q->mark != OUTSIDE_MARK || q->texts[n_texts - 1] != '\0' ||
            q->n_items == 0 || q->n_items > OUTSIDE_BATCH_MAX)
                return false;
        for (uint32_t i = 0; i < q->n_items; i++) {
                uint32_t kind = q->items[i].kind;

                if (kind >= ELEMENTSOF(readers) || !readers[kind] || (kind == CONDITION_EXEC && q->n_items > 1) ||
                    q->items[i].at >= (size_t)n_texts)
                        return false;
        }
        return true;
}

/* 1: asked; 0: the end; -EBADMSG: those are no questions. */
static int receive(OutsideQuestions *q) {
        ssize_t n;

        do
                n = recv(OUTSIDE_SOCKET_FD, q, sizeof(*q), MSG_TRUNC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return (int)n;
        return is_good(q, n) ? 1 : -EBADMSG;
}

static void answer(const OutsideQuestions *q, uint32_t i, const char *problem, OutsideAnswer *ret) {
        const OutsideItem *item = &q->items[i];
        const OutsideQuestion question = { .kind = (ConditionKind)item->kind,
                                           .subject = q->texts + item->at,
                                           .now_realtime = q->now_realtime,
                                           .span = item->span };

        memset(ret, 0, sizeof(*ret));
        if (problem)
                answer_unknown(ret, "vakt-probe cannot %s, which it requires.", problem);
        else
                readers[item->kind](&question, ret);
}

static int serve(const char *problem) {
        static OutsideQuestions q;
        static OutsideAnswers a;
        int on_death = 0, r;

        while ((r = receive(&q)) > 0) {
                int wanted = q.items[0].kind == CONDITION_EXEC ? 0 : SIGKILL;

                /* If vaktd ends: a program has to be ended, too, and the socket tells when; else nobody reads it. */
                if (wanted != on_death)
                        (void)prctl(PR_SET_PDEATHSIG, wanted, 0, 0, 0);
                on_death = wanted;
                a.mark = OUTSIDE_MARK;
                a.n_items = q.n_items;
                for (uint32_t i = 0; i < q.n_items; i++)
                        answer(&q, i, problem, &a.items[i]);
                if (send(OUTSIDE_SOCKET_FD, &a, outside_answers_size(a.n_items), MSG_NOSIGNAL) < 0)
                        return EXIT_SUCCESS;
        }
        return r < 0 ? EX_PROTOCOL : EXIT_SUCCESS;
}

/* It is not for the programs that are executed, nor is what somebody has left open for vaktd. */
static bool take_socket(void) {
        socklen_t size = sizeof(int);
        int type;

        (void)close_range(OUTSIDE_SOCKET_FD, ~0U, CLOSE_RANGE_CLOEXEC);
        return getsockopt(OUTSIDE_SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &size) >= 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char *argv[]) {
        bool as_nobody = argc == 2 && streq(argv[1], OUTSIDE_AS_NOBODY);

        if (argc != 1 + as_nobody || !take_socket()) {
                fprintf(stderr, "vakt-probe is started by vaktd, for conditions.\n");
                return EX_USAGE;
        }
        (void)prctl(PR_SET_NAME, "vakt-probe", 0, 0, 0); /* it is executed by descriptor */
        return serve(drop_privileges(as_nobody));
}
