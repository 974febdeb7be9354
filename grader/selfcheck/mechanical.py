"""Mechanical faults: every small change that an operator makes of a correct submission, and a sample of them.

The operators are Cosmic Ray's (arithmetic, comparisons, signs, `and` and `or`, numbers by ±1, loops that
do not run, decorators), which apply to a text without its test runner, and those of
`grader.selfcheck.operators`. It is an optional extra: `pip install 'chalkbench[selfcheck]'`. mutmut has
operators as well, in a module that has moved between its versions and brings a terminal interface.

Faults are made in what the assignment determines down to the number: deliverables 1, 3 and 5 of HW3. In a training
loop or an attack most numbers are the student's to choose, and another learning rate is no fault.

Reference: DeMillo, Lipton, Sayward, Hints on Test Data Selection: Help for the Practicing Programmer,
IEEE Computer 1978.
"""

from __future__ import annotations

import ast
import difflib
import random
from dataclasses import dataclass

from grader.selfcheck.mutant import Base, Mutant

DETERMINED = {"hw3": (1, 3, 5)}  # assignment → deliverables
INSTALL = "pip install 'chalkbench[selfcheck]'"


class MissingLibrary(RuntimeError):
    """Cosmic Ray is not installed; the message says how to install it."""


@dataclass(frozen=True)
class _Place:
    """One change that could be made.

    Args:
        operator: its class.
        occurrence: which of the places in the text where it applies, from 0.
        line: of that place, from 1.
    """

    operator: type
    occurrence: int
    line: int


def sample(base: Base, count: int, seed: int) -> tuple[Mutant, ...]:
    """Mechanical faults of one submission; the same ones for the same seed and the same text.

    Args:
        base: a correct submission; the changes are made in its first file.
        count: how many at most. Of one kind of operator, a line gets one before any gets two.
        seed: of the draw.

    Raises:
        MissingLibrary: there are no operators.
    """
    try:
        from cosmic_ray.mutating import mutate_code
    except ModuleNotFoundError as error:
        raise MissingLibrary(f"mechanical faults need {error.name}: {INSTALL}") from None
    seen = {ast.dump(ast.parse(base.text))}
    drawn: list[Mutant] = []
    for place in _in_turn(_places(base.text), random.Random(f"{seed} {base.name} {base.text}")):
        if len(drawn) == count:
            break
        text = mutate_code(base.text, place.operator(), place.occurrence)
        try:
            form = ast.dump(ast.parse(text))
        except SyntaxError:
            continue  # not every change of a tree is Python
        if form not in seen:
            seen.add(form)
            name = f"{base.name}, {_scope(base.text, place.line)}: {_change(base.text, text)}"
            drawn.append(Mutant(name, base, instead={next(iter(base.files)): text}, mechanical=True))
    return tuple(drawn)


def _places(text: str) -> list[_Place]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    from grader.selfcheck.operators import LeaveOutStatement, SwapArguments

    theirs = [get_operator(name) for name in sorted(operator_names())]
    nodes = list(ast_nodes(get_ast(text)))  # in the order in which `mutate_code` counts
    return [
        _Place(operator, occurrence, start[0])
        for operator in (LeaveOutStatement, SwapArguments, *(each for each in theirs if not each.arguments()))
        for occurrence, (start, _) in enumerate(
            position for node in nodes for position in operator().mutation_positions(node)
        )
    ]


def _in_turn(places: list[_Place], generator: random.Random) -> list[_Place]:
    """In a random order, but a line's second place for a kind of operator after all lines' first ones."""
    generator.shuffle(places)
    counts: dict[tuple[str, int], int] = {}
    turns = []
    for place in places:
        kind = place.operator.__module__, place.line
        counts[kind] = counts.get(kind, 0) + 1
        turns.append(counts[kind])
    return [places[i] for i in sorted(range(len(places)), key=turns.__getitem__)]


def _scope(text: str, line: int) -> str:
    """The function that a line stands in: "Convolution.forward"."""
    names = [
        (node.lineno, node.name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.lineno <= line <= node.end_lineno
    ]
    return ".".join(name for _, name in sorted(names)) or "top"


def _change(before: str, after: str) -> str:
    """The line that changed, as it was and as it is: "a = b + c → a = b - c"."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]
    old = " ".join(line[2:].strip() for line in lines if line[0] == "-")
    new = " ".join(line[2:].strip() for line in lines if line[0] == "+")
    return f"{old} → {new}"
