"""The forms that other services read: nothing lost, nothing earned by a timeout, nothing that acts."""

import csv
import io
import json
import xml.etree.ElementTree as xml

import msgspec
import pytest

from grader.command_line import main
from grader.report import autolab, gradescope, json_file, junit, schema, table
from grader.report.files import ALWAYS, FACES, report, write_faces
from tests.grader.test_report import check, deliverable, result, training
from tests.grader.test_report_pages import full, hostile

VERDICTS = ("pass", "fail", "error", "timeout", "killed", "not-run", "invalid")


def each_verdict():
    return result([
        deliverable(1, [check(verdict, verdict, f"because of {verdict}", 2.5) for verdict in VERDICTS]),
        deliverable(2, [check("b")], swap="deliverable1=reference", counted=False),
    ])  # fmt: skip


def suites(graded, tmp_path):
    (path,) = junit.write(graded, tmp_path / "junit.xml")
    return xml.parse(path).getroot()


def test_junit_has_every_verdict_and_never_a_skip(tmp_path):
    root = suites(each_verdict(), tmp_path)
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7", "failures": "2", "errors": "4", "skipped": "0",
    }  # fmt: skip
    kinds = {case.get("name").split(":")[0]: [child.tag for child in case] for case in root.iter("testcase")}
    assert kinds == {
        "pass": ["system-out"], "fail": ["failure"], "error": ["error"], "timeout": ["error"],
        "killed": ["error"], "not-run": ["error"], "invalid": ["failure"],
    }  # fmt: skip
    assert not list(root.iter("skipped"))
    (timeout,) = root.iterfind(".//error[@type='timeout']")
    assert "because of timeout" in timeout.text and timeout.get("message") == "because of timeout"


def test_junit_is_well_formed_whatever_was_written(tmp_path):
    evil = "]]><b>\x00\x1b[1m\ufffe\uffff\ud800 \" '"
    (case,) = suites(result([deliverable(1, [check(evil, "fail", evil)])]), tmp_path).iter("testcase")
    assert "]]><b>" in case.find("failure").text
    suites(hostile(), tmp_path)


def test_junitparser_reads_it(tmp_path):
    junitparser = pytest.importorskip("junitparser")
    (path,) = junit.write(each_verdict(), tmp_path / "junit.xml")
    read = junitparser.JUnitXml.fromfile(str(path))
    assert (read.tests, read.failures, read.errors, read.skipped) == (7, 2, 4, 0)


def results_json(graded, tmp_path):
    (path,) = gradescope.write(graded, tmp_path / "results.json")
    return json.loads(path.read_text())


def test_gradescope_gets_every_check_with_its_points(tmp_path):
    content = results_json(each_verdict(), tmp_path)
    assert content["score"] == 2.5
    assert [test["number"] for test in content["tests"]] == [f"1.{n}" for n in range(1, 8)] + ["2.1"]
    assert sum(test["score"] for test in content["tests"]) == 2.5
    assert sum(test["max_score"] for test in content["tests"]) == 17.5  # the swapped run adds nothing
    for test, verdict in zip(content["tests"], VERDICTS, strict=False):
        assert test["status"] == ("passed" if verdict == "pass" else "failed")
        assert test["output"] == f"{verdict}: because of {verdict}"
        assert test["visibility"] == "visible"
    assert content["execution_time"] == 12
    assert content["stdout_visibility"] == "hidden"
    assert "torch 2.10" in content["output"]
    assert "not counted" in content["tests"][-1]["name"]


def test_gradescope_ranks_by_the_scores_of_checks(tmp_path):
    ranked = msgspec.structs.replace(check("improved"), scores={"model A, ε = 8": 0.031, "model A, ε = 16": 0.58})
    content = results_json(result([deliverable(6, [ranked, check("b")])]), tmp_path)
    assert content["leaderboard"] == [
        {"name": "model A, ε = 8", "value": 0.031, "order": "desc"},
        {"name": "model A, ε = 16", "value": 0.58, "order": "desc"},
    ]
    assert json.loads(autolab.line(result([deliverable(6, [ranked])])))["scoreboard"] == [0.031, 0.58]


def test_gradescope_takes_no_more_than_it_is_given(tmp_path):
    many = [check(f"c{n}", "fail", "漢" * 100_000) for n in range(1000)]
    (path,) = gradescope.write(result([deliverable(1, many)]), tmp_path / "results.json")
    assert path.stat().st_size <= gradescope.LARGEST
    assert len(json.loads(path.read_text())["tests"]) == 1000


def test_autolabs_line_is_one_line_with_a_score_for_each_deliverable(tmp_path):
    (path,) = autolab.write(each_verdict(), tmp_path / "line")
    assert path.read_text().count("\n") == 1
    assert json.loads(path.read_text()) == {"scores": {"deliverable1": 2.5}}


def test_csv_has_one_column_for_each_check(tmp_path):
    (path,) = table.write(each_verdict(), tmp_path / "row.csv")
    names, values = csv.reader(io.StringIO(path.read_text("utf-8-sig")))
    row = dict(zip(names, values, strict=True))
    assert [row[verdict] for verdict in VERDICTS] == list(VERDICTS)
    assert (row["submission"], row["earned"], row["deliverable1"], row["seed"]) == ("alice", "2.5", "2.5", "1234567")


def test_a_spreadsheet_computes_nothing_that_a_submission_wrote(tmp_path):
    for evil in ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "\u200b=1"):
        row = table.row(result(submission=evil))
        assert not row["submission"].startswith(table.FORMULA)
        assert "\n" not in row["submission"]


def test_the_published_schema_is_that_of_the_results():
    assert schema.PUBLISHED.read_text() == schema.schema(), "write it anew: python -m grader.report.schema"


def test_results_keep_to_the_published_schema(tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    published = json.loads(schema.PUBLISHED.read_text())
    diverged = result([deliverable(2, training=training(val_loss=float("nan")))])
    for graded in (full(), diverged):
        json_file.write(graded, tmp_path / "r.json")
        jsonschema.validate(json.loads((tmp_path / "r.json").read_text()), published)
    wrong = json.loads((tmp_path / "r.json").read_text()) | {"seed": "7"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, published)


@pytest.mark.parametrize("name", [name for name in FACES if name != "plots"])
def test_every_face_writes_the_file_that_was_asked_for(tmp_path, name):
    path = tmp_path / "new" / "file"
    assert write_faces(full(), {name: path}) == [path]
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_report_is_a_page_and_a_paper(tmp_path):
    assert report(tmp_path) == {"html": tmp_path / "report.html", "pdf": tmp_path / "report.pdf"}
    assert ALWAYS == ("json", "plots")


def test_an_unknown_face_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["hw3", "--face", "word=x.doc"])
    told = capsys.readouterr().err
    assert "junit" in told and "gradescope" in told and "word=x.doc" in told


def test_a_report_that_cannot_be_written_is_said_before_grading(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main(["hw3", "--report", str(tmp_path / "taken"), "--json", str(tmp_path / "r.json")]) == 2
    assert "--report" in capsys.readouterr().err
