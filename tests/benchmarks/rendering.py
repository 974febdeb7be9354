"""Measured rows as tables: cells first, then on a terminal or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.table import Table

from tests.benchmarks.algorithms import PRODUCTS, Products
from tests.benchmarks.peak import Peak
from tests.benchmarks.results import NCHW, OURS, Row, Summary

POOLING = "pooling"  # in the name of a section whose work is bytes


@dataclass(frozen=True)
class Sheet:
    """A table of words: a title, the columns' heads, and the cells row by row. The first column is text."""

    title: str
    heads: list[str]
    cells: list[list[str]]


def section_sheet(section: str, rows: list[Row], peak: Peak) -> Sheet:
    """A section's rows: times in ms, the ratio to the faster peer, rates and their shares of what the machine can do.

    The faster peer's share says how far a ratio can rise without fewer operations or bytes: at 100 % to 1.
    """
    pooling = POOLING in section
    if pooling:
        unit, most, limit = "GB/s", peak.bytes_per_second, "a copy"
    else:
        unit, most, limit = "GFLOP/s", peak.operations_per_second, "peak"
    heads = ["shape", "batch", *(f"{name}, ms" for name in rows[0].times), "ratio"]
    heads += [f"ratio to {NCHW}"] * pooling + [unit, f"of {limit}", f"torch of {limit}"]
    cells = []
    for row in rows:
        ours, theirs = row.rate_of(OURS), row.rate_of(row.fastest_peer)
        ratios = [f"{row.ratio:.2f}"] + [f"{row.ratio_to(NCHW):.1f}"] * pooling
        rates = [f"{ours / 1e9:.1f}", f"{ours / most:.0%}", f"{theirs / most:.0%}"]
        cells.append([row.shape, str(row.batch), *map(milliseconds, row.seconds.values()), *ratios, *rates])
    return Sheet(section, heads, cells)


def summary_sheet(summaries: list[Summary]) -> Sheet:
    """Geometric means, and where we are slowest, one line per section."""
    heads = ["section", "rows", "geometric mean", f"to {NCHW} alone", "least", "where", "below 1.0"]
    cells = [
        [
            line.section, str(line.rows), f"{line.mean:.2f}", f"{line.mean_to_nchw:.2f}", f"{line.worst.ratio:.2f}",
            f"{line.worst.shape}, batch {line.worst.batch}", str(line.below_one),
        ]
        for line in summaries
    ]  # fmt: skip
    return Sheet("torch's time / ours, by the faster of its layouts", heads, cells)


def algorithms_sheet(product: str, measured: list[Products]) -> Sheet:
    """Milliseconds of every contender for one product; a dash where an algorithm is not made for the shape."""
    chosen = [entry for entry in measured if entry.product == product]
    names = list(dict.fromkeys(name for entry in chosen for name in entry.ours))
    theirs = [name for name in chosen[0].seconds if name not in chosen[0].ours]
    cells = [
        [
            entry.shape.name, str(entry.batch), entry.fastest, f"{entry.ratio:.2f}",
            *(milliseconds(entry.seconds[name]) if name in entry.seconds else "-" for name in [*names, *theirs]),
        ]
        for entry in chosen
    ]  # fmt: skip
    return Sheet(product, ["shape", "batch", "our fastest", "ratio", *names, *theirs], cells)


def algorithm_sheets(measured: list[Products]) -> list[Sheet]:
    return [algorithms_sheet(product, measured) for product in PRODUCTS]


def milliseconds(seconds: float) -> str:
    """With three digits where there are so many."""
    value = seconds * 1e3
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def as_rich(sheet: Sheet) -> Table:
    """For a terminal; rows where a peer was faster stand out by colour, and by the number itself."""
    table = Table(title=sheet.title, title_justify="left", box=None, pad_edge=False)
    for place, head in enumerate(sheet.heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=place == 0)
    at = sheet.heads.index("ratio") if "ratio" in sheet.heads else None
    for cells in sheet.cells:
        table.add_row(*cells, style="red" if at is not None and float(cells[at]) < 1 else None)
    return table


def as_markdown(sheet: Sheet, level: int = 3) -> str:
    """A heading and a table, with numbers to the right."""
    rule = ["---", *["---:"] * (len(sheet.heads) - 1)]
    lines = [f"{'#' * level} {sheet.title[0].upper()}{sheet.title[1:]}", ""]
    lines += [f"| {' | '.join(cells)} |" for cells in (sheet.heads, rule, *sheet.cells)]
    return "\n".join(lines) + "\n"

