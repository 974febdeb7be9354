"""One submission as a job: graded for real, from a packed file or from bytes."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from grader import digest as own
from grader.classroom.jobs import Job, Report, run
from grader.classroom.workers import Workers
from grader.digest import grader_digest
from grader.result import Result
from grader.runner import Options
from tests.grader.classroom.exports import FILE, tarred, zipped
from tests.grader.submissions import UNFOLD


def job(tmp_path, files: dict[str, str], **options) -> Job:
    (tmp_path / "a.tar").write_bytes(tarred({name: text.encode() for name, text in files.items()}, mode="w"))
    chosen = Options((1,), seed=1, data="synthetic")
    return replace(Job("alice@example.edu", "alice", "hw3", tmp_path / "a.tar", chosen, 1), **options)


@pytest.fixture(autouse=True)
def few_cases(monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 3)


def reported(job: Job) -> Report:
    with Workers() as workers:
        return msgspec.json.decode(run(job, lambda text: None, workers), type=Report)


def test_a_submission_is_graded_as_it_is_from_its_folder(tmp_path):
    report = reported(job(tmp_path, {FILE: UNFOLD, "hw3.pdf": "", "data.zip": ""}))
    result = msgspec.json.decode(report.result, type=Result)
    assert (report.state, result.submission, result.seed) == ("graded", "alice@example.edu", 1)
    assert result.earned == result.points > 0
    assert 0 < report.waited < report.seconds and report.processor > 0


def test_it_may_travel_as_bytes(tmp_path):
    packed = job(tmp_path, {"hw3.txt": "x"})
    report = reported(replace(packed, archive=packed.archive.read_bytes()))
    assert report.state == "refused"


def test_a_refusal_speaks_of_the_student_and_of_no_folder_here(tmp_path):
    report = reported(job(tmp_path, {"notes.txt": "x"}))
    assert report.state == "refused"
    assert report.reason.startswith("alice holds nothing of hw3")
    assert msgspec.json.decode(report.result) is None


def test_a_hazard_in_the_students_own_archive_is_a_refusal(tmp_path):
    (tmp_path / "a.tar").write_bytes(tarred({"hw3.zip": zipped({"../evil.py": "x"})}, mode="w"))
    hostile = replace(job(tmp_path, {}), archive=tmp_path / "b.tar")
    (tmp_path / "b.tar").write_bytes(tarred({"hw3.zip": zipped({"../evil.py": "x"})}, mode="w"))
    assert "leads out" in reported(hostile).reason


def test_the_digest_follows_what_verdicts_rest_on(tmp_path, monkeypatch):
    def digest(changed: str | None) -> str:
        root = tmp_path / str(changed).replace("/", "-")
        for name in ("__init__.py", "checks/a.py", "report/html.py", "classroom/local.py"):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("# changed" if name == changed else "")
        monkeypatch.setattr(own.grader, "__file__", str(root / "__init__.py"))
        own.grader_parts.cache_clear(), grader_digest.cache_clear()
        return grader_digest()

    try:
        same = digest(None)
        assert digest("checks/a.py") != same
        assert digest("report/html.py") == digest("classroom/local.py") == same
    finally:
        own.grader_parts.cache_clear(), grader_digest.cache_clear()


def test_a_job_is_plain_values(tmp_path):
    import pickle

    packed = job(tmp_path, {})
    assert pickle.loads(pickle.dumps(packed)) == packed
    assert isinstance(packed.archive, Path)
