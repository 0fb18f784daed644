"""neuralforecast: GRU and NHITS, fitted once on the rows up to the first cutoff."""

import logging

import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import GRU, NHITS
from run import LEVELS, Task

PACKAGES = ("neuralforecast", "torch")
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False,
         "enable_checkpointing": False, "accelerator": "cpu"}  # fmt: skip


def run(name: str, task: Task) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of every cutoff, and how they were made."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    tool = NeuralForecast([_model(name, task)], freq=task.frequency)
    tool.fit(task.before(task.cutoffs[0]))
    parts = []
    context = 7 * task.seasons[0]
    for cutoff in task.cutoffs:
        out = tool.predict(df=task.before(cutoff, 2 * context))
        columns = {f"{p:g}": out[_column(name, p)].to_numpy() for p in LEVELS}
        parts.append(out[["unique_id", "ds"]].assign(cutoff=cutoff, mean=columns["0.5"], **columns))
    steps = {"GRU": "500 steps, 64 units", "NHITS": "1,000 steps"}[name]
    return pd.concat(parts), f"{steps}, context of seven seasons, quantile loss; fitted once"


def _model(name: str, task: Task) -> GRU | NHITS:
    usual = {
        "h": task.horizon, "input_size": 7 * task.seasons[0], "loss": MQLoss(quantiles=LEVELS),
        "scaler_type": "standard", "random_seed": 0, **QUIET,
    }  # fmt: skip
    if name == "NHITS":
        return NHITS(max_steps=1000, **usual)
    return GRU(max_steps=500, encoder_hidden_size=64, decoder_hidden_size=64, **usual)


def _column(name: str, level: float) -> str:
    if level == 0.5:
        return f"{name}-median"
    share = round(100 * abs(1 - 2 * level), 4)
    return f"{name}-{'lo' if level < 0.5 else 'hi'}-{share}"
