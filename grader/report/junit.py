"""A result as JUnit XML, as continuous integration shows it: one suite per deliverable, one case per check.

A wrong answer is a failure, whatever kept a check from an answer an error. Nothing is ever a skip,
which most services count as good.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as xml

from data_scripts import atomic
from grader.report import facts
from grader.report.text import LONGEST, clean
from grader.result import CheckResult, DeliverableResult, Result

# What `clean` leaves, and XML 1.0 has no place for.
UNWRITABLE = re.compile("[\ufffe\uffff]")
FAILURES = ("fail", "invalid")  # an answer came, and it earns nothing


def write(result: Result, path: Path) -> list[Path]:
    """Write the file.

    Args:
        result: what a grading run ended in; only counted runs are in the file.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    suites = [_suite(result, deliverable) for deliverable in result.counted]
    root = xml.Element("testsuites", name=_plain(f"{result.assignment} {facts.who(result)}"))
    root.extend(suites)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name)) for suite in suites)))
    root.set("time", f"{result.seconds:.3f}")
    xml.indent(root)
    atomic.write(Path(path), xml.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    return [Path(path)]


def _suite(result: Result, deliverable: DeliverableResult) -> xml.Element:
    cases = [_case(result, deliverable, check) for check in deliverable.checks]
    suite = xml.Element(
        "testsuite",
        name=_plain(facts.heading(deliverable)),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped="0",
        time=f"{sum(check.seconds for check in deliverable.checks):.3f}",
        timestamp=_plain(result.started),
    )
    suite.extend(cases)
    return suite


def _case(result: Result, deliverable: DeliverableResult, check: CheckResult) -> xml.Element:
    case = xml.Element(
        "testcase",
        classname=_plain(f"{result.assignment}.deliverable{deliverable.number}"),
        name=_plain(f"{check.id}: {check.title}"),
        time=f"{check.seconds:.3f}",
    )
    reason = _plain(check.reason)
    if check.verdict == "pass":
        if reason:
            xml.SubElement(case, "system-out").text = reason
        return case
    kind = "failure" if check.verdict in FAILURES else "error"
    said = xml.SubElement(case, kind, type=check.verdict, message=_plain(check.reason.split("\n")[0], 200))
    said.text = f"{check.verdict}, {check.earned:g} of {check.points:g} points\n{reason}"
    return case


def _plain(text: str, longest: int = LONGEST) -> str:
    return UNWRITABLE.sub("", clean(text, longest))
