/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each folder has a table of its own: most folders are small, and one with a million files is no slower than the
 * others. Names are hashed with a seed of this process, so nobody can choose names that collide. Nothing here
 * recurses: a tree is as deep as somebody likes to make it. */

#include "watch/model.h"

#include <assert.h>
#include <limits.h>

#include "util/array.h"
#include "util/hash.h"
#include "util/steps.h"

#define NAME_LEN  255U
#define STAMP_KEY UINT64_C(0x76616b74) /* what is kept on disk is hashed with it: never to be changed */

struct Model {
        void *owner;
        Folder *root;
        uint64_t seed;
        size_t n_folders, n_entries, n_name_bytes, n_slots;
        uint32_t last_id;
        LIST_HEAD(, Folder) dirty;
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
                .is_folder = S_ISDIR(st->st_mode),
                .is_regular = S_ISREG(st->st_mode),
        };
}

bool entry_is_same_file(const Entry *e, const FileState *state) {
        return !!(e->flags & ENTRY_FOLDER) == state->is_folder && e->inode == state->inode &&
               (e->birth == state->birth || e->birth == 0 || state->birth == 0);
}

bool entry_has_content(const Entry *e, const FileState *state) {
        return entry_is_same_file(e, state) && ((e->flags & ENTRY_FOLDER) || e->content == state->content);
}

bool entry_has_status(const Entry *e, const FileState *state) {
        return e->status == state->status;
}

bool entry_has_rights(const Entry *e, const FileState *state) {
        return e->rights == state->rights || e->rights == 0 || state->rights == 0;
}

bool entry_set_state(Folder *f, Entry *e, const FileState *state) {
        bool same = entry_has_content(e, state) && entry_has_status(e, state) && e->birth == state->birth;

        if (same)
                return false;
        assert(!!(e->flags & ENTRY_FOLDER) == state->is_folder);
        if (!state->is_folder) {
                e->content = state->content;
                e->flags = (uint8_t)((e->flags & ~ENTRY_REGULAR) | (state->is_regular ? ENTRY_REGULAR : 0));
                folder_set_dirty(f);
        } else if (e->birth != state->birth || e->rights != state->rights)
                folder_set_dirty(e->folder);
        entry_identify(e, state);
        return true;
}

/* --- the table of a folder --- */

static uint32_t name_hash(const Folder *f, const char *name, size_t n) {
        return (uint32_t)hash_bytes(f->model->seed, name, n);
}

static uint32_t entry_hash(const HashNode *node, const void *userdata) {
        const Entry *e = (const void *)node;

        return name_hash(userdata, e->name, e->length);
}

Entry *folder_find(const Folder *f, const char *name, size_t n) {
        for (Entry *e = (void *)hash_table_chain(&f->entries, name_hash(f, name, n)); e; e = entry_next(e))
                if (e->length == n && memcmp(e->name, name, n) == 0)
                        return e;
        return NULL;
}

static int folder_reserve(Folder *f) {
        uint32_t before = f->entries.n_slots;
        int r = hash_table_reserve(&f->entries);

        f->model->n_slots += f->entries.n_slots - before;
        return r;
}

static void folder_insert(Folder *f, Entry *e) {
        uint32_t before = f->entries.n_slots;

        hash_table_put(&f->entries, &e->node, name_hash(f, e->name, e->length), entry_hash, f);
        f->model->n_slots += f->entries.n_slots - before;
}

/* While its slots are gone through it keeps them. */
static void folder_remove(Folder *f, const Entry *e) {
        uint32_t before = f->entries.n_slots;

        hash_table_take(&f->entries, &e->node, name_hash(f, e->name, e->length));
        if (!(f->flags & FOLDER_BUSY))
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
        m->n_name_bytes += (size_t)by * e->length;
        if (!(e->flags & ENTRY_FOLDER))
                m->n_entries += (size_t)by;
}

static Folder *folder_new(Model *m, Folder *parent, Entry *entry) {
        Folder *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        subscriber_init(&f->subscriber);
        f->model = m;
        f->parent = parent;
        f->entry = entry;
        f->id = ++m->last_id;
        m->n_folders++;
        folder_set_dirty(f);
        return f;
}

/* A folder has come in below f. */
static void folder_raise(Folder *f, uint32_t height) {
        for (; f && f->height < height; f = f->parent)
                f->height = height++;
}

int folder_add(Folder *f, const char *name, size_t n, const FileState *state, Entry **ret) {
        _cleanup_free_ Entry *e = NULL;
        int r;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        r = folder_reserve(f);
        if (r < 0)
                return r;
        e = entry_new(name, n);
        if (!e)
                return -ENOMEM;
        if (state->is_folder) {
                e->flags = ENTRY_FOLDER;
                e->folder = folder_new(f->model, f, e);
                if (!e->folder)
                        return -ENOMEM;
                LIST_INSERT_HEAD(&f->folders, e->folder, siblings);
                folder_raise(f, 1);
        } else
                e->content = state->content;
        entry_identify(e, state);
        e->flags |= state->is_regular ? ENTRY_REGULAR : 0;
        folder_insert(f, e);
        model_count_entry(f->model, e, 1);
        if (!state->is_folder)
                folder_set_dirty(f);
        *ret = TAKE_PTR(e);
        return 0;
}

Entry *folder_take(Folder *f, Entry *e) {
        folder_remove(f, e);
        model_count_entry(f->model, e, -1);
        if (e->flags & ENTRY_FOLDER) {
                LIST_REMOVE(e->folder, siblings);
                e->folder->parent = NULL;
        } else
                folder_set_dirty(f);
        return e;
}

int folder_put(Folder *f, Entry *e, const char *name, size_t n, Entry **ret) {
        Entry *bigger = e;
        int r;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        r = folder_reserve(f);
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
        folder_insert(f, e);
        model_count_entry(f->model, e, 1);
        if (e->flags & ENTRY_FOLDER) {
                e->folder->entry = e;
                e->folder->parent = f;
                LIST_INSERT_HEAD(&f->folders, e->folder, siblings);
                folder_raise(f, e->folder->height + 1);
                folder_set_dirty(e->folder);
        } else
                folder_set_dirty(f);
        *ret = e;
        return 0;
}

Entry *folder_pop(Folder *f, unsigned *steps) {
        while (f->entries.n_nodes > 0 && *steps > 0) {
                Entry *e = entry_in_slot(f, f->cursor);

                --*steps;
                steps_add(1);
                if (!e) {
                        f->cursor++;
                        continue;
                }
                assert(!(e->flags & ENTRY_FOLDER));
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

static void folder_free(Folder *f) {
        Model *m = f->model;
        unsigned steps = UINT_MAX;
        Entry *e;

        assert(!subscriber_is_subscribed(&f->subscriber));
        assert(!(f->flags & (FOLDER_QUEUED | FOLDER_BUSY | FOLDER_LOOK_AGAIN)));
        for (f->cursor = 0; (e = folder_pop(f, &steps));)
                free(e);
        folder_clear_dirty(f);
        model_note_removed(m, f->id);
        m->n_folders--;
        m->n_slots -= f->entries.n_slots;
        hash_table_done(&f->entries);
        folder_end_move(f);
        free(f);
}

Entry *entry_free(Entry *e) {
        if (!e)
                return NULL;
        if (e->flags & ENTRY_FOLDER)
                folder_free(e->folder);
        return mfree(e);
}

Folder *folder_deepest(Folder *f) {
        while (!LIST_EMPTY(&f->folders))
                f = LIST_FIRST(&f->folders);
        return f;
}

void folder_free_leaf(Folder *f) {
        (void)entry_free(folder_take(f->parent, f->entry));
}

int model_take_root(Model *m, Entry **ret) {
        _cleanup_free_ Entry *e = entry_new("", 0);
        Folder *root = m->root, *fresh = e ? folder_new(m, NULL, NULL) : NULL;
        uint32_t id = root->id;

        if (!fresh)
                return -ENOMEM;
        root->id = fresh->id;
        fresh->id = id;
        root->entry = e;
        e->flags = ENTRY_FOLDER;
        e->folder = root;
        e->inode = root->inode;
        m->root = fresh;
        *ret = TAKE_PTR(e);
        return 0;
}

int model_new(Model **ret, void *owner) {
        _cleanup_(model_freep) Model *m = NULL;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        LIST_INIT(&m->dirty);
        m->owner = owner;
        m->seed = hash_seed();
        m->root = folder_new(m, NULL, NULL);
        if (!m->root)
                return -ENOMEM;
        *ret = TAKE_PTR(m);
        return 0;
}

Model *model_free(Model *m) {
        if (!m)
                return NULL;
        for (Folder *f = m->root, *parent; f; f = parent) {
                f = folder_deepest(f);
                parent = f->parent;
                if (parent)
                        folder_free_leaf(f);
                else
                        folder_free(f);
        }
        free(m->removed);
        return mfree(m);
}

void *model_owner(const Model *m) {
        return m->owner;
}

Folder *model_root(const Model *m) {
        return m->root;
}

const Entry *model_find(const Model *m, const char *path) {
        const Folder *f = m->root;

        while (f) {
                size_t n = strcspn(path, "/");
                const Entry *e = folder_find(f, path, n);

                if (!e || path[n] == '\0')
                        return e;
                f = e->flags & ENTRY_FOLDER ? e->folder : NULL;
                path += n + 1;
        }
        return NULL;
}

size_t model_n_folders(const Model *m) {
        return m->n_folders;
}

size_t model_n_entries(const Model *m) {
        return m->n_entries;
}

size_t model_size(const Model *m) {
        size_t n = m->n_entries + m->n_folders;

        return n * (sizeof(Entry) + 8) + m->n_name_bytes + m->n_folders * sizeof(Folder) + m->n_slots * sizeof(void *);
}

/* --- folders --- */

/* From the root, or from where what is in it was reported last. */
static int folder_make_path(const Folder *f, bool reported, PathText *ret) {
        size_t n = 0, depth = 0, n_before;
        const MovedFrom *before;
        const Folder *top = f;
        char *end;
        int r;

        for (; top->parent && !(reported && top->moved_from); top = top->parent) {
                n += top->entry->length + (depth > 0);
                depth++;
        }
        before = reported ? top->moved_from : NULL;
        if (before && (top->flags & FOLDER_MOVED_BELOW)) {
                n += top->entry->length + (depth > 0);
                top = top->parent;
        }
        steps_add(depth + n / 256);
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
        if (before)
                memcpy(ret->bytes, before->path, n_before);
        return 0;
}

void folder_end_move(Folder *f) {
        MovedFrom *m = TAKE_PTR(f->moved_from);

        f->flags &= ~(uint32_t)FOLDER_MOVED_BELOW;
        if (m && --m->n_refs == 0)
                free(m);
}

int folder_set_moved_from(Folder *f, const char *path, size_t n) {
        MovedFrom *m = malloc(sizeof(*m) + n + 1);

        if (!m)
                return -ENOMEM;
        *m = (MovedFrom){ .n_refs = 1, .length = n };
        memcpy(m->path, path, n);
        m->path[n] = '\0';
        folder_end_move(f);
        f->moved_from = m;
        return 0;
}

int folder_inherit_moved_from(Folder *f) {
        _cleanup_(path_text_done) PathText path = {};
        Folder *parent = f->parent;
        int r = 0;

        if (!parent->moved_from || (parent->flags & FOLDER_MOVED_BELOW)) {
                r = folder_reported_path_of(parent, "", 0, &path);
                if (r >= 0)
                        r = folder_set_moved_from(parent, path_text_string(&path), path.length);
        }
        if (r < 0)
                return r;
        folder_end_move(f);
        f->moved_from = parent->moved_from;
        f->moved_from->n_refs++;
        f->flags |= FOLDER_MOVED_BELOW;
        return 0;
}

int folder_path(const Folder *f, PathText *ret) {
        return folder_make_path(f, /* reported= */ false, ret);
}

int folder_path_of(const Folder *f, const char *name, size_t n, PathText *ret) {
        int r = folder_path(f, ret);

        return r < 0 ? r : path_text_append(ret, name, n);
}

int folder_reported_path_of(const Folder *f, const char *name, size_t n, PathText *ret) {
        int r = folder_make_path(f, /* reported= */ true, ret);

        return r < 0 || n == 0 ? r : path_text_append(ret, name, n);
}

bool folder_is_moving(const Folder *f) {
        while (!f->moved_from && f->parent)
                f = f->parent;
        return f->moved_from;
}

unsigned folder_depth(const Folder *f) {
        unsigned n = 0;

        for (; f->parent; f = f->parent)
                n++;
        return n;
}

bool folder_is_below(const Folder *f, const Folder *above) {
        for (; f; f = f->parent)
                if (f == above)
                        return true;
        return false;
}

Folder *folder_walk(Folder *f, Folder *last) {
        if (!last)
                return f;
        if (!LIST_EMPTY(&last->folders))
                return LIST_FIRST(&last->folders);
        for (; last && last != f; last = last->parent)
                if (LIST_NEXT(last, siblings))
                        return LIST_NEXT(last, siblings);
        return NULL;
}

/* --- what changed since it was saved --- */

void folder_set_dirty(Folder *f) {
        if (f->flags & FOLDER_DIRTY)
                return;
        f->flags |= FOLDER_DIRTY;
        LIST_INSERT_HEAD(&f->model->dirty, f, dirty);
}

void folder_clear_dirty(Folder *f) {
        if (!(f->flags & FOLDER_DIRTY))
                return;
        f->flags &= ~(uint32_t)FOLDER_DIRTY;
        LIST_REMOVE(f, dirty);
}

Folder *model_first_dirty(const Model *m) {
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

void folder_set_id(Folder *f, uint32_t id) {
        f->id = id;
        f->model->last_id = MAX(f->model->last_id, id);
}

int model_new_folder(Model *m, const char *name, size_t n, const FileState *state, Entry **ret) {
        _cleanup_free_ Entry *e = NULL;

        if (n == 0 || n > NAME_LEN)
                return -EINVAL;
        e = entry_new(name, n);
        if (!e)
                return -ENOMEM;
        e->flags = ENTRY_FOLDER;
        entry_identify(e, state);
        e->folder = folder_new(m, NULL, e);
        if (!e->folder)
                return -ENOMEM;
        *ret = TAKE_PTR(e);
        return 0;
}
