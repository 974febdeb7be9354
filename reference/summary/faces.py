"""One layer table, many faces: a terminal's, Markdown, HTML, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from html import escape

from rich.console import Console
from rich.table import Table as Grid

from reference.summary.table import Row, Table

HEADINGS = ("Layer", "#filters/window/stride/padding", "Feature map", "#weights", "#neurons")
MULTIPLY_ADDS = "#multiply-adds"
WORDS = 3  # columns of text; numbers follow, and stand on the right


def as_text(table: Table) -> str:
    """For a terminal, of any width."""
    grid = Grid(show_footer=True)
    total = _cells(table.total, by_thousands=True)
    for place, (heading, sum_) in enumerate(zip((*HEADINGS, MULTIPLY_ADDS), total, strict=True)):
        grid.add_column(heading, sum_, justify="left" if place < WORDS else "right", no_wrap=True)
    for row in table.rows:
        grid.add_row(*_cells(row, by_thousands=True))
    page = io.StringIO()
    # Text alone: in a notebook it would show the table by itself, and where colour is forced put codes into it.
    Console(file=page, width=200, color_system=None, force_jupyter=False).print(grid)
    return page.getvalue()


def as_markdown(table: Table) -> str:
    """A table as GitHub reads it."""
    headings = (*HEADINGS, MULTIPLY_ADDS)
    lines = [headings, ("---",) * WORDS + ("---:",) * (len(headings) - WORDS)]
    lines += [_cells(row, by_thousands=True) for row in table.rows]
    lines.append(tuple(f"**{cell}**" if cell != "-" else cell for cell in _cells(table.total, by_thousands=True)))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def as_html(table: Table) -> str:
    """A `<table>` to put into any page; it needs no style and has no script."""

    def line(cells: tuple[str, ...], tag: str) -> str:
        sides = ("" if place < WORDS else ' style="text-align:right"' for place in range(len(cells)))
        return "<tr>" + "".join(f"<{tag}{side}>{escape(cell)}</{tag}>" for cell, side in zip(cells, sides)) + "</tr>\n"

    body = "".join(line(_cells(row, by_thousands=True), "td") for row in table.rows)
    return (
        f"<table>\n<thead>\n{line((*HEADINGS, MULTIPLY_ADDS), 'th')}</thead>\n<tbody>\n{body}</tbody>\n"
        f"<tfoot>\n{line(_cells(table.total, by_thousands=True), 'td')}</tfoot>\n</table>\n"
    )


def as_csv(table: Table) -> str:
    """The columns that EEE7331 asks for, without multiply-adds; numbers as digits alone."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows(_cells(row)[: len(HEADINGS)] for row in (*table.rows, table.total))
    return page.getvalue()


# A new face is one function and one entry here.
FACES: dict[str, Callable[[Table], str]] = {
    "text": as_text, "markdown": as_markdown, "html": as_html, "csv": as_csv,
}  # fmt: skip


def _cells(row: Row, *, by_thousands: bool = False) -> tuple[str, ...]:
    numbers = (row.weights, row.neurons, row.multiply_adds)
    style = "," if by_thousands else ""
    shown = ("-" if number is None else format(number, style) for number in numbers)
    return (row.layer, row.settings, row.feature_map, *shown)
