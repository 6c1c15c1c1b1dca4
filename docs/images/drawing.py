"""Texts in the cells of a terminal, each with the time from which it is seen, as an SVG that plays again and again.

It has no script and asks no server for anything. A viewer that does not move it shows the end; so does one whose user
wants less motion.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

CELL, LINE = 12.2, 24.4
COLUMNS = 46
TICKS_A_SECOND = 20
PANE = COLUMNS * CELL + 24


class Drawing:
    """Two panes beside each other.

    Args:
        title: Above them.
        length_s: After that it plays again.
    """

    def __init__(self, title: str, length_s: float) -> None:
        self._title = title
        self._length_s = length_s
        self._texts: list[str] = []
        self._times: set[int] = set()
        self.rows = 0

    def put(self, pane: int, row: int, column: int, text: str, at_s: float, colour: str = "#c5c8c6") -> None:
        stripped = text.strip(" ")
        if not stripped:
            return
        column += len(text) - len(text.lstrip(" "))
        tick = round(at_s * TICKS_A_SECOND)
        self._times.add(tick)
        self.rows = max(self.rows, row + 1)
        x, y = 24 + pane * PANE + column * CELL, 76 + row * LINE
        self._texts.append(
            f'<text class="t{tick}" x="{x:.1f}" y="{y:.1f}" fill="{colour}" textLength="{len(stripped) * CELL:.1f}">'
            f"{escape(stripped).replace(' ', '&#160;')}</text>"
        )

    def svg(self) -> str:
        width, height = 2 * PANE + 24, 76 + self.rows * LINE
        middle = 12 + PANE
        dots = zip((24, 46, 68), ("#ff5f57", "#febc2e", "#28c840"), strict=True)
        frame = [
            f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#292929"/>',
            *(f'<circle cx="{x}" cy="22" r="7" fill="{colour}"/>' for x, colour in dots),
            f'<text x="{middle:.0f}" y="28" text-anchor="middle" fill="#868887">{escape(self._title)}</text>',
            f'<line x1="{middle:.0f}" x2="{middle:.0f}" y1="44" y2="{height - 14:.0f}" stroke="#4a4a4a"/>',
        ]
        begin = f'<svg viewBox="0 0 {width:.0f} {height:.0f}" xmlns="http://www.w3.org/2000/svg">'
        return "\n".join([begin, "<style>", *self._style(), "</style>", *frame, *self._texts, "</svg>", ""])

    def _style(self) -> list[str]:
        font = "font-family:Fira Code,Menlo,Consolas,DejaVu Sans Mono,monospace;font-size:20px"
        rules = [f"text{{{font};white-space:pre;animation:{self._length_s:.1f}s step-end infinite}}"]
        for tick in sorted(self._times - {0}):
            shown_at = 100 * tick / TICKS_A_SECOND / self._length_s
            rules.append(
                f".t{tick}{{animation-name:k{tick}}}@keyframes k{tick}{{0%{{opacity:0}}{shown_at:.2f}%{{opacity:1}}}}"
            )
        return [*rules, "@media (prefers-reduced-motion:reduce){text{animation:none}}"]


def rows_of(text: str, columns: int) -> list[tuple[int, int]]:
    """Where each row of a wrapped text begins and ends."""
    rows: list[tuple[int, int]] = []
    begin = 0
    while len(text) - begin > columns:
        space = text.rfind(" ", begin, begin + columns + 1)
        end = space if space > begin else begin + columns
        rows.append((begin, end))
        begin = end + (space > begin)
    return [*rows, (begin, len(text))]
