# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Another machine for tests of vaktctl --machine= and --host=: a container in this container, and this machine over ssh.
# To be sourced after lib.sh.

readonly INNER=/run/vaktd-inner USER=vaktremote

inner() {
        systemctl --machine=inner "$@"
}

setup_inner() {
        local root=$INNER/root
        ! machinectl -q show inner >/dev/null 2>&1 || return 0
        id -u $USER >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $USER
        mkdir -p $INNER
        mountpoint -q $INNER || mount -t tmpfs -o mode=755 inner $INNER
        mkdir -p $INNER/{upper,work,root}
        mountpoint -q $root || mount -t overlay -o "lowerdir=/,upperdir=$INNER/upper,workdir=$INNER/work" inner $root
        rm -rf $root/etc/vaktd/jobs.d $root/var/lib/vaktd
        install -D -m 644 /dev/stdin $root/etc/vaktd/jobs.d/inside.job <<<$'[Run]\nShell=echo "said inside"'
        install -D -m 644 /dev/stdin $root/etc/vaktd/jobs.d/long.job <<<$'[Run]\nExec=/bin/sleep infinity'
        mkdir -p $root/var/lib/systemd/linger
        touch $root/var/lib/systemd/linger/$USER
        systemd-run --quiet --unit=inner -p Delegate=yes -p KillMode=mixed -p Type=notify \
                -E SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -D $root --machine=inner --boot --keep-unit \
                --notify-ready=yes --link-journal=no --private-network systemd.unit=multi-user.target
        within 30 inner -q is-active dbus.socket
}

setup_ssh() {
        local home
        id -u $USER >/dev/null 2>&1 || useradd --create-home --shell /bin/bash $USER
        [ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
        for home in /root "/home/$USER"; do
                install -d -m 700 -o "$(stat -c %u "$home")" "$home/.ssh"
                install -m 600 -o "$(stat -c %u "$home")" /root/.ssh/id_ed25519.pub "$home/.ssh/authorized_keys"
        done
        printf 'Host *\nStrictHostKeyChecking accept-new\nLogLevel ERROR\n' >/root/.ssh/config
        mkdir -p /run/sshd
        systemctl -q is-active ssh || systemctl start ssh
        job inside <<<$'[Run]\nShell=echo "said inside"'
        job long <<<$'[Run]\nExec=/bin/sleep infinity'
        systemctl start vaktd
}

inner_is_gone() {
        systemctl stop inner
        umount $INNER/root $INNER
        rmdir $INNER
}
