"""Whatever a submission does to its process, the grader gets a verdict and nothing stays behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from grader.worker import Code, Isolation, Limits, Session, Worker, WorkerFailure
from grader.worker import messages as m

from .conftest import call


def _failure(session: Session, name: str = "f", *args: object, wall: float = 20.0) -> WorkerFailure:
    with pytest.raises(WorkerFailure) as caught:
        call(session, name, *args, wall=wall)
    return caught.value


def _living(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _written_pid(file: Path) -> int:
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until, "the orphan was never started"
        time.sleep(0.01)
    return int(file.read_text())


@pytest.mark.parametrize("status", [0, 3])
def test_a_process_that_ends_itself_in_a_call_is_an_error_with_its_status(open_session, status: int):
    session = open_session(f"import os\ndef f(): os._exit({status})")
    failure = _failure(session)
    assert failure.verdict == "error" and f"ended itself with exit status {status}" in failure.reason


def test_a_process_that_ends_itself_at_import_is_an_error(open_session):
    session = open_session("import os\nos._exit(0)")
    with pytest.raises(WorkerFailure, match="error.*exit status 0"):
        session.request(m.Load("mytorch"), wall=20)


def test_the_next_session_is_fresh(open_session):
    _failure(open_session("import os\ndef f(): os._exit(0)"))
    with open_session("def f(): return 'alive'") as session:
        assert call(session, "f").message.outputs[0].detail == "'alive'"


def test_a_session_that_is_over_says_so_again(open_session):
    session = open_session("import os\ndef f(): os._exit(0)")
    _failure(session)
    assert "had ended" in _failure(session).reason


def test_a_signal_is_named(open_session):
    # A real fault: process 1 of a sandbox ignores signals that it sends itself.
    failure = _failure(open_session("import ctypes\ndef f(): ctypes.string_at(1)"))
    assert failure.verdict == "killed" and "SIGSEGV" in failure.reason


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        """
        import signal, time
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        while True:
            try:
                while True: time.sleep(0.01)
            except BaseException:
                pass
        """,
        "x = input()\nimport time; time.sleep(60)",
    ],
    ids=["endless", "ignores-everything", "waits"],
)
def test_an_import_without_end_is_a_timeout_by_the_graders_clock(open_session, source: str):
    session = open_session(source.replace("x = input()", "try: input()\nexcept EOFError: pass"))
    begin = time.monotonic()
    with pytest.raises(WorkerFailure, match="timeout.*0.5 s"):
        session.request(m.Load("mytorch"), wall=0.5)
    assert time.monotonic() - begin < 10


def test_a_call_without_end_is_a_timeout(open_session):
    assert _failure(open_session("def f():\n    while True: pass"), wall=0.5).verdict == "timeout"


def test_a_timeout_says_whether_there_was_computed_all_the_while(open_session):
    source = "import time\ndef loop():\n    while True: pass\ndef wait(): time.sleep(60)"
    looped, waited = (_failure(open_session(source), name, wall=2.0).computed for name in ("loop", "wait"))
    assert looped > 0.2 > waited


def test_a_process_that_stops_itself_is_a_timeout(plain, write):
    session = plain.session(write(mytorch="import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGSTOP)"))
    assert _failure(session, wall=0.5).verdict == "timeout"


ORPHAN = """
    import os, signal, time
    def f(file, leave):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                with open(file, "w") as out: out.write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        os.wait()
        if leave: os._exit(0)
        return 1
"""


@pytest.mark.parametrize("leave", [True, False], ids=["its-session-ended-itself", "its-session-was-closed"])
def test_orphans_that_left_the_process_group_are_ended(plain, write, tmp_path: Path, leave: bool):
    file = tmp_path / "pid"
    session = plain.session(write(mytorch=ORPHAN))
    if leave:
        failure = _failure(session, "f", str(file), True)
        assert failure.verdict == "error" and "exit status 0" in failure.reason
    else:
        call(session, "f", str(file), False)
        assert _living(_written_pid(file))
        session.close()
    assert not _living(_written_pid(file))


def test_orphans_of_a_submission_that_killed_its_parent_are_ended(plain, write, tmp_path: Path):
    file = tmp_path / "pid"
    source = ORPHAN + """
    def kill_parent(file):
        parent = os.getppid()
        f(file, False)
        os.kill(parent, signal.SIGKILL)
        time.sleep(60)
    """
    failure = _failure(plain.session(write(mytorch=source)), "kill_parent", str(file))
    assert failure.verdict == "killed"
    assert not _living(_written_pid(file))
    with plain.session(write(mytorch="def f(): return 1")) as session:  # on a new parent
        assert call(session, "f").message.outputs[0].detail == "1"


def test_a_stopped_parent_is_replaced(plain, write):
    session = plain.session(write(mytorch="import os, signal\ndef f(): os.kill(os.getppid(), signal.SIGSTOP)"))
    call(session, "f")
    session.close()
    with plain.session(write(mytorch="def f(): return 1")) as session:
        assert call(session, "f").message.outputs[0].detail == "1"


def test_closing_a_worker_leaves_no_process_and_no_file(write, tmp_path: Path):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    worker = Worker(preload=(), scratch=tmp_path, isolation=Isolation("process"))
    session = worker.session(write(mytorch="def f():\n    open('left', 'w').write('x')\n    while True: pass"))
    _failure(session, wall=2)
    worker.close()
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert [path.name for path in tmp_path.iterdir()] == ["submission"]


GRADER = """
import sys, time
from pathlib import Path
import psutil
from grader.worker import Code, Isolation, Worker
from tests.grader.worker.conftest import call
worker = Worker(preload=(), isolation=Isolation("process"))
call(worker.session(Code({"mytorch": Path(sys.argv[1])})), "f", sys.argv[2], False, wall=60)
(zygote,) = psutil.Process().children()
print(zygote.pid, flush=True)
time.sleep(600)
"""


def test_a_grader_that_is_killed_takes_its_workers_and_their_orphans_with_it(write, tmp_path: Path):
    write(mytorch=ORPHAN)
    file = tmp_path / "pid"
    command = [sys.executable, "-c", GRADER, str(tmp_path / "submission" / "mytorch.py"), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as grader:
        try:
            zygote = psutil.Process(int(grader.stdout.readline()))
            pids = [process.pid for process in (zygote, *zygote.children(recursive=True))]
            assert len(pids) == 3 and _written_pid(file) in pids
        finally:
            grader.kill()
    until = time.monotonic() + 10
    while any(_living(pid) for pid in pids):
        assert time.monotonic() < until, "the worker outlived its grader"
        time.sleep(0.01)


def test_a_flood_of_output_neither_fills_memory_nor_blocks(worker, write):
    source = "import sys\ndef f(n):\n    for i in range(n): print('x' * 9999, i)\n    return 1"
    with worker.session(write(mytorch=source)) as session:
        assert call(session, "f", 500).message.outputs[0].detail == "1"
        tail = session.output_tail()
        assert tail.rstrip().endswith("x 499") and len(tail) <= Limits().output_tail
    flood = worker.session(write(mytorch=source))
    failure = _failure(flood, "f", 10_000_000)
    assert failure.verdict == "killed" and "printed more than" in failure.reason


def test_printed_control_characters_do_not_reach_the_terminal(open_session):
    with open_session("def f(): print('\\x1b[2Jred\\x07')") as session:
        call(session, "f")
        assert "red" in session.output_tail() and "\x1b" not in session.output_tail()


SCAN = """
    import os, socket, stat, json, struct
    def connection():
        for fd in range(3, 256):
            try:
                if stat.S_ISSOCK(os.fstat(fd).st_mode): return fd
            except OSError: pass
"""
PREFIX = "struct.pack('!4sIQ', b'CHB1', {header}, {payload})"


@pytest.mark.parametrize(
    "bytes_written",
    [
        "b'GET / HTTP/1.1' * 10",
        PREFIX.format(header="0xFFFFFFFF", payload="0"),
        PREFIX.format(header="2", payload="1 << 62") + " + b'{}'",
        PREFIX.format(header="2", payload="0") + " + b'{}'",
        PREFIX.format(header="50000", payload="0") + " + b'[' * 50000",
        "(lambda h: " + PREFIX.format(header="len(h)", payload="0") + " + h)"
        "(json.dumps({'id': 'guess', 'message': {'kind': 'done'}}).encode())",
        "(lambda h: " + PREFIX.format(header="len(h)", payload="4") + " + h + b'abcd')"
        "(json.dumps({'id': 'x', 'message': {'kind': 'done'}, "
        "'arrays': [{'dtype': 'object', 'shape': [1]}]}).encode())",
    ],
    ids=["no-frame", "giant-header", "giant-payload", "empty-object", "nested", "forged-reply", "object-array"],
)
def test_frames_written_by_the_submission_are_invalid(open_session, bytes_written: str):
    session = open_session(f"{SCAN}\n    def f(): os.write(connection(), {bytes_written}); return 1")
    failure = _failure(session)
    assert failure.verdict == "invalid" and "the worker sent" in failure.reason


def test_a_reply_written_ahead_does_not_answer_the_next_request(open_session):
    source = SCAN + """
    import threading, time
    def later():
        time.sleep(0.2)
        header = json.dumps({'id': 'guess', 'message': {'kind': 'done'}}).encode()
        os.write(connection(), struct.pack('!4sIQ', b'CHB1', len(header), 0) + header)
    def f(): threading.Thread(target=later, daemon=True).start(); return 1
    """
    session = open_session(source)
    call(session, "f")
    time.sleep(0.5)
    assert _failure(session).verdict == "invalid"


def test_a_half_written_frame_is_a_timeout(open_session):
    session = open_session(f"{SCAN}\n    def f():\n        os.write(connection(), b'CHB1')\n        while True: pass")
    assert _failure(session, wall=0.5).verdict == "timeout"


@pytest.mark.parametrize("closing", ["os.closerange(0, 256)", "os.close(connection())"])
def test_a_submission_that_closes_descriptors_fails_alone(open_session, closing: str):
    session = open_session(f"{SCAN}\n    import time\n    def f(): {closing}; time.sleep(60)")
    failure = _failure(session)
    assert failure.verdict == "error" and "connection" in failure.reason
    session = open_session(f"{SCAN}\n    def f(): {closing}; return 1")
    failure = _failure(session)
    assert failure.verdict == "error" and "connection" in failure.reason


@pytest.fixture(scope="module")
def limited() -> Iterator[Worker]:
    # An idle session that has torch imported holds about 400 MiB.
    limits = Limits(
        data=8 << 30, resident=900 << 20, processes=4, cpu_seconds=2, file_bytes=8 << 20
    )
    with Worker(preload=(), limits=limits) as worker:
        yield worker


def test_memory_that_is_asked_for_at_once_beyond_the_limit_is_a_memory_error(limited, write):
    with limited.session(write(mytorch="def f(): return bytearray(16 << 30)")) as session:
        assert call(session, "f").message.type == "MemoryError"


def test_memory_in_use_is_watched(limited, write):
    source = "import time\ndef f():\n    held = bytearray(b'x') * (600 << 20)\n    time.sleep(60)"
    failure = _failure(limited.session(write(mytorch=source)))
    assert failure.verdict == "killed" and "memory" in failure.reason


def test_processes_are_counted(limited, write):
    source = """
        import os, time
        def f():
            for _ in range(8):
                if os.fork() == 0: break
            time.sleep(60)
    """
    failure = _failure(limited.session(write(mytorch=source)))
    assert failure.verdict == "killed" and "processes at once" in failure.reason


def test_cpu_time_is_limited(limited, write):
    failure = _failure(limited.session(write(mytorch="def f():\n    while True: pass")), wall=60)
    assert failure.verdict == "killed" and "CPU time" in failure.reason


def test_file_size_and_open_files_are_limited(limited, write):
    source = """
        def fill():
            with open("large", "wb") as out:
                for _ in range(64): out.write(bytes(1 << 20))
        def open_many(): return len([open("/dev/null") for _ in range(1000)])
    """
    with limited.session(write(mytorch=source)) as session:
        assert call(session, "fill").message.type == "OSError"
        assert "Too many open files" in call(session, "open_many").message.message


def test_a_request_that_is_not_read_does_not_block_the_grader(plain, write):
    session = plain.session(write(mytorch="import os, signal\ndef f(): pass\nos.kill(os.getpid(), signal.SIGSTOP)"))
    with pytest.raises(WorkerFailure, match="timeout"):
        session.request(m.Load("mytorch"), wall=0.3)
    source = """
        import os, signal, threading, time
        def f(*args): threading.Thread(target=stop).start()
        def stop(): time.sleep(0.1); os.kill(os.getpid(), signal.SIGSTOP)
    """
    session = plain.session(write(mytorch=source))
    call(session, "f")
    time.sleep(0.5)
    with pytest.raises(WorkerFailure, match="timeout"):
        call(session, "f", torch.zeros(10_000_000), wall=1.0)


def test_opening_a_session_ends_the_one_before(worker, write: Callable[..., Code]):
    first = worker.session(write(mytorch="def f(): return 1"))
    call(first, "f")
    with worker.session(write(mytorch="def f(): return 2")) as second:
        assert call(second, "f").message.outputs[0].detail == "2"
        assert _failure(first).verdict == "error"
