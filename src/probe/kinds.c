/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which file knows what. */

#include "probe/kinds.h"

#include "probe/clock-sync.h"
#include "probe/figures.h"
#include "probe/mounted.h"
#include "probe/network.h"
#include "probe/outside-kind.h"
#include "probe/power.h"
#include "probe/pressure.h"
#include "probe/processes.h"
#include "probe/units.h"

static const ProbeKind *const kinds[_CONDITION_KIND_MAX] = {
        [CONDITION_AC_POWER] = &ac_power_kind,
        [CONDITION_CERT_DAYS] = &outside_kind,
        [CONDITION_CLOCK_SYNCHRONIZED] = &clock_synchronized_kind,
        [CONDITION_DISK_FREE] = &outside_kind,
        [CONDITION_DISK_FULL_IN] = &outside_kind,
        [CONDITION_ENTRIES] = &outside_kind,
        [CONDITION_EXEC] = &outside_kind,
        [CONDITION_FAILED_UNITS] = &failed_units_kind,
        [CONDITION_FD_FREE] = &fd_free_kind,
        [CONDITION_FILE_AGE] = &outside_kind,
        [CONDITION_FILE_EXISTS] = &outside_kind,
        [CONDITION_FILE_SIZE] = &outside_kind,
        [CONDITION_INODE_FREE] = &outside_kind,
        [CONDITION_JOURNAL_MATCHES] = &outside_kind,
        [CONDITION_LISTENING] = &listening_kind,
        [CONDITION_LOAD1] = &load1_kind,
        [CONDITION_LOAD5] = &load5_kind,
        [CONDITION_LOAD15] = &load15_kind,
        [CONDITION_MEMORY_AVAILABLE] = &memory_available_kind,
        [CONDITION_MOUNTED] = &mounted_kind,
        [CONDITION_ONLINE] = &online_kind,
        [CONDITION_PIDS_FREE] = &pids_free_kind,
        [CONDITION_PRESSURE] = &pressure_kind,
        [CONDITION_PROCESS] = &process_kind,
        [CONDITION_SWAP_FREE] = &swap_free_kind,
        [CONDITION_TEMPERATURE] = &outside_kind,
        [CONDITION_UNIT] = &unit_kind,
};

const ProbeKind *probe_kind_get(ConditionKind kind) {
        return (size_t)kind < ELEMENTSOF(kinds) ? kinds[kind] : NULL;
}
