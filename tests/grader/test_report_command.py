"""`python -m grader report`: the faces of an earlier result, the same as when it was graded."""

import pytest

from grader.command_line import main
from grader.report import html, json_file, junit
from tests.grader.test_report import check, deliverable, result


@pytest.fixture
def earlier(tmp_path):
    """A result's file, as a run left it, and the result."""
    graded = result([deliverable(1, [check("a"), check("b", "timeout", "no answer within 10 s")])])
    path = tmp_path / "earlier" / "result.json"
    json_file.write(graded, path)
    return path, graded


def test_a_report_is_that_of_the_run(earlier, tmp_path, capsys):
    path, graded = earlier
    assert main(["report", str(path), "--report", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "report.html").read_text() == html.page(graded)
    assert (tmp_path / "new" / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert capsys.readouterr().out.count("written: ") == 2
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]  # left as it is


def test_a_face_is_that_of_the_run(earlier, tmp_path):
    path, graded = earlier
    asked, expected = tmp_path / "asked.xml", tmp_path / "expected.xml"
    junit.write(graded, expected)
    assert main(["report", str(path), "--face", f"junit={asked}", "--face", f"csv={tmp_path / 'row.csv'}"]) == 0
    assert asked.read_bytes() == expected.read_bytes()
    assert (tmp_path / "row.csv").exists()


def test_the_same_face_twice_is_written_twice(earlier, tmp_path):
    path, _ = earlier
    places = [tmp_path / "one.html", tmp_path / "two.html"]
    main(["report", str(path), *(f"--face=html={place}" for place in places)])
    assert places[0].read_bytes() == places[1].read_bytes()


def test_without_a_place_it_is_shown(earlier, capsys):
    path, _ = earlier
    assert main(["report", str(path)]) == 0
    assert "Total 4 of 8 points" in capsys.readouterr().out


def test_what_is_no_result_is_told(tmp_path, capsys):
    (tmp_path / "result.json").write_text('{"schema": "chalkbench/result/0"}')
    for file, reason in (("result.json", "chalkbench/result/0"), ("nowhere.json", "nowhere.json")):
        assert main(["report", str(tmp_path / file), "--report", str(tmp_path / "new")]) == 2
        assert reason in capsys.readouterr().err.replace("\n", "")
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_written(earlier, tmp_path, capsys):
    path, _ = earlier
    (tmp_path / "taken").write_text("a file")
    faces = [f"--face=csv={tmp_path / 'row.csv'}", f"--face=html={tmp_path / 'taken' / 'a.html'}"]
    assert main(["report", str(path), *faces]) == 2
    assert "--face html" in capsys.readouterr().err
    assert not (tmp_path / "row.csv").exists()
