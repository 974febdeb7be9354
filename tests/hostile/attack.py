"""What one hostile or broken submission is: its files, what it tries, and what it must get.

Most are a correct solution with one hostile part in it, so that each shows two things at once: the
hostile part gains nothing, and the honest rest keeps its points.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.grader.submissions import UNFOLD

PLACE = "deliverable1_2/mytorch.py"
FORWARD = '''\
        k, s = self.kernel_size, self.stride
        return x.unfold(2, k, s).unfold(3, k, s).flatten(4).max(-1).values
'''
OUTPUT = '''\
    output = torch.einsum("nchwij,ocij->nohw", windows, weight)
'''
POOL = ("maxpool.*",)
# What is off by a constant still has the right gradient.
POOL_VALUES = ("maxpool.values", "maxpool.stride", "maxpool.odd_sizes", "maxpool.negative")
FUNCTION = ("conv2d.*",)
FUNCTION_VALUES = tuple(
    f"conv2d.{name}"
    for name in ("values", "stride", "padding", "bias", "rectangles", "together", "dtype", "layout", "edges")
)
FUNCTION_GRADIENTS = ("conv2d.*_gradient",)
LAYER = ("Conv2D.values", "Conv2D.gradients")
BUILT = ("Conv2D.*",)
CONVOLUTION = (*FUNCTION, *LAYER)
ALL = ("*",)


@dataclass(frozen=True)
class Attack:
    """One submission.

    Args:
        name: unique in the corpus.
        tries: one line.
        files: path below the submission's folder -> text or bytes.
        lost: patterns of checks -> the verdicts that each of them may get, "error|killed".
        may: the same for checks that may be lost or not, by chance or by what they draw.
        needs: the weakest tier in which it gets this: "process", "unshare" or "bwrap".
        furnish: does with the folder what files alone cannot.
        refused: where nothing of it can be graded, what the reason says (a regular expression).
        slow: whether it waits for the grader's clock.

    Every check that no pattern matches must pass.
    """

    name: str
    tries: str
    files: Mapping[str, str | bytes]
    lost: Mapping[str, str] = field(default_factory=dict)
    may: Mapping[str, str] = field(default_factory=dict)
    needs: str = "process"
    furnish: Callable[[Path], None] | None = None
    refused: str = ""
    slow: bool = False

    def build(self, folder: Path, project: Path) -> None:
        """Write the submission; `{PROJECT}` in a text is this project's folder."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = content.replace("{PROJECT}", str(project)).encode()
            path.write_bytes(content)
        if self.furnish:
            self.furnish(folder)


def pool(body: str, head: str = "") -> dict[str, str]:
    """A correct solution but for `MyMaxPool2D.forward(self, x)`, with `head` at the top of the file.

    In `body`, `honest(self, x)` is the right answer.
    """
    honest = "\n\ndef honest(self, x):\n" + FORWARD.replace("        ", "    ")
    return {PLACE: head + UNFOLD.replace(FORWARD, _indented(body, 8)) + honest}


def conv(body: str, head: str = "") -> dict[str, str]:
    """A correct solution but for how `MyFConv2D` sets `output` from windows, input and weight.

    In `body`, `honest(windows, weight)` is the right one.
    """
    honest = "\n\ndef honest(windows, weight):\n" + OUTPUT.replace("output =", "return")
    return {PLACE: head + UNFOLD.replace(OUTPUT, _indented(body, 4)) + honest}


def top(code: str, **others: str) -> dict[str, str]:
    """A correct solution after these lines; `others` are files beside it, by their names without .py."""
    beside = {f"deliverable1_2/{name}.py": text for name, text in others.items()}
    return {PLACE: code + "\n" + UNFOLD, **beside}


def checks(patterns: tuple[str, ...], verdict: str) -> dict[str, str]:
    """The same verdict for several patterns."""
    return dict.fromkeys(patterns, verdict)


def _indented(body: str, spaces: int) -> str:
    return "".join(" " * spaces + line + "\n" for line in body.strip("\n").split("\n"))
