"""The dynamics of a model in words, in letters for a terminal, and as one HTML page."""

from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from forecast.dynamics import Dynamics
from forecast.models.base import Floats
from forecast.report.sparks import bars
from forecast.report.style import sheet
from forecast.report.svg import (
    WIDTH,
    Key,
    Plot,
    base_axis,
    document,
    line,
    segment,
    value_axis,
)
from forecast.report.ticks import Tick, nice

FADED = 1e-3  # a gradient or a distance smaller than this is as good as gone
LARGE = 1e3
SHOWN = 60  # letters of a plot at most

Fact = tuple[str, str, str]  # name, value, what it means


def facts(found: Dynamics) -> list[Fact]:
    """Return each measure with its value and one sentence on what it means."""
    return [
        ("spectral radius", f"{found.spectral_radius:.3g}", _radius(found.spectral_radius)),
        ("Lyapunov exponent", f"{found.lyapunov:+.3g} a step", _exponent(found.lyapunov)),
        ("half-life", _steps(found.half_life, found), _echo(found)),
        ("memory capacity", f"{found.capacity:.3g} of {found.units:,}", _recall(found)),
        ("gradient", f"{found.gradients[-1]:.2g} over {_span(found)}", _gradient(found)),
        ("singular values", f"{found.singular_values[0]:.3g} at most", _stretch(found)),
    ]


def as_json(found: Dynamics) -> dict[str, Any]:
    """Return the measures as JSON-able facts; what is infinite or NaN is null."""
    return {
        name: [_number(v) for v in value] if isinstance(value, np.ndarray | tuple)
        else _number(value)
        for name, value in asdict(found).items()
    }  # fmt: skip


def text(found: Dynamics) -> str:
    """Return the facts and four plots as lines for a terminal."""
    lines = [f"dynamics  {_head(found)}"]
    for name, value, meaning in facts(found):
        lines.append(f"  {name:<17}  {value:<22}  {meaning}")
    for title, values, ends in _curves(found):
        lines.append(f"  {title:<42}  {bars(_shortened(values))}  {ends}")
    return "\n".join(lines)


def page(found: Dynamics, title: str) -> str:
    """Return one HTML page that needs nothing else: the facts and a figure of each curve."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td>'
        f'<td style="text-align:left;white-space:normal">{escape(meaning)}</td></tr>'
        for name, value, meaning in facts(found)
    )
    figures = "".join(
        f'<h3>{escape(name)}</h3><figure><div class="scroll">{drawn}</div></figure>'
        for name, drawn in _figures(found)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}: dynamics</title>\n<style>{sheet()}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}: dynamics</h1><p>{escape(_head(found))}</p></header>\n"
        f'<main><div class="scroll"><table><tbody>{rows}</tbody></table></div>{figures}</main>\n'
        "<footer>Written by forecast.</footer>\n</body>\n</html>\n"
    )


def _head(found: Dynamics) -> str:
    rows = "1 row" if found.rows_per_step == 1 else f"{found.rows_per_step:,} rows"
    mean = f", mean of {found.members} members" if found.members > 1 else ""
    return f"along {found.steps:,} steps of {rows}, {found.units:,} units{mean}"


def _steps(count: float, found: Dynamics) -> str:
    if not np.isfinite(count):
        return "none"
    rows = f" ({count * found.rows_per_step:.0f} rows)" if found.rows_per_step > 1 else ""
    return f"{count:.3g} steps{rows}"


def _span(found: Dynamics) -> str:
    return f"{found.lags[-1]} step{'s' * (found.lags[-1] > 1)}"


def _radius(radius: float) -> str:
    if radius < 1:
        return "Below 1: left alone, the weights let the past fade."
    return "At least 1: left alone, the weights would keep or amplify the past."


def _exponent(rate: float) -> str:
    if not np.isfinite(rate):
        return "A disturbance is gone after one step: nothing is carried on."
    if abs(rate) < 1e-3:
        return "A small disturbance neither grows nor fades: the edge of stability."
    steps = np.log(2) / abs(rate)
    if rate < 0:
        return f"Along the data a small disturbance halves every {steps:.3g} steps."
    return f"Along the data a small disturbance doubles every {steps:.3g} steps: chaos."


def _echo(found: Dynamics) -> str:
    if found.distances[-1] < FADED:
        return "Two different starts come together: the state is an echo of the input alone."
    if np.isfinite(found.half_life):
        return "Two different starts draw nearer, but are not yet one at the end of the data."
    return "Two different starts stay apart: the state depends on where it began."


def _recall(found: Dynamics) -> str:
    good = np.flatnonzero(found.recalled < 0.5)
    back = int(good[0]) if len(good) else len(found.recalled)
    if back == 0:
        return "The state does not give back even the newest input, by a linear readout."
    return f"Of white noise, the newest {back} inputs can be read off the state at least by half."


def _gradient(found: Dynamics) -> str:
    if found.gradients[-1] < FADED:
        k = next(k for k, g in zip(found.lags, found.gradients, strict=True) if g < FADED)
        return f"It vanishes: beyond {k} steps back the state hardly depends on the state then."
    if found.gradients[-1] > LARGE:
        return "It explodes: small changes long ago decide the state now."
    return "It neither vanishes nor explodes over the steps measured."


def _stretch(found: Dynamics) -> str:
    count = int((found.singular_values > 1).sum())
    if not count:
        return "Every direction shrinks at each step: forgetting is certain."
    return f"One step stretches {count:,} of {found.units:,} directions and shrinks the others."


def _curves(found: Dynamics) -> list[tuple[str, Floats, str]]:
    """Return title, values and ends of each curve."""
    distances = _apart(found.distances)
    recalled = found.recalled[: _reach(found.recalled)]
    return [
        (f"log distance of two starts, {len(distances) - 1} steps", np.log10(distances),
         f"1 to {distances[-1]:.1g}"),
        (f"log gradient, {found.lags[0]} to {found.lags[-1]} steps back", np.log10(found.gradients),
         f"{found.gradients[0]:.2g} to {found.gradients[-1]:.1g}"),
        (f"share recalled, 0 to {len(recalled) - 1} steps back", recalled,
         f"{recalled[0]:.2g} to {recalled[-1]:.1g}"),
        ("singular values, falling", found.singular_values,
         f"{found.singular_values[0]:.2g} to {found.singular_values[-1]:.1g}"),
    ]  # fmt: skip


def _apart(distances: Floats) -> Floats:
    """Return `distances` up to the step at which the two states are one."""
    return distances[: max(int(np.flatnonzero(distances > distances.min())[-1:].sum()) + 2, 2)]


def _reach(recalled: Floats) -> int:
    """Return how many terms are shown: up to the last that is not nothing, and a few more."""
    some = np.flatnonzero(recalled)
    return min(int(some[-1]) + 6 if len(some) else 10, len(recalled))


def _shortened(values: Floats) -> Floats:
    if len(values) <= SHOWN:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, SHOWN).astype(int)])


def _figures(found: Dynamics) -> list[tuple[str, str]]:
    recalled = found.recalled[: _reach(found.recalled)]
    distances = _apart(found.distances)
    return [
        ("Distance of two states that started differently, by step",
         _curve(np.arange(len(distances)), distances, True)),
        ("Norm of the gradient of the state with respect to the state k steps before",
         _curve(found.lags, found.gradients, True)),
        ("Share of the input k steps before that a linear readout recalls",
         _curve(np.arange(len(recalled)), recalled, False)),
        ("Singular values of the Jacobian, falling",
         _curve(1.0 + np.arange(found.units), found.singular_values, False)),
    ]  # fmt: skip


def _curve(x: ArrayLike, y: Floats, log: bool) -> str:
    """Draw one curve; a logarithmic one has a line at 1."""
    x, shown = np.asarray(x, float), np.log10(np.maximum(y, 1e-300)) if log else y
    low, high = float(min(shown.min(), 0.0)), float(max(shown.max(), 0.0))
    pad = 0.06 * (high - low) or 1.0
    xs = (float(x[0]), float(x[-1]) if x[-1] > x[0] else float(x[0]) + 1)
    plot = Plot(64, 14, WIDTH - 78, 200, xs, (low - pad * (low < 0), high + pad))
    marks = _powers(*plot.ys) if log else nice(*plot.ys, 4)
    one = float(plot.y(0.0 if log else 1.0))
    rule = segment((plot.left, plot.right), (one, one), "var(--muted)", "4 4")
    inside = log or plot.ys[0] < 1 < plot.ys[1]
    drawn = [value_axis(plot, marks), base_axis(plot, nice(*xs, 8)), rule * inside,
             line(plot, x, shown, Key("", "var(--accent)"))]  # fmt: skip
    return document(drawn, plot.bottom + 30, "curve")


def _powers(low: float, high: float) -> list[Tick]:
    """Return marks at powers of ten within 10^low .. 10^high, at most about six."""
    every = max(-(-(int(high) - int(low)) // 6), 1)
    places = range(-(-int(np.ceil(low)) // every) * every, int(np.floor(high)) + 1, every)
    return [Tick(float(k), f"{10.0**k:.0e}" if abs(k) > 3 else f"{10.0**k:g}") for k in places]


def _number(value: Any) -> Any:
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
