"""System calls that no session may make, each tried by its number; the filter is the same in every tier."""

import errno
import platform
import sys

import pytest

from .conftest import call

# name -> its number on x86-64 and on ARM64. With these arguments the kernel would answer something
# else than EACCES, or do nothing.
NUMBERS = {
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "unshare": (272, 97), "setns": (308, 268), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
}  # fmt: skip
MACHINES = ("x86_64", "aarch64")
SOURCE = """
    import ctypes, os
    LIBC = ctypes.CDLL(None, use_errno=True)
    def ask(number, first=0):
        answer = LIBC.syscall(ctypes.c_long(number), ctypes.c_long(first), 0, 0, 0, 0, 0)
        if answer == 0 and number in CLONES: os._exit(0)
        return 0 if answer >= 0 else ctypes.get_errno()
    CLONES = (56, 220)
"""
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES, reason="the filter is for Linux on x86-64 and ARM64"
)


@pytest.fixture
def answer(open_session):
    """What the kernel says to a call in a session: 0, or the number of an error."""
    with open_session(SOURCE) as session:
        yield lambda *args: int(call(session, "ask", *args).message.outputs[0].detail)


def test_each_of_them_is_refused(answer):
    column = MACHINES.index(platform.machine())
    said = {name: answer(numbers[column]) for name, numbers in NUMBERS.items()}
    assert said == dict.fromkeys(NUMBERS, errno.EACCES)


@pytest.mark.parametrize("namespace", ["mnt", "cgroup", "uts", "ipc", "user", "pid", "net"])
def test_a_child_gets_no_namespace_of_its_own(answer, namespace: str):
    flags = dict(mnt=17, cgroup=25, uts=26, ipc=27, user=28, pid=29, net=30)
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    assert answer(clone, 1 << flags[namespace]) == errno.EACCES


def test_a_call_whose_flags_cannot_be_seen_does_not_exist(answer):
    assert answer(435) == errno.ENOSYS  # clone3; without the filter it says EINVAL


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has a second table of calls")
def test_the_second_table_of_calls_is_closed(answer):
    assert answer(0x40000000 | 39) == errno.EACCES  # getpid; a kernel without that table says ENOSYS
