#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Large trees that are renamed, moved out and in, unmounted and mounted over, and directories that are not there yet. The
# full size by VAKT_TEST_FULL=1.

. "$(dirname "$0")/paths-lib.sh"

readonly IN=$TREE/in OUT=$TREE/out MOUNTED=$TREE/mounted
size=2000
[ -z "${VAKT_TEST_FULL-}" ] || size=50000

# A file in each of so many directories, there before the watch begins; and nothing is reported of it.
large_tree() {
        fresh_tree
        mkdir $IN $OUT
        path_files make $IN/top $size $size f
        tree_job tree
        sed -i "s,^PathChanged=.*,PathChanged=$IN," "$JOBS/tree.job"
        systemctl start vaktd
        within 60 is_watched tree
        is_quiet tree
        same $size "$(counter tree files)"
        same 0 "$(n_listed)"
}

expect() { # DIRECTORY [DIRECTORY under whose name…]: what is to be reported next
        { local -; set +x; } 2>/dev/null
        local name
        [ $# -gt 1 ] || set -- "$1" "$1"
        for name in "${@:2}"; do
                find "$1" -type f -printf "$name/%P\0"
        done | sort -z >$LIST-expected
        : >$LIST
}

reported_once() {
        within 90 has_listed "$(tr -dc '\0' <$LIST-expected | wc -c)"
        within 60 is_quiet tree
        sort -z $LIST | cmp - $LIST-expected
}

# Each directory is watched once, also the root and those on the way to it.
counts_agree() { # DIRECTORIES FILES
        same "$1 $2" "$(counter tree directories) $(counter tree files)"
        [ "$(counter tree watches)" -ge "$1" ]
        [ "$(counter tree watches)" -le $(($1 + 5)) ]
}

test_a_tree_is_renamed_moved_out_and_in() {
        large_tree
        # Gone from the old names, and there under the new ones.
        expect $IN/top $IN/top $IN/new
        mv $IN/top $IN/new
        reported_once
        counts_agree $((size + 1)) $size
        # They are gone.
        expect $IN/new
        mv $IN/new $OUT/new
        reported_once
        counts_agree 1 0
        # What changes outside is of no interest.
        echo x >>$OUT/new/f0
        expect $OUT/new $IN/back
        mv $OUT/new $IN/back
        reported_once
        counts_agree $((size + 1)) $size
        # The root itself.
        expect $IN
        mv $IN $OUT/in
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
        reported_once
        expect $OUT/in $IN
        mv $OUT/in $IN
        within 60 is_watched tree
        reported_once
        counts_agree $((size + 1)) $size
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
}

test_a_tree_is_mounted_over() {
        large_tree
        # There, the same would be other files; and this one has nothing.
        expect $IN
        mount -t tmpfs -o mode=755 vakt-over $IN
        within 60 eval '[ "$(counter tree directories)" = 1 ]'
        echo x >$IN/over
        within 60 is_listed $IN/over
        umount $IN
        within 60 eval '[ "$(counter tree files)" = $size ]'
        within 60 is_watched tree
        within 60 is_quiet tree
        # It has lost nothing, so nothing is reported but what has changed.
        same 1 "$(n_listed)"
        echo y >>$IN/top/f0
        within 60 is_listed $IN/top/f0
        same 2 "$(n_listed)"
        counts_agree $((size + 1)) $size
        fails journal_has _SYSTEMD_UNIT=vaktd.service -p warning
}

test_a_directory_below_is_mounted_over() {
        # shellcheck disable=SC2034 # in what is evaluated
        local below watches
        large_tree
        watches=$(counter tree watches)
        below=$(dirname "$(find $IN/top -name f5)")
        mount -t tmpfs -o mode=755 vakt-over "$below"
        within 60 eval '[ "$(counter tree watches)" -lt $watches ]'
        : >$LIST
        # Another file system is none of ours without CrossMounts=.
        echo x >"$below/over"
        echo x >$IN/beside
        within 60 is_listed $IN/beside
        within 60 is_quiet tree
        same 1 "$(n_listed)"
        umount "$below"
        within 60 eval '[ "$(counter tree watches)" = $watches ]'
        echo y >>"$below/f5"
        within 60 is_listed "$below/f5"
        same 2 "$(n_listed)"
}

test_a_mount_goes_and_comes() {
        fresh_tree
        mkdir $MOUNTED $OUT
        mount -t tmpfs -o mode=755 vakt-data $OUT
        mkdir $OUT/data
        path_files make $OUT/data 100 100 f
        tree_job tree
        sed -i "s,^PathChanged=.*,PathChanged=$MOUNTED/data," "$JOBS/tree.job"
        systemctl start vaktd
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
        expect $OUT/data $MOUNTED/data
        mount --bind $OUT $MOUNTED
        within 60 is_watched tree
        reported_once
        # Nothing of vaktd holds it.
        umount $MOUNTED
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
        within 60 is_quiet tree
        echo y >>$OUT/data/f0
        mount --bind $OUT $MOUNTED
        within 60 is_watched tree
        within 60 is_listed $MOUNTED/data/f0
        within 60 is_quiet tree
        same 101 "$(n_listed)"
        umount $MOUNTED
        umount $OUT
}

test_a_directory_that_is_not_there_yet() {
        fresh_tree
        tree_job tree
        sed -i "s,^PathChanged=.*,PathChanged=$TREE/a/b/c," "$JOBS/tree.job"
        systemctl start vaktd
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
        mkdir -p $TREE/a/b/c/d
        echo x >$TREE/a/b/c/d/file
        within 60 is_listed $TREE/a/b/c/d/file
        is_watched tree
        mv $TREE/a/b $TREE/a/gone
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
        mkdir $TREE/part
        echo x >$TREE/part/new
        mkdir $TREE/a/b
        mv $TREE/part $TREE/a/b/c
        within 60 is_listed $TREE/a/b/c/new
        is_watched tree
}

test_directories_are_made() {
        fresh_tree
        tree_job tree MakeDirectory=yes DirectoryMode=0750
        sed -i "s,^PathChanged=.*,PathChanged=$TREE/a/b," "$JOBS/tree.job"
        systemctl start vaktd
        within 60 is_watched tree
        same "750 root" "$(stat -c '%a %U' $TREE/a/b)"
        echo x >$TREE/a/b/file
        within 60 is_listed $TREE/a/b/file
        rm -rf $TREE/a
        within 60 eval 'watch_says tree | shows " \"waiting\" "'
}

run_tests
