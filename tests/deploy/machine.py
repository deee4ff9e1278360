"""A Debian root with a real systemd as its first process, in namespaces of its own: for tests of units and packages.

Needs root and the unified hierarchy of control groups, at /sys/fs/cgroup or (hybrid) at /sys/fs/cgroup/unified. The machine
has its own network with nothing but loopback.
"""

import os
import pathlib
import signal
import subprocess
import time

GROUPS = next((pathlib.Path(path) for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
               if (pathlib.Path(path) / "cgroup.procs").exists()), None)

# $1: the root. Devices are those that a service may need; everything else stays outside.
BOOT = """
set -e
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
cd "$root"
mkdir -p outside
pivot_root . outside
umount -l /outside
exec env -i container=quantlab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target
"""


class Machine:
    """Booted on construction, powered off by close()."""

    def __init__(self, root):
        self.group = GROUPS / f"quantlab-test-{os.getpid()}"
        self.group.mkdir()
        enter = f"echo $$ > {self.group}/cgroup.procs && exec \"$@\""
        self.unshare = subprocess.Popen(
            ["sh", "-c", enter, "sh", "unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--net",
             "--cgroup", "--propagation", "private", "sh", "-c", BOOT, "sh", str(root)], stdin=subprocess.DEVNULL)
        self.first = None

    def first_process(self):
        """The id of systemd outside the machine; None until it runs."""
        children = pathlib.Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children")
        for child in children.read_text().split():
            if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return None

    def boot(self, seconds=60):
        """Waits until systemd answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.first = self.first or self.first_process()
            if self.first and self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise AssertionError(f"the machine has not started within {seconds} s")

    def run(self, *words, **options):
        return subprocess.run(["nsenter", f"--target={self.first}", "--all", "--root", "--wd", *map(str, words)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **{"timeout": 600, **options})

    def close(self):
        # Everything in the machine ends with its first process, and that with unshare.
        self.unshare.send_signal(signal.SIGKILL)
        self.unshare.wait(timeout=60)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                for folder in sorted(self.group.rglob("*"), reverse=True):
                    if folder.is_dir():
                        folder.rmdir()
                self.group.rmdir()
                return
            except OSError:
                time.sleep(0.2)
