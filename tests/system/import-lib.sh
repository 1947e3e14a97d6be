# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What tests share that compare imported jobs with what they come from: packages are downloaded outside, where there is
# a network, and what download() of the test leaves of them gets into the box, to $TOP. The test runs itself there.

# fetch PACKAGE…: those that Debian has, into this directory. It has the first one.
fetch() {
        local packages
        apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq >/dev/null 2>&1
        mapfile -t packages < <(apt-cache show --no-all-versions "$@" 2>/dev/null | sed -n 's/^Package: //p')
        [ ${#packages[@]} -gt 0 ] && apt-get download "${packages[@]}" >/dev/null 2>&1
}

outside() { # BOX TEST [FILE…]: they get there, too
        local here root box=$1
        here=$(dirname "$0")
        root=$("$here/box" root "$box")
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT # global: the trap runs later
        if ! (cd "$scratch" && download); then
                echo "ok 1 - $2 # SKIP the packages cannot be downloaded"
                echo "1..1"
                return
        fi
        rm -rf "$root$TOP"
        mkdir "$root$TOP"
        chmod 755 "$root$TOP"
        cp -a "$scratch"/* "${@:3}" "$root$TOP/"
        "$here/box" run "$box" bash "/opt/vaktd-tests/${0##*/}" --inside
}
