/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The strongly connected components of the graph of requests, by Tarjan's algorithm with a stack of its own: linear in
 * jobs and requests, whatever a hundred thousand files say. A job is in a cycle exactly when its component has
 * another member, or when it requests itself.
 *
 * A changed job that is refused goes back to its earlier version, whose requests may close another cycle with what is
 * new: so it is looked again until nothing is found. Each round refuses at least one file.
 *
 * The cycle that a problem names is found by a search of its own, for which there is a budget: in a tangle of
 * thousands the later problems name none. */

#include "config/job-cycles.h"

#include <limits.h>

#include "util/array.h"

#define NOBODY       UINT_MAX
#define SHOWN_MAX    8         /* names in a message */
#define SEARCH_STEPS 1000000UL /* requests that are followed for the sake of messages, in one load */

typedef struct Edge {
        unsigned to;
        const Chain *chain;
} Edge;

typedef struct Graph {
        Entry *const *entries;
        unsigned n;
        unsigned *first; /* edges of v are first[v] to first[v + 1] - 1 */
        Edge *edges;
        unsigned *component; /* of v; NOBODY: not visited yet */
        unsigned *size;      /* of a component */
        /* of Tarjan's algorithm */
        unsigned *index, *low, *next;
        unsigned *path, n_path;   /* visited, component not known yet */
        unsigned *calls, n_calls; /* that the walk is in */
        unsigned n_indices, n_components;
        /* of the search for a message */
        unsigned *parent, *queue;
        unsigned long steps;
} Graph;

static void graph_done(Graph *g) {
        free(g->first);
        free(g->edges);
        free(g->component); /* and all the others, in one piece */
}

/* --- making the graph --- */

static unsigned find_name(const Graph *g, const char *name, size_t length) {
        unsigned at = (unsigned)BISECT(g->n, i, strncmp(g->entries[i]->name, name, length) < 0);
        const char *other = at < g->n ? g->entries[at]->name : "";

        return strncmp(other, name, length) == 0 && other[length] == '\0' ? at : NOBODY;
}

/* The entry that is requested. Of a name with %i only the template is known. */
static unsigned resolve(const Graph *g, const Chain *c) {
        size_t n_template = job_name_template_length(c->target);
        unsigned v = NOBODY;

        if (c->validated)
                v = find_name(g, c->target, strlen(c->target));
        if (v == NOBODY && n_template > 0)
                v = find_name(g, c->target, n_template);
        return v != NOBODY && g->entries[v]->masked ? NOBODY : v;
}

static int graph_new(Graph *g, size_t n_chains) {
        unsigned **const arrays[] = { &g->component, &g->size,  &g->index,  &g->low,  &g->next,
                                      &g->path,      &g->calls, &g->parent, &g->queue };
        unsigned n_edges = 0, *memory;

        g->first = calloc((size_t)g->n + 1, sizeof(unsigned));
        g->edges = calloc(n_chains, sizeof(Edge));
        memory = reallocarray(NULL, (size_t)g->n * ELEMENTSOF(arrays), sizeof(unsigned));
        g->component = memory;
        if (!g->first || !g->edges || !memory)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(arrays); i++)
                *arrays[i] = memory + i * g->n;
        for (unsigned v = 0; v < g->n; v++) {
                const Chains *chains = &g->entries[v]->rare->chains;

                g->component[v] = g->index[v] = g->parent[v] = NOBODY;
                g->first[v] = n_edges;
                for (size_t i = 0; i < chains->n_items; i++) {
                        unsigned to = resolve(g, &chains->items[i]);

                        if (to != NOBODY)
                                g->edges[n_edges++] = (Edge){ .to = to, .chain = &chains->items[i] };
                }
        }
        assert(n_edges <= n_chains);
        g->first[g->n] = n_edges;
        return 0;
}

/* --- components --- */

static void enter(Graph *g, unsigned v) {
        assert(g->index[v] == NOBODY && g->n_path < g->n && g->n_calls < g->n);
        g->index[v] = g->low[v] = g->n_indices++;
        g->next[v] = g->first[v];
        g->path[g->n_path++] = v;
        g->calls[g->n_calls++] = v;
}

/* What was visited since v and leads back to it is one component. */
static void take_component(Graph *g, unsigned v) {
        unsigned member, n = 0;

        do {
                assert(g->n_path > 0);
                member = g->path[--g->n_path];
                g->component[member] = g->n_components;
                n++;
        } while (member != v);
        g->size[g->n_components++] = n;
}

/* v is done with. */
static void leave(Graph *g, unsigned v) {
        unsigned caller;

        if (g->low[v] == g->index[v])
                take_component(g, v);
        if (--g->n_calls == 0)
                return;
        caller = g->calls[g->n_calls - 1];
        g->low[caller] = MIN(g->low[caller], g->low[v]);
}

static void walk_from(Graph *g, unsigned start) {
        enter(g, start);
        while (g->n_calls > 0) {
                unsigned v = g->calls[g->n_calls - 1], to;

                if (g->next[v] == g->first[v + 1]) {
                        leave(g, v);
                        continue;
                }
                to = g->edges[g->next[v]++].to;
                if (g->index[to] == NOBODY)
                        enter(g, to);
                else if (g->component[to] == NOBODY)
                        g->low[v] = MIN(g->low[v], g->index[to]);
        }
}

/* An edge of v that stays in its component; NULL: it is in no cycle. */
static const Edge *edge_inside(const Graph *g, unsigned v) {
        for (unsigned i = g->first[v]; i < g->first[v + 1]; i++)
                if (g->component[g->edges[i].to] == g->component[v])
                        return &g->edges[i];
        return NULL;
}

/* --- the message --- */

/* Puts the way from v back to itself, the shortest, into parent: the last but one is returned; NOBODY when it was too
 * long a search. */
static unsigned find_cycle(Graph *g, unsigned v) {
        unsigned n_queue = 0, at = 0, found = NOBODY;

        g->queue[n_queue++] = v;
        while (found == NOBODY && at < n_queue) {
                unsigned from = g->queue[at++];

                for (unsigned i = g->first[from]; i < g->first[from + 1] && found == NOBODY; i++) {
                        unsigned to = g->edges[i].to;

                        if (g->steps++ >= SEARCH_STEPS)
                                goto finish;
                        if (to == v)
                                found = from;
                        else if (g->component[to] == g->component[v] && g->parent[to] == NOBODY) {
                                assert(n_queue < g->n);
                                g->parent[to] = from;
                                g->queue[n_queue++] = to;
                        }
                }
        }
finish:
        /* The queue becomes the cycle, and what was noted for the search is forgotten. */
        at = 0;
        for (unsigned u = found; u != NOBODY && u != v; u = g->parent[u])
                g->path[at++] = u;
        for (unsigned i = 1; i < n_queue; i++)
                g->parent[g->queue[i]] = NOBODY;
        g->n_path = at;
        return found;
}

/* Writes "a -> b -> a"; in path are the members between, the last one first. */
static void print_cycle(const Graph *g, unsigned v, char *buf, size_t size) {
        size_t used = (size_t)snprintf(buf, size, "%s", g->entries[v]->name);

        for (unsigned i = g->n_path; i > 0 && used < size; i--) {
                unsigned place = g->n_path - i + 1;

                if (place < SHOWN_MAX || i == 1)
                        used += (size_t)snprintf(buf + used, size - used, " -> %s", g->entries[g->path[i - 1]]->name);
                else if (place == SHOWN_MAX)
                        used += (size_t)snprintf(buf + used, size - used, " -> ...");
        }
        if (used < size)
                (void)snprintf(buf + used, size - used, " -> %s", g->entries[v]->name);
}

static const Chain *chain_to(const Graph *g, unsigned v, unsigned to) {
        for (unsigned i = g->first[v]; i < g->first[v + 1]; i++)
                if (g->edges[i].to == to)
                        return g->edges[i].chain;
        return NULL;
}

static int reject(Graph *g, unsigned v, const Entry *old) {
        char cycle[(SHOWN_MAX + 4) * (JOB_NAME_MAX + 4)];
        const Chain *chain = edge_inside(g, v)->chain;
        unsigned last = find_cycle(g, v);

        if (last == NOBODY)
                return entry_reject(g->entries[v], old, chain,
                                    "The jobs request each other in a cycle, this one and %u others. Remove a "
                                    "request.",
                                    g->size[g->component[v]] - 1);
        if (last == v)
                return entry_reject(g->entries[v], old, chain_to(g, v, v),
                                    "The job requests itself. Remove the request.");
        chain = chain_to(g, v, g->path[g->n_path - 1]);
        print_cycle(g, v, cycle, sizeof(cycle));
        return entry_reject(g->entries[v], old, chain,
                            "The jobs request each other in a cycle: %s. Remove one of the requests.", cycle);
}

/* --- the whole --- */

/* One round. Returns how many files were refused. */
static int look(Entry *const *entries, size_t n, unsigned long *steps,
                const Entry *(*old)(const void *userdata, const char *name), const void *userdata) {
        _cleanup_(graph_done) Graph g = { .entries = entries, .n = (unsigned)n, .steps = *steps };
        size_t n_chains = 0;
        int rejected = 0, r;

        for (size_t i = 0; i < n; i++)
                n_chains += entries[i]->rare->chains.n_items;
        if (n_chains == 0)
                return 0;
        r = graph_new(&g, n_chains);
        if (r < 0)
                return r;
        for (unsigned v = 0; v < g.n; v++)
                if (g.index[v] == NOBODY)
                        walk_from(&g, v);
        assert(g.n_path == 0 && g.n_calls == 0);
        for (unsigned v = 0; v < g.n; v++) {
                if (!entries[v]->changed || (g.size[g.component[v]] < 2 && !edge_inside(&g, v)))
                        continue;
                r = reject(&g, v, old(userdata, entries[v]->name));
                if (r < 0)
                        return r;
                assert(!entries[v]->changed); /* so that the rounds end */
                rejected++;
        }
        *steps = g.steps;
        return rejected;
}

int cycles_break(Entry *const *entries, size_t n, const Entry *(*old)(const void *userdata, const char *name),
                 const void *userdata) {
        unsigned long steps = 0;
        int r;

        do
                r = look(entries, n, &steps, old, userdata);
        while (r > 0);
        return r;
}
