#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs of import-tmpfiles clean what systemd-tmpfiles cleans.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly TOP=/srv/import-tmpfiles

make_tree() {
        local file
        rm -rf $TOP
        mkdir -p $TOP/{a/b/c,keep-1/x,priv-1/y,own/z,.hidden,young} $TOP/{e1,e2}/deep
        for file in a/1 a/b/2 a/b/c/3 keep-1/x/4 keep-f priv-1/5 priv-1/y/6 own/7 own/z/8 .hidden/9 .f young/old top '-rf' \
                $'new\nline' e1/deep/10 e1/11 e2/12; do
                echo x >"$TOP/$file"
        done
        ln -s /etc/passwd $TOP/link
        ln -s /etc/passwd $TOP/old-link
        find $TOP -depth -exec touch -h -d '20 days ago' {} +
        touch $TOP/young/young $TOP/e2/deep/young
}

test_a_tree_is_the_same() {
        local job
        cat >/etc/tmpfiles.d/vakt-test.conf <<END2
d $TOP 0755 root root mM:10d
x $TOP/keep-*
X $TOP/priv-*
L $TOP/link - - - - /etc/passwd
D $TOP/own/z 0700 root root mM:40d
e $TOP/e?/ - - - mM:2w
END2
        vaktctl import-tmpfiles --output="$JOBS" /etc/tmpfiles.d/vakt-test.conf || same 1 $? # the capital letters
        make_tree
        systemd-tmpfiles --clean /etc/tmpfiles.d/vakt-test.conf
        rm /etc/tmpfiles.d/vakt-test.conf
        find $TOP -printf '%p %m %u\n' | sort >/tmp/theirs
        make_tree
        systemctl start vaktd
        for job in "$JOBS"/*.job; do
                vaktctl run --wait "$(basename "$job" .job)"
        done
        find $TOP -printf '%p %m %u\n' | sort >/tmp/ours
        diff /tmp/theirs /tmp/ours
        fails test -e $TOP/a
        test -e $TOP/keep-1/x/4
        rm -rf $TOP
}

run_tests
