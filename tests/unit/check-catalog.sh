#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds the MESSAGE_IDs of src/util/log-messages.h and the journal catalog against each other, and lets journalctl read
# the catalog as it does at installation. TAP on standard output.

set -euo pipefail

cd "$(dirname "$0")/../.."
header=src/util/log-messages.h
catalog=units/vaktd.catalog
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

number=0
result() { # STATUS DESCRIPTION [REASON-TO-SKIP]
        number=$((number + 1))
        [ "$1" = 0 ] && echo "ok $number - $2${3:+ # SKIP $3}" || echo "not ok $number - $2"
}

header_ids() {
        sed -nE 's/^#define +MESSAGE_[A-Z_]+ +"([0-9a-f]{32})"$/\1/p' $header
}

catalog_ids() {
        sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' $catalog
}

# Every define of the header must have been understood, or the comparison would miss one.
status=0
[ "$(grep -c '^#define' $header)" = "$(header_ids | sort -u | wc -l)" ] || status=1
result $status "every MESSAGE_ID of the header is 32 hex digits, and used once"

status=0
diff <(header_ids | sort) <(catalog_ids | sort) | sed 's/^/# /' || status=1
result $status "header and catalog have the same ids"

# One line "ID problem" for each entry that lacks something.
problems=$(awk '
        function check() { if (id != "" && (!subject || !by || !body))
                print id " lacks a subject, a Defined-By or a text" }
        /^#/            { next }
        /^-- /          { check(); id = $2; subject = by = body = 0; next }
        /^Subject: ./   { subject = 1; next }
        /^Defined-By: vaktd$/ { by = 1; next }
        /^[A-Z][A-Za-z-]*: / && !body && !gap { next }
        /^$/            { gap = 1; next }
        id != ""        { body = 1 }
        length > 80     { print id ": a line is longer than 80 columns" }
        END             { check() }' $catalog)
[ -z "$problems" ] || echo "# ${problems//$'\n'/$'\n'# }"
status=0
[ -z "$problems" ] || status=1
result $status "every entry has a subject, a Defined-By and a text of at most 80 columns"

if command -v journalctl >/dev/null; then
        mkdir -p "$scratch/usr/lib/systemd/catalog" "$scratch/var/lib/systemd/catalog"
        cp $catalog "$scratch/usr/lib/systemd/catalog/"
        status=0
        journalctl --root="$scratch" --update-catalog >"$scratch/log" 2>&1 || status=$?
        # A malformed line is only a warning to journalctl.
        [ ! -s "$scratch/log" ] || status=1
        listed=$(journalctl --root="$scratch" --list-catalog 2>>"$scratch/log" | grep -c vaktd:) || true
        [ "$listed" = "$(header_ids | wc -l)" ] || status=1
        [ $status = 0 ] || sed 's/^/# /' "$scratch/log"
        result $status "journalctl --update-catalog takes it without a word"
else
        result 0 "journalctl --update-catalog takes it without a word" "no journalctl here"
fi
echo "1..$number"
