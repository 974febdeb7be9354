"""The kernel's walls around one session, raised from inside: namespaces, mounts, another user.

What each tier of `isolation` asks for is done here, in the process that will run submitted code
and before it does. It imports neither torch nor anything of this project but its siblings, so
that `probe` can try it in a tenth of a second. The calls are Linux's own; on other systems only
the tier "process" without another user is left, which needs none of them.

Source: namespaces(7), pid_namespaces(7), mount_setattr(2), capabilities(7).
"""

import contextlib
import ctypes
import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from . import calls, linux

_NEW_MOUNTS, _NEW_NAMES, _NEW_IPC, _NEW_USERS = 0x00020000, 0x04000000, 0x08000000, 0x10000000
_NEW_PROCESSES, _NEW_NETWORK = 0x20000000, 0x40000000
_NO_SUID, _NO_DEVICES, _NO_PROGRAMS, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 4096, 0x4000, 0x40000
_SYS_MOUNT_SETATTR = 442  # on every architecture that torch has wheels for
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY = 1
_CAPABILITY_VERSION = 0x20080522
_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True)
class Walls:
    """What a zygote raises around each of its sessions.

    Args:
        tier: "bwrap", "unshare" or "process"; inside of bwrap there is no network already.
        user: id of the user and group that sessions run under; None for the zygote's own.
        hidden: folders that a session finds empty.
    """

    tier: str
    user: int | None
    hidden: Sequence[str] = ()

    @property
    def has_namespaces(self) -> bool:
        return self.tier != "process"

    def prepare(self) -> None:
        """Once, in the zygote, while it has one thread: what makes the rest possible."""
        linux.closed_to_others(True)
        if self.tier == "unshare" and os.geteuid() != 0:
            _become_owner_of_a_user_namespace()
            _become_process_1_of_a_namespace()

    def before_fork(self) -> None:
        """In the zygote: let the next child be process 1 of its own; with it all below it end."""
        if self.has_namespaces:
            own = os.open("/proc/self/ns/pid", os.O_RDONLY)
            try:  # a second `unshare` is refused until the first one's is put away
                _call("setns", own, _NEW_PROCESSES)
            finally:
                os.close(own)
            _call("unshare", _NEW_PROCESSES)

    def enter(
        self,
        scratch: str,
        scratch_bytes: int,
        scratch_files: int,
        *,
        writable: Sequence[str] = (),
        hidden: Sequence[str] = (),
    ) -> None:
        """In the session: nothing that is done after this reaches beyond the walls.

        Args:
            scratch: folder, in whose place an empty one in memory is put.
            scratch_bytes: its size, and that of the shared memory.
            scratch_files: how many files fit in it.
            writable: folders that may be written besides.
            hidden: folders that are found empty besides.

        Raises:
            OSError: a wall could not be raised; then nothing may be run.
        """
        linux.closed_to_others(False)  # else its own /proc belongs to root, and torch reads it, too
        linux.first_to_go()
        if self.has_namespaces:
            network = 0 if self.tier == "bwrap" else _NEW_NETWORK
            _call("unshare", _NEW_MOUNTS | _NEW_IPC | _NEW_NAMES | network)
            _mount(None, "/", None, _RECURSIVE | _PRIVATE)
            for folder in writable:
                _mount(folder, folder, None, _BIND)
            _set_read_only("/", True, _AT_RECURSIVE)
            for folder in writable:
                _set_read_only(folder, False)
            # Root's id needs no capability to write the kernel's settings, core_pattern among them.
            _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS | _READ_ONLY)
            if self.tier == "unshare":  # bwrap has made one
                _own_devices()
            owner = f",uid={self.user},gid={self.user}" if self.user is not None else ""
            room = f"size={scratch_bytes},nr_inodes={scratch_files},mode=700{owner}"
            for folder in (scratch, "/dev/shm"):
                _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES, room)
            for folder in [*self.hidden, *hidden]:
                _mount("tmpfs", folder, "tmpfs", _NO_SUID | _NO_DEVICES | _READ_ONLY, "size=4k,mode=755")
        if self.user is not None:
            become(self.user)
        if self.has_namespaces:
            _drop_capabilities()  # another user still has those that a program could inherit
        linux.no_new_privileges()
        if not calls.refuse() and self.has_namespaces:
            raise OSError("system calls cannot be refused here (seccomp, on x86-64 and ARM64)")
        linux.closed_to_others(False)  # a change of user closed it


def devices() -> list[str]:
    """What a session finds in /dev: what any program needs, and the machine's GPUs."""
    return [f"/dev/{name}" for name in _DEVICES] + glob.glob("/dev/nvidia*")


def become(user: int) -> None:
    """Take on another user's id, for good; only root can."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _become_owner_of_a_user_namespace() -> None:
    """Rights over namespaces of our own, and over nothing else; names of users stay what they are."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEW_USERS)
    linux.closed_to_others(False)  # else these files belong to root
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    linux.closed_to_others(True)


def _become_process_1_of_a_namespace() -> None:
    """Go on as the child: `before_fork` needs a process namespace over which this one has the rights."""
    _call("unshare", _NEW_PROCESSES | _NEW_MOUNTS)
    child = os.fork()
    if child != 0:
        os.closerange(3, 1 << 16)  # the connection to the grader is the child's alone
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    linux.die_with_parent()
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("proc", "/proc", "proc", _NO_SUID | _NO_DEVICES | _NO_PROGRAMS)  # process ids are other ones here


def _own_devices() -> None:
    """A /dev of a few devices that harm nobody: a read-only root does not keep root's id from a disk."""
    opened = {place: os.open(place, os.O_PATH) for place in devices()}
    _mount("tmpfs", "/dev", "tmpfs", _NO_SUID | _NO_DEVICES, "size=64k,mode=755")
    for place, descriptor in opened.items():
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.mkdir(place)
        else:
            os.mknod(place)
        _mount(f"/proc/self/fd/{descriptor}", place, None, _BIND)
        os.close(descriptor)
    os.symlink("/proc/self/fd", "/dev/fd")
    os.mkdir("/dev/shm")
    _set_read_only("/dev", True)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _set_read_only(folder: str, on: bool, flags: int = 0) -> None:
    change = (ctypes.c_uint64 * 4)(_READ_ONLY if on else 0, 0 if on else _READ_ONLY, 0, 0)
    path, size = os.fsencode(folder), ctypes.c_size_t(ctypes.sizeof(change))
    number = ctypes.c_long(_SYS_MOUNT_SETATTR)
    _call("syscall", number, _AT_FDCWD, path, ctypes.c_uint(flags), change, size, about=folder)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    parts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _call("mount", *parts[:3], ctypes.c_ulong(flags), parts[3], about=target)


def _call(name: str, *arguments: object, about: str = "") -> None:
    """One function of the C library; `OSError` where it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}", about or None)


def sees_a_network() -> bool:
    """Whether this process has an interface besides its own loopback."""
    import socket  # only the probe asks

    with contextlib.suppress(OSError):
        return any(name != "lo" for _, name in socket.if_nameindex())
    return False
