"""Using up the machine, and staying on it. What is slow waits for the grader's clock."""

from tests.hostile.attack import ALL, BUILT, POOL, Attack, checks, conv, pool, top

EDGES = "if n == 0:\n"  # images of which there are none: one check only
SLEEP = "import time\n"


def _once(name: str, tries: str, body: str, verdict: str, head: str = "", slow: bool = True) -> Attack:
    """Hostile only where there are no images, so that one check pays for it."""
    indented = "".join(f"    {line}\n" for line in body.split("\n"))
    return Attack(name, tries, conv(f"{EDGES}{indented}output = honest(windows, weight)", SLEEP + head),
                  {"conv2d.edges": verdict}, slow=slow)  # fmt: skip


def _pool(name: str, tries: str, body: str, verdict: str, head: str = "") -> Attack:
    return Attack(name, tries, pool(body, head), checks(POOL, verdict))


ATTACKS = [
    _once("endless", "a loop without end", "while True: pass", "timeout"),
    _once("sleeps", "sleeps", "time.sleep(600)", "timeout"),
    _once("swallows-everything", "a loop that swallows every exception and signal",
          "import signal\n"
          "for number in range(1, 32):\n"
          "    try: signal.signal(number, signal.SIG_IGN)\n"
          "    except OSError: pass\n"
          "while True:\n"
          "    try: time.sleep(0.1)\n"
          "    except BaseException: pass", "timeout"),
    _once("stuck-in-c", "one call into compiled code that takes hours", "pow(3, 10**12)", "timeout|killed|error"),
    _once("stopped", "stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)",
          "timeout"),
    _once("fork-bomb", "forks without end",
          "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "killed"),
    # It stays until they are counted, which is done four times a second.
    _once("many-children", "many quiet children",
          "import os\n[os.fork() or time.sleep(600) for _ in range(30)]\ntime.sleep(5)", "killed|timeout"),
    _once("thread-bomb", "threads without end",
          "import threading\nwhile True: threading.Thread(target=time.sleep, args=(600,)).start()",
          "error|killed|timeout"),
    _once("memory", "memory without end, touched page by page",
          "held = []\nwhile True: held.append(bytearray(b'x') * (32 << 20))", "killed|error", slow=False),
    _once("memory-at-once", "a terabyte at once", "torch.empty(1 << 38)", "error", slow=False),
    _once("shared-mappings", "shared memory, which is nobody's own",
          "import mmap, os\nheld = mmap.mmap(-1, 4 << 30)\n"
          "for at in range(0, 4 << 30, 4096): held[at] = 1", "killed|error"),
    Attack("shared-memory", "fills /dev/shm",
           conv("if n == 0:\n    with open('/dev/shm/x', 'wb') as f:\n"
                "        while True: f.write(bytes(1 << 20))\noutput = honest(windows, weight)"),
           {"conv2d.edges": "error|killed"}, needs="unshare"),
    _once("large-file", "one file without end",
          "with open('x', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", "error|killed", slow=False),
    _once("disk-bomb", "many files of a permitted size",
          "for i in range(100_000):\n    with open(str(i), 'wb') as f: f.write(bytes(1 << 20))", "error|killed",
          slow=False),
    _once("file-bomb", "a million empty files", "for i in range(10**6): open(str(i), 'w').close()",
          "error|killed"),
    _once("descriptors", "open files without end", "import os\nheld = [open(os.devnull) for _ in range(10**5)]",
          "error", slow=False),
    _once("output-bomb", "prints without end", "while True: print('x' * 65536, flush=True)", "killed", slow=False),
    _once("giant-reply", "a view that would be a terabyte to send",
          "return torch.zeros(1).expand(1 << 20, 1 << 18)", "fail|error", slow=False),
    _once("recursion", "recursion without end, past the interpreter's limit",
          "import sys\nsys.setrecursionlimit(10**9)\ndef down(): return down() + 1\ndown()", "killed|error",
          slow=False),
    _once("half-frame", "half a reply, and then silence",
          "import os, stat\n"
          "fd = next(f for f in range(3, 256) if stat.S_ISSOCK(os.fstat(f).st_mode))\n"
          "os.write(fd, b'CHB1')\ntime.sleep(600)", "timeout"),
    Attack("orphan", "a child in a session of its own, which outlives the call",
           pool("import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
                "        import signal, time\n        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "        time.sleep(600)\n    os._exit(0)\nos.wait()\nreturn honest(self, x)"),
           may=checks(POOL, "killed|error")),
    Attack("orphan-and-exit", "the same, and then the process ends itself",
           pool("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n"
                "    os._exit(0)\nos.wait()\nos._exit(0)"), checks(POOL, "error")),
    Attack("kill-everybody", "sends SIGKILL to every process it can reach",
           pool("import os, signal\ntry: os.kill(-1, signal.SIGKILL)\nexcept OSError: pass\nreturn honest(self, x)"),
           needs="unshare"),
    Attack("kill-parent", "sends SIGKILL and SIGSTOP to its parent",
           pool("import os, signal\nfor s in (signal.SIGSTOP, signal.SIGKILL):\n    try: os.kill(os.getppid(), s)\n"
                "    except OSError: pass\nreturn honest(self, x)"), may=checks(POOL, "error|killed|timeout"),
                needs="unshare"),
    Attack("signal-handlers", "handlers for every signal, and an alarm",
           top("import signal\nfor number in range(1, 32):\n    try: signal.signal(number, lambda *a: None)\n"
               "    except (OSError, ValueError): pass\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\n")),
    Attack("limits-lifted", "lifts its own limits",
           top("import resource\nfor kind in range(16):\n"
               "    try: resource.setrlimit(kind, (-1, -1))\n    except (OSError, ValueError): pass\n"
               "assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_000\n")),
    Attack("threads-at-import", "starts threads at import, and leaves them",
           top("import threading, time\nfor _ in range(20):\n"
               "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n")),
    Attack("slow-constructor", "a layer that takes for ever to build",
           {"deliverable1_2/mytorch.py": top("import time")["deliverable1_2/mytorch.py"].replace(
               "        self.kernels =", "        if in_channels == 16: time.sleep(600)\n        self.kernels =")},
           {"Conv2D.initialisation": "timeout"}, slow=True),
]  # fmt: skip
