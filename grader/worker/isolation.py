"""Tiers of isolation: which of them this machine has, found by trying them.

From the strongest to the weakest:

- "bwrap": bubblewrap shows the worker Python, its packages and the session's own files, and
  nothing else. Around each session there are walls of its own (`walls`).
- "unshare": the same walls, without the view. Files that the user may read can be read.
- "process": a process of its own under limits, and no wall; for self-checks.

Wherever the grader is root, sessions run under another user's id besides, written "bwrap+user".
"""

import os
import pwd
import random
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from .walls import devices

TIERS = ("bwrap", "unshare", "process")
SANDBOXES = ("bwrap", "unshare")
HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
INSIDE = "/chalkbench"  # where bwrap shows the worker's own files
WITHHELD = ("grader", "reference", "student", "tests", "data_scripts")
_PROBE_SECONDS = 60.0  # it takes a tenth of a second; a cold network disk takes long
# Ids that Linux distributions leave free, and that a rootless container has, too.
_USERS = range(62_000, 65_000)


class IsolationError(RuntimeError):
    """The tier that was asked for cannot be had here; the message says why."""


@dataclass(frozen=True)
class Isolation:
    """One tier, as it will be used.

    Args:
        tier: "bwrap", "unshare" or "process".
        user: id that sessions run under, None for the grader's own.
    """

    tier: str
    user: int | None = None

    @property
    def name(self) -> str:
        """As it stands in a result."""
        return self.tier if self.user is None else f"{self.tier}+user"

    @property
    def sandboxed(self) -> bool:
        """Whether it is meant for strangers' code."""
        return self.tier in SANDBOXES

    def entry(self, program: str) -> str:
        """Where the worker finds one of its own programs."""
        return f"{INSIDE}/{program}" if self.tier == "bwrap" else str(HERE / program)

    def command(self, folder: str, packages: Sequence[str]) -> list[str]:
        """What stands before `python` on a worker's command line.

        Args:
            folder: the worker's own, which it sees under the same name.
            packages: the folders that packages are imported from.
        """
        return _bwrap(folder, packages) if self.tier == "bwrap" else []

    @property
    def starts_below(self) -> bool:
        """Whether the zygote is not the process that is started, but that one's child."""
        return self.tier == "bwrap" or (self.tier == "unshare" and not _is_root())

    def hidden(self) -> list[str]:
        """Folders that a session must find empty, as the worker sees them."""
        if self.tier == "bwrap":
            return [INSIDE]
        if self.tier == "unshare":
            places = [PROJECT / name for name in (*WITHHELD, "data", "results")]
            return [str(place) for place in places if place.is_dir()]
        return []


def choose(wanted: str = "auto") -> Isolation:
    """The strongest tier that holds here, or the one that is asked for.

    Args:
        wanted: "auto" or one of `TIERS`.

    Raises:
        IsolationError: the tier that is asked for does not hold here.
    """
    if wanted != "auto" and wanted not in TIERS:
        raise IsolationError(f"expected isolation auto, {', '.join(TIERS)}, found {wanted!r}")
    for tier in TIERS if wanted == "auto" else (wanted,):
        problem = ""
        for user in (True, False) if _is_root() else (False,):
            problem = problem_with(tier, user)
            if not problem:
                return Isolation(tier, _free_user() if user else None)
    raise IsolationError(f"isolation {wanted} does not hold here: {problem}")


@cache
def problem_with(tier: str, another_user: bool = False) -> str:
    """What is in the way of a tier, "" where it holds; tried once per process."""
    if tier == "process" and not another_user:
        return ""
    if sys.platform != "linux":
        return "it needs Linux"
    if tier == "bwrap" and not shutil.which("bwrap"):
        return "bubblewrap is not installed (the package and the command are called bubblewrap and bwrap)"
    isolation = Isolation(tier, _free_user() if another_user else None)
    with tempfile.TemporaryDirectory(prefix="chalkbench-probe-") as folder:
        os.chmod(folder, 0o711)
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        scratch.chmod(0o777)
        packages = site_packages()
        command = [*isolation.command(folder, packages), interpreter(), "-I", "-S", "-B", isolation.entry("probe.py")]
        command += [tier, "" if isolation.user is None else str(isolation.user), str(scratch), *packages]
        try:
            tried = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, env={}, timeout=_PROBE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    said = (tried.stdout.strip() or tried.stderr.strip()).decode("utf-8", "replace")
    return "" if said == "holds" else said[-500:] or f"the probe ended with status {tried.returncode}"


def interpreter() -> str:
    """This Python's path without the ".." of a command line, which would lead out of what bwrap shows."""
    return os.path.abspath(sys.executable)


def site_packages() -> list[str]:
    """The folders that packages are imported from here, without what .pth files add; links are followed.

    bwrap mounts nothing on a path that leads through a link.
    """
    import importlib.util

    origins = [importlib.util.find_spec(name).origin for name in ("torch", "numpy", "msgspec", "psutil")]
    folders = [str(Path(origin).parents[1]) for origin in origins]
    folders += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return [folder for folder in dict.fromkeys(map(os.path.realpath, folders)) if os.path.isdir(folder)]


def _bwrap(folder: str, packages: Sequence[str]) -> list[str]:
    words = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--as-pid-1"]
    words += [f"--unshare-{what}" for what in ("pid", "net", "ipc", "uts", "cgroup-try")]
    if not _is_root():
        words += ["--unshare-user"]
    # What the zygote, which is ours, needs to raise a session's walls; a session has none of it.
    words += ["--cap-drop", "ALL"]
    for capability in ("SYS_ADMIN", "SETUID", "SETGID", "KILL"):
        words += ["--cap-add", f"CAP_{capability}"]
    shown = [(place, place) for place in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")]
    interpreter = Path(sys.executable).resolve().parents[1]
    for prefix in dict.fromkeys(map(str, (sys.base_prefix, interpreter, sys.prefix))):
        shown += [(f"{prefix}/{part}", f"{prefix}/{part}") for part in ("bin", "lib", "lib64", "pyvenv.cfg")]
    shown += [(package, package) for package in packages]
    shown += [("/sys/devices/system", "/sys/devices/system"), (str(HERE), INSIDE)]  # numbers of cores and nodes
    # bwrap makes the folders above a place for its own user alone; sessions have another.
    above = {str(parent) for place in (folder, *(inside for _, inside in shown)) for parent in Path(place).parents}
    for parent in sorted(above - {"/"}):
        words += ["--dir", parent]
    for outside, inside in shown:
        words += ["--ro-bind-try", outside, inside]
    for package in packages:
        for name in WITHHELD:  # an installed copy of this project
            if os.path.isdir(os.path.join(package, name)):
                words += ["--tmpfs", os.path.join(package, name)]
    # Not --dev: for its terminals bwrap puts an ordinary user into a second user namespace, where the
    # zygote would have no right over its own process namespace.
    words += ["--proc", "/proc", "--tmpfs", "/dev", "--dir", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd"]
    for device in devices():
        words += ["--dev-bind", device, device]
    return [*words, "--bind", folder, folder, "--chdir", folder, "--remount-ro", "/", "--"]


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _free_user() -> int:
    """An id that nobody has and no process runs under."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for process in psutil.process_iter(["uids"]):
        taken |= {process.info["uids"].real} if process.info["uids"] else set()
    return random.SystemRandom().choice([user for user in _USERS if user not in taken])
