"""The faces of a layer table: the same cells for a terminal, Markdown, HTML, CSV."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reference.eee7331.assignment1.question1.model import CustomCNN, SeparableCNN
from reference.summary import FACES, Row, Table, summarise
from reference.summary.__main__ import main

QUESTION = Path(__file__).resolve().parents[2] / "reference/eee7331/assignment1/question1"
TABLE = Table(
    (
        Row("Input", "-", "6x6x1", 0, None, None),
        Row("Conv1-1", "2/3x3/1/0", "4x4x2", 20, 1_024, 1_234_567),
    )
)
CELLS = [
    ["Input", "-", "6x6x1", "0", "-", "-"],
    ["Conv1-1", "2/3x3/1/0", "4x4x2", "20", "1,024", "1,234,567"],
    ["Total", "-", "-", "20", "1,024", "1,234,567"],
]


class Cells(HTMLParser):
    """The cells of a page, row by row."""

    def __init__(self, page: str):
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_the_terminals_table_has_all_cells():
    lines = FACES["text"](TABLE).splitlines()
    found = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert found == CELLS


def test_markdown_has_all_cells_and_a_pipe_in_one_stays_in_it():
    odd = Table((*TABLE.rows, Row("a|b", "-", "-", 0, None, None)))
    lines = FACES["markdown"](odd).splitlines()
    assert [line.strip("| ").split(" | ") for line in lines[2:4]] == CELLS[:2]
    assert lines[4].startswith(r"| a\|b | - |")
    assert lines[5] == "| **Total** | - | - | **20** | **1,024** | **1,234,567** |"


def test_html_is_well_formed_has_all_cells_and_runs_nothing():
    evil = "<script>alert(1)</script>"
    page = FACES["html"](Table((*TABLE.rows, Row(evil, "-", "&amp;", 0, None, None))))
    found = Cells(page)
    assert found.open == []
    assert found.rows[1:3] + found.rows[-1:] == CELLS
    assert found.rows[3][0] == evil and found.rows[3][2] == "&amp;"
    assert "<script" not in page and "http" not in page


@pytest.mark.parametrize(("part", "network"), [("part_a", CustomCNN), ("part_b", SeparableCNN)])
def test_the_filled_in_table_of_eee7331_is_the_computed_one(part, network):
    kept = [line for line in (QUESTION / f"{part}.csv").read_text().splitlines() if not line.startswith("#")]
    assert kept == FACES["csv"](summarise(network(), (3, 32, 32))).splitlines()


def test_csv_is_read_back_cell_by_cell_without_separators_in_numbers():
    head, *rows = csv.reader(io.StringIO(FACES["csv"](TABLE)))
    assert head == ["Layer", "#filters/window/stride/padding", "Feature map", "#weights", "#neurons"]
    assert rows == [[cell.replace(",", "") for cell in row[:5]] for row in CELLS]


# ------------------------------------------------------------------------------- the command
@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file with a small network, beside another one that it imports."""
    (tmp_path / "widths_of_test.py").write_text("WIDTH = 3\n")
    path = tmp_path / "net_of_test.py"
    path.write_text(
        "from torch import nn\nfrom widths_of_test import WIDTH\n\n"
        "def Net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, WIDTH))\n"
    )
    monkeypatch.setattr("sys.path", __import__("sys").path[:])
    return path


def test_the_command_prints_the_table_of_a_files_network(file, capsys):
    main([f"{file}:Net", "--input", "3x2x2", "--face", "csv"])
    assert capsys.readouterr().out.splitlines()[1:] == ["Input,-,2x2x3,0,-", "Output,3,3,39,3", "Total,-,-,39,3"]


@pytest.mark.parametrize(
    ("network", "shape", "words"),
    [
        ("{file}:Other", "3x2x2", "expected net_of_test.py to have Other"),
        ("{file}", "3x2x2", "expected FILE.py:CLASS"),
        ("{file}:Net", "3x2", "expected a network for inputs of shape (3, 2)"),
        ("{file}:Net", "3x2xtwo", "expected sizes such as 3x32x32"),
    ],
)
def test_what_cannot_be_summarised_is_refused_with_what_was_expected(file, network, shape, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main([network.format(file=file), "--input", shape])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
