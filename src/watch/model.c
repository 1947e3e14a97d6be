/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each directory has a table of its own: most directories are small, and one with a million files is no slower than
 * the others. Names are hashed with a seed of this process, so users cannot choose names that collide. Nothing here
 * recurses: a tree is as deep as somebody likes to make it. */

#include "watch/model.h"

#include <limits.h>

#include "util/array.h"
#include "util/hash.h"
#include "util/steps.h"

#define NAME_LEN  255U
#define STAMP_KEY UINT64_C(0x76616b74) /* what is kept on disk is hashed with it: never to be changed */

struct Model {
        void *owner;
        Directory *root;
        uint64_t seed;
        size_t n_directories, n_entries, n_name_bytes, n_slots;
        uint32_t last_id;
        LIST_HEAD(, Directory) dirty;
        bool saves_all;
        Model *heir; /* that has to remember which ids are gone; NULL: this one */
        uint32_t *removed;
        size_t n_removed;
};

/* --- states --- */

static void entry_identify(Entry *e, const FileState *state) {
        e->inode = state->inode;
        e->birth = state->birth;
        e->status = state->status;
        e->rights = state->rights;
}

FileState file_state_from_stat(const struct stat *st, uint32_t birth) {
        const uint64_t content[] = { (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
                                     (uint64_t)st->st_mtim.tv_nsec, st->st_rdev };
        const uint64_t rights[] = { st->st_mode, (uint64_t)st->st_uid << 32 | st->st_gid };
        const uint64_t status[] = { (uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec, rights[0],
                                    rights[1] };

        return (FileState){
                .inode = st->st_ino,
                .birth = birth,
                .content = hash_bytes(STAMP_KEY, content, sizeof(content)) | 1,
                .status = (uint32_t)hash_bytes(STAMP_KEY, status, sizeof(status)),
                .rights = (uint32_t)hash_bytes(STAMP_KEY, rights, sizeof(rights)) | 1,
                .is_directory = S_ISDIR(st->st_mode),
                .is_regular = S_ISREG(st->st_mode),
        };
}

bool entry_is_same_file(const Entry *e, const FileState *state) {
        return !!(e->flags & ENTRY_DIRECTORY) == state->is_directory && e->inode == state->inode &&
               (e->birth == state->birth || e->birth == 0 || state->birth == 0);
}

bool entry_has_content(const Entry *e, const FileState *state) {
        return entry_is_same_file(e, state) && ((e->flags & ENTRY_DIRECTORY) || e->content == state->content);
}

bool entry_has_status(const Entry *e, const FileState *state) {
        return e->status == state->status;
}

bool entry_has_rights(const Entry *e, const FileState *state) {
        return e->rights == state->rights || e->rights == 0 || state->rights == 0;
}

/* Itself, and not a file in it. */
static void directory_has_changed(Directory *f) {
        if (!f->entry || f->model->saves_all || (f->flags & DIRECTORY_SAVED))
                directory_set_dirty(f);
}

bool entry_set_state(Directory *f, Entry *e, const FileState *state) {
        bool same = entry_has_content(e, state) && entry_has_status(e, state) && e->birth == state->birth;

        if (same)
                return false;
        assert(!!(e->flags & ENTRY_DIRECTORY) == state->is_directory);
        if (!state->is_directory) {
                e->content = state->content;
                e->flags = (uint8_t)((e->flags & ~ENTRY_REGULAR) | (state->is_regular ? ENTRY_REGULAR : 0));
                directory_set_dirty(f);
        } else if (e->birth != state->birth || e->rights != state->rights)
                directory_has_changed(e->directory);
        entry_identify(e, state);
        return true;
}

/* --- the table of a directory --- */

static uint32_t name_hash(const Directory *f, const char *name, size_t n) {
        return (uint32_t)hash_bytes(f->model->seed, name, n);
}

static uint32_t entry_hash(const HashNode *node, const void *userdata) {
        const Entry *e = (const void *)node;

        return name_hash(userdata, e->name, e->length);
}

Entry *directory_find(const Directory *f, const char *name, size_t n) {
        for (Entry *e = (void *)hash_table_chain(&f->entries, name_hash(f, name, n)); e; e = entry_next(e))
                if (e->length == n && memcmp(e->name, name, n) == 0)
                        return e;
        return NULL;
}

static int directory_reserve(Directory *f) {
        uint32_t before = f->entries.n_slots;
        int r = hash_table_reserve(&f->entries);

        f->model->n_slots += f->entries.n_slots - before;
        return r;
}

static void directory_insert(Directory *f, Entry *e) {
        uint32_t before = f->entries.n_slots;

        hash_table_put(&f->entries, &e->node, name_hash(f, e->name, e->length), entry_hash, f);
        f->model->n_slots += f->entries.n_slots - before;
}

/* While its slots are gone through it keeps them. */
static void directory_remove(Directory *f, const Entry *e) {
        uint32_t before = f->entries.n_slots;

        hash_table_take(&f->entries, &e->node, name_hash(f, e->name, e->length));
        if (!(f->flags & DIRECTORY_BUSY))
                hash_table_shrink(&f->entries);
        f->model->n_slots -= before - f->entries.n_slots;
}

/* --- entries --- */

static Entry *entry_new(const char *name, size_t n) {
        Entry *e = malloc(MAX(offsetof(Entry, name) + n + 1, sizeof(Entry)));

        if (!e)
                return NULL;
        memset(e, 0, sizeof(*e));
        e->length = (uint8_t)n;
        memcpy(e->name, name, n);
        e->name[n] = '\0';
        return e;
}

static void model_count_entry(Model *m, const Entry *e, int by) {
        assert(by > 0 || (m->n_name_bytes >= e->length && (m->n_entries > 0 || (e->flags & ENTRY_DIRECTORY))));
        m->n_name_bytes += (size_t)by * e->length;
        if (!(e->flags & ENTRY_DIRECTORY))
                m->n_entries += (size_t)by;
}

static Directory *directory_new(Model *m, Directory *parent, Entry *entry) {
        Directory *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        subscriber_init(&f->subscriber);
        f->model = m;
        f->parent = parent;
        f->entry = entry;
        f->id = ++m->last_id;
        m->n_directories++;
        directory_has_changed(f);
        return f;
}

/* A directory has come in below f. */
static void directory_raise(Directory *f, uint32_t height) {
        for (; f && f->height < height; f = f->parent)
                f->height = height++;
}

int directory_add(Directory *f, const char *name, size_t n, const FileState *state, Entry **ret) {
        _cleanup_free_ Entry *e = NULL;
        int r;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        r = directory_reserve(f);
        if (r < 0)
                return r;
        e = entry_new(name, n);
        if (!e)
                return -ENOMEM;
        if (state->is_directory) {
                e->flags = ENTRY_DIRECTORY;
                e->directory = directory_new(f->model, f, e);
                if (!e->directory)
                        return -ENOMEM;
                LIST_INSERT_HEAD(&f->directories, e->directory, siblings);
                directory_raise(f, 1);
        } else
                e->content = state->content;
        entry_identify(e, state);
        e->flags |= state->is_regular ? ENTRY_REGULAR : 0;
        directory_insert(f, e);
        model_count_entry(f->model, e, 1);
        if (!state->is_directory)
                directory_set_dirty(f);
        *ret = TAKE_PTR(e);
        return 0;
}

Entry *directory_take(Directory *f, Entry *e) {
        directory_remove(f, e);
        model_count_entry(f->model, e, -1);
        if (e->flags & ENTRY_DIRECTORY) {
                assert(e->directory->parent == f && e->directory->entry == e);
                LIST_REMOVE(e->directory, siblings);
                e->directory->parent = NULL;
        } else
                directory_set_dirty(f);
        return e;
}

int directory_put(Directory *f, Entry *e, const char *name, size_t n, Entry **ret) {
        Entry *bigger = e;
        int r;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        assert(!directory_find(f, name, n));
        r = directory_reserve(f);
        if (r < 0)
                return r;
        if (n > e->length) {
                bigger = realloc(e, MAX(offsetof(Entry, name) + n + 1, sizeof(Entry)));
                if (!bigger)
                        return -ENOMEM;
                e = bigger;
        }
        memcpy(e->name, name, n);
        e->name[n] = '\0';
        e->length = (uint8_t)n;
        directory_insert(f, e);
        model_count_entry(f->model, e, 1);
        if (e->flags & ENTRY_DIRECTORY) {
                assert(!e->directory->parent && !directory_is_below(f, e->directory));
                e->directory->entry = e;
                e->directory->parent = f;
                LIST_INSERT_HEAD(&f->directories, e->directory, siblings);
                directory_raise(f, e->directory->height + 1);
                directory_has_changed(e->directory);
        } else
                directory_set_dirty(f);
        *ret = e;
        return 0;
}

Entry *directory_pop(Directory *f, unsigned *steps) {
        while (f->entries.n_nodes > 0 && *steps > 0) {
                Entry *e;

                assert(f->cursor < f->entries.n_slots); /* nothing came in behind it */
                e = entry_in_slot(f, f->cursor);

                --*steps;
                steps_taken++;
                if (!e) {
                        f->cursor++;
                        continue;
                }
                assert(!(e->flags & ENTRY_DIRECTORY));
                f->entries.slots[f->cursor] = e->node.next;
                f->entries.n_nodes--;
                model_count_entry(f->model, e, -1);
                return e;
        }
        return NULL;
}

/* --- freeing --- */

/* An id that cannot be remembered leaves a row in the snapshot, whose parent is missing when it is loaded. */
static void model_note_removed(Model *m, uint32_t id) {
        uint32_t *place;

        while (m->heir)
                m = m->heir;
        place = ARRAY_NEXT(m->removed, m->n_removed);
        if (place)
                m->removed[m->n_removed++] = id;
}

static void directory_free(Directory *f) {
        Model *m = f->model;
        unsigned steps = UINT_MAX;
        Entry *e;

        assert(LIST_EMPTY(&f->directories) && !subscriber_is_subscribed(&f->subscriber));
        assert(!(f->flags & (DIRECTORY_QUEUED | DIRECTORY_BUSY | DIRECTORY_LOOK_AGAIN)));
        for (f->cursor = 0; (e = directory_pop(f, &steps));)
                free(e);
        assert(f->entries.n_nodes == 0);
        directory_clear_dirty(f);
        if (f->flags & DIRECTORY_SAVED)
                model_note_removed(m, f->id);
        assert(m->n_directories > 0 && m->n_slots >= f->entries.n_slots);
        m->n_directories--;
        m->n_slots -= f->entries.n_slots;
        hash_table_done(&f->entries);
        directory_end_move(f);
        free(f);
}

Entry *entry_free(Entry *e) {
        if (!e)
                return NULL;
        if (e->flags & ENTRY_DIRECTORY)
                directory_free(e->directory);
        return mfree(e);
}

Directory *directory_deepest(Directory *f) {
        while (!LIST_EMPTY(&f->directories))
                f = LIST_FIRST(&f->directories);
        return f;
}

void directory_free_leaf(Directory *f) {
        (void)entry_free(directory_take(f->parent, f->entry));
}

int model_take_root(Model *m, Entry **ret) {
        _cleanup_free_ Entry *e = entry_new("", 0);
        Directory *root = m->root, *fresh = e ? directory_new(m, NULL, NULL) : NULL;
        uint32_t id = root->id;

        if (!fresh)
                return -ENOMEM;
        assert(!root->parent && !root->entry);
        root->id = fresh->id;
        root->flags &= ~(uint32_t)DIRECTORY_SAVED;
        fresh->id = id;
        root->entry = e;
        e->flags = ENTRY_DIRECTORY;
        e->directory = root;
        e->inode = root->inode;
        m->root = fresh;
        *ret = TAKE_PTR(e);
        return 0;
}

int model_new(Model **ret, void *owner, bool saves_all) {
        _cleanup_(model_freep) Model *m = NULL;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        LIST_INIT(&m->dirty);
        m->owner = owner;
        m->saves_all = saves_all;
        m->seed = hash_seed();
        m->root = directory_new(m, NULL, NULL);
        if (!m->root)
                return -ENOMEM;
        *ret = TAKE_PTR(m);
        return 0;
}

Model *model_free(Model *m) {
        if (!m)
                return NULL;
        for (Directory *f = m->root, *parent; f; f = parent) {
                f = directory_deepest(f);
                parent = f->parent;
                if (parent)
                        directory_free_leaf(f);
                else
                        directory_free(f);
        }
        assert(m->n_directories == 0 && m->n_entries == 0); /* nothing that was taken out is left, either */
        free(m->removed);
        return mfree(m);
}

void *model_owner(const Model *m) {
        return m->owner;
}

Directory *model_root(const Model *m) {
        return m->root;
}

const Entry *model_find(const Model *m, const char *path) {
        const Directory *f = m->root;

        while (f) {
                size_t n = strcspn(path, "/");
                const Entry *e = directory_find(f, path, n);

                if (!e || path[n] == '\0')
                        return e;
                f = e->flags & ENTRY_DIRECTORY ? e->directory : NULL;
                path += n + 1;
        }
        return NULL;
}

size_t model_n_directories(const Model *m) {
        return m->n_directories;
}

size_t model_n_entries(const Model *m) {
        return m->n_entries;
}

size_t model_size(const Model *m) {
        size_t n = m->n_entries + m->n_directories;

        return n * (sizeof(Entry) + 8) + m->n_name_bytes + m->n_directories * sizeof(Directory) +
               m->n_slots * sizeof(void *);
}

/* --- directories --- */

/* From the root, or from where what is in it was reported last. */
static int directory_make_path(const Directory *f, bool reported, PathText *ret) {
        size_t n = 0, depth = 0, n_before;
        const MovedFrom *before;
        const Directory *top = f;
        char *end;
        int r;

        for (; top->parent && !(reported && top->moved_from); top = top->parent) {
                n += top->entry->length + (depth > 0);
                depth++;
        }
        before = reported ? top->moved_from : NULL;
        if (before && (top->flags & DIRECTORY_MOVED_BELOW)) {
                n += top->entry->length + (depth > 0);
                top = top->parent;
                assert(top); /* what has left has a path of its own */
        }
        steps_taken += depth + n / 256;
        n_before = before ? before->length : 0;
        r = path_text_resize(ret, n_before + (n_before > 0 && n > 0) + n);
        if (r < 0)
                return r;
        for (end = ret->bytes + ret->length; f != top; f = f->parent) {
                end -= f->entry->length;
                memcpy(end, f->entry->name, f->entry->length);
                if (end > ret->bytes)
                        *--end = '/';
        }
        assert(end == ret->bytes + n_before); /* there was room for just this */
        if (before)
                memcpy(ret->bytes, before->path, n_before);
        return 0;
}

void directory_end_move(Directory *f) {
        MovedFrom *m = TAKE_PTR(f->moved_from);

        assert(m || !(f->flags & DIRECTORY_MOVED_BELOW));
        f->flags &= ~(uint32_t)DIRECTORY_MOVED_BELOW;
        if (m && --m->n_refs == 0)
                free(m);
}

int directory_set_moved_from(Directory *f, const char *path, size_t n) {
        MovedFrom *m = malloc(sizeof(*m) + n + 1);

        if (!m)
                return -ENOMEM;
        *m = (MovedFrom){ .n_refs = 1, .length = n };
        memcpy(m->path, path, n);
        m->path[n] = '\0';
        directory_end_move(f);
        f->moved_from = m;
        return 0;
}

int directory_inherit_moved_from(Directory *f) {
        _cleanup_(path_text_done) PathText path = {};
        Directory *parent = f->parent;
        int r = 0;

        if (!parent->moved_from || (parent->flags & DIRECTORY_MOVED_BELOW)) {
                r = directory_reported_path_of(parent, "", 0, &path);
                if (r >= 0)
                        r = directory_set_moved_from(parent, path_text_string(&path), path.length);
        }
        if (r < 0)
                return r;
        assert(!(parent->flags & DIRECTORY_MOVED_BELOW)); /* so that it is never more than one step */
        directory_end_move(f);
        f->moved_from = parent->moved_from;
        f->moved_from->n_refs++;
        f->flags |= DIRECTORY_MOVED_BELOW;
        return 0;
}

int directory_path(const Directory *f, PathText *ret) {
        return directory_make_path(f, /* reported= */ false, ret);
}

int directory_path_of(const Directory *f, const char *name, size_t n, PathText *ret) {
        int r = directory_path(f, ret);

        return r < 0 ? r : path_text_append(ret, name, n);
}

int directory_reported_path_of(const Directory *f, const char *name, size_t n, PathText *ret) {
        int r = directory_make_path(f, /* reported= */ true, ret);

        return r < 0 || n == 0 ? r : path_text_append(ret, name, n);
}

bool directory_is_moving(const Directory *f) {
        while (!f->moved_from && f->parent)
                f = f->parent;
        return f->moved_from;
}

unsigned directory_depth(const Directory *f) {
        unsigned n = 0;

        for (; f->parent; f = f->parent)
                n++;
        return n;
}

bool directory_is_below(const Directory *f, const Directory *above) {
        for (; f; f = f->parent)
                if (f == above)
                        return true;
        return false;
}

Directory *directory_walk(Directory *f, Directory *last) {
        if (!last)
                return f;
        if (!LIST_EMPTY(&last->directories))
                return LIST_FIRST(&last->directories);
        for (; last && last != f; last = last->parent)
                if (LIST_NEXT(last, siblings))
                        return LIST_NEXT(last, siblings);
        return NULL;
}

/* --- what changed since it was saved --- */

void directory_set_dirty(Directory *f) {
        if (f->flags & DIRECTORY_DIRTY)
                return;
        f->flags |= DIRECTORY_DIRTY;
        LIST_INSERT_HEAD(&f->model->dirty, f, dirty);
}

void directory_clear_dirty(Directory *f) {
        if (!(f->flags & DIRECTORY_DIRTY))
                return;
        f->flags &= ~(uint32_t)DIRECTORY_DIRTY;
        LIST_REMOVE(f, dirty);
}

Directory *directory_first_unsaved(Directory *f) {
        Directory *first = f;

        for (; f->parent; f = f->parent)
                if (!(f->parent->flags & DIRECTORY_SAVED))
                        first = f->parent;
        return first;
}

Directory *model_first_dirty(const Model *m) {
        return LIST_FIRST(&m->dirty);
}

const uint32_t *model_removed_ids(const Model *m, size_t *ret_n) {
        *ret_n = m->n_removed;
        return m->removed;
}

void model_forget_removed_ids(Model *m, size_t n) {
        assert(n <= m->n_removed);
        m->n_removed -= n;
        if (m->n_removed > 0)
                return;
        m->removed = mfree(m->removed);
}

void model_succeed(Model *next, Model *m) {
        assert(!m->heir && next->n_removed == 0);
        next->last_id = MAX(next->last_id, m->last_id);
        next->removed = TAKE_PTR(m->removed);
        next->n_removed = m->n_removed;
        m->n_removed = 0;
        m->heir = next;
        model_note_removed(next, m->root->id); /* at once: what is left of the others belongs to nothing */
        next->root->id = ++next->last_id;
}

void directory_set_id(Directory *f, uint32_t id) {
        assert(id != MODEL_NO_ID);
        f->id = id;
        f->model->last_id = MAX(f->model->last_id, id);
}

int model_new_directory(Model *m, const char *name, size_t n, const FileState *state, Entry **ret) {
        _cleanup_free_ Entry *e = NULL;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        e = entry_new(name, n);
        if (!e)
                return -ENOMEM;
        e->flags = ENTRY_DIRECTORY;
        entry_identify(e, state);
        e->directory = directory_new(m, NULL, e);
        if (!e->directory)
                return -ENOMEM;
        *ret = TAKE_PTR(e);
        return 0;
}
