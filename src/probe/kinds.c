/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which file knows what. */

#include "probe/kinds.h"

#include "probe/figures.h"

static const ProbeKind *const kinds[_CONDITION_KIND_MAX] = {
        [CONDITION_LOAD1] = &figure_kind,
        [CONDITION_LOAD5] = &figure_kind,
        [CONDITION_LOAD15] = &figure_kind,
        [CONDITION_MEMORY_AVAILABLE] = &figure_kind,
};

const ProbeKind *probe_kind_get(ConditionKind kind) {
        return (size_t)kind < ELEMENTSOF(kinds) ? kinds[kind] : NULL;
}
