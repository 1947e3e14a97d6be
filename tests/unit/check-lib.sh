# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For the checks of the source: a line of TAP for each, by the problems that it has found.

number=0
result() { # DESCRIPTION, problems on standard input
        local problems
        problems=$(cat)
        number=$((number + 1))
        if [ -z "$problems" ]; then
                echo "ok $number - $1"
        else
                echo "# ${problems//$'\n'/$'\n'# }"
                echo "not ok $number - $1"
        fi
}
