"""Two operators more than Cosmic Ray has: a statement left out, two arguments the wrong way round."""

from collections.abc import Iterable

from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Name
from parso.tree import NodeOrLeaf

# What is left out without a trace, or stops the file from being imported.
KEPT = ("import_name", "import_from", "string", "keyword")


class LeaveOutStatement(Operator):
    """`x = f(x)` becomes `pass`."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterable[tuple]:
        if node.type == "simple_stmt" and node.children[0].type not in KEPT:
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        first = node.get_first_leaf()
        node.children[0] = Name("pass", first.start_pos, first.prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = 1\ny = 2\n", "x = 1\npass\n", occurrence=1),)


class SwapArguments(Operator):
    """`f(a, b)` becomes `f(b, a)`: two positional ones that stand beside each other."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterable[tuple]:
        for one, other in self._pairs(node):
            yield one.start_pos, other.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        one, other = self._pairs(node)[index]
        first, second = one.get_first_leaf(), other.get_first_leaf()
        first.prefix, second.prefix = second.prefix, first.prefix
        at, there = node.children.index(one), node.children.index(other)
        node.children[at], node.children[there] = other, one
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("f(a, b, c=1)\n", "f(b, a, c=1)\n"),)

    @staticmethod
    def _pairs(node: NodeOrLeaf) -> list[tuple[NodeOrLeaf, NodeOrLeaf]]:
        """Neighbours of a call's arguments; neither named nor starred."""
        if node.type != "arglist":
            return []
        arguments = node.children[::2]  # without the commas
        return [
            pair for pair in zip(arguments, arguments[1:]) if all(part.type != "argument" for part in pair)
        ]
