"""Which tier of isolation a command grades in: refused where too weak, told where below a sandbox."""

from rich.console import Console
from rich.text import Text

from grader.worker import IsolationError
from grader.worker.isolation import choose


def check_isolation(wanted: str, *, required: bool) -> None:
    """Refuse a tier that does not hold, or that is too weak for what was asked; warn below a sandbox.

    Args:
        wanted: "auto" or one of `grader.worker.isolation.TIERS`.
        required: whether a sandbox is asked for.

    Raises:
        IsolationError: it cannot be had here.
    """
    isolation = choose(wanted)
    if isolation.sandboxed:
        return
    advice = "install bubblewrap, or allow user namespaces (docs/security.md)"
    if required:
        raise IsolationError(f"--require-isolation: only tier {isolation.name} holds here; {advice}")
    Console(stderr=True).print(
        Text(f"isolation {isolation.name}: for self-checks and code you trust; for strangers' code {advice}", "yellow"),
        soft_wrap=True,
    )
