"""Layer tables of EEE7331: every cell by hand, every spelling of it, and each wrong one named."""

import csv
import os
import re

import pytest

from grader.assignments.eee7331_a1.networks import PART_A, PART_B
from grader.checks.table import LARGEST, TableError, read
from grader.oracles import layer_table
from grader.oracles.layer_table import COLUMNS, extents, is_dash, number
from tests.grader.submissions.eee7331 import TABLE_A, TABLE_B

PARTS = {"A": (PART_A, TABLE_A), "B": (PART_B, TABLE_B)}
FINDERS = {
    1: layer_table.settings_faults,
    2: layer_table.feature_map_faults,
    3: layer_table.weight_faults,
    4: layer_table.neuron_faults,
}


@pytest.fixture
def faults(tmp_path):
    """What is wrong with a table, as lines, column by column and then in the totals."""

    def found(text: str, part: str = "A") -> list[str]:
        path = tmp_path / "part.csv"
        path.write_text(text, encoding="utf-8")
        network, _ = PARTS[part]
        table = read(path, layer_table.row_names(network))
        finders = (*FINDERS.values(), layer_table.total_faults)
        return [str(fault) for find in finders for fault in find(network, table)]

    return found


@pytest.mark.parametrize("part", PARTS)
def test_the_oracle_has_the_cells_that_were_computed_by_hand(part, faults):
    assert faults(PARTS[part][1], part) == []


def cells():
    for part, (_, text) in PARTS.items():
        for row, line in enumerate(text.splitlines()[1:], 1):
            for column, cell in enumerate(line.split(",")[1:], 1):
                asked = column > 2 if line.startswith("Total") else column > 1 if line.startswith("Input") else True
                if asked:
                    yield pytest.param(part, row, column, id=f"{part} {line.split(',')[0]} {COLUMNS[column]}")


@pytest.mark.parametrize(("part", "row", "column"), list(cells()))
def test_every_wrong_cell_is_named_by_row_and_column_and_no_other_is(faults, part, row, column):
    rows = [line.split(",") for line in PARTS[part][1].splitlines()]
    right = rows[row][column]
    # Another number in the same form; where there is none, one.
    rows[row][column] = re.sub(r"\d+$", lambda match: str(int(match[0]) + 1), right) if right != "-" else "7"
    (only,) = faults("\n".join(",".join(cells) for cells in rows), part)
    assert only.startswith(f"{rows[row][0]}, {COLUMNS[column]}: found {rows[row][column]!r}; expected ")
    if column > 2 and right not in ("-", "0", "10"):
        assert not re.search(rf"\b{right}\b", only)  # the answer itself is not given away


@pytest.mark.parametrize(
    ("right", "spelt"),
    [
        ("32/5x5/1/1", "32 / 5×5 / 1 / 1"), ("32/5x5/1/1", "32/5X5/1/1"), ("32/5x5/1/1", "32/5*5/1/1"),
        ("32/5x5/1/1", "32/5/1/1"), ("Pool-1,2x2/2/0", "Pool-1,32/2x2/2/0"), ("Pool-1,2x2/2/0", "Pool-1,-/2x2/2/0"),
        ("Pool-1,2x2/2/0", "Pool-1,—/2x2/2/-"), ("30x30x32", "30 × 30 × 32"), ("FC,500,500", "FC,500,1x1x500"),
        ("FC,500,500", "FC,500,1 × 500"), ("15x15x32,0,", "15x15x32,-,"), ("15x15x32,0,", "15x15x32,none,"),
        ("32x32x3,-,-", "32x32x3,0,0"), ("676294", '"676,294"'), ("676294", "676.294"), ("676294", "676 294"),
        ("676294", "676\u202f294"), ("676294", "676'294"), ("2432", "2432.0"), ("Total,-,-", "Total,,"),
        ("Conv1-1,", "conv 1_1,"), ("Pool-1,", "POOL 1,"), (",", ", "), ("\n", "\r\n"), ("\n", "\n\n# a remark\n"),
        ("61470\n", "61470,,\n"), ("Layer", "\ufeffLayer"), ("#weights", "# Weights"), (",", ";"),
    ],
)  # fmt: skip
def test_another_spelling_says_the_same(faults, right, spelt):
    assert right in TABLE_A
    assert faults(TABLE_A.replace(right, spelt)) == []


def test_semicolons_are_seen_below_an_empty_line(faults):
    assert faults("\n" + TABLE_A.replace(",", ";")) == []


def test_the_order_of_the_rows_is_free_and_the_header_may_be_missing(faults):
    assert faults("\n".join(reversed(TABLE_A.splitlines()[1:]))) == []


@pytest.mark.parametrize(
    ("part", "right", "wrong", "said"),
    [
        ("A", "30x30x32,2432", "30x30x32,2400", "without the biases"),
        ("A", "30x30x32,2432", "30x30x32,2401", "one bias per filter"),
        ("A", "30x30x32,2432", "30x30x32,832", "sees all channels"),
        ("A", "30x30x32,2432", "30x30x32,2188800", "shared by all places"),
        ("A", "30x30x32,2432", "32x32x32,2432", "as if the padding kept the size"),
        ("A", "30x30x32,2432", "32x30x30,2432", "channels come last"),
        ("A", "30x30x32,2432", "30x30,2432", "without the channels"),
        ("A", "7x7x64", "8x8x64", "rounded up"),
        ("A", "576500", "1024500", "rounded up"),
        ("A", "576500", "576000", "without the biases"),
        ("A", "5010", "5001", "one bias per unit"),
        ("A", "28800", "900", "one channel only"),
        ("A", "7x7x64,0,3136", "8x8x64,0,4096", "follows from this row's feature map"),
        ("A", "676294,61470", "676294,64542", "the input is counted"),
        ("A", "2432,28800", "2400,28800", "without the biases"),
        ("B", "320,7200", "9248,7200", "each filter sees one channel"),
        ("B", "320,7200", "9216,7200", "each filter sees one channel"),
        ("B", "320,7200", "288,7200", "without the biases"),
        ("B", "2112,", "2048,", "without the biases"),
    ],
)
def test_a_known_slip_is_named(faults, part, right, wrong, said):
    text = PARTS[part][1]
    assert text.count(right) == 1
    assert any(said in fault for fault in faults(text.replace(right, wrong), part))


def test_a_total_that_is_the_sum_of_wrong_cells_says_so(faults):
    found = faults(TABLE_A.replace("2432", "2400").replace("676294", "676262"))
    assert len(found) == 2
    assert "sum of the cells above, of which some are wrong" in found[1]


@pytest.mark.parametrize("right", ["32/5x5/1/1", "15x15x32", "18496", "61470", "2432"])
def test_an_empty_cell_is_not_filled_in(faults, right):
    assert any("not filled in" in fault for fault in faults(TABLE_A.replace(right, "", 1)))


@pytest.mark.parametrize("empty", [",-,", ",0,"])
def test_where_a_layer_learns_nothing_a_dash_will_do_and_nothing_will_not(faults, empty):
    assert faults(TABLE_A.replace("15x15x32,0,7200", f"15x15x32{empty}7200")) == []
    assert "not filled in" in faults(TABLE_A.replace("15x15x32,0,7200", "15x15x32,,7200"))[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("Pool-2,2x2/2/0,7x7x64,0,3136\n", ""), "no row Pool-2"),
        (lambda t: t + "Pool-1,2x2/2/0,15x15x32,0,7200\n", "two rows Pool-1"),
        (lambda t: t + "Flatten,-,1152,0,1152\n", "a row 'Flatten'"),
        (lambda t: t.replace("676294", "676,294"), "stands in quotes"),
        (lambda t: t.replace(",10,5010,10", ",10,5010"), "row Output has 4 cells"),
        (lambda t: t.replace("#weights,#neurons", "#neurons,#weights"), "expected the columns"),
        (lambda t: "", "no row Input"),
        (lambda t: "x" * (LARGEST + 1), "at most"),
        (lambda t: t.replace("10,10", "\udcff"), "UTF-8"),
        (lambda t: '"' + "\n" * 100, "no row"),
    ],
)
def test_what_is_no_such_table_is_refused_in_words(tmp_path, change, said):
    path = tmp_path / "part_a.csv"
    path.write_bytes(change(TABLE_A).encode("utf-8", "surrogateescape"))
    with pytest.raises(TableError, match=said):
        read(path, layer_table.row_names(PART_A))


def test_a_link_and_a_pipe_are_not_read(tmp_path):
    (tmp_path / "secret").write_text(TABLE_A)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(TableError):
            read(tmp_path / name, layer_table.row_names(PART_A))


@pytest.mark.parametrize(
    "cell", ["9" * 400, "1" * 20, "٣", "²", "0b10", "1e3", "-5", "\x1b[31m", "1,2,3", "=1+1", "x" * 5_000]
)
def test_hostile_cells_are_no_numbers_and_are_shown_harmlessly(faults, cell):
    assert number(cell) is None and not is_dash(cell) and extents(cell) is None
    quoted = '"' + cell.replace('"', '""') + '"'
    (only, *_) = faults(TABLE_A.replace("2432", quoted))
    assert len(only) < 250 and only.isprintable()


def test_the_hand_written_tables_are_whole():
    for network, text in PARTS.values():
        rows = list(csv.reader(text.splitlines()))
        assert [row[0] for row in rows] == [COLUMNS[0], *layer_table.row_names(network)]
        assert sum(int(row[3]) for row in rows[2:-1]) == int(rows[-1][3]) == network.parameter_count
        assert sum(int(row[4]) for row in rows[2:-1]) == int(rows[-1][4])
