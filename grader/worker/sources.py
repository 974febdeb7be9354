"""Forbidden names in a submission's source, found without running it.

The dispatcher (`grader.worker.forbid`) catches what is executed; this finds what is
written, also where no check happens to reach, and names the line.
"""

import ast
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from .forbid import Rules
from .protocol import clean

SIZE_LIMIT = 1 << 20  # bytes of one file: the longest hand-written module is far below
LINE = 200


@dataclass(frozen=True)
class Finding:
    """One place in a source file.

    Args:
        file: the file.
        line: from 1; 0 if the finding is about the whole file.
        source: the line's text.
        name: dotted path of what is used ("torch.nn.functional.conv2d"), "" for "unreadable".
        use: "import", "use" (called, assigned, passed on, inherited from, ...), or
            "unreadable", a file that Python cannot compile, with the reason in `detail`.
    """

    file: Path
    line: int
    source: str
    name: str
    use: Literal["import", "use", "unreadable"]
    detail: str = ""

    def __str__(self) -> str:
        if self.use == "unreadable":
            return f"{self.file.name}:{self.line}: {self.detail}"
        return f"{self.name} at {self.file.name}:{self.line}: {self.source}"


def scan(files: Iterable[Path], rules: Rules) -> list[Finding]:
    """Look for names that match `rules.sources` in `files`.

    Names are followed through imports under other names, star imports, assignments of a
    dotted name to a variable, `getattr` with a constant and `importlib.import_module`. What
    stands under `if __name__ == "__main__":`, in an annotation, or as the second argument of
    `isinstance` is not used by the grader and not reported.
    """
    patterns = [re.compile(pattern) for pattern in rules.sources]
    return [finding for file in files for finding in _scan_file(Path(file), patterns)]


def _scan_file(file: Path, patterns: list[re.Pattern[str]]) -> Iterator[Finding]:
    try:
        tree, lines = _parse(file)
    except _Unreadable as problem:
        yield Finding(file, problem.line, clean(problem.source.strip(), LINE), "", "unreadable", problem.reason)
        return
    seen = set()
    visitor = _Names(tree)
    try:
        visitor.visit(tree)
    except RecursionError:
        yield Finding(file, 0, "", "", "unreadable", "cannot be scanned: its expressions are nested too deeply")
        return
    for line, name, use in visitor.found:
        if (line, name) not in seen and any(pattern.fullmatch(name) for pattern in patterns):
            seen.add((line, name))
            source = lines[line - 1].strip() if line <= len(lines) else ""
            yield Finding(file, line, clean(source, LINE), clean(name, LINE), use)


class _Unreadable(Exception):
    def __init__(self, reason: object, line: int | None = 0, source: str | None = "") -> None:
        super().__init__(reason)
        self.reason, self.line, self.source = clean(reason, LINE), line or 0, source or ""


def _parse(file: Path) -> tuple[ast.Module, list[str]]:
    """Syntax tree and lines, as Python itself would read the file."""
    if not file.is_file():
        raise _Unreadable("is not a regular file")
    try:
        with file.open("rb") as stream:
            content = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None
    if len(content) > SIZE_LIMIT:
        raise _Unreadable(f"is larger than {SIZE_LIMIT >> 20} MiB")
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(content).readline)  # drops a byte order mark
        text = content.decode(encoding)
    except SyntaxError as error:
        raise _Unreadable(f"cannot be decoded: {error}", 1) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Unreadable(f"cannot be decoded: {error}", line) from None
    try:
        return ast.parse(text, str(file)), text.splitlines()
    except SyntaxError as error:
        raise _Unreadable(f"SyntaxError: {error.msg}", error.lineno, error.text) from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, absurd nesting
        raise _Unreadable(f"cannot be parsed: {error}") from None


class _Names(ast.NodeVisitor):
    """Collects (line, dotted name, use) of every name that leads to an import."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[tuple[int, str, Literal["import", "use"]]] = []
        self._bound: dict[str, str] = {}  # variable -> dotted name
        self._starred: list[str] = []  # modules of star imports
        self._own = _defined(tree)

    # ------------------------------------------------------------ what binds a name
    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.found.append((node.lineno, alias.name, "import"))
            self._bound[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module:
            return  # from the submission itself, whose files are scanned too
        for alias in node.names:
            if alias.name == "*":
                self._starred.append(node.module)
                continue
            name = f"{node.module}.{alias.name}"
            self.found.append((node.lineno, name, "import"))
            self._bound[alias.asname or alias.name] = name

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        name = self._resolve(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._bind(target.id, name)

    def _bind(self, variable: str, name: str | None) -> None:
        if name:
            self._bound[variable] = name

    # ------------------------------------------------------------ what uses a name
    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._report(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._report(node)
            if node.id not in self._bound and node.id not in self._own:
                self.found += [(node.lineno, f"{module}.{node.id}", "use") for module in self._starred]

    def visit_Call(self, node: ast.Call) -> None:
        self._report(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            for argument in node.args[:1]:
                self.visit(argument)
            return
        self.generic_visit(node)

    def _report(self, node: ast.expr) -> None:
        name = self._resolve(node)
        if name:
            self.found.append((node.lineno, name, "use"))

    def _resolve(self, node: ast.expr) -> str | None:
        """The dotted name that an expression stands for, if it can be told from the text."""
        if isinstance(node, ast.Name):
            return self._bound.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._resolve(node.value)
            return f"{base}.{node.attr}" if base else None
        if isinstance(node, ast.Call) and node.args:
            constants = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
            called = node.func.id if isinstance(node.func, ast.Name) else self._resolve(node.func)
            if called == "getattr" and len(node.args) >= 2 and isinstance(constants[1], str):
                base = self._resolve(node.args[0])
                return f"{base}.{constants[1]}" if base else None
            if called in ("__import__", "import_module", "importlib.import_module") and isinstance(constants[0], str):
                return constants[0].partition(".")[0] if called == "__import__" else constants[0]
        return None

    # ------------------------------------------------------------ what is left out
    def visit_If(self, node: ast.If) -> None:
        if _is_main_guard(node.test):
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)
            if isinstance(node.target, ast.Name):
                self._bind(node.target.id, self._resolve(node.value))

    def visit_arg(self, node: ast.arg) -> None:
        """An argument's annotation is no use of what it names."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in (*node.decorator_list, node.args, *node.body):  # not node.returns
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef


def _defined(tree: ast.Module) -> set[str]:
    """Every name that the file itself defines or assigns, anywhere in it."""
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, named)}
    return defined | {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_main_guard(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = (test.left, test.comparators[0])
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    return names == ["__name__"] and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)
