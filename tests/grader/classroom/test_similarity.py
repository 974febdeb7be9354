"""Which submissions share more than the task explains, and a page that nothing in them can act on."""

import sys

import pytest

from grader.assignments.hw3 import HW3
from grader.classroom import similarity
from grader.classroom.similarity import SimilarityError, compare, main
from tests.grader.classroom.exports import FILE, write
from tests.grader.submissions import UNFOLD

OTHER = '''\
import torch
def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    result = []
    for image in input:
        rows = torch.nn.functional.unfold(image[None], weight.shape[2:], padding=padding, stride=stride)
        result.append((weight.flatten(1) @ rows[0]).reshape(len(weight), -1))
    while len(result) < 0:
        raise ValueError("never")
    return torch.stack(result).reshape(len(input), len(weight), *shape_of(input, weight, stride, padding))
def shape_of(image, kernel, step, border):
    return [(size + 2 * border - width) // step + 1 for size, width in zip(image.shape[2:], kernel.shape[2:])]
'''


def renamed(text: str) -> str:
    """The same solution under other names and with a comment on every line."""
    for name in ("windows", "padded", "output", "kernels", "offset"):
        text = text.replace(name, f"my_{name}_2")
    return "".join(f"{line}  # my own work\n" if line else "\n" for line in text.splitlines())


@pytest.fixture
def compared(tmp_path):
    pytest.importorskip("copydetect")

    def run(files: dict[str, str], boilerplate=(), archive=None, threshold=0.5):
        given = write(tmp_path / "class", files)
        archives = [write(tmp_path / "archive", archive)] if archive else []
        pairs, notes = compare(
            HW3, given, out=tmp_path / "page.html", archive=archives, boilerplate=list(boilerplate), threshold=threshold
        )
        return pairs, notes, (tmp_path / "page.html").read_text()

    return run


def students(pairs) -> list[set[str]]:
    return [{pair.one.name.split("/")[1], pair.other.name.split("/")[1]} for pair in pairs]


def test_a_copy_under_other_names_is_found_and_own_work_is_not(compared):
    pairs, _, page = compared({f"alice/{FILE}": UNFOLD, f"bob/{FILE}": renamed(UNFOLD), f"carol/{FILE}": OTHER})
    assert students(pairs) == [{"alice", "bob"}]
    assert pairs[0].share > 0.9
    assert "<mark>" in page and "class/alice" in page


def test_what_was_handed_out_is_not_counted(compared, tmp_path):
    given = write(tmp_path / "stubs", {"mytorch.py": UNFOLD})
    files = {f"alice/{FILE}": UNFOLD, f"bob/{FILE}": UNFOLD}
    assert compared(files, boilerplate=[given])[0] == []


def test_earlier_years_are_compared_with(compared):
    pairs, _, _ = compared({f"alice/{FILE}": UNFOLD}, archive={f"zoe/{FILE}": UNFOLD, f"yves/{FILE}": UNFOLD})
    assert sorted(map(sorted, students(pairs))) == [["alice", "yves"], ["alice", "zoe"]]


def test_one_students_own_files_are_no_pair(compared):
    assert compared({f"alice/{FILE}": UNFOLD, "alice/old/copy.py": UNFOLD})[0] == []


def test_nothing_of_a_submission_acts_on_the_page(compared):
    hostile = "<script>alert(1)</script>.py"
    text = UNFOLD + 'x = "</pre><script>alert(2)</script>"\n'
    files = {f"alice/deliverable1-2/{hostile.replace('/', '')}": text, f"<b>bob/{FILE}": text}
    _, _, page = compared(files)
    assert "<script" not in page and "<b>bob" not in page
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_who_cannot_be_read_is_named(compared):
    _, notes, page = compared({f"alice/{FILE}": UNFOLD, "bob.zip": "Rar!xxxx"})
    assert notes[0].startswith("bob is not compared") and notes[0] in page


def test_without_copydetect_the_error_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "copydetect", None)
    assert main([str(tmp_path)]) == 2
    assert "chalkbench[similarity]" in capsys.readouterr().err.replace("\n", "")


def test_an_empty_class_is_a_clear_error(compared, tmp_path):
    with pytest.raises(SimilarityError, match="found none"):
        compared({"notes.txt": "x"})
    assert main([str(tmp_path / "nowhere")]) == 2


def test_the_stubs_are_where_they_are_looked_for():
    assert (similarity.STUBS / "hw3" / "deliverable1_2" / "mytorch.py").is_file()
