"""`python -m grader diff`: what changed between two results, and why; their words are data."""

import json
import os

import pytest

from grader.command_line import main
from grader.regrade.causes import causes
from grader.regrade.difference import compare
from grader.report import json_file
from grader.result import CheckResult, Conditions, DeliverableResult, Result

ESCAPES = "\x1b[31mred\x1b]0;title\x07\u202e[bold]mark[/]\x9b1m"


def check(id="conv2d.stride", verdict="pass", points=4.0, reason=""):
    return CheckResult(id, f"title of {id}", points, points if verdict == "pass" else 0.0, verdict, reason, 0.1)


def conditions(**changed):
    values = dict(
        deliverables=[1], swaps={}, data="auto", epochs=5, train=None, minutes=None, threads=2,
        files={"deliverable1_2/mytorch.py": "aa" * 32, "deliverable1_2/train.py": "bb" * 32},
        stand_ins={}, models="", grader={"checks": "11" * 32, "runner.py": "22" * 32},
    )  # fmt: skip
    return Conditions(**values | changed)


def result(checks=None, *, runs=None, asked=conditions(), **changed):  # noqa: B008
    values = dict(
        assignment="hw3", submission="alice", digest="ab" * 32, data="real", data_source="MNIST",
        data_digest="sha256:" + "cd" * 32, seed=7, isolation="bwrap", started="2026-01-02T03:04:05Z", seconds=1.0,
        versions={"python": "3.12", "torch": "2.10"}, hardware="2 cores", conditions=asked,
        deliverables=runs or [DeliverableResult(1, "Part 1", checks or [check()])],
    )  # fmt: skip
    return Result(**values | changed)


@pytest.fixture
def diff(tmp_path, capsys):
    """Compares two results as files: exit status, and what was said without line breaks."""

    def run(old: Result, new: Result, *options: str) -> tuple[int, str]:
        for name, graded in (("old", old), ("new", new)):
            json_file.write(graded, tmp_path / f"{name}.json")
        status = main(["diff", str(tmp_path / "old.json"), str(tmp_path / "new.json"), *options])
        said = capsys.readouterr().out
        return status, said if options else " ".join(said.split())

    return run


CHANGES = {
    "submission": (dict(digest="ef" * 32, asked=conditions(files={"deliverable1_2/mytorch.py": "ff" * 32})),
                   ["deliverable1_2/mytorch.py: aaaaaaaaaaaa → ffffffffffff", "deliverable1_2/train.py: removed"]),
    "grader": (dict(asked=conditions(grader={"checks": "33" * 32, "runner.py": "22" * 32})), ["grader/checks: 1111"]),
    "data": (dict(data="synthetic", data_source="blots", data_digest="sha256:99"),
             ["real: MNIST (cdcdcdcdcdcd) → synthetic: blots (99)"]),
    "versions": (dict(versions={"python": "3.12", "torch": "2.15"}), ["torch: 2.10 → 2.15"]),
    "seed": (dict(seed=8), ["seed 7 → 8"]),
    "isolation": (dict(isolation="process"), ["isolation bwrap → process"]),
    "hardware": (dict(hardware="a Mac"), ["hardware 2 cores → a Mac"]),
    "threads": (dict(asked=conditions(threads=1)), ["threads 2 → 1"]),
    "options": (dict(asked=conditions(train=30, minutes=60.0, epochs=9)),
                ["train: none → 30", "minutes: none → 60", "epochs: 5 → 9"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_verdict_is_shown_with_what_may_explain_it(diff, kind):
    changed, lines = CHANGES[kind]
    status, said = diff(result(), result([check(verdict="fail", reason="the output is transposed")], **changed))
    assert status == 1
    assert "pass 4/4" in said and "fail 0/4" in said
    assert "now: the output is transposed" in said
    for line in lines:
        assert line in said
    assert {cause.kind for cause in causes(result(), result(**changed))} == {kind}


def test_the_same_verdicts_are_exit_status_0_whatever_else_changed(diff):
    status, said = diff(result(), result())
    assert status == 0
    assert "differs nothing that a verdict rests on" in said
    status, said = diff(result(), result(seed=8, versions={}))
    assert status == 0
    assert "the same verdicts and points, although this is not the same: versions, seed" in said


def test_a_verdict_that_changes_on_the_same_of_everything_is_called_unsteady(diff):
    status, said = diff(result(), result([check(verdict="fail")]))
    assert status == 1
    assert "the same code, data, versions and seed: the verdict is not steady" in said
    assert "busy" not in said


def test_another_machine_is_no_excuse_for_an_unsteady_verdict(diff):
    said = diff(result(), result([check(verdict="fail")], hardware="a Mac", isolation="process"))[1]
    assert "(isolation, hardware): the verdict is not steady" in said


def test_a_timeout_may_be_the_machines_doing(diff):
    assert "because the machine is busy" in diff(result(), result([check(verdict="timeout")]))[1]


def test_what_an_older_result_does_not_hold_is_not_taken_for_the_same(diff):
    said = diff(result(asked=None), result([check(verdict="fail")]))[1]
    assert "not steady" not in said
    assert "not known one result does not hold its options" in said


def test_words_are_no_change_and_points_are(diff):
    assert diff(result(), result([check(reason="near the limit")]))[0] == 0
    status, said = diff(result(), result([check(points=5.0)]))
    assert status == 1
    assert "pass 4/4" in said and "pass 5/5" in said
    assert diff(result([check(verdict="fail")]), result([check(verdict="fail", points=5.0)]))[0] == 1


def test_checks_of_one_result_only_are_told(diff):
    status, said = diff(result([check("a"), check("b")]), result([check("b"), check("c")]))
    assert status == 1
    assert "2 checks changed, 1 did not" in said
    assert said.count("not graded") == 2


def test_a_swapped_run_is_compared_where_both_have_it(diff):
    def graded(beside: list[CheckResult]) -> Result:
        main_run = DeliverableResult(2, "", [check("train", "fail")])
        swapped = DeliverableResult(2, "", beside, swap="deliverable1=reference", counted=False)
        return result(runs=[main_run, swapped] if beside else [main_run])

    assert diff(graded([check("train")]), graded([]))[0] == 0
    status, said = diff(graded([check("train")]), graded([check("train", "error")]))
    assert status == 1
    assert "title of train (with deliverable1=reference" in said.replace("│", " ")
    assert "0 of 4 points before, 0 of 4 now" in said  # as it adds nothing


def test_the_files_that_stood_in_are_a_cause():
    old, new = (result(asked=conditions(stand_ins={"deliverable1=reference": digit * 64})) for digit in "12")
    assert [cause.kind for cause in causes(old, new)] == ["swap"]


def test_a_deliverable_less_does_not_count_as_other_data():
    asked = conditions(deliverables=[1, 2])
    runs = [DeliverableResult(number, "", [check(str(number))]) for number in (1, 2)]
    more = result(runs=runs, asked=asked, data_digest=f"sha256:{'cd' * 32}; sha256:{'ef' * 32}")
    assert {cause.kind for cause in causes(result(), more)} == {"options"}


def test_two_assignments_are_not_compared(diff, tmp_path, capsys):
    assert diff(result(), result(assignment="cis680"))[0] == 2
    with pytest.raises(ValueError, match="hw3 and cis680"):
        compare(result(), result(assignment="cis680"))


def test_the_difference_is_json_too(diff):
    status, said = diff(result(), result([check(verdict="fail")], seed=8), "--json")
    told = json.loads(said)
    assert status == 1
    assert [(one["id"], one["changed"], one["after"]["verdict"]) for one in told["checks"]] == [
        ("conv2d.stride", True, "fail")
    ]
    assert told["causes"] == [{"kind": "seed", "name": "seed", "before": "7", "after": "8"}]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_nothing_in_a_result_acts_on_the_terminal(diff, monkeypatch, options):
    monkeypatch.setenv("COLUMNS", "1000")  # so that no line is broken
    evil = result(
        [check(ESCAPES, "fail", reason=ESCAPES)], submission=ESCAPES, digest=ESCAPES, started=ESCAPES,
        hardware=ESCAPES, isolation=ESCAPES, data_source=ESCAPES, data_digest=ESCAPES, versions={ESCAPES: ESCAPES},
        asked=conditions(files={ESCAPES: ESCAPES}, grader={ESCAPES: ESCAPES}),
    )  # fmt: skip
    status, said = diff(result(), evil, *options)
    assert status == 1
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(said)
    assert said.count("[bold]mark[/]") == said.count("mark") >= 12  # as text, and not as markup


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 100_000, b"\xff", b"[]", b'{"schema": "chalkbench/result/1"}'],
)
def test_a_file_that_is_no_result_is_exit_status_2(tmp_path, capsys, content):
    (tmp_path / "broken.json").write_bytes(content)
    json_file.write(result(), tmp_path / "good.json")
    for pair in (("broken.json", "good.json"), ("good.json", "broken.json"), ("good.json", "nowhere.json")):
        assert main(["diff", *(str(tmp_path / name) for name in pair)]) == 2
        assert "nothing was compared" in capsys.readouterr().err
    assert main(["repeat", str(tmp_path / "broken.json")]) == 2


def test_a_file_without_end_is_not_read_to_its_end(tmp_path, capsys):
    json_file.write(result(), tmp_path / "long.json")
    with open(tmp_path / "long.json", "ab") as file:
        file.write(b" " * json_file.LARGEST)
    assert main(["diff", str(tmp_path / "long.json"), str(tmp_path / "long.json")]) == 2
    assert "at most 16 MB" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert main(["diff", str(tmp_path / "pipe"), str(tmp_path / "pipe")]) == 2
