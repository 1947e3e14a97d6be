/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hash is keyed, like all of a process: units that others made are in a table as well. */

#include "exec/unit-table.h"

#include "util/hash.h"

static uint32_t name_hash(const char *name) {
        return (uint32_t)hash_bytes(hash_seed(), name, strlen(name));
}

static uint32_t node_hash(const HashNode *node, const void *userdata) {
        return name_hash(((const UnitNode *)(const void *)node)->name);
}

int unit_table_add(UnitTable *t, UnitNode *node) {
        if (hash_table_reserve(t) < 0)
                return -ENOMEM;
        hash_table_put(t, &node->hash, name_hash(node->name), node_hash, NULL);
        return 0;
}

void unit_table_remove(UnitTable *t, UnitNode *node) {
        hash_table_take(t, &node->hash, name_hash(node->name));
        if (t->n_nodes == 0)
                hash_table_done(t);
}

static UnitNode *first_of(HashNode *node, const char *name) {
        while (node && !streq(((UnitNode *)(void *)node)->name, name))
                node = node->next;
        return (void *)node;
}

UnitNode *unit_table_find(const UnitTable *t, const char *name) {
        return first_of(hash_table_chain(t, name_hash(name)), name);
}

UnitNode *unit_table_find_next(const UnitNode *node) {
        return first_of(node->hash.next, node->name);
}

UnitNode *unit_table_any(const UnitTable *t) {
        UNIT_TABLE_FOREACH(node, t) {
                return node;
        }
        return NULL;
}
