"""What one session of submitted code may use of the machine."""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Ceilings for one session; the time of each request is stated by the request.

    They are there to keep the machine and the grader alive, not to measure
    students: honest work stays far below every one of them.
    """

    # Twice the longest training that a check allows (10 minutes on 2 cores): only a
    # process that the wall clock somehow missed ever meets it.
    cpu_seconds: int = 2400
    # A single allocation beyond this is a MemoryError at once. It counts private memory that can
    # be written (RLIMIT_DATA), and so not the 3.2 GiB of libraries that torch maps, nor the address
    # space that CUDA reserves, which make a limit on all that is mapped useless.
    data: int = 12 * GIB
    # Of all processes of the session together, looked at four times a second. im2col of 60,000
    # MNIST images at once needs 1.7 GiB in float32, and its gradient as much again.
    resident: int = 6 * GIB
    # A checkpoint of the course's largest network has 20 MB; a JIT cache file 1 MB.
    file_bytes: int = 256 * MIB
    # Python, torch and numba hold about 40 when they run.
    open_files: int = 256
    # Four DataLoader workers, a compiler and its children; a fork bomb has more.
    processes: int = 16
    # A backstop for a fork bomb that outruns the count above: the kernel counts all threads of
    # the session's user. Where that is the grader's own, other programs' threads count too.
    user_threads: int = 512
    shared_user_threads: int = 4096
    # The scratch folder, in memory where there are walls around it, and /dev/shm with it.
    scratch_bytes: int = 512 * MIB
    scratch_files: int = 20_000
    # Enough to see the last traceback that a student printed.
    output_tail: int = 8 * KIB
    # A line printed per batch is 1 MB in a long training; what floods past this is
    # taken for an attack, and the session is ended.
    output_bytes: int = 64 * MIB
