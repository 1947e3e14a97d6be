#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The logrotate configuration of Debian packages, imported: the jobs make the same trees as logrotate, three times in
# a row from the same start. The packages are downloaded here, where there is a network, and only their configuration
# and logrotate itself get into the box. It runs itself inside.
#
#   outside-import-logrotate.sh NAME     NAME is a box that is up (tests/system/box)

set -uo pipefail

readonly TOP=/opt/import-logrotate
# Without those that rotate by size only: logrotate is told to rotate all.
readonly PACKAGES=(apache2 apt aptitude chrony cups-daemon dpkg fail2ban freeradius haproxy icinga2-common
        lighttpd munin nginx-common php8.2-fpm ppp privoxy proftpd-core redis-server rsyslog samba speech-dispatcher squid
        stunnel4 tinyproxy tor ufw ulogd2 unattended-upgrades uwsgi vsftpd zabbix-agent)
readonly AT_LEAST=20

# shellcheck source=tests/system/import-lib.sh
. "$(dirname "$0")/import-lib.sh"

# --- outside ---

download() {
        local deb
        fetch logrotate libpopt0 "${PACKAGES[@]}" || return
        for deb in *.deb; do
                dpkg-deb --fsys-tarfile "$deb" | tar -x --wildcards './etc/logrotate*' './usr/sbin/logrotate' './usr/lib/*/libpopt*' './lib/*/libpopt*' 2>/dev/null
        done
        rm -f ./*.deb etc/logrotate.d/?tmp
        [ "$(find etc/logrotate.d -type f | wc -l)" -ge $AT_LEAST ]
}

# --- inside ---

# The logs of all blocks; two for a wildcard. Blocks of packages begin at the beginning of a line.
logs() {
        cat $TOP/etc/logrotate.d/* | sed -nE 's/^"?(\/var\/[^{"]*).*/\1/p' | tr -s '[:blank:]' '\n' |
                sed -n '/\*/{s/\*/one/gp;s/one/two/gp;b};/./p' | sort -u
}

# What scripts call, and users that new logs belong to.
prepare() {
        local name unit directory user group
        for name in /usr/sbin/invoke-rc.d /usr/sbin/service /usr/bin/chronyc /usr/bin/fail2ban-client /usr/sbin/squid \
                /usr/lib/rsyslog/rsyslog-rotate /usr/bin/ftpstats /etc/init.d/stunnel4 /etc/init.d/lighttpd /usr/bin/logger; do
                mkdir -p "${name%/*}"
                ln -sf /bin/true "$name"
        done
        # shellcheck disable=SC2013 # words are wanted
        for name in $(sed -nE 's/^[ \t]*create +[0-7]+ //p' $TOP/etc/logrotate.d/*); do
                getent group "$name" >/dev/null || groupadd -r "$name"
                getent passwd "$name" >/dev/null || useradd -r -g "$name" "$name"
        done
        # Directories as packages make them.
        for name in munin:munin:adm tor:debian-tor:adm stunnel4:stunnel4:stunnel4 privoxy:privoxy:adm \
                zabbix-agent:zabbix:zabbix squid:proxy:proxy; do
                IFS=: read -r directory user group <<<"$name"
                rm -rf "/var/log/$directory"
                install -d -o "$user" -g "$group" -m 2750 "/var/log/$directory"
        done
        # shellcheck disable=SC2013
        for unit in $(sed -nE 's/^(ReloadUnit=|Signal=[A-Z0-9]+ )//p' "$JOBS"/*.job); do
                printf '[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/true\n' >"/run/systemd/system/$unit"
        done
        systemctl daemon-reload
        # shellcheck disable=SC2046 # several
        systemctl start $(sed -nE 's/^(ReloadUnit=|Signal=[A-Z0-9]+ )//p' "$JOBS"/*.job)
}

# Logs as they are written before the rotation number $1.
write() {
        local log
        logs | while read -r log; do
                mkdir -p "${log%/*}"
                [ -e "$log" ] || { : >"$log" && chmod 0604 "$log" && chown --reference="${log%/*}" "$log"; }
                echo "$log $1" >>"$log"
        done
}

# Every log, copy and temporary file that there is now: path, mode, owner, and what it says when it is unpacked.
tree() {
        logs | python3 -c 'if True:
                import glob, gzip, os, sys
                logs = sys.stdin.read().splitlines()
                paths = sum((glob.glob(p + "*") + glob.glob(os.path.dirname(p) + "/.*vakt*") for p in logs), [])
                for path in sorted(set(paths)):
                        if os.path.isfile(path):
                                st = os.stat(path)
                                text = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
                                print(path, oct(st.st_mode), st.st_uid, st.st_gid, text)'
}

rotate_by_logrotate() {
        LD_LIBRARY_PATH=$(echo $TOP/usr/lib/*-linux-gnu $TOP/lib/*-linux-gnu | tr ' ' :) \
                $TOP/usr/sbin/logrotate -f -s $TOP/state $TOP/logrotate.conf
}

rotate_by_jobs() {
        local job
        for job in "$JOBS"/*.job; do
                vaktctl run --wait "$(basename "$job" .job)" || { vaktctl log "$(basename "$job" .job)"; return 1; }
        done
}

three_rotations() { # FUNCTION: the trees after each one
        local i
        logs | while read -r log; do rm -f "$log"*; done
        for i in 1 2 3; do
                write "$i"
                "$1" >&2 || return
                echo "after rotation $i"
                tree
        done
}

test_imported_jobs_make_the_same_trees_as_logrotate() {
        sed "s,^include .*,include $TOP/etc/logrotate.d," $TOP/etc/logrotate.conf >$TOP/logrotate.conf
        rm -rf /etc/logrotate.conf /etc/logrotate.d # what is still there is refused
        vaktctl import-logrotate --output="$JOBS" $TOP/logrotate.conf
        vaktctl check
        prepare
        three_rotations rotate_by_logrotate >$TOP/theirs
        [ "$(wc -l <$TOP/theirs)" -gt 300 ]
        systemctl start vaktd
        three_rotations rotate_by_jobs >$TOP/ours
        diff $TOP/theirs $TOP/ours
        echo "# figure: $(find "$JOBS" -name '*.job' | wc -l) jobs of $(find $TOP/etc/logrotate.d -type f | wc -l) files, $(grep -c / $TOP/theirs) files compared"
}

if [ "$1" != --inside ]; then
        outside "$1" "imported jobs make the same trees as logrotate"
else
        # shellcheck source=tests/system/lib.sh
        . "$(dirname "$0")/lib.sh"
        run_tests
fi
