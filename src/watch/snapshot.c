/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model of a tree as rows of bytes, one a directory, named by the directory's id and not by its path: a directory
 * that is renamed changes one row and not those of all below it. A row says who the directory's parent is, and ends in
 * a digest of itself, so that a damaged one is found and its directory is looked at as if it were new. A directory
 * with no files in or below it has none, but for the root.
 *
 * A row: version, kind; id of the parent, inode, device (8 bytes each, little endian); for the root its identity, for
 * others birth and rights; name; and for each file flags, inode, birth and rights, content, status and name.
 *
 * Rows come back in any order, so directories wait in a list until all are there. */

#include <endian.h>

#include "util/array.h"
#include "util/bytes.h"
#include "util/hash.h"
#include "watch/tree.h"
#include "watch/watch-internal.h"

#define ROW_VERSION   2
#define ROW_DIRECTORY 0
#define ROW_ROOT      1
#define DIGEST_KEY    UINT64_C(0x726f77)
#define DIGEST_SIZE   sizeof(uint64_t)
#define SAVE_BYTES    (4 << 20) /* in one call, but for the last row */
#define KEPT_FLAGS    (ENTRY_REGULAR | ENTRY_UNSETTLED | ENTRY_NEW)

/* --- writing --- */

static void row_put_byte(Bytes *r, unsigned char byte) {
        bytes_add(r, &byte, 1);
}

static void row_put_u64(Bytes *r, uint64_t v) {
        v = htole64(v);
        bytes_add(r, &v, sizeof(v));
}

static void row_put_name(Bytes *r, const Entry *e) {
        row_put_byte(r, e ? e->length : 0);
        if (e)
                bytes_add(r, e->name, e->length);
}

static void row_put_root(Bytes *r, const Tree *t) {
        const RootIdentity *root = t->durable == t->model ? &t->root : &t->parked_root;

        row_put_u64(r, root->file_system);
        row_put_u64(r, root->device);
        row_put_u64(r, root->inode);
        row_put_byte(r, root->is_file);
}

static void row_put_identity(Bytes *r, const Entry *e) {
        row_put_u64(r, (uint64_t)e->birth << 32 | e->rights);
}

static void row_write(Bytes *r, const Tree *t, const Directory *f) {
        bool is_root = f == model_root(f->model);

        r->n = 0;
        row_put_byte(r, ROW_VERSION);
        row_put_byte(r, is_root ? ROW_ROOT : ROW_DIRECTORY);
        row_put_u64(r, is_root ? MODEL_NO_ID : f->parent->id);
        row_put_u64(r, is_root ? f->inode : f->entry->inode);
        row_put_u64(r, f->device); /* 0: it was never opened */
        if (is_root)
                row_put_root(r, t);
        else
                row_put_identity(r, f->entry);
        row_put_name(r, f->entry);
        DIRECTORY_FOREACH(e, f)
                if (!(e->flags & ENTRY_DIRECTORY)) {
                        row_put_byte(r, e->flags & KEPT_FLAGS);
                        row_put_u64(r, e->inode);
                        row_put_identity(r, e);
                        row_put_u64(r, e->content);
                        row_put_u64(r, e->status);
                        row_put_name(r, e);
                }
        row_put_u64(r, hash_bytes(DIGEST_KEY, r->bytes, r->n));
}

/* A directory that has left the tree has no parent to name: it comes back in, or is removed, soon. And the row of one
 * that was moved says where it was until all in it has been reported. */
static bool is_writable(const Directory *f) {
        return directory_is_below(f, model_root(f->model)) && !directory_is_moving(f);
}

static size_t save_removed(Model *m, size_t max,
                           int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n), void *userdata) {
        size_t n, done = 0;
        const uint32_t *ids = model_removed_ids(m, &n);

        while (done < n && done < max && write(userdata, ids[n - 1 - done], NULL, 0) >= 0)
                done++;
        model_forget_removed_ids(m, done);
        return done;
}

int tree_save(Tree *t, size_t max, int (*write)(void *userdata, uint32_t id, const void *bytes, size_t n),
              void *userdata) {
        Directory *f, *next;
        size_t done, bytes = 0;
        _cleanup_(bytes_done) Bytes row = {};
        int r = 0;

        if (t->stage != TREE_STARTED)
                return 0;
        if (t->n_lost_roots > 0)
                return -EAGAIN;
        assert(!t->loader && (t->durable == t->model || t->durable == t->parked));
        max = max > 0 ? max : INT32_MAX;
        done = save_removed(t->durable, max, write, userdata);
        for (f = model_first_dirty(t->durable); f && done < max && r >= 0; f = next) {
                Directory *first = directory_first_unsaved(f); /* without its parent a row is worth nothing */

                next = first == f ? LIST_NEXT(f, dirty) : f;
                if (!is_writable(f)) {
                        next = LIST_NEXT(f, dirty);
                        continue;
                }
                row_write(&row, t, first);
                r = row.failed ? -ENOMEM : write(userdata, first->id, row.bytes, row.n);
                if (r < 0)
                        break;
                first->flags |= DIRECTORY_SAVED;
                directory_clear_dirty(first);
                done++;
                bytes += row.n;
                if (max != INT32_MAX && bytes >= SAVE_BYTES) {
                        done = max;
                        break;
                }
        }
        return r < 0 ? r : (int)done;
}

/* --- reading --- */

typedef struct Reader {
        const unsigned char *bytes;
        size_t left;
        bool failed;
} Reader;

typedef struct LoadedDirectory {
        uint32_t id, parent;
        Entry *entry;
} LoadedDirectory;

struct Loader {
        LoadedDirectory *directories;
        size_t n_directories;
};

static const unsigned char *reader_take(Reader *r, size_t n) {
        const unsigned char *p = r->bytes;

        if (n > r->left) {
                r->failed = true;
                return NULL;
        }
        r->bytes += n;
        r->left -= n;
        return p;
}

static unsigned char reader_byte(Reader *r) {
        const unsigned char *p = reader_take(r, 1);

        return p ? *p : 0;
}

static uint64_t reader_u64(Reader *r) {
        const unsigned char *p = reader_take(r, sizeof(uint64_t));
        uint64_t v = 0;

        if (p)
                memcpy(&v, p, sizeof(v));
        return le64toh(v);
}

static void reader_identity(Reader *r, FileState *ret) {
        uint64_t v = reader_u64(r);

        ret->birth = (uint32_t)(v >> 32);
        ret->rights = (uint32_t)v;
}

static const char *reader_name(Reader *r, size_t *ret_n) {
        *ret_n = reader_byte(r);
        return (const char *)reader_take(r, *ret_n);
}

static bool name_is_valid(const char *name, size_t n) {
        return n > 0 && !memchr(name, '/', n) && !memchr(name, '\0', n) && !(n == 1 && name[0] == '.') &&
               !(n == 2 && name[0] == '.' && name[1] == '.');
}

static int load_file(Reader *r, Directory *f) {
        uint8_t flags = reader_byte(r) & KEPT_FLAGS;
        FileState state = { .is_regular = flags & ENTRY_REGULAR };
        const char *name;
        size_t n;
        Entry *e;
        int q;

        state.inode = reader_u64(r);
        reader_identity(r, &state);
        state.content = reader_u64(r);
        state.status = (uint32_t)reader_u64(r);
        name = reader_name(r, &n);
        if (r->failed || !name_is_valid(name, n) || directory_find(f, name, n))
                return -EBADMSG;
        q = directory_add(f, name, n, &state, &e);
        if (q >= 0)
                e->flags |= flags;
        return q;
}

static int loader_add(Tree *t, uint32_t id, uint32_t parent, Entry *e) {
        Loader *l = t->loader ?: (t->loader = calloc(1, sizeof(Loader)));

        LoadedDirectory *place = l ? ARRAY_NEXT(l->directories, l->n_directories) : NULL;

        if (!place)
                return -ENOMEM;
        *place = (LoadedDirectory){ .id = id, .parent = parent, .entry = e };
        l->n_directories++;
        return 0;
}

static int load_directory(Reader *r, Tree *t, uint32_t id, uint32_t parent, uint64_t inode, Directory **ret) {
        FileState state = { .is_directory = true, .inode = inode };
        const char *name;
        size_t n;
        Entry *e;
        int q;

        reader_identity(r, &state);
        name = reader_name(r, &n);
        if (r->failed || !name_is_valid(name, n))
                return -EBADMSG;
        q = model_new_directory(t->model, name, n, &state, &e);
        if (q < 0)
                return q;
        directory_set_id(e->directory, id);
        q = loader_add(t, id, parent, e);
        if (q < 0) {
                (void)entry_free(e);
                return q;
        }
        *ret = e->directory;
        return 0;
}

static int row_check(const void *bytes, size_t n, Reader *ret) {
        uint64_t digest;

        if (n < DIGEST_SIZE + 2)
                return -EBADMSG;
        memcpy(&digest, (const char *)bytes + n - DIGEST_SIZE, DIGEST_SIZE);
        if (le64toh(digest) != hash_bytes(DIGEST_KEY, bytes, n - DIGEST_SIZE))
                return -EBADMSG;
        *ret = (Reader){ .bytes = bytes, .left = n - DIGEST_SIZE };
        return reader_byte(ret) == ROW_VERSION ? 0 : -ESTALE;
}

int tree_load(Tree *t, uint32_t id, const void *bytes, size_t n) {
        uint64_t parent, inode, device;
        unsigned char kind;
        Directory *f = NULL;
        Reader reader;
        int r;

        if (t->stage != TREE_BEGINNING)
                tree_set_stage(t, TREE_BEGINNING); /* there is something to compare with */
        r = row_check(bytes, n, &reader);
        if (r < 0)
                return r;
        kind = reader_byte(&reader);
        parent = reader_u64(&reader);
        inode = reader_u64(&reader);
        device = reader_u64(&reader);
        if (reader.failed || id == MODEL_NO_ID || kind > ROW_ROOT || parent > UINT32_MAX)
                return -EBADMSG;
        if (kind == ROW_ROOT) {
                f = model_root(t->model);
                t->root.file_system = reader_u64(&reader);
                t->root.device = reader_u64(&reader);
                t->root.inode = reader_u64(&reader);
                t->root.is_file = reader_byte(&reader);
                t->has_root = t->root.inode != 0;
                (void)reader_byte(&reader); /* it has no name */
                directory_set_id(f, id);
        } else
                r = load_directory(&reader, t, id, (uint32_t)parent, inode, &f);
        if (r < 0)
                return r;
        f->inode = device != 0 ? inode : 0;
        f->device = device;
        f->flags |= DIRECTORY_LOADED | DIRECTORY_SAVED;
        while (r >= 0 && reader.left > 0)
                r = load_file(&reader, f);
        return r;
}

/* --- putting together --- */

static int loaded_compare(const void *a, const void *b) {
        const LoadedDirectory *l = a, *m = b;

        return (l->id > m->id) - (l->id < m->id);
}

static Directory *loader_find(const Tree *t, uint32_t id) {
        const LoadedDirectory key = { .id = id }, *found;
        const Loader *l = t->loader;

        if (id == model_root(t->model)->id)
                return model_root(t->model);
        found = bsearch(&key, l->directories, l->n_directories, sizeof(LoadedDirectory), loaded_compare);
        return found && found->entry ? found->entry->directory : NULL;
}

/* Would the directory hang below itself? */
static bool makes_ring(const Directory *f, const Directory *parent) {
        return directory_is_below(parent, f);
}

static void loader_link(Tree *t) {
        Loader *l = t->loader;

        for (size_t i = 0; i < l->n_directories; i++) {
                Entry *e = l->directories[i].entry;
                Directory *parent = loader_find(t, l->directories[i].parent), *f = e->directory;

                if (parent && !makes_ring(f, parent) && !directory_find(parent, e->name, e->length) &&
                    directory_put(parent, e, e->name, e->length, &e) >= 0)
                        l->directories[i].entry = e;
        }
        /* What found no parent; freeing takes away what hangs below, so those linked are left out first. */
        for (size_t i = 0; i < l->n_directories; i++)
                if (l->directories[i].entry->directory->parent)
                        l->directories[i].entry = NULL;
        for (size_t i = 0; i < l->n_directories; i++) {
                Entry *e = l->directories[i].entry;

                while (e && !LIST_EMPTY(&e->directory->directories))
                        directory_free_leaf(directory_deepest(e->directory));
                if (e)
                        (void)entry_free(e);
        }
}

/* What was loaded is what is saved; a directory that came through whole needs no new row. */
static void tree_clean(Tree *t) {
        Directory *root = model_root(t->model);

        for (Directory *f = directory_walk(root, NULL); f; f = directory_walk(root, f))
                if (f->flags & DIRECTORY_LOADED)
                        directory_clear_dirty(f);
}

void tree_finish_load(Tree *t) {
        Loader *l = t->loader;

        if (!l)
                return;
        assert(t->stage == TREE_BEGINNING && t->durable == t->model);
        qsort(l->directories, l->n_directories, sizeof(LoadedDirectory), loaded_compare);
        loader_link(t);
        tree_clean(t);
        free(l->directories);
        t->loader = mfree(l);
}
