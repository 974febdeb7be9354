"""A check of the text of a file: what it names, whether or not it is ever called."""

from grader.bench import Bench
from grader.declaration import Outcome
from grader.worker.sources import scan

MOST = 3  # findings that a reason lists


def own_work(module: str):
    """A check that a file names nothing that the deliverable's rules forbid.

    It earns no points: what counts is what runs, and the dispatcher sees that.

    Args:
        module: the module's name, as the assignment gives it.
    """

    def run(bench: Bench) -> Outcome:
        path = bench.code.files.get(module)
        if path is None:
            return Outcome("error", f"{module}.py is missing")
        findings = scan([path], bench.deliverable.rules)
        if not findings:
            return Outcome("pass")
        listed = "; ".join(str(finding) for finding in findings[:MOST])
        more = f"; and {len(findings) - MOST} more" if len(findings) > MOST else ""
        return Outcome("fail", f"{listed}{more}")

    return run
