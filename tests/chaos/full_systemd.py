"""The unit of deploy/ under a real systemd, process 1 of a small Debian made for it: start, kill, hang, stop.

As root, with debootstrap and unshare; some minutes. Everything is in a directory of its own and is removed at the end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "pumpwatch.service"
SUITE, PYTHON = "bookworm", (3, 11)
PACKAGES = "python3,python3-venv,ca-certificates,tzdata,mosquitto,systemd,systemd-sysv,dbus"
PROGRAMS = ("debootstrap", "unshare", "nsenter")
BOOT_S, START_S, RESTART_S, HUNG_S = 60, 90, 60, 150

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}"),
    pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason=f"builds wheels for {SUITE}'s Python"),
]
BOOT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"; cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys || true
for place in run tmp dev; do mount -t tmpfs tmpfs $place; done
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/shm dev/pts
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666 || true
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then mount --bind /sys/fs/cgroup sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup; mkdir sys/fs/cgroup/systemd
  mount --bind /sys/fs/cgroup/systemd sys/fs/cgroup/systemd
fi
pivot_root . mnt; umount -l /mnt
exec env -i container=trial PATH=/usr/sbin:/usr/bin /lib/systemd/systemd
"""


class Machine:
    """A Debian whose process 1 is systemd, in namespaces of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root, root.with_suffix(".log")
        line = [
            "unshare",
            "--pid",
            "--fork",
            "--mount",
            "--uts",
            "--ipc",
            "--cgroup",
            "sh",
            "-c",
            BOOT,
            "sh",
            str(root),
        ]
        with self.log.open("w") as log:
            self.outer = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
        self.until(BOOT_S, lambda: children.read_text().split())
        self.first = int(children.read_text().split()[0])
        self.until(BOOT_S, lambda: self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"})

    def until(self, seconds: float, condition: Callable[[], object]) -> float:
        """Return after how many seconds a condition held."""
        began = time.monotonic()
        while not condition():
            assert self.outer.poll() is None, self.log.read_text()
            if time.monotonic() - began > seconds:
                pytest.fail(f"not within {seconds} s; {self.state()}\n{self.journal()[-3000:]}")
            time.sleep(0.2)
        return time.monotonic() - began

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = ["nsenter", "-t", str(self.first), "-m", "-p", "-u", "-i", "-C", "-r", "-w", f"/usr/bin/{words[0]}"]
        return subprocess.run([*line, *words[1:]], capture_output=True, text=True, timeout=START_S, check=False)

    def state(self) -> dict[str, str]:
        found = self.run("systemctl", "show", "pumpwatch").stdout.splitlines()
        names = ("ActiveState", "SubState", "NRestarts", "Result", "MainPID", "StatusText")
        return {name: value for name, _, value in (line.partition("=") for line in found) if name in names}

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--unit", "pumpwatch").stdout

    def strike(self, signal_name: str) -> None:
        """Send a signal to the supervisor alone."""
        self.run("systemctl", "kill", "--signal", signal_name, "--kill-who=main", "pumpwatch")

    def running_again(self, restarts: int) -> Callable[[], bool]:
        def is_running() -> bool:
            state = self.state()
            return state["ActiveState"] == "active" and int(state["NRestarts"]) >= restarts

        return is_running

    def end(self) -> None:
        os.kill(self.first, signal.SIGKILL)
        self.outer.wait(BOOT_S)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    place = Path(tempfile.mkdtemp(prefix="pw-systemd-", dir="/var/tmp"))
    root, wheels = place / "root", place / "root" / "wheels"
    try:
        done(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root)])
        done([sys.executable, "-m", "pip", "wheel", "--quiet", str(ROOT), "--wheel-dir", str(wheels)])
        done(["chroot", str(root), "python3", "-m", "venv", "/opt/pumpwatch"])
        pip = ["/opt/pumpwatch/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/wheels", "pumpwatch"]
        done(["chroot", str(root), *pip])
        shutil.copy(UNIT, root / "etc" / "systemd" / "system")
        (root / "etc" / "machine-id").write_text("")
        made = Machine(root)
        try:
            yield made
        finally:
            made.end()
    finally:
        shutil.rmtree(place)


def done(line: list[str]) -> None:
    ended = subprocess.run(line, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, f"{line[:3]}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"


def permit(machine: Machine) -> list[str]:
    """Turn off what this kernel does not let systemd do, and return its names: containers often forbid mknod."""
    if machine.run("systemd-run", "--wait", "--quiet", "-p", "PrivateDevices=yes", "true").returncode == 0:
        return []
    folder = machine.root / "etc" / "systemd" / "system" / "pumpwatch.service.d"
    folder.mkdir(exist_ok=True)
    (folder / "trial.conf").write_text("[Service]\nPrivateDevices=no\n")
    machine.run("systemctl", "daemon-reload")
    return ["PrivateDevices"]


def test_systemd_starts_watches_restarts_and_stops_the_system(machine: Machine) -> None:
    without = permit(machine)
    assert machine.run("systemd-analyze", "verify", "pumpwatch.service").returncode == 0
    began = time.monotonic()
    assert machine.run("systemctl", "start", "pumpwatch").returncode == 0, (
        f"{machine.state()} {machine.journal()[-3000:]}"
    )
    start_s = time.monotonic() - began
    status = machine.state()["StatusText"]
    assert status.startswith("all parts are running; dashboard at http://127.0.0.1:")
    with urlopen(status.rpartition(" ")[2] + "healthz", timeout=10) as answer:
        assert answer.status == 200, "started means that every part is ready"

    machine.strike("KILL")
    killed_s = machine.until(RESTART_S, machine.running_again(1))
    machine.strike("STOP")
    hung_s = machine.until(HUNG_S, machine.running_again(2))
    assert "Watchdog timeout" in machine.journal()

    began = time.monotonic()
    assert machine.run("systemctl", "stop", "pumpwatch").returncode == 0
    stop_s = time.monotonic() - began
    assert {"ActiveState": "inactive", "Result": "success"}.items() <= machine.state().items()
    entries = machine.journal()
    assert "reception only permitted" not in entries, "a part spoke to systemd"
    kept = machine.root / "var" / "lib" / "private" / "pumpwatch"
    assert (kept / "journal.sqlite").exists()
    assert kept.stat().st_mode & 0o077 == 0
    print(
        f"systemd: started in {start_s:.1f} s, again {killed_s:.1f} s after a kill and {hung_s:.1f} s after it hung, "
        f"stopped in {stop_s:.1f} s; settings that this kernel does not allow: {', '.join(without) or 'none'}"
    )
