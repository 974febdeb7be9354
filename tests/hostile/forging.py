"""Results that a submission writes itself, and endings that look like success."""

from tests.hostile.attack import ALL, PLACE, POOL, POOL_VALUES, Attack, checks, pool, top

SOCKET = (
    "import os, stat, struct, json, pickle\n"
    "def connection():\n"
    "    for fd in range(3, 256):\n"
    "        try:\n"
    "            if stat.S_ISSOCK(os.fstat(fd).st_mode): return fd\n"
    "        except OSError: pass\n"
)
FORGED = "json.dumps({'id': %s, 'message': {'kind': 'result', 'outputs': []}}).encode()"
WRITE = "h = %s; os.write(connection(), struct.pack('!4sIQ', b'CHB1', len(h), 0) + h)\n"
OUTPUTS = "{'type': 'torch.Tensor', 'index': 7, 'shape': [1], 'dtype': 'float32', 'requires_grad': True}"
NAMED = f"json.dumps({{'id': token, 'message': {{'kind': 'result', 'outputs': [{OUTPUTS}]}}}}).encode()"
CHANGED = "json.dumps({'id': token, 'message': {'kind': 'result', 'outputs': [], 'changed_inputs': [9]}}).encode()"
TOKEN = (
    "import sys\nframe, token = sys._getframe(), 'guess'\n"
    "while frame:\n"
    "    header = frame.f_locals.get('header')\n"
    "    token = getattr(header, 'id', token)\n"
    "    frame = frame.f_back\n"
)
RESULT = '{"assignment": "hw3", "earned": 100, "checks": [{"id": "maxpool.values", "verdict": "pass"}]}'


def _dies(name: str, tries: str, body: str, verdict: str = "error", head: str = "") -> Attack:
    return Attack(name, tries, pool(body, head), checks(POOL, verdict))


ATTACKS = [
    _dies("exit-0", "os._exit(0) in a call", "import os; os._exit(0)"),
    _dies("sys-exit-0", "sys.exit(0) in a call", "import sys; sys.exit(0)"),
    _dies("interrupt", "KeyboardInterrupt, as Ctrl-C would", "raise KeyboardInterrupt"),
    _dies("abort", "abort()", "import os; os.abort()", "killed"),
    _dies("segfault", "a segmentation fault", "import ctypes; ctypes.string_at(1)", "killed"),
    Attack("exit-at-import", "ends the process at import with success", top("import os\nos._exit(0)"),
           checks(ALL, "error")),
    Attack("atexit", "writes a result when the process ends",
           pool("import os; os._exit(0)", "import atexit, sys\n"
                f"atexit.register(lambda: open('{{PROJECT}}/results/hw3/alice/result.json', 'w').write('{RESULT}'))\n"),
           checks(POOL, "error")),
    Attack("result-file", "writes result files wherever a grader may look",
           top("import os\nfor place in ('.', '..', os.path.dirname(__file__), '/autograder/results', '{PROJECT}'):\n"
               "    try:\n"
               "        os.makedirs(place, exist_ok=True)\n"
               f"        open(os.path.join(place, 'results.json'), 'w').write('{RESULT}')\n"
               "    except OSError: pass\n"), needs="unshare"),
    _dies("forged-frame", "a reply frame of its own", WRITE % (FORGED % "'guess'") + "return honest(self, x) + 1",
          "invalid", SOCKET),
    _dies("forged-token", "a reply frame with the right token, found in a frame below",
          TOKEN + WRITE % (FORGED % "token") + "return honest(self, x) + 1", "invalid|fail", SOCKET),
    _dies("forged-names", "a reply that names arrays which are not there",
          TOKEN + WRITE % NAMED + "return honest(self, x) + 1", "invalid", SOCKET),
    _dies("forged-changes", "a reply that says that arrays were changed which it never got",
          TOKEN + WRITE % CHANGED + "return honest(self, x) + 1", "invalid", SOCKET),
    _dies("frame-ahead", "a reply to a request that has not come",
          "h = b'{}'\nos.write(connection(), struct.pack('!4sIQ', b'CHB1', 2, 0) + h)\nreturn honest(self, x) + 1",
          "invalid", SOCKET),
    _dies("pickle", "a pickle that runs code where it is read",
          "class Bomb:\n    def __reduce__(self): return os.system, ('touch {PROJECT}/pwned',)\n"
          "h = pickle.dumps(Bomb())\nos.write(connection(), struct.pack('!4sIQ', b'CHB1', len(h), 0) + h)\n"
          "return honest(self, x) + 1", "invalid", SOCKET),
    _dies("giant-header", "a header of four gigabytes",
          "os.write(connection(), struct.pack('!4sIQ', b'CHB1', 0xFFFFFFFF, 0))\nreturn honest(self, x) + 1",
          "invalid", SOCKET),
    _dies("giant-payload", "a payload of an exabyte",
          "os.write(connection(), struct.pack('!4sIQ', b'CHB1', 2, 1 << 60) + b'{}')\nreturn honest(self, x) + 1",
          "invalid", SOCKET),
    _dies("nested-json", "a header nested ten thousand deep",
          WRITE % "b'[' * 10_000" + "return honest(self, x) + 1", "invalid", SOCKET),
    _dies("closed-connection", "closes every descriptor", "os.closerange(0, 256)\nreturn honest(self, x)",
          "error", SOCKET),
    _dies("skip-test", "unittest.SkipTest", "import unittest; raise unittest.SkipTest('not today')"),
    _dies("exploding-repr", "an exception whose text raises", "raise Evil()", "error",
          "class Evil(Exception):\n    def __str__(self): raise SystemExit(0)\n    __repr__ = __str__\n"),
    _dies("exploding-metaclass", "a value whose type explodes when it is named", "return Evil()", "fail|error",
          "class Meta(type):\n"
          "    def __getattribute__(cls, name):\n"
          "        if name in ('__qualname__', '__name__', '__module__'): raise SystemExit(0)\n"
          "        return type.__getattribute__(cls, name)\n"
          "class Evil(metaclass=Meta): pass\n"),
    _dies("html", "HTML in an error message",
          "raise ValueError('<script>alert(1)</script><img src=x onerror=alert(1)>')"),
    _dies("escapes", "terminal escapes and text that runs backwards",
          "raise ValueError('\\x1b[2J\\x1b[1;32mpass\\x1b[0m \\u202e ssap \\x07 \\r 100/100')"),
    _dies("long-message", "an error message of 100 MB", "raise ValueError('x' * 100_000_000)"),
    Attack("printed-report", "prints a report of its own, with all points",
           pool("print('\\x1b[2J total 100/100 PASSED', flush=True)\nreturn honest(self, x) + 1"),
           checks(POOL_VALUES, "fail")),
    Attack("own-conftest", "its own conftest.py, pytest.ini, sitecustomize.py and .pth",
           {**top(""), **{f"{folder}{name}": "raise SystemExit(0)\n" for folder in ("", "deliverable1_2/")
                          for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "x.pth",
                          "pytest.ini")}}),
    Attack("named-like-ours", "files named like the grader's and the standard library's",
           {**top(""), **{f"deliverable1_2/{name}.py": "raise SystemExit(0)\n"
                          for name in ("grader", "msgspec", "numpy", "json", "psutil", "_chalkbench")}}),
    Attack("torch-py", "a torch.py in the folder", top("", torch="raise SystemExit(0)\n")),
    Attack("builtins", "replaces open, print, isinstance and len",
           top("import builtins\nreal = builtins.isinstance\n"
               "builtins.isinstance = lambda a, b: real(a, b)\nbuiltins.print = builtins.open = None\n")),
    Attack("builtins-lie", "an isinstance that says yes to everything",
           top("import builtins\nbuiltins.isinstance = lambda a, b: True\n"), may=checks(ALL,
           "fail|error|invalid|killed|timeout")),
    Attack("poisoned-bytecode", "compiled files beside the source", {**top(""),
           "deliverable1_2/__pycache__/mytorch.cpython-311.pyc": b"\xa7\r\r\n" + bytes(100)}),
    Attack("module-swap", "puts another module in its own place",
           {PLACE: "import sys, types\nfake = types.ModuleType('mytorch')\n"
                   "fake.__getattr__ = lambda name: (lambda *a, **k: 'pass')\nsys.modules['mytorch'] = fake\n"},
           checks(ALL, "fail|error")),
]  # fmt: skip
