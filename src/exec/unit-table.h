#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Things that are found by the name of their unit: a hash table of nodes that are part of them. Several may have one
 * name. */

#include "util/hash-table.h"

typedef struct UnitNode {
        HashNode hash; /* first */
        char *name;    /* of the unit; the node's */
} UnitNode;

typedef HashTable UnitTable;

/* The table owns no node. -ENOMEM. */
int unit_table_add(UnitTable *t, UnitNode *node);
void unit_table_remove(UnitTable *t, UnitNode *node); /* which is in it; an empty table holds no memory */

/* The first node of this name, and the next one after a node; NULL when there is none. */
UnitNode *unit_table_find(const UnitTable *t, const char *name) _pure_;
UnitNode *unit_table_find_next(const UnitNode *node) _pure_;

UnitNode *unit_table_any(const UnitTable *t) _pure_; /* one of them, or NULL */

/* All nodes, in no order; the table may not change meanwhile. */
#define UNIT_TABLE_FOREACH(node, t)                    \
        for (uint32_t _i = 0; _i < (t)->n_slots; _i++) \
                for (UnitNode *node = (void *)(t)->slots[_i]; node; node = (void *)node->hash.next)
