/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records stand in a ring in the order of their ids, which are dense, so that a look-up is a subtraction. On disk
 * there are two tiny files: "next-run", from which ids are taken in blocks so that no id is used twice over restarts
 * at the price of one write in a hundred runs, and "boot", the last boot id seen. */

#include "ledger/ledger.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-id128.h>

#include "util/file.h"
#include "util/log.h"

#define ID_BLOCK 100

struct Ledger {
        int state_fd;
        RunRecord *ring; /* slot of an id: id % LEDGER_RUNS_MAX; id 0 = empty */
        uint64_t next_id;
        uint64_t reserved; /* ids below this one are ours */
        bool first_of_boot;
        bool write_failed; /* said once */
};

static void ledger_write(Ledger *l, const char *name, const char *text) {
        int r = file_write_atomically(l->state_fd, name, text, strlen(text));

        if (r < 0 && !l->write_failed)
                log_errno(LOG_WARNING, r,
                          "Cannot write %s in the state folder: %m; run ids may repeat after a restart, ignoring",
                          name);
        l->write_failed = r < 0;
}

static void ledger_reserve_ids(Ledger *l) {
        char text[32];

        l->reserved = l->next_id + ID_BLOCK;
        (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", l->reserved);
        ledger_write(l, "next-run", text);
}

static void ledger_load_ids(Ledger *l) {
        char text[32];
        uint64_t id = 0;

        if (file_read(l->state_fd, "next-run", text, sizeof(text)) >= 0)
                id = strtoull(text, NULL, 10);
        l->next_id = id > 0 && id < UINT64_MAX / 2 ? id : 1;
        ledger_reserve_ids(l);
}

static void ledger_load_boot(Ledger *l) {
        char seen[SD_ID128_STRING_MAX + 1], current[SD_ID128_STRING_MAX];
        sd_id128_t boot;

        if (sd_id128_get_boot(&boot) < 0) {
                l->first_of_boot = true;
                return;
        }
        (void)sd_id128_to_string(boot, current);
        l->first_of_boot = file_read(l->state_fd, "boot", seen, sizeof(seen)) < 0 || !streq(seen, current);
        if (l->first_of_boot)
                ledger_write(l, "boot", current);
}

int ledger_open(Ledger **ret, const char *state_dir) {
        _cleanup_(ledger_closep) Ledger *l = NULL;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->state_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (l->state_fd < 0)
                return -errno;
        l->ring = calloc(LEDGER_RUNS_MAX, sizeof(RunRecord));
        if (!l->ring)
                return -ENOMEM;
        ledger_load_ids(l);
        ledger_load_boot(l);
        *ret = TAKE_PTR(l);
        return 0;
}

Ledger *ledger_close(Ledger *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; l->ring && i < LEDGER_RUNS_MAX; i++)
                run_record_done(&l->ring[i]);
        free(l->ring);
        safe_close(l->state_fd);
        return mfree(l);
}

static RunRecord *ledger_slot(const Ledger *l, uint64_t id) {
        return &l->ring[id % LEDGER_RUNS_MAX];
}

static int slot_store(RunRecord *slot, const RunRecord *record) {
        RunRecord copy;
        int r;

        r = run_record_copy(&copy, record);
        if (r < 0)
                return r;
        run_record_done(slot);
        *slot = copy;
        return 0;
}

int ledger_add(Ledger *l, RunRecord *record) {
        int r;

        if (l->next_id == l->reserved)
                ledger_reserve_ids(l);
        record->id = l->next_id;
        r = slot_store(ledger_slot(l, record->id), record);
        if (r < 0)
                return r;
        l->next_id++;
        return 0;
}

int ledger_update(Ledger *l, const RunRecord *record) {
        RunRecord *slot = ledger_slot(l, record->id);

        return slot->id == record->id ? slot_store(slot, record) : 0;
}

const RunRecord *ledger_get(const Ledger *l, uint64_t id) {
        const RunRecord *slot = ledger_slot(l, id);

        return id > 0 && slot->id == id ? slot : NULL;
}

int ledger_list(const Ledger *l, const char *job, uint64_t before, unsigned limit,
                int (*visit)(const RunRecord *r, void *userdata), void *userdata) {
        uint64_t id = before > 0 ? MIN(before, l->next_id) : l->next_id;
        uint64_t oldest = l->next_id > LEDGER_RUNS_MAX ? l->next_id - LEDGER_RUNS_MAX : 1;

        while (limit > 0 && id > oldest) {
                const RunRecord *record = ledger_get(l, --id);
                int r;

                if (!record || (job && !streq(record->job, job)))
                        continue;
                r = visit(record, userdata);
                if (r != 0)
                        return r;
                limit--;
        }
        return 0;
}

bool ledger_is_first_of_boot(const Ledger *l) {
        return l->first_of_boot;
}
