/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which file knows what. */

#include "probe/kinds.h"

#include "probe/figures.h"
#include "probe/mounted.h"
#include "probe/outside-kind.h"

static const ProbeKind *const kinds[_CONDITION_KIND_MAX] = {
        [CONDITION_CERT_DAYS] = &outside_kind,
        [CONDITION_DISK_FREE] = &outside_kind,
        [CONDITION_DISK_FULL_IN] = &outside_kind,
        [CONDITION_ENTRIES] = &outside_kind,
        [CONDITION_EXEC] = &outside_kind,
        [CONDITION_FILE_AGE] = &outside_kind,
        [CONDITION_FILE_EXISTS] = &outside_kind,
        [CONDITION_FILE_SIZE] = &outside_kind,
        [CONDITION_INODE_FREE] = &outside_kind,
        [CONDITION_JOURNAL_MATCHES] = &outside_kind,
        [CONDITION_LOAD1] = &figure_kind,
        [CONDITION_LOAD5] = &figure_kind,
        [CONDITION_LOAD15] = &figure_kind,
        [CONDITION_MEMORY_AVAILABLE] = &figure_kind,
        [CONDITION_MOUNTED] = &mounted_kind,
};

const ProbeKind *probe_kind_get(ConditionKind kind) {
        return (size_t)kind < ELEMENTSOF(kinds) ? kinds[kind] : NULL;
}
