"""How the report looks: colours that colour-blind readers tell apart, light and dark.

The hues follow Okabe & Ito (2008), darkened or lightened until a line has a contrast of 3 to 1.
"""

from collections.abc import Iterable

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

LIGHT = {
    "paper": "#ffffff", "raised": "#f6f7f9", "ink": "#1c2430", "muted": "#5b6675",
    "grid": "#e8ebf0", "axis": "#9aa4b2", "accent": "#0072b2", "fill": "#d8e8f3",
    "blue": "#0072b2", "orange": "#d55e00", "green": "#00875f", "purple": "#9b4f96",
    "amber": "#b07d00", "teal": "#2a7f8e", "pink": "#c2447c", "brown": "#8a5a33",
    "grey": "#7a8594",
}  # fmt: skip
DARK = {
    "paper": "#12161d", "raised": "#1a2029", "ink": "#e8ecf2", "muted": "#9aa5b4",
    "grid": "#28303b", "axis": "#5d6878", "accent": "#6cb8ea", "fill": "#1d3a50",
    "blue": "#5db1ea", "orange": "#ff9355", "green": "#3ccfa0", "purple": "#d9a0d6",
    "amber": "#f0c24b", "teal": "#6cc9d6", "pink": "#ff8fb8", "brown": "#cfa27e",
    "grey": "#8e9aaa",
}  # fmt: skip

OWN = {"gru": "blue", "rnn": "orange", "esn": "green", "kalman": "purple", "linear": "amber"}
PLAIN = {
    "naive": "2 4", "snaive": "6 3", "snaive-week": "12 4", "drift": "7 3 1 3",
    "naive-ewma": "3 3",
}  # fmt: skip
SPARE = ("teal", "pink", "brown")


def marks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return colour and dash of each model, the same in every figure; naive ones are grey."""
    others = [name for name in names if name not in OWN and name not in PLAIN]
    spare = [*SPARE, *OWN.values()]
    found = {name: spare[k % len(spare)] for k, name in enumerate(others)} | OWN
    coloured = {name: (f"var(--{colour})", "") for name, colour in found.items()}
    return coloured | {name: ("var(--grey)", dash) for name, dash in PLAIN.items()}


def sheet() -> str:
    """Return the page's style sheet."""
    light, dark = (";".join(f"--{k}:{v}" for k, v in c.items()) for c in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{RULES}"
    )


RULES = f"""
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 {FONT};
 -webkit-text-size-adjust:100%}}
main,header,footer{{max-width:1120px;margin:0 auto;padding:0 20px}}
header{{padding-top:40px}}
h1{{font-size:1.9rem;line-height:1.2;margin:0 0 .4rem;letter-spacing:-.015em}}
h2{{font-size:1.45rem;line-height:1.25;margin:3.2rem 0 .6rem;padding-top:1.2rem;
 border-top:2px solid var(--ink);letter-spacing:-.01em}}
h3{{font-size:1.05rem;margin:2.2rem 0 .3rem}}
p{{margin:.4rem 0 1rem;max-width:70ch}}
.lead{{font-size:1.06rem}}
.note,figcaption,header p{{max-width:92ch}}
.note,figcaption,footer,header p{{
 color:var(--muted);font-size:.88rem;line-height:1.5}}
nav{{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin-top:.8rem}}
a{{color:var(--accent);text-underline-offset:.15em}}
:focus-visible{{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}}
.scroll{{overflow-x:auto;margin:.4rem 0 .6rem}}
table{{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums;
 line-height:1.35}}
th,td{{padding:.42rem .4rem;text-align:right;white-space:nowrap;
 border-bottom:1px solid var(--grid)}}
thead th{{color:var(--muted);font-weight:600;border-bottom:1px solid var(--axis)}}
th:first-child{{text-align:left;padding-left:0;position:sticky;left:0;background:var(--paper)}}
tbody th{{font-weight:600}}
tbody tr:hover td{{background:var(--raised)}}
thead button{{font:inherit;color:inherit;background:none;border:0;padding:.2rem 0;cursor:pointer}}
thead button:hover{{color:var(--accent)}}
[aria-sort] button::after{{content:" \\2191"}}
[aria-sort=descending] button::after{{content:" \\2193"}}
.sign{{font-size:.8em;color:var(--muted)}}
.pairs td.better,.pairs td.worse{{background:var(--raised);font-weight:600}}
.pairs td.better{{color:var(--green)}}
.pairs td.worse{{color:var(--orange)}}
.verdicts{{margin:.2rem 0 1rem;padding-left:1.2rem}}
.verdicts li{{margin:.15rem 0}}
.picker{{display:grid;grid-template-columns:minmax(12rem,18rem) minmax(14rem,1fr);gap:.2rem 1rem;
 align-items:start;margin:.6rem 0}}
.picker label{{color:var(--muted);font-size:.85rem;grid-row:1}}
.picker label[for$=word]{{grid-column:1}}
.picker input,.picker select{{font:inherit;font-size:.9rem;color:inherit;width:100%;
 background:var(--raised);border:1px solid var(--axis);border-radius:4px;padding:.3rem .5rem}}
.picker input{{grid-column:1;grid-row:2}}
.picker select{{grid-column:2;grid-row:2 / span 2}}
.picker .note{{grid-column:1;grid-row:3;margin:0}}
[hidden]{{display:none}}
.best{{font-weight:700;color:var(--accent)}}
.share{{min-width:7rem;
 background:linear-gradient(90deg,var(--fill) var(--share),transparent 0) no-repeat
 left center/calc(100% - 3.8rem) 68%}}
.tag{{font-weight:400;font-size:.78rem;color:var(--muted);border:1px solid var(--axis);
 border-radius:3px;padding:0 .35em;margin-left:.5em}}
.dot{{display:inline-block;width:.62em;height:.62em;border-radius:50%;margin-right:.5em}}
figure{{margin:.6rem 0 1.4rem}}
figure svg{{display:block;width:100%;min-width:720px;height:auto}}
.line{{fill:none;stroke-linejoin:round;stroke-linecap:round}}
.line:hover{{stroke-width:3.2}}
details dl{{padding:.2rem 0 .9rem}}
summary{{cursor:pointer;font-weight:600;padding:.5rem 0}}
details{{border-top:1px solid var(--grid)}}
details:last-of-type{{border-bottom:1px solid var(--grid)}}
pre{{background:var(--raised);border:1px solid var(--grid);border-radius:6px;padding:.8rem 1rem;
 font-size:.85rem;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.4rem;font-size:.88rem;margin:0}}
dt{{color:var(--muted)}}
dd{{margin:0;overflow-wrap:anywhere}}
footer{{padding:2.4rem 20px 3rem}}
@media(max-width:560px){{
 .picker{{display:block}}
 h1{{font-size:1.5rem}} h2{{font-size:1.25rem}}
 dl{{grid-template-columns:1fr}} dd{{margin-bottom:.4rem}}
}}
"""
