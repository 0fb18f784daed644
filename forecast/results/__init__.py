"""What a backtest found: the task, each model's forecasts at every cutoff, and their scores."""

from forecast.results.benchmark import Benchmark
from forecast.results.forecasts import ModelRun
from forecast.results.score import Score
from forecast.results.tally import DECILES, LEVELS
from forecast.results.task import Task

__all__ = ["DECILES", "LEVELS", "Benchmark", "ModelRun", "Score", "Task"]
