"""The table of docs/security.md, line by line: what a session can do in which tier, tried in each that is here."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from grader.worker import Isolation, Limits, Worker
from grader.worker import isolation as tiers
from grader.worker import messages as m
from grader.worker.isolation import TIERS, problem_with

from .conftest import call

SOURCE = """
    import ctypes, os, resource, socket

    def checked(result):
        if result != 0: raise OSError(ctypes.get_errno(), "refused")

    LIBC = ctypes.CDLL(None, use_errno=True)
    def connect(port): socket.create_connection(("127.0.0.1", port), 2).close()
    def reach_service(path): socket.socket(socket.AF_UNIX).connect(path)
    def signal(pid): os.kill(pid, 0)
    def reach_abstract(name): socket.socket(socket.AF_UNIX).connect("\\0" + name)
    def write(path): open(path, "w").close()
    def write_code(): open(__file__, "r+").close()
    def write_python(): open(os.__file__, "r+").close()
    def write_kernel(): open("/proc/sys/kernel/core_pattern", "r+").close()
    def open_device(path): os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    def lift_limit(): resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 5000))
    def read(path): open(path).read()
    def leave(path): open(path, "w").close()
    def read_memory(pid): open(f"/proc/{pid}/mem", "rb").close()
    def read_environment(pid): open(f"/proc/{pid}/environ").close()
    def read_worker(): read_memory(os.getppid())
    def execute(): os.execv("/bin/true", ["true"])
    def trace(pid): checked(LIBC.ptrace(16, pid, None, None))
    def mount(): checked(LIBC.mount(b"tmpfs", b".", b"tmpfs", 0, None))
    def open_namespace(): checked(LIBC.unshare(0x10000000))
    def namespace(name): return os.readlink(f"/proc/self/ns/{name}")
    def limit(name): return str(resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0])
    def status(name): return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name + ":"))
    def ids(): return str({*os.getresuid(), *os.getresgid(), *os.getgroups()})
    def descriptors(): return ",".join(sorted(os.listdir("/proc/self/fd")))
    def goes_first(): return open("/proc/self/oom_score_adj").read().strip()
"""
WALLED = {"bwrap", "bwrap+user", "unshare", "unshare+user"}
CAN = {
    "connect": {"process", "process+user"},
    "reach_service": {"unshare", "process"},
    "reach_abstract": {"process", "process+user"},
    "signal": {"process"},
    "write": {"process"},
    "write_code": {"process"},
    "write_python": {"process"},
    "write_kernel": {"process"},
    "open_device": {"process"},
    "lift_limit": set(),
    "read closed": {"unshare", "process"},
    "read open": {"unshare", "unshare+user", "process", "process+user"},
    "read project": {"process", "process+user"},
    "read_memory": {"process"},
    "read_environment": {"process"},
    "read_worker": {"process"},
    "execute": set(),
    "trace": set(),
    "mount": set(),
    "open_namespace": set(),
}
DEVICES = ("kvm", "loop-control", "loop0", "hwrng", "vda", "sda", "nvme0n1")  # root's; opening them does nothing


def _here() -> list:
    """Every tier, with and without another user; skipped where it does not hold."""
    marked = []
    for name in TIERS:
        for another in (False, True) if os.geteuid() == 0 else (False,):
            problem = problem_with(name, another)
            marks = [pytest.mark.skip(problem)] if problem else []
            marked.append(pytest.param((name, another), id=name + "+user" * another, marks=marks))
    return marked


@pytest.fixture(scope="module", params=_here())
def worker(request):
    tier, another = request.param
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # many machines have none in any case
    with Worker(preload=(), isolation=Isolation(tier, tiers._free_user() if another else None)) as worker:
        yield worker
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture
def session(worker, write):
    with worker.session(write(mytorch=SOURCE)) as session:
        yield session


@pytest.fixture
def machine():
    """What there is to reach: a service on a port and one on a socket, files closed and open to others."""
    place = Path(tempfile.mkdtemp(prefix="tiers-", dir="/tmp"))  # not pytest's own, which nobody else may enter
    place.chmod(0o755)
    (place / "closed").write_text("labels")
    (place / "closed").chmod(0o600)
    (place / "open").write_text("another student's")
    (place / "open").chmod(0o644)
    unix = socket.AF_UNIX
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(unix) as service, socket.socket(unix) as named:
        service.bind(str(place / "docker.sock"))
        service.listen()
        named.bind("\0" + place.name)  # in no folder: it belongs to the network's namespace
        named.listen()
        yield {
            "connect": (port.getsockname()[1],),
            "reach_service": (str(place / "docker.sock"),),
            "reach_abstract": (place.name,),
            "signal": (os.getpid(),),
            "read_environment": (os.getpid(),),
            "open_device": next(((f"/dev/{name}",) for name in DEVICES if _is_roots_device(name)), ()),
            "read_memory": (os.getpid(),),
            "trace": (os.getpid(),),
            "write": (str(place / "written"),),
            "read closed": (str(place / "closed"),),
            "read open": (str(place / "open"),),
            "read project": (str(Path(__file__).parents[2] / "conftest.py"),),
        }
    shutil.rmtree(place)


@pytest.mark.parametrize("what", CAN)
def test_a_session_can_do_what_the_table_says_and_no_more(worker, session, machine, what):
    if worker.isolation.name == "process" and os.geteuid() != 0 and what in ("read_memory", "read_worker"):
        pytest.skip("for a user it depends on the kernel's settings (Yama)")
    if os.geteuid() != 0 and what in ("write_python", "write_kernel", "open_device"):
        pytest.skip("only root can do it at all")
    if worker.isolation.name == "process" and os.geteuid() == 0 and what == "lift_limit":
        pytest.skip("it depends on what root may do here (CAP_SYS_RESOURCE)")
    if what == "open_device" and not machine[what]:
        pytest.skip("there is no device that is root's only")
    message = call(session, what.split()[0], *machine.get(what, ())).message
    assert isinstance(message, m.Result) == (worker.isolation.name in CAN[what]), message


def _is_roots_device(name: str) -> bool:
    place = Path("/dev", name)
    return place.exists() and not place.stat().st_mode & 0o006


def test_behind_walls_a_session_has_namespaces_of_its_own(worker, session):
    for name in ("mnt", "pid", "ipc", "uts", "net"):
        own = told(session, "namespace", name)
        others = {os.readlink(f"/proc/self/ns/{name}")}
        if os.geteuid() == 0 and not (name == "net" and worker.isolation.tier == "bwrap"):  # which has none itself
            others.add(os.readlink(f"/proc/{zygote(worker).pid}/ns/{name}"))
        assert (own not in others) == (worker.isolation.name in WALLED), name
    apart = told(session, "namespace", "cgroup") != os.readlink("/proc/self/ns/cgroup")
    assert apart == (worker.isolation.tier == "bwrap")


def test_shared_memory_is_its_own_or_removed_after_it(worker, write):
    left = Path("/dev/shm/chalkbench-left")
    try:
        with worker.session(write(mytorch=SOURCE)) as session:
            assert isinstance(call(session, "leave", str(left)).message, m.Result)
            assert left.exists() == (worker.isolation.name not in WALLED)
        assert left.exists() == (worker.isolation.name == "process")  # "scratch only"
    finally:
        left.unlink(missing_ok=True)


def test_every_limit_is_set(worker, session):
    limits, shared = Limits(), worker.isolation.user is None
    expected = {
        "CPU": limits.cpu_seconds, "DATA": limits.data, "FSIZE": limits.file_bytes, "NOFILE": limits.open_files,
        "NPROC": limits.shared_user_threads if shared else limits.user_threads, "CORE": 0,
    }  # fmt: skip
    for name, value in expected.items():
        most = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
        allowed = value if most == resource.RLIM_INFINITY else min(value, most)
        assert int(told(session, "limit", name)) == allowed, name


def test_a_session_can_gain_no_right_and_is_first_to_go(worker, session):
    assert told(session, "status", "NoNewPrivs") == "1"
    assert told(session, "status", "Seccomp") == "2"
    assert told(session, "goes_first") == "1000"


def test_behind_walls_or_as_another_user_it_has_no_right_over_the_system(worker, session):
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        free = worker.isolation.name == "process" and os.geteuid() == 0 and name in ("CapPrm", "CapEff")
        assert (int(told(session, "status", name), 16) != 0) == free, name


def test_another_user_is_it_with_every_id_and_in_no_group_of_the_graders(worker, session):
    if worker.isolation.user is None:
        pytest.skip("the same user")
    assert told(session, "ids") == str({worker.isolation.user})


def test_no_descriptor_of_the_workers_is_left_open(session):
    assert told(session, "descriptors") == "0,1,2,3,4"  # input, output, errors, the connection, and this look


def test_the_worker_in_bubblewrap_keeps_four_rights_and_no_more(worker, session):
    if worker.isolation.tier != "bwrap":
        pytest.skip("elsewhere it has the grader's")
    kept = 1 << 21 | 1 << 7 | 1 << 6 | 1 << 5  # SYS_ADMIN, SETUID, SETGID, KILL
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{zygote(worker).pid}/status").read_text().splitlines())
    assert [int(lines[name], 16) for name in ("CapEff", "CapPrm")] == [kept] * 2


def test_a_session_ends_when_the_process_that_watches_over_it_is_killed(worker, session):
    told(session, "goes_first")
    (running,) = zygote(worker).children()
    zygote(worker).kill()
    _, left = psutil.wait_procs([running], timeout=5)
    assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


GRADER = """
import sys, time
from grader.worker import Worker
from tests.grader.worker.test_tiers import zygote
worker = Worker(preload=(), isolation=sys.argv[1])
print(zygote(worker).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("tier", ["bwrap", "unshare", "process"])
def test_a_worker_that_was_stopped_ends_with_its_grader(tier: str):
    """It ends when the connection to its grader does, which a stopped one does not see."""
    if problem := problem_with(tier):
        pytest.skip(problem)
    command = [sys.executable, "-c", GRADER, tier]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as grader:
        try:
            running = psutil.Process(int(grader.stdout.readline()))
            running.suspend()
            until = time.monotonic() + 5
            while running.status() != psutil.STATUS_STOPPED:
                assert time.monotonic() < until
                time.sleep(0.01)
        finally:
            grader.kill()
    try:
        _, left = psutil.wait_procs([running], timeout=5)
        assert not [process for process in left if process.status() != psutil.STATUS_ZOMBIE]
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            running.kill()


def test_a_tier_that_the_machine_has_is_not_passed_over():
    """A wall that is missing makes its tier not hold, and tests of the tier would be skipped and not fail."""
    spaces = ["--unshare-pid", "--unshare-net", "--unshare-ipc", *["--unshare-user"] * (os.geteuid() != 0)]
    for name, command in {
        "bwrap": ["bwrap", *spaces, "--ro-bind", "/", "/", "--proc", "/proc", "true"],
        "unshare": ["unshare", *["--map-root-user"] * (os.geteuid() != 0), "--net", "--mount", "--pid", "--fork",
                    "true"],
    }.items():
        if shutil.which(command[0]) and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            assert problem_with(name) == ""
            # A Python below /root is open to root only; bubblewrap shows it all the same.
            if os.geteuid() == 0 and (name == "bwrap" or "cannot read" not in problem_with(name, True)):
                assert problem_with(name, True) == ""


def zygote(worker) -> psutil.Process:
    worker._ensure()
    return psutil.Process(worker._tree._zygote)


def told(session, name: str, *args: str) -> str:
    return call(session, name, *args).message.outputs[0].detail.strip("'")
