/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A small file next to the database, "next-run", contains the first id that was certainly never used. It is written
 * one block ahead, and synchronously, which a commit of the database is not; so neither a power failure that discards
 * the last transactions nor a database that had to be moved aside brings back ids that occur in the journal and in
 * unit names. A block is reserved while half of the last one is left, so that the directory entry has had time to
 * reach the disk as well. */

#include "ledger/run-ids.h"

#include "util/file.h"
#include "util/macro.h"

#define FILE_NAME "next-run"

static int write_file(int state_fd, uint64_t next) {
        char text[32];

        (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", next);
        return file_write_atomically(state_fd, FILE_NAME, 0600, text, strlen(text));
}

void run_ids_load(RunIds *ids, int state_fd) {
        char text[32];
        uint64_t id = 0;

        if (file_read(state_fd, FILE_NAME, text, sizeof(text)) >= 0)
                id = strtoull(text, NULL, 10);
        ids->next = ids->reserved = 1;
        run_ids_at_least(ids, id);
}

void run_ids_at_least(RunIds *ids, uint64_t next) {
        if (next > ids->next && next < INT64_MAX / 2)
                ids->next = next;
        ids->reserved = MAX(ids->reserved, ids->next);
}

bool run_ids_are_low(const RunIds *ids) {
        return ids->next + RUN_IDS_BLOCK / 2 > ids->reserved;
}

int run_ids_reserve(RunIds *ids, int state_fd) {
        ids->reserved = ids->next + RUN_IDS_BLOCK;
        return write_file(state_fd, ids->reserved);
}

int run_ids_release(RunIds *ids, int state_fd) {
        int r;

        if (ids->reserved == ids->next)
                return 0;
        r = write_file(state_fd, ids->next);
        if (r >= 0)
                ids->reserved = ids->next;
        return r;
}
