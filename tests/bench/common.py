# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks in Python share: lines for table.py, sizes, a daemon started by hand, a booted copy of the machine."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = ("VAKT_BENCH_ROUNDS", "VAKT_BENCH_DIVISOR")


def size(n):
    return max(1, n // int(os.environ.get("VAKT_BENCH_DIVISOR", "1")))


def rounds(n):
    """Fewer if sizes are small: two show that figures can be compared."""
    return int(os.environ.get("VAKT_BENCH_ROUNDS", min(n, size(2 * 10))))


def sample(row, who, figure):
    print(f"sample {row} {who} {figure:.6g}", flush=True)


def skip(row, who, reason):
    print(f"skip {row} {who} {reason}", flush=True)


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def call(*command, **settings):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **settings).stdout


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


def write_jobs(directory, jobs):
    """Instead of those that are there."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory, 0o755)
    for name, text in jobs.items():
        write(f"{directory}/{name}.job", text)


def pss(pid):
    """Bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return 1024 * next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def exit_on_sigterm():
    """So that what is to be cleaned up is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class Daemon:
    """A daemon of this build, whose runs are children, with what it needs in a directory; "with" waits for READY=1."""

    wrapper = ()  # words before the command

    def __init__(self, build, jobs, directory=None):
        self.build = build
        self.directory = tempfile.mkdtemp(prefix="vakt-bench-", dir=directory)
        self.socket = f"{self.directory}/control"
        self.process = None
        write_jobs(f"{self.directory}/jobs", jobs)

    def until_ready(self, act):
        """Seconds from act() to READY=1. Only then is it listened to: the daemon would wait for who does not read."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(f"{self.directory}/notify")
            notify.settimeout(120)
            begin = time.monotonic()
            act()
            while b"READY=1" not in notify.recv(4096):
                pass
            took = time.monotonic() - begin
        os.unlink(f"{self.directory}/notify")
        return took

    def start(self, state=None):
        """Returns seconds until it is ready."""
        command = [*self.wrapper, f"{self.build}/src/vaktd", "--no-bus", "--executor=child", f"--config={self.directory}/vaktd.conf",
                   f"--jobs-dir={self.directory}/jobs", f"--state-dir={state or self.directory + '/state'}",
                   f"--socket={self.socket}"]
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"{self.directory}/notify",
                       "VAKTD_PROGRAM_DIR": f"{self.build}/src/exec"}

        def spawn():
            self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)

        return self.until_ready(spawn)

    def stop(self):
        self.process.terminate()
        if self.process.wait(60) != 0:
            sys.exit(f"vaktd ended with {self.process.returncode}")

    def vaktctl(self, *arguments, **settings):
        return subprocess.run([f"{self.build}/src/ctl/vaktctl", f"--socket={self.socket}", *arguments], check=True, **settings)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)


class Box:
    """A copy of this machine with this build installed, in which systemd is PID 1 (tests/system/box)."""

    program = f"{HERE}/../system/box"

    def __init__(self, build):
        self.build, self.name = build, f"bench-{os.getpid()}"
        self.environment = os.environ | {"VAKT_BOX_OWNER": str(os.getpid())}

    @staticmethod
    def why_not():
        """Why there can be none, or None."""
        return None if os.geteuid() == 0 and shutil.which("systemd-nspawn") else "needs root and systemd-nspawn"

    def __enter__(self):
        subprocess.run([self.program, "up", self.name, self.build], check=True, env=self.environment)
        return self

    def __exit__(self, *_):
        subprocess.run([self.program, "down", self.name], check=True, env=self.environment)

    def root(self):
        return call(self.program, "root", self.name).strip()

    def add(self, package):
        """Unpacks a package of the distribution into it. False if it cannot be downloaded."""
        with tempfile.TemporaryDirectory(prefix="vakt-bench-") as directory:
            os.chmod(directory, 0o755)
            done = subprocess.run(["apt-get", "-qq", "download", package], cwd=directory, stderr=subprocess.DEVNULL,
                                  check=False)
            for file in glob.glob(f"{directory}/{package}_*.deb"):
                with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE) as package_file:
                    call("tar", "-x", "--keep-directory-symlink", "-C", self.root(), stdin=package_file.stdout)
            return done.returncode == 0

    def run(self, script, *arguments, **settings):
        """Runs a program of tests/bench in it."""
        settings = {name: os.environ[name] for name in SETTINGS if name in os.environ} | settings
        subprocess.run([self.program, "run", self.name, "env", *(f"{k}={v}" for k, v in settings.items()), "python3",
                        f"/opt/vaktd-tests/{script}", *arguments], check=True)


# --- in the box ---


def start_service(jobs, executor="unit"):
    """The installed service with these jobs and an empty ledger; returns seconds until it is ready."""
    subprocess.run(["systemctl", "stop", "vaktd.service", "vaktd.socket"], check=True)
    shutil.rmtree("/var/lib/vaktd", ignore_errors=True)
    write_jobs("/etc/vaktd/jobs.d", jobs)
    write("/etc/vaktd/vaktd.conf", f"[Manager]\nExecutor={executor}\n")
    begin = time.monotonic()
    call("systemctl", "start", "vaktd.service")
    return time.monotonic() - begin
