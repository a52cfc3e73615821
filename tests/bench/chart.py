"""The chart of a run, as SVG: a bar of each comparison on a scale of powers of ten, right of the middle where we are
ahead. It reads on light and on dark ground, in a browser as in a picture of a page, and has no script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from tests.bench.figures import Spread
from tests.bench.report import number

WIDTH, _TOP, _ROW, _TEXT, _RIGHT = 1040, 58, 22, 620, 60
_STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}.quiet{fill:#59636e}.title{font-weight:600;font-size:15px}
.grid{stroke:#d1d9e0}.one{stroke:#59636e}.ahead{fill:#1a7f64}.behind{fill:#b35900}.spread{stroke:#1f2328}
.ground{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}.grid{stroke:#3d444d}.one{stroke:#9198a1}
.ahead{fill:#3fb68b}.behind{fill:#e3883a}.spread{stroke:#f0f6fc}.ground{fill:#0d1117}}"""


def chart(bars: Sequence[tuple[str, str, Spread]]) -> str:
    """`bars`: the figure, who it is beside, how many times ahead we are. The side tells, not the colour alone."""
    reach = max([1.0, *(abs(math.log10(value)) for _, _, s in bars for value in (s.low, s.high))])
    decades = math.ceil(reach)
    height = _TOP + _ROW * len(bars) + 12
    title = "How many times ahead of others the gateway is (left of 1: behind)"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="24">{escape(title)}</text>',
        *_scale(decades, height),
    ]
    last = ""
    for place, (what, peer, found) in enumerate(bars):
        lines += _bar(_TOP + _ROW * place, what if what != last else "", peer, found, decades)
        last = what
    return "\n".join([*lines, "</svg>"]) + "\n"


def _x(value: float, decades: int) -> float:
    """Where a ratio stands: 1 in the middle, a power of ten each `decades`-th of a half."""
    half = (WIDTH - _TEXT - _RIGHT) / 2
    return round(_TEXT + half + half * math.log10(value) / decades, 1)


def _scale(decades: int, height: int) -> Iterator[str]:
    for power in range(-decades, decades + 1):
        x = _x(10.0**power, decades)
        kind = "grid" if power else "one"
        yield f'<line class="{kind}" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{height - 8}"/>'
        label = f"{10**power}" if power >= 0 else f"1/{10**-power}"
        yield f'<text class="quiet" x="{x}" y="{_TOP - 14}" text-anchor="middle">{label}</text>'


def _bar(y: int, what: str, peer: str, found: Spread, decades: int) -> Iterator[str]:
    middle = y + _ROW // 2
    one, end = _x(1, decades), _x(found.median, decades)
    kind = "ahead" if found.median >= 1 else "behind"
    told = escape(f"{peer}: {number(found.median)} (from {number(found.low)} to {number(found.high)})")
    if what:
        yield f'<text x="12" y="{middle + 4}">{escape(_short(what, 60))}</text>'
    yield f'<text class="quiet" x="{_TEXT - 12}" y="{middle + 4}" text-anchor="end">{escape(_short(peer, 30))}</text>'
    yield (
        f'<rect class="{kind}" x="{min(one, end)}" y="{y + 4}" width="{round(abs(end - one), 1)}" '
        f'height="{_ROW - 8}"><title>{told}</title></rect>'
    )
    low, high = _x(found.low, decades), _x(found.high, decades)
    yield f'<line class="spread" x1="{low}" y1="{middle}" x2="{high}" y2="{middle}"/>'
    at = max(high, end, one) + 6
    yield f'<text x="{at}" y="{middle + 4}">{number(found.median)} ×</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
