"""An exported autograder: what is in the zip, and what comes of it in a folder laid out as Gradescope's."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from grader.assignments.hw3 import HW3
from grader.export import container, gradescope, inside
from grader.export.command import main
from grader.export.gradescope import ExportError, collect, packed
from grader.export.settings import Settings
from grader.submission import find
from tests.grader.submissions import UNFOLD

STUB = Path(__file__).resolve().parents[2] / "student" / "hw3" / "deliverable1_2" / "mytorch.py"
ONE = Settings(assignment="hw3", deliverables=(1,), isolation="process")


@pytest.fixture(scope="module")
def files():
    return collect(ONE, data=Path("nowhere"))


# ----------------------------------------------------------------------- the zip
def test_equal_content_makes_an_equal_zip(files):
    assert packed(files) == packed(dict(reversed(files.items())))
    with zipfile.ZipFile(BytesIO(packed(files))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_two_scripts_are_executable_and_nothing_else_is(files):
    with zipfile.ZipFile(BytesIO(packed(files))) as archive:
        executable = {entry.filename for entry in archive.infolist() if entry.external_attr >> 16 & 0o111}
    assert executable == {"setup.sh", "run_autograder"}


def test_no_solution_test_or_hand_out_is_in_it(files):
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders == {"grader", "data_scripts"}
    assert not any("handout" in name or "train_targets" in name for name in files)
    unneeded = ("grader/regrade/", "grader/selfcheck/", "grader/watch/")  # the second holds solutions
    assert not any(name.startswith(unneeded) for name in files)
    assert not any(b"import reference" in content or b"from reference" in content for content in files.values())


@pytest.mark.parametrize("name", ["setup.sh", "run_autograder"])
def test_the_scripts_are_filled_in_and_parse(files, name, tmp_path):
    assert not re.search(rb"@[a-z_]+@", files[name])
    (tmp_path / name).write_bytes(files[name])
    assert subprocess.run(["bash", "-n", tmp_path / name], check=False).returncode == 0


def test_setup_fetches_the_data_that_the_deliverables_need_and_no_other():
    for deliverables, fetched in (((1,), b"sets=()"), ((1, 2), b"sets=(mnist)"), ((2, 4), b"sets=(cifar10 mnist)")):
        made = collect(Settings(assignment="hw3", deliverables=deliverables), data=Path("nowhere"))
        assert fetched in made["setup.sh"]


def test_a_stand_in_is_made_when_the_image_is_built_and_not_for_each_submission():
    made = collect(Settings(assignment="hw3", deliverables=(2,), data="synthetic"), data=Path("nowhere"))
    assert b"sets=(digits)" in made["setup.sh"] and b"-m data_scripts.synthesize " in made["setup.sh"]


def test_the_models_of_deliverable_6_must_be_here():
    with pytest.raises(ExportError, match="data_scripts.fetch hw3-models"):
        collect(Settings(assignment="hw3", deliverables=(6,)), data=Path("nowhere"))


def test_packed_data_is_not_fetched_again(tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "meta.json").write_text("{}")
    made = collect(Settings(assignment="hw3", deliverables=(2,)), data=tmp_path, with_data=True)
    assert "data/mnist/meta.json" in made and b"sets=()" in made["setup.sh"]


def test_data_that_is_not_here_cannot_be_packed(tmp_path):
    with pytest.raises(ExportError, match="data_scripts.fetch mnist"):
        collect(Settings(assignment="hw3", deliverables=(2,)), data=tmp_path, with_data=True)


def test_a_zip_that_gradescope_would_refuse_is_refused(files, monkeypatch):
    monkeypatch.setattr(gradescope, "LARGEST", 1000)
    with pytest.raises(ExportError, match="leave out --with-data"):
        packed(files)


def test_the_command_writes_a_zip_with_its_settings(tmp_path, capsys):
    out = tmp_path / "autograder.zip"
    words = ["--deliverables", "1", "--points", "conv2d.stride=7", "--visibility", "conv2d.stride=hidden"]
    assert main(["gradescope", "hw3", "--out", str(out), *words, "--secret", str(tmp_path / "secret")]) == 0
    with zipfile.ZipFile(out) as archive:
        settings = json.loads(archive.read("settings.json"))
    assert settings["points"] == {"conv2d.stride": 7.0}
    assert settings["visibility"] == {"conv2d.stride": "hidden"}
    assert settings["secret"] == (tmp_path / "secret").read_text().strip()
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_check_that_is_not_declared_is_refused(tmp_path, capsys):
    assert main(["gradescope", "hw3", "--out", str(tmp_path / "a.zip"), "--points", "conv2d.nothing=1"]) == 1
    assert "has no check 'conv2d.nothing'" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


# ------------------------------------------------------------------- the settings
def test_points_and_limits_are_the_instructors():
    changed = Settings(assignment="hw3", deliverables=(1,), slower=3, points={"conv2d.stride": 7}).applied(HW3)
    before = {check.id: check for check in HW3.deliverable(1).checks}
    for check in changed.deliverable(1).checks:
        assert check.seconds == 3 * before[check.id].seconds
        assert check.points == (7 if check.id == "conv2d.stride" else before[check.id].points)


def test_a_secret_gives_the_same_draws_to_the_same_files_only(tmp_path):
    def seed(secret: str, **texts: str) -> int:
        place = tmp_path / "submission"
        shutil.rmtree(place, ignore_errors=True)
        for folder, text in texts.items():
            (place / folder).mkdir(parents=True)
            (place / folder / "train.py").write_text("")
            (place / folder / "resnet.pt").write_text(text)
        folders = {deliverable.folder: deliverable.files for deliverable in HW3.deliverables}
        return inside._seed(
            Settings(assignment="hw3", deliverables=(4,), secret=secret), HW3,
            find(str(place), assignment="hw3", folders=folders),
        )  # fmt: skip

    one = seed("a secret of the course", deliverable3_5="weights")
    assert one == seed("a secret of the course", deliverable3_5="weights")
    assert one != seed("a secret of the course", deliverable3_5="other weights")
    assert one != seed("another secret", deliverable3_5="weights")
    assert seed("", deliverable3_5="weights") != seed("", deliverable3_5="weights")


# ------------------------------------------------------------------ the container
def test_half_a_processor_is_one_thread(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert container.processors(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert container.processors(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_is_the_containers(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("805306368\n")
    assert container.memory(tmp_path) == 768 << 20


def test_a_session_is_left_what_the_grader_does_not_hold():
    own, stem = {"RssAnon": 400 << 20}, {"VmData": 1 << 30}
    small, large = inside.limits(768 << 20, own, stem), inside.limits(64 << 30, own, stem)
    assert (1 << 30) < small.data < (1 << 30) + (368 << 20)
    assert large.data == inside.Limits().data


# ------------------------------------------------------------------- from end to end
@dataclass
class Layout:
    """What Gradescope makes of the zip: ROOT/source and ROOT/run_autograder."""

    root: Path
    python: str = sys.executable

    def run(self, script: Path, *words: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"CHALKBENCH_ROOT": str(self.root), "CHALKBENCH_PYTHON": self.python}
        return subprocess.run(["bash", script, *words], env=environment, capture_output=True, text=True, check=False)

    def grade(self, **submitted: str | bytes) -> dict:
        shutil.rmtree(self.root / "submission", ignore_errors=True)
        (self.root / "submission").mkdir()
        for name, content in submitted.items():
            path = self.root / "submission" / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        ran = self.run(self.root / "run_autograder")
        assert ran.returncode == 0, ran.stderr
        return json.loads((self.root / "results" / "results.json").read_bytes())


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    root = tmp_path_factory.mktemp("autograder")
    settings = Settings(
        assignment="hw3", deliverables=(1,), isolation="process", points={"conv2d.stride": 7},
        visibility={"": "after_published", "conv2d.stride": "hidden"}, leaderboard=False,
    )  # fmt: skip
    with zipfile.ZipFile(BytesIO(packed(collect(settings, data=Path("nowhere"))))) as archive:
        archive.extractall(root / "source")
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    layout = Layout(root)
    ran = layout.run(root / "source" / "setup.sh", "data", "compile", "close", "check")
    assert ran.returncode == 0, ran.stderr
    assert "isolation: process" in ran.stdout
    return layout


def verdicts(results: dict) -> dict[str, str]:
    return {test["tags"][-1]: test["output"].split(":")[0] for test in results["tests"]}


@pytest.mark.slow
def test_honest_work_gets_all_points_as_the_settings_say(laid_out):
    results = laid_out.grade(mytorch__py=UNFOLD)
    stride = next(test for test in results["tests"] if test["tags"][-1] == "conv2d.stride")
    declared = sum(check.points for check in HW3.deliverable(1).checks)
    before = next(check.points for check in HW3.deliverable(1).checks if check.id == "conv2d.stride")
    assert results["score"] == sum(test["max_score"] for test in results["tests"]) == declared - before + 7
    assert stride["max_score"] == 7 and stride["visibility"] == "hidden"
    assert {test["visibility"] for test in results["tests"]} == {"hidden", "after_published"}
    assert "leaderboard" not in results
    assert laid_out.root.joinpath("results").stat().st_mode & 0o077 == 0
    assert laid_out.root.joinpath("source").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_stub_gets_every_check_and_no_points_for_what_it_raises(laid_out):
    results = laid_out.grade(mytorch__py=STUB.read_text())
    assert set(verdicts(results)) == {check.id for check in HW3.deliverable(1).checks}
    assert results["score"] == 0
    assert verdicts(results)["conv2d.stride"] == "error"


@pytest.mark.slow
def test_an_archive_in_place_of_files_is_unpacked(laid_out):
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("alice/deliverable1-2/mytorch.py", UNFOLD)
    assert laid_out.grade(alice__zip=content.getvalue())["score"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"no archive at all", b"PK\x03\x04 cut short"])
def test_what_holds_no_submission_gets_a_reason_and_no_points(laid_out, content):
    results = laid_out.grade(alice__zip=content)
    assert results["score"] == 0
    assert set(verdicts(results).values()) == {"not-run"}
    assert str(laid_out.root) not in results["output"]


@pytest.mark.slow
def test_a_submission_that_kills_its_worker_keeps_the_other_points(laid_out):
    text = UNFOLD + (
        "\n\ndef MyFConv2D(input, weight, bias=None, stride=1, padding=0, honest=MyFConv2D):\n"
        "    import os\n"
        "    if bias is not None:\n"
        "        os.kill(os.getppid(), 9)\n"
        "    return honest(input, weight, bias, stride, padding)\n"
    )
    given = verdicts(laid_out.grade(mytorch__py=text))
    assert given["conv2d.bias"] == "killed"
    assert given["conv2d.stride"] == given["maxpool.gradient"] == "pass"


@pytest.mark.parametrize(("python", "said"), [("false", "could not start (status 1)"), ("sleep", "ran out of time")])
def test_a_run_that_dies_leaves_a_valid_result_that_says_so(laid_out_bare, tmp_path, python, said):
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{python} {'9' if python == 'sleep' else ''}\n")
    stand_in.chmod(0o755)
    laid_out_bare.python = str(stand_in)
    results = laid_out_bare.grade(mytorch__py=UNFOLD)
    assert results["score"] == 0 and results["visibility"] == "visible"
    assert said in results["output"]


HELD = """
import json, sys
def grown(): return bytearray(b"1") * (6 << 20)
grown()  # the first that is freed teaches glibc to keep what is not larger
blocks = [grown() for _ in range(20)]
above = bytes(100_000)
del blocks
held = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("RssAnon"))
json.dump({"held": int(held) >> 10}, open(sys.argv[-1] + "/results/results.json", "w"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how this C library frees memory is not known")
def test_large_blocks_that_are_freed_go_back_to_the_system(laid_out_bare, tmp_path):
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{HELD}' \"$@\"\n")
    stand_in.chmod(0o755)
    laid_out_bare.python = str(stand_in)
    script = laid_out_bare.root / "run_autograder"
    script.write_text(script.read_text().replace("SECONDS_IN_ALL=1 ", "SECONDS_IN_ALL=60 "))
    assert laid_out_bare.grade(mytorch__py=UNFOLD)["held"] < 60  # of 120 MiB, and 10 of Python itself


@pytest.fixture
def laid_out_bare(files, tmp_path):
    """The scripts alone, with a second for each submission."""
    root = tmp_path / "autograder"
    (root / "source").mkdir(parents=True)
    text = files["run_autograder"].decode().replace("SECONDS_IN_ALL=570", "SECONDS_IN_ALL=1")
    assert "SECONDS_IN_ALL=1 " in text
    (root / "run_autograder").write_text(text)
    return Layout(root)
