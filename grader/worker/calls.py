"""System calls that a session is refused for good, by a seccomp filter; Linux on x86-64 and ARM64.

Above all `execve`: a program that is started anew would have torch without forbidden operators,
while a process that is forked keeps them denied. The others are roads to the kernel's own faults
that nobody needs in coursework. A refused call fails with EACCES; the process goes on.

Source: seccomp(2), Documentation/userspace-api/seccomp_filter.rst; numbers from the kernel's tables.
"""

import ctypes
import errno
import platform
import struct
import sys

from . import linux

# machine -> (AUDIT_ARCH, numbers): execve, execveat, ptrace, mount, umount2, pivot_root, unshare, setns, add_key,
# request_key, keyctl, bpf, perf_event_open, userfaultfd, io_uring_setup, process_vm_readv, process_vm_writev
_REFUSED = {
    "x86_64": (
        0xC000003E,
        (59, 322, 101, 165, 166, 155, 272, 308, 248, 249, 250, 321, 298, 323, 425, 310, 311),
    ),
    "aarch64": (
        0xC00000B7,
        (221, 281, 117, 40, 39, 41, 97, 268, 217, 218, 219, 280, 241, 282, 425, 270, 271),
    ),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435  # its flags cannot be seen by a filter; glibc falls back to clone
_NEW_NAMESPACES = 0x7E020000  # all of CLONE_NEW*
_X32 = 0x40000000  # the x86-64 kernel's second table of calls begins here

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, low word first
_SET_SECCOMP, _FILTER = 22, 2


def refuse() -> bool:
    """Refuse the calls in this process and all that it forks; whether that was possible."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _REFUSED:
        return False
    program = _program(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    prog = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    linux.no_new_privileges()  # without it only root may set a filter
    return ctypes.CDLL(None).prctl(_SET_SECCOMP, _FILTER, prog, 0, 0) == 0


def _program(machine: str) -> list[tuple[int, int, int, int]]:
    """The filter, as (operation, steps to skip if true, if false, operand)."""
    architecture, refused = _REFUSED[machine]
    fail, unknown = _FAIL | errno.EACCES, _FAIL | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, fail),  # 32-bit calls have other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, fail),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, unknown),
    ]
    for number in refused:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, fail)]
    return [
        *lines,
        (_EQUAL, 0, 3, _CLONE[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _NEW_NAMESPACES),
        (_RETURN, 0, 0, fail),
        (_RETURN, 0, 0, _ALLOW),
    ]
