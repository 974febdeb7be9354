"""What must not be handed out: imports of the reference, and pieces of a solution."""

from __future__ import annotations

import ast
import itertools
import re

from grader.markers import Stub

# Characters, without blanks, that give something away in one line, or in two lines in a row.
# Less is any program's: "torch.manual_seed(seed)" has 23.
TELLING = 24


def imports_of_reference(files: dict[str, bytes]) -> list[str]:
    """Where something handed out imports the reference, which students do not have.

    Args:
        files: path in the hand-out to the file's bytes.

    Returns:
        One line per fault, beginning with file:line; a file that does not compile is a fault.
    """
    faults = []
    for path, content in files.items():
        if path.split("/")[0] == "reference":
            faults.append(f"{path}: a file of the reference")
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except SyntaxError as error:
            faults.append(f"{path}:{error.lineno}: cannot be checked: {error.msg}")
            continue
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            if any(module.split(".")[0] == "reference" for module in modules):
                faults.append(f"{path}:{node.lineno}: imports the reference")
    return faults


def pieces_of_a_solution(files: dict[str, bytes], stubs: dict[str, Stub]) -> list[str]:
    """Where a line withheld from a stub, or two such lines in a row, stand in what is handed out.

    Args:
        files: path in the hand-out to the file's bytes.
        stubs: path below reference/ to its stub; what the stub itself shows is no secret.

    Returns:
        One line per fault, beginning with file:line.
    """
    handed_out = {path: _passages(text.decode("utf-8", "replace")) for path, text in files.items()}
    faults = []
    for name, stub in stubs.items():
        withheld = {text for _, text in _passages("\n".join(stub.withheld)) if len(text) >= TELLING}
        withheld -= {text for _, text in _passages(stub.text)}
        faults += [
            f"{path}:{row}: has this of the solution in reference/{name}: {text}"
            for path, passages in handed_out.items()
            for row, text in passages
            if text in withheld
        ]
    return faults


def _passages(text: str) -> list[tuple[int, str]]:
    """Row and text of every line, and of every two lines in a row.

    Blanks and comments are taken out: another indentation or spacing hides nothing.
    """
    bare = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
    rows = enumerate(("".join(line.split()) for line in bare), 1)
    lines = [(row, line) for row, line in rows if line]
    return lines + [(row, one + two) for (row, one), (_, two) in itertools.pairwise(lines)]
