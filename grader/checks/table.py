"""Checks of a layer table that a submission has filled in: a CSV file that the grader reads itself."""

import csv
import io
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.bench import Bench, Judged
from grader.declaration import Outcome
from grader.oracles import layer_table
from grader.oracles.layer_table import COLUMNS, Fault, Table, key
from grader.oracles.plain_cnn import PlainCNN
from grader.worker.protocol import clean

LARGEST = 64 << 10  # bytes; a filled-in table has one thousand
MOST_NAMED = 6  # wrong cells that a reason lists


@dataclass(frozen=True)
class LayerTable:
    """The checks; each method is one, of all rows, and each names the wrong cells.

    Args:
        network: whose table it is.
        file: the table's name, "part_a.csv".
    """

    network: PlainCNN
    file: str

    def settings(self, bench: Bench) -> Outcome:
        """Filters, windows, strides and paddings."""
        return self._judge(bench, layer_table.settings_faults)

    def feature_maps(self, bench: Bench) -> Outcome:
        """Height, width and channels behind each layer."""
        return self._judge(bench, layer_table.feature_map_faults)

    def weights(self, bench: Bench) -> Outcome:
        """What each layer learns, biases included."""
        return self._judge(bench, layer_table.weight_faults)

    def neurons(self, bench: Bench) -> Outcome:
        """The numbers of each feature map."""
        return self._judge(bench, layer_table.neuron_faults)

    def totals(self, bench: Bench) -> Outcome:
        """The last row."""
        return self._judge(bench, layer_table.total_faults)

    def _judge(self, bench: Bench, find: Callable[[PlainCNN, Table], list[Fault]]) -> Outcome:
        path = bench.document(self.file)
        try:
            table = read(path, layer_table.row_names(self.network))
        except TableError as error:
            raise Judged(Outcome("fail", f"{self.file}: {error}")) from None
        faults = find(self.network, table)
        if not faults:
            return Outcome("pass")
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        return Outcome("fail", f"{self.file}: {'; '.join(map(str, faults[:MOST_NAMED]))}{more}")


class TableError(ValueError):
    """The file is no such table; the message says what was expected."""


def read(path: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """The cells of a layer table.

    Args:
        path: a CSV file in UTF-8; lines that begin with "#" are comments.
        names: of the rows that it must have, in any order.

    Returns:
        `grader.oracles.layer_table.key` of a row → its cells.

    Raises:
        TableError: it cannot be read, or has other rows or columns.
    """
    lines = [line for line in io.StringIO(_text(path), newline=None) if not line.lstrip().startswith("#")]
    # Where a comma stands in decimals, spreadsheets put semicolons between cells.
    first = next((line for line in lines if line.strip()), "")
    semicolons = ";" in first and "," not in first
    rows: dict[str, list[str]] = {}
    known = {key(name): name for name in names}
    try:
        for cells in csv.reader(lines, delimiter=";" if semicolons else ","):
            cells = [*cells[: len(COLUMNS)], *(cell for cell in cells[len(COLUMNS) :] if cell.strip())]
            if not any(cell.strip() for cell in cells):
                continue
            name, shown = key(cells[0]), repr(clean(cells[0], 40))
            if name == key(COLUMNS[0]):
                _check_header(cells)
                continue
            if name not in known:
                raise TableError(f"there is a row {shown}; expected the rows {', '.join(names)}")
            if name in rows:
                raise TableError(f"there are two rows {known[name]}; expected one")
            if len(cells) != len(COLUMNS):
                raise TableError(
                    f"row {known[name]} has {len(cells)} cells; expected {len(COLUMNS)} (a number that is written "
                    'with a comma stands in quotes: "676,294")'
                )
            rows[name] = cells
    except csv.Error as error:
        raise TableError(f"it is no CSV: {error}") from None
    missing = [name for name in names if key(name) not in rows]
    if missing:
        raise TableError(f"there is no row {', '.join(missing)}; expected the rows {', '.join(names)}")
    return rows


def _check_header(cells: list[str]) -> None:
    if [key(cell) for cell in cells] != [key(column) for column in COLUMNS]:
        raise TableError(f"its first row is {clean(cells, 200)}; expected the columns {', '.join(COLUMNS)}")


def _text(path: Path) -> str:
    try:
        # The file may have been changed for a link or a pipe since it was found.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise TableError("expected a file")
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise TableError(f"it cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise TableError(f"expected at most {LARGEST:,} bytes")
    try:
        return content.decode("utf-8-sig")  # a spreadsheet begins it with a mark of its own
    except UnicodeDecodeError:
        raise TableError("expected UTF-8; from a spreadsheet, save it as CSV UTF-8") from None
