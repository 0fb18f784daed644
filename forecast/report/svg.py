"""Drawing: data to pixels, and the few SVG shapes the figures are made of.

Colours are named, `var(--ink)`, and take their value from the page (light or dark); `standalone`
writes the light ones in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from forecast.report.style import FONT, LIGHT
from forecast.report.ticks import Tick

Floats = NDArray[np.float64]

LETTER = 6.4  # pixels, about the width of a letter at 12 px
LINE = 16  # pixels between lines of text
WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle in pixels and the data range it shows."""

    left: float
    top: float
    width: float
    height: float
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, value: Floats | float) -> Floats:
        """Return pixels from the left."""
        low, high = self.xs
        return np.asarray(self.left + (np.asarray(value) - low) / (high - low) * self.width)

    def y(self, value: Floats | float) -> Floats:
        """Return pixels from the top."""
        low, high = self.ys
        return np.asarray(self.top + (high - np.asarray(value)) / (high - low) * self.height)

    @property
    def right(self) -> float:
        """Right edge in pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Lower edge in pixels."""
        return self.top + self.height

    def clip(self, shapes: str) -> str:
        """Return `shapes` cut off at the rectangle's edges."""
        box = f"{self.left:.1f} {self.top:.1f} {self.width:.1f} {self.height:.1f}"
        x, y, width, height = box.split()
        return (
            f'<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{box}">{shapes}</svg>'
        )


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a legend: a line, or the swatch of a band."""

    label: str
    colour: str
    dash: str = ""
    band: bool = False
    width: float = 2.0


def span(*values: Floats, share: float = 0.06) -> tuple[float, float]:
    """Return the range of all finite `values` with a margin of `share` at both ends."""
    flat = np.concatenate([np.ravel(v) for v in values])
    flat = flat[np.isfinite(flat)]
    low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 1.0)
    pad = (high - low) * share or abs(high) * share or 1.0
    return low - pad, high + pad


def text(x: float, y: float, words: str, anchor: str = "start", **style: str) -> str:
    """Return a line of text; keyword arguments become attributes."""
    style = {"fill": "var(--muted)"} | style
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(words)}</text>'


def segment(x: tuple[float, float], y: tuple[float, float], colour: str, dash: str = "") -> str:
    """Return a thin straight line."""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x[0]:.1f}" x2="{x[1]:.1f}" y1="{y[0]:.1f}" y2="{y[1]:.1f}" '
        f'stroke="{colour}"{dashes}/>'
    )


def line(plot: Plot, x: Floats, y: Floats, key: Key, parts: Sequence[slice] = ()) -> str:
    """Return a line through the points, interrupted at NaN and between `parts`."""
    drawn = []
    for part in parts or (slice(None),):
        px, py = plot.x(x[part]), plot.y(y[part])
        finite = np.concatenate([[False], np.isfinite(py), [False]])
        edges = np.flatnonzero(np.diff(finite.astype(np.int8)))
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            points = _points(px[a:b], py[a:b])
            drawn.append(f"M{points}" if b - a > 1 else f"M{points}h.1")
    dashes = f' stroke-dasharray="{key.dash}"' if key.dash else ""
    return (
        f'<path class="line" d="{"".join(drawn)}" stroke="{key.colour}" '
        f'stroke-width="{key.width:g}"{dashes}><title>{escape(key.label)}</title></path>'
    )


def band(
    plot: Plot, x: Floats, low: Floats, high: Floats, colour: str, parts: Sequence[slice] = ()
) -> str:
    """Return the area between two lines, interrupted at NaN and between `parts`."""
    drawn = []
    for part in parts or (slice(None),):
        kept = np.isfinite(low[part]) & np.isfinite(high[part])
        px = plot.x(x[part])[kept]
        there = _points(px, plot.y(low[part])[kept])
        back = _points(px[::-1], plot.y(high[part])[kept][::-1])
        if kept.any():
            drawn.append(f"M{there}L{back}Z")
    return f'<path d="{"".join(drawn)}" fill="{colour}" fill-opacity=".22"/>'


def _points(x: Floats, y: Floats) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def value_axis(plot: Plot, ticks: Sequence[Tick], title: str = "") -> str:
    """Return level lines with their numbers left of the plot, and a title above them."""
    drawn = []
    for tick in ticks:
        y = float(plot.y(tick.at))
        drawn.append(segment((plot.left, plot.right), (y, y), "var(--grid)"))
        drawn.append(text(plot.left - 8, y + 4, tick.label, "end"))
    if title:
        drawn.append(text(plot.left, plot.top - 10, title))
    return "".join(drawn)


def base_axis(plot: Plot, ticks: Sequence[Tick], title: str = "") -> str:
    """Return marks below the plot, in two lines where a mark has a context; none overlap."""
    base = plot.bottom
    drawn = [segment((plot.left, plot.right), (base, base), "var(--axis)")]
    free = -np.inf
    for tick in ticks:
        x = float(plot.x(tick.at))
        half = LETTER * len(tick.label) / 2
        if x - half < free:
            continue
        free = x + half + 6
        drawn.append(segment((x, x), (base, base + 5), "var(--axis)"))
        drawn.append(text(x, base + 19, tick.label, "middle"))
    said = [tick for tick in ticks if tick.context]
    places = [*(float(plot.x(tick.at)) for tick in said), np.inf]
    for tick, x, after in zip(said, places[:-1], places[1:], strict=True):
        if after - x > LETTER * len(tick.context) + 8:
            drawn.append(text(x, base + 19 + LINE, tick.context, "middle", fill="var(--ink)"))
    if title:
        drawn.append(text(plot.right, base + 19 + LINE, title, "end"))
    return "".join(drawn)


def legend(keys: Sequence[Key], left: float, top: float, width: float) -> tuple[str, float]:
    """Return the legend in as many lines as it needs within `width`, and its height."""
    drawn, x, y = [], left, top
    for key in keys:
        size = 30 + LETTER * 1.08 * len(key.label) + 18
        if x + size - 18 > left + width and x > left:
            x, y = left, y + 22
        if key.band:
            drawn.append(
                f'<rect x="{x:.1f}" y="{y + 1:.1f}" width="24" height="12" rx="2" '
                f'fill="{key.colour}" fill-opacity=".3"/>'
            )
        else:
            dashes = f' stroke-dasharray="{key.dash}"' if key.dash else ""
            drawn.append(
                f'<path d="M{x:.1f} {y + 7:.1f}h24" stroke="{key.colour}" fill="none" '
                f'stroke-width="{key.width + 0.5:g}"{dashes}/>'
            )
        drawn.append(text(x + 30, y + 11, key.label, fill="var(--ink)"))
        x += size
    return "".join(drawn), y - top + 22


def document(shapes: Sequence[str], height: float, label: str, width: float = WIDTH) -> str:
    """Return the figure: an SVG element that names its colours; `label` is read out for it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{escape(label)}" font-family="{FONT}" font-size="12" '
        f'fill="none">{"".join(shapes)}</svg>'
    )


def standalone(figure: str, title: str = "") -> str:
    """Return `figure` as a file of its own: light colours written in, a white ground, a title."""
    coloured = re.sub(r"var\(--([\w-]+)\)", lambda found: LIGHT[found[1]], figure)
    head, shapes = coloured.split(">", 1)
    width, height = (int(size) for size in re.findall(r'viewBox="0 0 (\d+) (\d+)"', head)[0])
    top = 40 if title else 0
    head = head.replace(f"0 0 {width} {height}", f"0 {-top} {width} {height + top}", 1)
    ground = f'<rect y="{-top}" width="100%" height="100%" fill="{LIGHT["paper"]}"/>'
    style = {"fill": LIGHT["ink"], "font_size": "16", "font_weight": "600"}
    words = text(14, -14, title, **style) if title else ""
    return f"{head}>{ground}{words}{shapes}\n"
