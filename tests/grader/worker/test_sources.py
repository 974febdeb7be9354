"""Forbidden names are found in the source, by whatever name they go."""

import textwrap
from pathlib import Path

import pytest

from grader.worker import Rules
from grader.worker.sources import SIZE_LIMIT, Finding, scan

RULES = Rules(sources=(r"torch\.(.+\.)?\w*([Cc]onv|[Pp]ool)\w*", r"scipy\.signal\..*convolve\w*"))


def _scan(tmp_path: Path, source: str | bytes) -> list[Finding]:
    file = tmp_path / "mytorch.py"
    file.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
    return scan([file], RULES)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import torch\ny = torch.conv2d(x)", "torch.conv2d"),
        ("import torch.nn.functional as F\ny = F.conv2d(x)", "torch.nn.functional.conv2d"),
        ("import torch.nn\ny = torch.nn.functional.max_pool2d(x)", "torch.nn.functional.max_pool2d"),
        ("from torch import nn as n\nclass A(n.Conv2d): pass", "torch.nn.Conv2d"),
        ("from torch.nn import functional\ny = functional.avg_pool2d", "torch.nn.functional.avg_pool2d"),
        ("import torch\nnet = torch.nn\ny = net.MaxPool2d(2)", "torch.nn.MaxPool2d"),
        ("import torch\ny = torch.ops.aten.convolution(x)", "torch.ops.aten.convolution"),
        ("import torch.nn.functional as F\ny = getattr(F, 'conv2d')(x)", "torch.nn.functional.conv2d"),
        ("import importlib\ny = importlib.import_module('torch.nn').Conv2d", "torch.nn.Conv2d"),
        ("from torch.nn.functional import *\ny = conv2d(x)", "torch.nn.functional.conv2d"),
        ("y = __import__('torch').conv1d", "torch.conv1d"),
        ("from scipy import signal as s\ny = s.fftconvolve(x)", "scipy.signal.fftconvolve"),
        ("import torch\nf = lambda x: [torch.conv2d(x) for _ in x]", "torch.conv2d"),
    ],
)
def test_a_use_is_found_with_its_line(tmp_path: Path, source: str, name: str):
    (finding,) = [finding for finding in _scan(tmp_path, source) if finding.use == "use"]
    assert (finding.name, finding.line) == (name, source.count("\n") + 1)
    assert finding.source == source.splitlines()[-1] and name in str(finding)


def test_an_import_by_another_name_is_found_where_it_stands_and_where_it_is_used(tmp_path: Path):
    findings = _scan(tmp_path, "from torch.nn import Conv2d as C\nlayer = C(1, 2, 3)")
    assert [(f.line, f.name, f.use) for f in findings] == [
        (1, "torch.nn.Conv2d", "import"),
        (2, "torch.nn.Conv2d", "use"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import torch.nn.functional as F\nif __name__ == '__main__':\n    F.conv2d(x)",
        "import torch.nn.functional as F\nif '__main__' == __name__:\n    F.conv2d(x)",
        "from torch import nn\ndef f(m: nn.Conv2d, n: 'nn.Conv2d') -> nn.Conv2d: return m",
        "from torch import nn\nlayer: nn.Conv2d = make()",
        "from torch import nn\ny = isinstance(m, (nn.Conv2d, nn.Linear))",
        "from torch.nn.functional import *\ndef conv2d(x): return x\ny = conv2d(1)",
        "import torch.nn.functional as F\ny = F.unfold(x, 3)  # like F.conv2d",
        "'''Same as torch.nn.functional.conv2d.'''\ndef conv2d(x): return 'torch.conv2d'",
        "from mytorch import MyConv2D\nfrom . import conv2d\ny = MyConv2D(1)",
    ],
)
def test_what_is_not_a_use_is_not_reported(tmp_path: Path, source: str):
    assert _scan(tmp_path, source) == []


def test_the_other_branch_of_the_script_guard_is_read(tmp_path: Path):
    source = "import torch\nif __name__ == '__main__': pass\nelse:\n    torch.conv2d(x)"
    assert [finding.line for finding in _scan(tmp_path, source)] == [4]


def test_a_byte_order_mark_is_no_error(tmp_path: Path):
    assert [f.line for f in _scan(tmp_path, "\ufeffimport torch\ntorch.conv2d(x)".encode())] == [2]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"x = 1\ndef f(:\n", 2, "SyntaxError"),
        (b"x = 1\ny = '\xff'\n", 2, "decoded"),
        (b"# coding: nonsense\n", 1, "nonsense"),
        (b"x = '\0'\n", 0, "null bytes"),
        (b"(" * 10_000, 1, "nested"),
        (b"x = " + b"-" * 50_000 + b"1", 0, ""),
        (b"x = 1\n" * (SIZE_LIMIT // 6 + 1), 0, "larger than 1 MiB"),
    ],
)
def test_what_python_cannot_read_is_reported_with_its_line(tmp_path: Path, content: bytes, line: int, words: str):
    (finding,) = _scan(tmp_path, content)
    assert finding.use == "unreadable" and words in finding.detail and finding.line == line


def test_what_is_no_regular_file_is_reported(tmp_path: Path):
    (finding,) = scan([tmp_path], RULES)
    assert finding.use == "unreadable" and "regular file" in finding.detail
    (missing,) = scan([tmp_path / "missing.py"], RULES)
    assert missing.use == "unreadable"
