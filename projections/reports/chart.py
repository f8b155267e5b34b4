"""A bar chart as SVG, drawn by hand: title, description, unit, every value in figures."""

from __future__ import annotations

from decimal import Decimal
from html import escape

from projections.reports.figures import Chart

_SIZE = 13
"""Of the letters; the widest of a common typeface is about as wide as high, the mean about half of that."""
_LETTER = 7
_BAR = 330
_VALUE = 60
_TITLE = 30
_ROW = 28
_HEIGHT = 18
_UNIT = 24
_GAP = 8
_DARK = "#0b0c0c"


def svg(chart: Chart, identity: str) -> str:
    """The chart; ``identity`` makes its ids unique in a page. A figure without a value has no bar.

    Its column of labels is as wide as the longest needs; where the title is longer than all, the chart is.
    """
    most = max((bar.figure.value or 0 for bar in chart.bars), default=0)
    left = max((len(bar.label) for bar in chart.bars), default=0) * _LETTER + 2 * _GAP
    bottom = _TITLE + _ROW * len(chart.bars) + 4
    width = max(left + _BAR + _VALUE, len(chart.title) * (_LETTER + 1))
    box = f'viewBox="0 0 {width} {bottom + _UNIT}"'
    named = f'class="chart" role="img" aria-labelledby="{escape(identity)}-title {escape(identity)}-desc"'
    text = f'font-family="Arial, Helvetica, sans-serif" font-size="{_SIZE}" fill="{_DARK}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {named} {text}>',
        f'<title id="{escape(identity)}-title">{escape(chart.title)}</title>',
        f'<desc id="{escape(identity)}-desc">{escape(chart.description)}</desc>',
        f'<text x="0" y="{_SIZE + 2}" font-weight="bold">{escape(chart.title)}</text>',
        f'<line x1="{left}" y1="{_TITLE - 4}" x2="{left}" y2="{bottom}" stroke="{_DARK}"/>',
        f'<line x1="{left}" y1="{bottom}" x2="{left + _BAR}" y2="{bottom}" stroke="{_DARK}"/>',
        f'<text x="{left}" y="{bottom + _SIZE + 3}">{escape(chart.unit)}; each bar begins at 0</text>',
    ]
    for place, bar in enumerate(chart.bars):
        top = _TITLE + _ROW * place
        long = 0 if not most else round(Decimal(bar.figure.value or 0) * _BAR / Decimal(most), 1)
        middle = top + _HEIGHT - 4
        lines += [
            f'<text x="{left - _GAP}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{left}" y="{top}" width="{long}" height="{_HEIGHT}" fill="#1d70b8" stroke="{_DARK}"/>',
            f'<text x="{left + long + 6}" y="{middle}">{escape(bar.figure.shown)}</text>',
        ]
    return "\n".join([*lines, "</svg>"])
