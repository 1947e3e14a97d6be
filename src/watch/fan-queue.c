/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An id is a keyed hash of the file system's id and the directory's handle, so that no table of handles is needed:
 * with a million directories, two of them share an id once in ten million such trees, and then a name is looked at in
 * vain.
 *
 * All traffic of the file system comes by here, most of it of no interest. What has turned out to be in no watched
 * tree is kept in a small cache of ids, one place for each, and dropped at the first look; which one falls out is no
 * matter, since it is found out again. The kernel's queue keeps its limit (fs.fanotify.max_queued_events): it is
 * others who fill it, and an overflow can be repaired.
 *
 * Of the handles of the files themselves (FAN_REPORT_FID, FAN_REPORT_TARGET_FID) nothing is asked: every name is
 * looked at anyway, and without them the kernel merges more and copies less. FAN_RENAME gives both halves of a move at
 * once; where there is none (before 5.17) they come one by one, and the model puts them together. */

#include "watch/fan-queue.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "util/array.h"
#include "util/hash.h"
#include "watch/writer-table.h"

#define BUFFER_SIZE (64 * 1024)
#define HANDLE_MAX  128 /* MAX_HANDLE_SZ */
#define OTHERS      8192U

/* The bits are the same in both interfaces; so are their meanings, but for FAN_RENAME. */
#define BASIC_EVENTS (FAN_CREATE | FAN_DELETE | FAN_CLOSE_WRITE | FAN_ONDIR)
#define MORE_EVENTS  (FAN_MODIFY | FAN_ATTRIB)
_Static_assert(FAN_CREATE == IN_CREATE && FAN_DELETE == IN_DELETE && FAN_CLOSE_WRITE == IN_CLOSE_WRITE &&
                       FAN_MODIFY == IN_MODIFY && FAN_ATTRIB == IN_ATTRIB && FAN_MOVED_FROM == IN_MOVED_FROM &&
                       FAN_MOVED_TO == IN_MOVED_TO && FAN_ONDIR == IN_ISDIR,
               "fanotify calls its events as inotify does");

#ifndef FAN_RENAME /* headers before 5.17 */
#define FAN_RENAME                        0x10000000
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif

/* A directory as the kernel names it; what is after the fixed part is as long as it has to be. */
typedef struct DirectoryHandle {
        __kernel_fsid_t file_system;
        uint32_t n_bytes;
        int32_t type; /* from here on as in struct file_handle */
        unsigned char bytes[HANDLE_MAX];
} DirectoryHandle;

_Static_assert(sizeof(DirectoryHandle) <= EVENT_QUEUE_HANDLE_MAX, "a handle fits into an entry of the set");

typedef struct FanMark {
        dev_t device;
        __kernel_fsid_t file_system;
        uint32_t mask;
        bool listed; /* the kernel shows it under this device (not so for subvolumes of btrfs) */
} FanMark;

struct FanQueue {
        int fd;
        EventQueue *queue;
        void (*overflowed)(void *userdata);
        void *userdata;
        WriterTable *writers;
        FanMark *marks;
        size_t n_marks;
        uint64_t move; /* FAN_RENAME, or the two halves */
        uint64_t seed;
        uint32_t cookie;
        FanQueueCounters counters;
        int64_t others[OTHERS];
        char *buffer;
};

/* --- ids --- */

static size_t handle_size(const DirectoryHandle *h) {
        return offsetof(DirectoryHandle, bytes) + h->n_bytes;
}

static int64_t handle_id(const FanQueue *f, const DirectoryHandle *h) {
        return (int64_t)(hash_bytes(f->seed, h, handle_size(h)) & (EVENT_QUEUE_OUTER_ID - 1)) | EVENT_QUEUE_OUTER_ID;
}

static int64_t *other_slot(FanQueue *f, int64_t id) {
        return &f->others[(uint64_t)id % OTHERS];
}

void fan_queue_ignore(FanQueue *f, int64_t id) {
        *other_slot(f, id) = id;
}

void fan_queue_ask_again(FanQueue *f) {
        memset(f->others, 0, sizeof(f->others));
}

/* --- marks --- */

static FanMark *mark_find(const FanQueue *f, dev_t device) {
        for (size_t i = 0; i < f->n_marks; i++)
                if (f->marks[i].device == device)
                        return &f->marks[i];
        return NULL;
}

/* Marks those whose device the kernel lists. 0 or negative errno. */
static int marks_compare(const FanQueue *f, bool *listed) {
        char path[sizeof("/proc/self/fdinfo/") + 11];
        _cleanup_free_ char *line = NULL;
        unsigned long device;
        size_t size = 0;
        FILE *info;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
        info = fopen(path, "re");
        if (!info)
                return -errno;
        while (getline(&line, &size, info) > 0)
                if (sscanf(line, "fanotify sdev:%lx", &device) == 1) /* as the kernel counts: 12 bits, 20 bits */
                        for (size_t i = 0; i < f->n_marks; i++)
                                if (f->marks[i].device == makedev(device >> 20, device & 0xfffff))
                                        listed[i] = true;
        (void)fclose(info);
        return 0;
}

bool fan_queue_take_lost(FanQueue *f, dev_t *ret_device) {
        _cleanup_free_ bool *listed = calloc(f->n_marks + 1, sizeof(bool));

        if (!listed || marks_compare(f, listed) < 0)
                return false;
        for (size_t i = 0; i < f->n_marks; i++)
                if (f->marks[i].listed && !listed[i]) {
                        *ret_device = f->marks[i].device;
                        f->marks[i] = f->marks[--f->n_marks];
                        return true;
                }
        return false;
}

static FanMark *mark_add(FanQueue *f, dev_t device) {
        FanMark *m = mark_find(f, device);

        if (m)
                return m;
        m = ARRAY_NEXT(f->marks, f->n_marks);
        if (m)
                f->marks[f->n_marks++] = (FanMark){ .device = device };
        return m;
}

static int fan_mark(const FanQueue *f, int fd, unsigned flags, uint64_t mask) {
        char path[sizeof("/proc/self/fd/") + 11];

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return fanotify_mark(f->fd, flags | FAN_MARK_FILESYSTEM, mask, AT_FDCWD, path) < 0 ? -errno : 0;
}

static int fan_mark_add(FanQueue *f, int fd, uint32_t mask) {
        uint64_t events = BASIC_EVENTS | (mask & MORE_EVENTS);
        int r = fan_mark(f, fd, FAN_MARK_ADD, events | f->move);

        if (r != -EINVAL || f->move != FAN_RENAME)
                return r;
        f->move = FAN_MOVED_FROM | FAN_MOVED_TO;
        return fan_mark(f, fd, FAN_MARK_ADD, events | f->move);
}

/* A directory has to have a handle, or its events would not be known. */
static int check_handle(int fd) {
        union {
                struct file_handle h;
                char bytes[sizeof(struct file_handle) + HANDLE_MAX];
        } u = { .h.handle_bytes = HANDLE_MAX };
        int mount_id;

        return name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int fan_queue_mark(FanQueue *f, int fd, uint32_t mask) {
        struct statfs s;
        struct stat st;
        FanMark *m;
        bool is_new;
        int r;

        if (fstat(fd, &st) < 0 || fstatfs(fd, &s) < 0)
                return -errno;
        r = check_handle(fd);
        if (r >= 0)
                r = fan_mark_add(f, fd, mask);
        if (r < 0)
                return r;
        is_new = !mark_find(f, st.st_dev);
        m = mark_add(f, st.st_dev);
        if (!m)
                return -ENOMEM;
        memcpy(&m->file_system, &s.f_fsid, sizeof(m->file_system));
        m->mask |= mask & MORE_EVENTS;
        if (is_new) {
                _cleanup_free_ bool *listed = calloc(f->n_marks, sizeof(bool));

                m->listed = listed && marks_compare(f, listed) >= 0 && listed[m - f->marks];
        }
        return 0;
}

void fan_queue_unmark(FanQueue *f, int fd) {
        struct stat st;
        FanMark *m;

        if (fstat(fd, &st) < 0)
                return;
        m = mark_find(f, st.st_dev);
        if (m && fan_mark(f, fd, FAN_MARK_REMOVE, BASIC_EVENTS | f->move | m->mask) >= 0)
                *m = f->marks[--f->n_marks];
}

/* --- subscribing --- */

static int handle_of(const FanMark *m, int dir_fd, const char *name, DirectoryHandle *ret) {
        union {
                struct file_handle h;
                char bytes[sizeof(struct file_handle) + HANDLE_MAX];
        } u = { .h.handle_bytes = HANDLE_MAX };
        int mount_id;

        if (name_to_handle_at(dir_fd, name, &u.h, &mount_id, name[0] == '\0' ? AT_EMPTY_PATH : 0) < 0)
                return -errno;
        assert(u.h.handle_bytes <= HANDLE_MAX);
        *ret = (DirectoryHandle){ .file_system = m->file_system,
                                  .n_bytes = u.h.handle_bytes,
                                  .type = u.h.handle_type };
        memcpy(ret->bytes, u.h.f_handle, u.h.handle_bytes);
        return 0;
}

int fan_queue_subscribe(FanQueue *f, Subscriber *s, int dir_fd, const char *name, dev_t device, uint32_t mask) {
        const FanMark *m = mark_find(f, device);
        DirectoryHandle h;
        bool late;
        int64_t id;
        int r;

        if (!m) {
                r = fan_queue_mark(f, dir_fd, mask);
                if (r < 0)
                        return r;
                m = mark_find(f, device);
                if (!m)
                        return -EXDEV;
        }
        r = handle_of(m, dir_fd, name, &h);
        if (r < 0)
                return r;
        id = handle_id(f, &h);
        late = *other_slot(f, id) == id;
        if (late)
                *other_slot(f, id) = 0;
        r = event_queue_subscribe_id(f->queue, s, id, mask);
        return r >= 0 && late ? FAN_QUEUE_LATE : r;
}

int fan_queue_open(const FanQueue *f, int mount_fd, const void *handle) {
        const DirectoryHandle *h = handle;
        union {
                struct file_handle h;
                char bytes[sizeof(struct file_handle) + HANDLE_MAX];
        } u = { .h.handle_bytes = h->n_bytes };
        struct statfs s;
        int fd;

        assert(h->n_bytes <= HANDLE_MAX); /* it is one that place_parse() let in */
        if (fstatfs(mount_fd, &s) < 0)
                return -errno;
        if (memcmp(&s.f_fsid, &h->file_system, sizeof(h->file_system)) != 0)
                return -ESTALE;
        u.h.handle_type = h->type;
        memcpy(u.h.f_handle, h->bytes, h->n_bytes);
        fd = open_by_handle_at(mount_fd, &u.h, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* --- reading --- */

/* One of the places that an event names: a directory and a name in it. */
typedef struct FanPlace {
        DirectoryHandle handle;
        const char *name;
        size_t length;
} FanPlace;

static bool place_parse(const struct fanotify_event_info_header *header, FanPlace *ret) {
        const struct fanotify_event_info_fid *info = (const void *)header;
        const char *end = (const char *)header + header->len;
        struct file_handle h;
        const char *p;

        if (header->len < sizeof(*info) + sizeof(h))
                return false;
        memcpy(&h, info->handle, sizeof(h));
        p = (const char *)info->handle + sizeof(h);
        if (h.handle_bytes > HANDLE_MAX || h.handle_bytes >= (size_t)(end - p))
                return false;
        memcpy(&ret->handle.file_system, &info->fsid, sizeof(ret->handle.file_system));
        ret->handle.n_bytes = h.handle_bytes;
        ret->handle.type = h.handle_type;
        memcpy(ret->handle.bytes, p, h.handle_bytes);
        ret->name = p + h.handle_bytes;
        ret->length = strnlen(ret->name, (size_t)(end - ret->name));
        if (ret->length == 1 && ret->name[0] == '.') /* the directory itself */
                ret->length = 0;
        return ret->length <= 255;
}

static void queue_place(FanQueue *f, const FanPlace *place, uint32_t mask, pid_t pid) {
        int64_t id = handle_id(f, &place->handle);
        bool is_known;

        assert(id >= EVENT_QUEUE_OUTER_ID); /* so that it is never taken for a watch of inotify */
        if (*other_slot(f, id) == id) {
                f->counters.others++;
                return;
        }
        is_known = event_queue_has_id(f->queue, id);
        event_queue_put(f->queue, &(Heard){ .id = id,
                                            .name = place->name,
                                            .length = place->length,
                                            .mask = mask,
                                            .cookie = f->cookie,
                                            .writer = { .pid = pid, .group = writer_table_find(f->writers, pid) },
                                            .handle = is_known ? NULL : &place->handle,
                                            .handle_size = handle_size(&place->handle) });
}

/* What an event is called as, in the place of that kind. */
static uint32_t mask_of_place(const struct fanotify_event_metadata *e, uint8_t kind) {
        const uint32_t always = (uint32_t)e->mask & FAN_ONDIR;

        switch (kind) {
        case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
                return IN_MOVED_FROM | always;
        case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
                return IN_MOVED_TO | always;
        case FAN_EVENT_INFO_TYPE_DFID_NAME:
                return (uint32_t)(e->mask & ~(uint64_t)FAN_RENAME);
        default:
                return 0; /* of newer kernels, and not asked for */
        }
}

/* p, end: what an event says of places. */
static void queue_event(FanQueue *f, const struct fanotify_event_metadata *e, const char *p, const char *end) {
        if (e->mask & FAN_Q_OVERFLOW) {
                f->counters.overflows++;
                f->overflowed(f->userdata);
                return;
        }
        f->cookie++;
        while ((size_t)(end - p) >= sizeof(struct fanotify_event_info_header)) {
                const struct fanotify_event_info_header *header = (const void *)p;
                uint32_t mask = mask_of_place(e, header->info_type);
                FanPlace place;

                if (header->len < sizeof(*header) || header->len > end - p)
                        return;
                if (mask != 0 && place_parse(header, &place))
                        queue_place(f, &place, mask, e->pid);
                p += header->len;
        }
}

static int queue_events(FanQueue *f, size_t n) {
        const char *p = f->buffer, *end = p + n;
        struct fanotify_event_metadata e;
        int n_events = 0;

        for (; (size_t)(end - p) >= sizeof(e); p += e.event_len, n_events++) {
                memcpy(&e, p, sizeof(e)); /* they are not aligned */
                if (e.vers != FANOTIFY_METADATA_VERSION || e.event_len < e.metadata_len ||
                    e.event_len > (size_t)(end - p))
                        return -EPROTO;
                queue_event(f, &e, p + e.metadata_len, p + e.event_len);
        }
        return n_events;
}

int fan_queue_drain(FanQueue *f, size_t max, usec_t now) {
        int n_events = 0;

        writer_table_begin(f->writers, now);
        for (size_t done = 0; done < max;) {
                ssize_t n = read(f->fd, f->buffer, BUFFER_SIZE);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return -errno;
                if (n <= 0)
                        break;
                r = queue_events(f, (size_t)n);
                if (r < 0)
                        return r;
                n_events += r;
                done += (size_t)n;
                if (n < BUFFER_SIZE / 2)
                        break;
        }
        f->counters.events += (uint64_t)n_events;
        return n_events;
}

/* --- for people --- */

const char *fan_queue_explain(int error) {
        static const struct {
                int error;
                const char *text;
        } table[] = {
                { EPERM, "the service may not use fanotify: give it CAP_SYS_ADMIN with the drop-in 10-fanotify.conf" },
                { EACCES, "the directory is not readable" },
                { ENOSYS, "the kernel is built without fanotify" },
                { EINVAL, "the kernel is older than 5.9, whose fanotify does not report names" },
                { EMFILE, "too many processes use fanotify: raise fs.fanotify.max_user_groups" },
                { ENOSPC, "too many file systems are marked: raise fs.fanotify.max_user_marks" },
                { EOPNOTSUPP, "its file system does not support file handles" },
                { ENODEV, "its file system has no id" },
                { EXDEV, "it is a subvolume, which this kernel cannot distinguish from others" },
                { EREMOTE, "other hosts may change it without the knowledge of this kernel" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].error == -error)
                        return table[i].text;
        return "the kernel refuses this";
}

const char *fan_queue_group_path(const FanQueue *f, uint32_t group) {
        return writer_table_path(f->writers, group);
}

FanQueueCounters fan_queue_counters(const FanQueue *f) {
        FanQueueCounters c = f->counters;

        c.marks = f->n_marks;
        return c;
}

/* --- life --- */

int fan_queue_new(FanQueue **ret, EventQueue *queue, void (*overflowed)(void *userdata), void *userdata) {
        _cleanup_(fan_queue_freep) FanQueue *f = NULL;
        int r;

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->fd = -EBADF;
        f->queue = queue;
        f->overflowed = overflowed;
        f->userdata = userdata;
        f->seed = hash_seed();
        f->move = FAN_RENAME;
        f->buffer = malloc(BUFFER_SIZE);
        if (!f->buffer)
                return -ENOMEM;
        r = writer_table_new(&f->writers);
        if (r < 0)
                return r;
        f->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DIR_FID | FAN_REPORT_NAME,
                              O_RDONLY | O_CLOEXEC);
        if (f->fd < 0)
                return -errno;
        *ret = TAKE_PTR(f);
        return 0;
}

FanQueue *fan_queue_free(FanQueue *f) {
        if (!f)
                return NULL;
        safe_close(f->fd);
        (void)writer_table_free(f->writers);
        free(f->marks);
        free(f->buffer);
        return mfree(f);
}

int fan_queue_fd(const FanQueue *f) {
        return f->fd;
}
