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
    # torch alone maps 3.2 GiB, with CUDA's libraries about 8; threads' stacks, JIT
    # arenas and memory-mapped files come on top. Resident memory is what is scarce.
    address_space: int = 32 * GIB
    # im2col of 60,000 MNIST images at once needs 1.7 GiB in float32, and its gradient
    # as much again.
    resident: int = 6 * GIB
    # A checkpoint of the course's largest network has 20 MB; a JIT cache file 1 MB.
    file_bytes: int = 256 * MIB
    # Python, torch and numba hold about 40 when they run.
    open_files: int = 256
    # Four DataLoader workers, a compiler and its children; a fork bomb has more.
    processes: int = 16
    # The kernel counts all threads of the user, other sessions' and programs' included: a
    # backstop for a fork bomb that outruns the count above. It does not bind root.
    user_threads: int = 4096
    # Enough to see the last traceback that a student printed.
    output_tail: int = 8 * KIB
    # A line printed per batch is 1 MB in a long training; what floods past this is
    # taken for an attack, and the session is ended.
    output_bytes: int = 64 * MIB
