"""The tasks on the page of results: a table each, and all loads together."""

from collections.abc import Iterator

from records import Row, number, record, source, table

from forecast.results.score import geometric

LOADS = {
    "taylor": "Half-hourly load of England and Wales, a day ahead, four weeks of 2000",
    "vic-elec": "Half-hourly load of Victoria, a day ahead, all of 2014",
    "vic-elec-weather": "The same, told temperature and holidays as they came: perfect weather",
    "gefcom2012": "Hourly load of 18 zones (GEFCom2012), a day ahead, July 2007 to June 2008",
    "entsoe35": "Hourly load of 35 European countries, a day ahead, all of 2018",
    "m4-hourly": "414 hourly series of the M4 competition, 48 steps ahead",
}
PRICES = {
    "sp500-h1": "Closes of 20 stocks, one trading day ahead, 2009 to 2012",
    "sp500-h5": "The same, five days ahead",
    "google": "Google's close, one trading day ahead, the last 250 days of the data",
}
LOAD_COLUMNS = {"mase": "MASE", "skill": "Skill", "p": "p", "wql": "WQL", "cover80": "In 80 %",
                "rmsse": "RMSSE", "mape": "MAPE", "fit_seconds": "Fit, s",
                "predict_seconds": "Predict, s"}  # fmt: skip
PRICE_COLUMNS = {"mase": "MASE", "ratio": "Over the random walk", "p": "p", "wql": "WQL",
                 "cover80": "In 80 %", "r2_vs_rw": "R2", "hit_rate": "Hits",
                 "fit_seconds": "Fit, s"}  # fmt: skip


def loads() -> Iterator[str]:
    """Yield the sections of the load tasks."""
    yield "## Load\n"
    for name, title in LOADS.items():
        found = record(name)
        if found is not None:
            yield from task(name, title, found, LOAD_COLUMNS)
    yield from together()


def together() -> Iterator[str]:
    """Yield the geometric mean over the load tasks of each model's error beside the baseline's."""
    ratios: dict[str, list[float]] = {}
    tasks = [found for found in map(record, LOADS) if found is not None]
    for found in tasks:
        for score in found["scores"]:
            if score.get("skill") is not None:
                ratios.setdefault(score["model"], []).append(1 - score["skill"])
    whole = {name: each for name, each in ratios.items() if len(each) == len(tasks)}
    ranked = sorted(whole, key=lambda name: geometric(whole[name]))
    yield f"### All {len(tasks)} together\n"
    yield "Geometric mean over the tasks of MASE over the baseline's, as fev does it.\n"
    rows = [f"| {name} | {geometric(whole[name]):.3f} |" for name in ranked]
    yield "\n".join(["| Model | MASE over the baseline's |", "|:--|--:|", *rows]) + "\n"


def prices() -> Iterator[str]:
    """Yield the sections of the stock tasks."""
    yield "## Stocks\n"
    yield (
        "Ratios are to the random walk's MASE; the p-value is that of the difference. What can be "
        "forecast of prices, and what cannot: [stocks.md](stocks.md), [google.md](google.md).\n"
    )
    for name, title in PRICES.items():
        found = record(name)
        if found is not None:
            walk = next(s["mase"] for s in found["scores"] if s["model"] == "naive")
            for score in found["scores"]:
                score["ratio"] = score["mase"] / walk if walk and score["mase"] else None
            yield from task(name, title, found, PRICE_COLUMNS)


def task(name: str, title: str, found: Row, columns: dict[str, str]) -> Iterator[str]:
    """Yield one task: what was done, its table, where it comes from."""
    facts, data = found["facts"], found["data"]
    yield f"### {name}\n"
    yield (
        f"{title}: {data['series']} series, {found['task']['windows']} cutoffs from "
        f"{data['first_cutoff']} to {data['last_cutoff']}, {data['truths']:,} truths. "
        f"Baseline {found['baseline']}.\n"
    )
    yield table(found["scores"], columns, found["baseline"])
    yield from told(found)
    yield source(facts)


def told(found: Row) -> Iterator[str]:
    """Yield how models differ from peers, where there are some among them."""
    ranked = [(s["model"], s["device"] == "elsewhere") for s in found["scores"]]
    peers = [name for name, outside in ranked if outside]
    tests = {}
    for pair in found.get("pairs", ()):
        one, other, sign = pair["model"], pair["other"], pair["difference"]
        tests[one, other], tests[other, one] = (sign, pair["p"]), (-sign, pair["p"])
    if not peers:
        return
    yield "Against other tools, by the same test, each pair alone:\n"
    lines = [f"| | {' | '.join(f'*{peer}*' for peer in peers)} |", f"|:--|{'--:|' * len(peers)}"]
    for name in (name for name, outside in ranked if not outside):
        cells = [verdict(*tests.get((name, peer), (0.0, None))) for peer in peers]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    yield "\n".join(lines) + "\n"


def verdict(difference: float, p: float | None) -> str:
    """Return whether a model is better, by the `difference` of its losses and its p-value."""
    if p is None:
        return "-"
    word = "level" if p >= 0.05 else "better" if difference < 0 else "worse"
    return f"{word}, {number('p', p)}"
