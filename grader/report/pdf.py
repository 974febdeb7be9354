"""A result as one PDF, A4: what a student hands in, and what a grade is filed as.

The fonts are DejaVu's, which come with matplotlib and have the Greek letters and signs of reasons
and titles; what they lack becomes a box.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import XPos, YPos

from data_scripts import atomic
from grader.report import facts
from grader.report.blocks import Block, Drawing, Grid, blocks
from grader.report.figures import LIGHT, render
from grader.report.text import clean
from grader.result import CheckResult, DeliverableResult, Result

FONTS = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MONO = "DejaVuSansMono.ttf"
INK, SOFT, LINE = (31, 35, 40), (89, 99, 110), (208, 215, 222)
COLOURS = {
    "pass": (0, 104, 74),
    "fail": (179, 64, 10),
    "error": (179, 64, 10),
    "invalid": (179, 64, 10),
    "timeout": (122, 82, 0),
    "killed": (122, 82, 0),
    "not-run": (122, 82, 0),
}
# Millimetres.
MARGIN, BOTTOM = 18.0, 18.0
VERDICT, POINTS = 24.0, 16.0  # columns of the table of checks
CELL, GAP = 18.0, 2.0  # images of a grid, at most so wide
TOGETHER = 110.0  # highest grid that is not split
SCALE = 21.0  # millimetres of paper per inch of a figure: its words of 10 points get 8
LINES = 30  # of one reason: a whole traceback belongs into the JSON


def write(result: Result, path: Path) -> list[Path]:
    """Write the PDF.

    Args:
        result: what a grading run ended in.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    sheet = _Sheet(result)
    sheet.summary()
    for deliverable in result.deliverables:
        sheet.deliverable(deliverable)
    sheet.conditions()
    atomic.write(Path(path), bytes(sheet.output()))
    return [Path(path)]


class _Sheet(FPDF):
    """The pages, filled from top to bottom.

    Args:
        result: what they show.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(format="A4", unit="mm")
        self._result = result
        folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
        for style, name in FONTS.items():
            self.add_font("sans", style, folder / name)
        self.add_font("mono", "", folder / MONO)
        self.set_margins(MARGIN, MARGIN)
        self.set_auto_page_break(True, BOTTOM)
        self.c_margin = 0.0  # texts begin where images do
        self.set_title(self._fit(f"{result.assignment}: {facts.who(result)}"))
        # The same result gives the same file.
        self.set_creation_date(_moment(result.started))
        self.set_producer("Chalkbench")
        self.add_page()

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_xy(MARGIN, self.h - BOTTOM + 5)  # also where the page ended within something indented
        self._font(7.5, colour=SOFT)
        left = f"{self._result.assignment}: {facts.who(self._result)}"
        if self._result.data == "synthetic":
            left = f"SYNTHETIC DATA   {left}"
        self.cell(self.w - 2 * MARGIN - 25, 5, self._fit(left, 90))
        self.cell(25, 5, f"{self.page_no()} / {{nb}}", align="R")

    # -------------------------------------------------------------------- parts
    def summary(self) -> None:
        """The head: who, how many points, and one line per deliverable."""
        result = self._result
        self._text(f"{result.assignment.upper()}  {facts.who(result)}", 17, bold=True)
        colour = COLOURS["pass" if result.passed else "fail"]
        self._text(f"{result.earned:g} of {result.points:g} points", 13, bold=True, colour=colour)
        if result.data == "synthetic":
            self.ln(2)
            self._text(f"{facts.SYNTHETIC} Measured on: {result.data_source}", 9.5, bold=True, colour=COLOURS["fail"])
        self.ln(3)
        for deliverable in result.deliverables:
            passed = sum(check.verdict == "pass" for check in deliverable.checks)
            points = f"{deliverable.earned:g} / {deliverable.points:g}" if deliverable.counted else "not counted"
            self._columns(
                (facts.heading(deliverable), self.epw - 64, "L", INK),
                (f"{passed} of {len(deliverable.checks)} passed", 36, "R", SOFT),
                (points, 28, "R", INK),
            )

    def deliverable(self, deliverable: DeliverableResult) -> None:
        """One deliverable: its checks, then what it has to show."""
        self._heading(facts.heading(deliverable), f"{deliverable.earned:g} / {deliverable.points:g}")
        for remark in facts.remarks(deliverable):
            self._text(remark, 8.5, colour=SOFT)
        for check in deliverable.checks:
            self._check(check)
        for block in blocks(deliverable):
            self._block(block)

    def conditions(self) -> None:
        """What the grade rests on."""
        self._heading("What this grade rests on", "")
        for name, value in facts.conditions(self._result).items():
            self._columns((name, 36, "L", SOFT), (value, self.epw - 36, "L", INK), size=8.5)

    # ------------------------------------------------------------------ elements
    def _check(self, check: CheckResult) -> None:
        verdict = f"{facts.SYMBOLS[check.verdict]} {check.verdict}"
        self._columns(
            (verdict, VERDICT, "L", COLOURS[check.verdict]),
            (check.title, self.epw - VERDICT - POINTS, "L", INK),
            (f"{check.earned:g} / {check.points:g}", POINTS, "R", INK),
            size=9,
        )
        if check.reason:
            lines = clean(check.reason).split("\n")
            if len(lines) > LINES:
                lines = [*lines[:LINES], "…"]
            self.set_x(MARGIN + VERDICT)
            colour = SOFT if check.verdict == "pass" else INK
            with self._indented(VERDICT):
                self._text("\n".join(lines), 7.2, mono=True, colour=colour)
            self.ln(0.8)

    def _block(self, block: Block) -> None:
        height = 30.0
        if isinstance(block, Drawing):
            height = self._drawn_size(block)[1] + 16
        elif isinstance(block, Grid):
            height = self._grid_height(block) + 16
            # A panel stays together, a long list of images may go on overleaf.
            height = height if height <= TOGETHER else self._cell_width(len(block.rows[0][1])) + 25
        self.ln(5)
        self._room(height)
        self._text(block.title, 10.5, bold=True)
        if isinstance(block, Drawing):
            self._drawing(block)
        elif isinstance(block, Grid):
            self._grid(block)
        self._text(block.note, 8, colour=SOFT)

    def _drawn_size(self, drawing: Drawing) -> tuple[float, float]:
        width = min(self.epw, drawing.size[0] * SCALE)
        return width, width * drawing.size[1] / drawing.size[0]

    def _drawing(self, drawing: Drawing) -> None:
        width, height = self._drawn_size(drawing)
        content = io.BytesIO(render(drawing.draw, drawing.size, LIGHT, "png"))
        self.image(content, x=MARGIN + (self.epw - width) / 2, w=width, h=height, alt_text=self._fit(drawing.words))
        self.ln(1)
        for remark in drawing.remarks:
            self._text(remark, 8, colour=COLOURS["fail"])

    def _cell_width(self, count: int) -> float:
        # Few pictures with words below them get more room than many with a digit.
        return min((self.epw - (count - 1) * GAP) / count, CELL if count > 5 else 1.7 * CELL)

    def _grid_height(self, grid: Grid) -> float:
        return sum(
            self._cell_width(len(cells)) + (6 if any(cell.caption for cell in cells) else 2) + (4 if label else 0)
            for label, cells in grid.rows
        )

    def _grid(self, grid: Grid) -> None:
        for label, cells in grid.rows:
            width = self._cell_width(max(1, len(cells)))
            self._room(width + (10 if label else 6))
            if label:
                self._text(label, 8, colour=SOFT)
            top, lowest = self.get_y() + 0.5, 0.0
            for place, cell in enumerate(cells):
                x = MARGIN + place * (width + GAP)
                height = width * cell.image.shape[0] / cell.image.shape[1]
                self.image(io.BytesIO(cell.png(8)), x=x, y=top, w=width, h=height)
                lowest = max(lowest, top + height)
                if cell.caption:
                    self.set_xy(x - GAP / 2, top + height + 0.4)
                    self._font(7)
                    self.multi_cell(width + GAP, 3.1, self._fit(cell.caption, 120), align="C", new_x=XPos.LEFT, new_y=YPos.NEXT)
                    lowest = max(lowest, self.get_y())
            self.set_xy(MARGIN, lowest + 1.5)

    def _heading(self, text: str, points: str) -> None:
        self.ln(8)
        self._room(30)
        self._font(12.5, bold=True)
        top = self.get_y()
        self.multi_cell(self.epw - 30, 6, self._fit(text), new_x=XPos.RIGHT, new_y=YPos.TOP, align="L")
        below = top + 6 * max(1, len(self.multi_cell(self.epw - 30, 6, self._fit(text), dry_run=True, output="LINES")))
        self.set_xy(MARGIN + self.epw - 30, top)
        self.cell(30, 6, points, align="R")
        self.set_xy(MARGIN, below + 1)

    def _columns(self, *columns: tuple[str, float, str, tuple[int, int, int]], size: float = 9.5) -> None:
        """Texts side by side, each folded within its width, with a thin line above."""
        self._font(size)
        step = 0.5 * size
        texts = [self._fit(text) for text, *_ in columns]
        heights = [
            step * len(self.multi_cell(width, step, text, dry_run=True, output="LINES", align="L"))
            for text, (_, width, _, _) in zip(texts, columns, strict=True)
        ]
        height = max(heights) + 1.2
        self._room(height)
        top, x = self.get_y(), MARGIN
        self.set_draw_color(*LINE)
        self.line(MARGIN, top, MARGIN + self.epw, top)
        for text, (_, width, align, colour) in zip(texts, columns, strict=True):
            self.set_xy(x, top + 0.6)
            self.set_text_color(*colour)
            self.multi_cell(width, step, text, align=align)
            x += width
        self.set_xy(MARGIN, top + height)

    @contextmanager
    def _indented(self, by: float):
        self.set_left_margin(MARGIN + by)
        try:
            yield
        finally:
            self.set_left_margin(MARGIN)
            self.set_x(MARGIN)

    def _text(
        self,
        text: str,
        size: float,
        *,
        bold: bool = False,
        mono: bool = False,
        colour: tuple[int, int, int] = INK,
    ) -> None:
        self._font(size, bold=bold, mono=mono, colour=colour)
        self.multi_cell(0, 0.47 * size, self._fit(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _font(
        self, size: float, *, bold: bool = False, mono: bool = False, colour: tuple[int, int, int] = INK
    ) -> None:
        self.set_font("mono" if mono else "sans", "B" if bold else "", size)
        self.set_text_color(*colour)

    def _fit(self, text: str, longest: int = 2_000) -> str:
        """Text that the fonts have signs for, and that nothing acts on."""
        known = self._known()
        return "".join(c if c == "\n" or ord(c) in known else "□" for c in clean(text, longest))

    def _known(self) -> set[int]:
        return self.fonts["mono"].cmap.keys()

    def _room(self, height: float) -> None:
        """Begin a new page where less than this is left."""
        if self.get_y() + min(height, self.eph) > self.page_break_trigger and self.get_y() > MARGIN:
            self.add_page()


def _moment(started: str) -> datetime:
    try:
        return datetime.fromisoformat(started)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
