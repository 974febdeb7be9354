"""A hidden check: instructors read everything, students its category, verdict and points."""

import json

import msgspec
import pytest
from rich.console import Console

from grader.classroom import page
from grader.declaration import Check, Outcome
from grader.export.settings import Settings
from grader.report import gradescope, html, json_file, terminal
from grader.report.hidden import for_students
from grader.result import CheckResult, DeliverableResult, Result
from grader.runner import _judge

SECRETS = ("conv2d.stride", "seventeen", "expected 4, got 5", "rank me")


@pytest.fixture
def result() -> Result:
    checks = [
        CheckResult("conv2d.plain", "MyFConv2D: values", 3, 0, "fail", "expected 6, got 7", 0.1),
        CheckResult(
            "conv2d.stride", "MyFConv2D: seventeen", 2, 0, "fail", "expected 4, got 5", 0.1,
            scores={"rank me": 0.5}, hidden="MyFConv2D: a further case",
        ),
    ]  # fmt: skip
    run = DeliverableResult(1, "convolution", checks)
    return Result("hw3", "alice", "0" * 64, "none", "", "", 1, "process", "2026-01-01", 1.0, {}, "", [run])


def test_students_read_category_verdict_and_points(result):
    plain, hidden = for_students(result).deliverables[0].checks
    assert plain == result.deliverables[0].checks[0]
    assert (hidden.title, hidden.verdict, hidden.points, hidden.earned) == ("MyFConv2D: a further case", "fail", 2, 0)
    assert not any(secret in msgspec.json.encode(for_students(result)).decode() for secret in SECRETS)
    assert for_students(result).earned == result.earned and for_students(result).points == result.points


def test_gradescopes_results_are_for_students(result, tmp_path):
    gradescope.write(result, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text()
    assert not any(secret in text for secret in SECRETS)
    tests = json.loads(text)["tests"]
    assert [test["output"] for test in tests] == ["fail: expected 6, got 7", "fail"]
    assert tests[1]["name"] == "MyFConv2D: a further case" and tests[1]["max_score"] == 2


def test_the_page_of_a_student_is_for_students(result, tmp_path):
    page._student(result, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert not any(secret in text for secret in SECRETS)
    assert "MyFConv2D: a further case" in text and "expected 6, got 7" in text


def test_instructors_read_everything(result, tmp_path):
    json_file.write(result, tmp_path / "result.json")
    assert json_file.read(tmp_path / "result.json") == result
    console = Console(width=120)
    with console.capture() as shown:
        terminal.render(result, console)
    for text in (shown.get(), html.page(result)):
        assert "expected 4, got 5" in text and "MyFConv2D: seventeen" in text


def test_what_a_check_declares_is_in_its_result():
    class Bench:
        def judge(self, check):
            return check.run(self)

    check = Check("conv2d.stride", "title", 1, lambda bench: Outcome("fail", "why"), hidden="MyFConv2D: a further case")
    assert _judge(Bench(), check).hidden == "MyFConv2D: a further case"
    assert _judge(Bench(), Check("conv2d.plain", "title", 1, lambda bench: Outcome("pass"))).hidden == ""


def test_an_exports_visibility_is_found_for_a_hidden_check_too(result, tmp_path):
    """The settings name checks by ids, which a hidden one's test on Gradescope does not have."""
    from grader.export.inside import _Run

    for folder in ("source", "results"):
        (tmp_path / folder).mkdir()
    run = _Run(Settings(assignment="hw3", deliverables=(1,), visibility={"conv2d.stride": "after_published"}), tmp_path)
    run._result = result
    run.write("")
    tests = json.loads((tmp_path / "results" / "results.json").read_text())["tests"]
    assert [test["visibility"] for test in tests] == ["visible", "after_published"]
