#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An absolute path that may not be there yet, whose parents may come and go and whose symbolic links may be changed:
 * every directory that looking it up passes through is watched for the one name that matters in it. What another mount
 * covers is noticed by the mount table only, see mount-table.h. */

#include "watch/event-queue.h"
#include "fs/path-text.h"

#define PATH_CHAIN_LINKS_MAX 1024 /* directories watched for one path; a pattern may pass through many */

typedef struct PathChain PathChain;

/* changed() is called from event_queue_work() when the path may lead elsewhere than before, perhaps often: it should
 * only make sure that path_chain_resolve() is called soon. With glob, path is a pattern for each of its names as in
 * glob(7): a leading dot is matched by a dot only. follow_all: all symbolic links are followed; else those only that
 * others than root (and ourselves) cannot have made, see fs/guarded.h. -EINVAL for a path that is not absolute;
 * -ENOMEM. */
int path_chain_new(PathChain **ret, EventQueue *queue, const char *path, bool glob, bool follow_all,
                   void (*changed)(void *userdata), void *userdata);
PathChain *path_chain_free(PathChain *c);
DEFINE_CLEANUP(PathChain, path_chain_free)

/* From now on nothing is looked at on file systems that may not answer, see file_is_local(); before, only FUSE file
 * systems of other users are not, see file_is_answered(). It is as if it were not there, path_chain_is_remote() tells,
 * and it is blind. */
void path_chain_stay_local(PathChain *c);

/* Looks the path up, watching first and looking then. ret_fd: opened with O_PATH, the last name's link followed; for a
 * pattern, of the first that is there. ret_path (may be NULL): what was found, as it would be written. -ENOENT,
 * -ENOTDIR: not there; -ELOOP; -E2BIG; -EACCES, -EMFILE, … ret_device (may be NULL) is set on failure, too: that of
 * the last directory that was there. */
int path_chain_resolve(PathChain *c, int *ret_fd, PathText *ret_path, dev_t *ret_device);

/* The same for all that a pattern matches, or the one path: fd stays the chain's. What cannot be looked into is left
 * out. A negative errno of visit() ends it and is returned; so is -E2BIG, which path_chain_is_cut() tells as well. */
int path_chain_visit(PathChain *c, int (*visit)(void *userdata, int fd, const char *path), void *userdata);

/* True when not every directory on the way could be watched: ask again from time to time. */
bool path_chain_is_blind(const PathChain *c) _pure_;

/* True when the path was not found because of a symbolic link that is not followed. */
bool path_chain_is_refused(const PathChain *c) _pure_;

/* True when a part of what was to be looked at is on a file system that may not answer. */
bool path_chain_is_remote(const PathChain *c) _pure_;

/* True when there was more to look through than one look may (-E2BIG). */
bool path_chain_is_cut(const PathChain *c) _pure_;
