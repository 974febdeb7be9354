"""The self-check: what it says of a fault that is caught, missed, or caught by the wrong check."""

import json
from dataclasses import replace

import msgspec
import pytest
from rich.console import Console

from grader import handout
from grader.assignments.hw3.deliverable1 import DELIVERABLE_1
from grader.command_line import main
from grader.result import CheckResult, DeliverableResult, Result
from grader.selfcheck import command
from grader.selfcheck.catalogue import CATALOGUES
from grader.selfcheck.catalogue.deliverable1 import MUTANTS
from grader.selfcheck.equivalent import EQUIVALENT
from grader.selfcheck.findings import Finding, judge
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.report import Report, render, write
from grader.selfcheck.runner import examine, examine_all
from grader.selfcheck.submissions.deliverable1 import UNFOLD
from grader.selfcheck.terms import TERMS, Terms
from grader.selfcheck.whole import Whole, unsteady
from grader.worker import Worker

FLIPPED = next(mutant for mutant in MUTANTS if mutant.name == "bias subtracted")
SAME = Mutant(
    "zeros in another way", UNFOLD, "torch.zeros(out_channels)", "torch.full((out_channels,), 0.0)", ("conv2d.bias",)
)


def check(id: str, verdict: str = "fail", reason: str = "wrong", points: float = 2.0) -> CheckResult:
    return CheckResult(id, id, points, points if verdict == "pass" else 0.0, verdict, reason, 0.1)


def hinting(id: str, hint: str) -> CheckResult:
    return check(id, reason=f"wrong\n  in MyFConv2D(…)\n  hint: {hint}")


def mutant(**changes) -> Mutant:
    return replace(Mutant("a fault", UNFOLD, "stride or", "1 or", ("a", "b"), "the stride", ("c",)), **changes)


# ---------------------------------------------------------------- what a grade says
def test_a_mutant_that_loses_its_checks_is_caught():
    finding = judge(mutant(), [hinting("a", "it is the stride"), check("b"), check("c", "pass"), check("d", "pass")])
    assert (finding.status, finding.note, finding.lost) == ("caught", "", ["a", "b"])
    assert finding.hinted and finding.hintable


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([hinting("a", "the stride"), check("b", "pass")], "keeps b"),
        ([hinting("a", "the stride"), check("b"), check("d")], "loses d as well"),
        ([check("d")], "keeps a, b and it loses d"),
        ([check("a", "error", "the grader itself failed: KeyError"), check("b")], "KeyError"),
    ],
)
def test_other_checks_than_the_named_ones_are_wrong(checks, said):
    finding = judge(mutant(), checks)
    assert finding.status == "wrong check" and said in finding.note


def test_a_mutant_that_keeps_all_points_is_missed():
    told = check("sources", points=0.0)  # a check without points takes none
    for fault in (mutant(), mutant(lost=("sources",)), mutant(lost=(), mechanical=True)):
        assert judge(fault, [check("a", "pass"), told]).status == "missed"


def test_a_hint_that_names_another_fault_is_wrong():
    wrong = judge(mutant(), [hinting("a", "the stride"), hinting("b", "the padding")])
    assert wrong.status == "wrong hint" and "the padding" in wrong.note
    both = judge(mutant(also=("the padding",)), [hinting("a", "the stride"), hinting("b", "the padding")])
    assert both.status == "caught"
    missing = judge(mutant(), [check("a"), check("b")])
    assert missing.status == "wrong hint" and not missing.hinted


def test_a_mechanical_fault_must_lose_a_check_that_bears_points():
    assert judge(mutant(lost=(), mechanical=True), [check("z")]).status == "caught"
    assert judge(mutant(lost=(), mechanical=True), [check("z", "pass")], equivalent="why").status == "equivalent"
    assert judge(mutant(lost=(), mechanical=True), [check("z")], equivalent="why").status == "wrong check"


def test_a_mutant_is_graded_and_judged(monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 4)
    checks = [check for check in DELIVERABLE_1.checks if check.id in ("conv2d.bias", "conv2d.stride")]
    monkeypatch.setitem(TERMS["hw3"], 1, Terms(replace(DELIVERABLE_1, checks=tuple(checks))))
    fault = replace(FLIPPED, lost=("conv2d.bias",))
    with Worker(threads=1, preload=("torch", "numpy")) as worker:
        caught, missed, wrong = [
            examine(each, worker, seed=1) for each in (fault, SAME, replace(fault, lost=("conv2d.stride",)))
        ]
    assert (caught.status, caught.note) == ("caught", "")
    assert missed.status == "missed" and missed.lost == []
    assert wrong.status == "wrong check" and "keeps conv2d.stride" in wrong.note and "conv2d.bias" in wrong.note


@pytest.mark.slow
def test_side_by_side_as_one_after_the_other():
    faults = [FLIPPED, SAME]
    assert {one.name: one.status for one in examine_all(faults, seed=1, jobs=2)} == {
        FLIPPED.name: "caught",
        SAME.name: "missed",
    }


# ------------------------------------------------------------------------ mutants
def test_a_fault_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match="found it not"):
        Mutant("nowhere", UNFOLD, "not in the text", "").files
    with pytest.raises(ValueError, match="as they are"):
        Mutant("the same", UNFOLD, "stride", "stride").files


def test_a_file_can_be_left_out():
    assert Mutant("no file", UNFOLD, instead={"deliverable1_2/mytorch.py": None}).files == {}


def test_the_catalogues_are_well_formed():
    assert set(CATALOGUES) == set(TERMS) == set(command.ASSIGNMENTS)
    for name, catalogues in CATALOGUES.items():
        assert set(catalogues) == {deliverable.number for deliverable in command.ASSIGNMENTS[name].deliverables}
        for number, mutants in catalogues.items():
            known = {check.id for check in TERMS[name][number].deliverable.checks}
            assert len({mutant.name for mutant in mutants}) == len(mutants)
            assert len({tuple(sorted(mutant.files.items())) for mutant in mutants}) == len(mutants)
            for mutant in mutants:
                assert (mutant.base.assignment, mutant.deliverable) == (name, number) and mutant.lost
                assert {*mutant.lost, *mutant.may} <= known, mutant.name


def test_mechanical_faults_are_repeatable_and_each_another_text():
    pytest.importorskip("cosmic_ray")
    from grader.selfcheck.mechanical import sample

    faults = sample(UNFOLD, 12, seed=1)
    assert [fault.text for fault in faults] == [fault.text for fault in sample(UNFOLD, 12, seed=1)]
    assert len({fault.text for fault in faults}) == 12 and UNFOLD.text not in {fault.text for fault in faults}
    assert [fault.text for fault in faults] != [fault.text for fault in sample(UNFOLD, 12, seed=2)]
    for fault in faults:
        compile(fault.text, "mytorch.py", "exec")
        assert " → " in fault.name and fault.mechanical


def test_our_operators_do_what_their_examples_say():
    pytest.importorskip("cosmic_ray")
    from cosmic_ray.mutating import mutate_code

    from grader.selfcheck.operators import LeaveOutStatement, SwapArguments

    for operator in (LeaveOutStatement, SwapArguments):
        for example in operator.examples():
            changed = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
            assert changed == example.post_mutation_code
    assert mutate_code("import torch\n'doc'\npass\n", LeaveOutStatement(), 0) is None
    assert mutate_code("f(*a, b=1)\n", SwapArguments(), 0) is None


def test_without_cosmic_ray_the_rest_goes_on(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cosmic_ray.mutating", None)
    arguments = command._parser().parse_args(["hw3", "--deliverables", "1"])
    mutants, left_out = command._mutants(command.ASSIGNMENTS["hw3"], (1,), arguments)
    assert len(mutants) == len(MUTANTS) and "pip install" in left_out


def test_every_equivalent_change_has_a_reason():
    assert all(" → " in name and len(reason) > 20 for name, reason in EQUIVALENT.items())


# ------------------------------------------------------------------------- report
def whole(earned: float) -> Whole:
    return Whole(earned, 10.0, "none", {"a": "pass" if earned else "fail"}, {} if earned else {"a": "it is wrong"})


def report(**parts) -> Report:
    return Report("hw3", [1], 1, "2026-01-01T00:00:00+00:00", 1.0, {}, "two cores", **parts)


def finding(status: str) -> Finding:
    return Finding("a fault", 1, False, status, ["a"], True, True, "" if status == "caught" else "a note", 1.0)


def test_only_a_report_without_anything_missed_or_wrong_is_right():
    assert report(reference=whole(10.0), stubs=whole(0.0), findings=[finding("caught"), finding("equivalent")]).right
    assert not report(reference=whole(0.0)).right
    assert not report(stubs=whole(10.0)).right
    for status in ("missed", "wrong check", "wrong hint"):
        assert not report(findings=[finding("caught"), finding(status)]).right


def test_a_report_names_what_is_not_as_it_should_be(tmp_path, capsys):
    wrong = report(reference=whole(0.0), stubs=whole(10.0), findings=[finding("caught"), finding("missed")])
    render(wrong, Console(width=80))
    shown = capsys.readouterr().out
    assert "the reference: 0 of 10 points, expected 10" in shown and "it is wrong" in shown
    assert "the stubs: 10 of 10 points, expected 0" in shown
    assert "missed: 1, a fault" in shown and "a note" in shown
    write(wrong, tmp_path / "report.json")
    assert msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report) == wrong
    assert json.loads((tmp_path / "report.json").read_text())["schema"] == "chalkbench/selfcheck/1"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_verdict_that_hangs_on_the_seed_is_reported():
    def result(seed: int, verdict: str) -> Result:
        checks = [check("init.he", verdict), check("block.shape", "pass")]
        return Result("hw3", "reference", "", "none", "", "", seed, "process", "", 1.0, {}, "",
                      [DeliverableResult(3, "a ResNet", checks)])  # fmt: skip

    assert unsteady([result(1, "pass"), result(2, "pass")]) == []
    (one,) = unsteady([result(1, "pass"), result(2, "fail"), result(3, "pass")])
    assert (one.check, one.verdicts, one.reason) == ("init.he", {"pass": [1, 3], "fail": [2]}, "wrong")
    assert not report(seeds=[1, 2, 3], unsteady=[one]).right


# ------------------------------------------------------------------------ command
def test_the_exit_status_says_whether_the_grader_is_right(monkeypatch, tmp_path):
    for status, expected in (("caught", 0), ("missed", 1)):
        monkeypatch.setattr(command, "examine_all", lambda *args, status=status, **kwargs: [finding(status)])
        argv = ["selfcheck", "hw3", "--deliverables", "1", "--mutants-only", "--mechanical", "0"]
        assert main([*argv, "--json", str(tmp_path / "report.json")]) == expected
        assert json.loads((tmp_path / "report.json").read_text())["findings"][0]["status"] == status


def test_wrong_deliverables_are_refused(capsys):
    assert main(["selfcheck", "hw3", "--deliverables", "9"]) == 2
    assert "--deliverables" in capsys.readouterr().err


def test_a_handout_has_no_catalogue_and_says_so(monkeypatch, tmp_path, capsys):
    assert not any(name.startswith("grader/selfcheck") for name in handout.collect("hw3"))
    monkeypatch.setattr("grader.command_line.__file__", str(tmp_path / "command_line.py"))
    assert main(["selfcheck", "hw3"]) == 2
    assert "this hand-out has neither" in capsys.readouterr().err.replace("\n", " ")
