"""A bar chart as SVG, drawn by hand: title, description, every value in figures."""

from __future__ import annotations

from decimal import Decimal
from html import escape

from projections.reports.figures import Chart

_LABEL = 190
_BAR = 330
_VALUE = 60
_ROW = 28
_HEIGHT = 18


def svg(chart: Chart, identity: str) -> str:
    """The chart; ``identity`` makes its ids unique in a page. A figure without a value has no bar."""
    most = max((bar.figure.value or 0 for bar in chart.bars), default=0)
    height = _ROW * len(chart.bars) + 8
    width = _LABEL + _BAR + _VALUE
    named = f'class="chart" aria-labelledby="{escape(identity)}-title {escape(identity)}-desc"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" {named}>',
        f'<title id="{escape(identity)}-title">{escape(chart.title)}</title>',
        f'<desc id="{escape(identity)}-desc">{escape(chart.description)}</desc>',
        f'<line x1="{_LABEL}" y1="0" x2="{_LABEL}" y2="{height - 4}" stroke="#0b0c0c"/>',
    ]
    for place, bar in enumerate(chart.bars):
        top = _ROW * place + 4
        long = 0 if not most else round(Decimal(bar.figure.value or 0) * _BAR / Decimal(most), 1)
        middle = top + _HEIGHT - 4
        lines += [
            f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{long}" height="{_HEIGHT}" fill="#1d70b8" stroke="#0b0c0c"/>',
            f'<text x="{_LABEL + long + 6}" y="{middle}">{escape(bar.figure.shown)}</text>',
        ]
    return "\n".join([*lines, "</svg>"])
