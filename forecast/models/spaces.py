"""Where `tune` looks: for each family a few values of the settings that matter.

Small on purpose: what a fit chooses on its validation rows (ridges, leak rates, lags) is not here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Space:
    """`choices` by setting, as `--set` takes them.

    `work` names the setting that says how much is spent on a candidate; empty: one fit is one unit.
    A whole fit spends what the config says, or `whole` where that leaves it open.
    """

    choices: dict[str, tuple[str, ...]]
    work: str = ""
    whole: int = 1


_RECURRENT: dict[str, tuple[str, ...]] = {
    "units": ("0", "32", "128"),
    "rate": ("0.001", "0.003", "0.01"),
    "weight_decay": ("0.001", "0.01", "0.1"),
    "batch": ("0", "32", "128"),
}

SPACES = {
    "gru": Space(_RECURRENT, "updates", 1200),
    "rnn": Space({**_RECURRENT, "activation": ("tanh", "relu")}, "updates", 1200),
    "esn": Space(
        {
            "units": ("150", "300", "600"),
            "input_scale": ("0.1", "0.4", "1.0"),
            "clock_scale": ("0.3", "1.0", "2.0"),
            "state_penalty": ("10.0", "50.0", "250.0"),
            "harmonics": ("10", "20", "30"),
        },
        "reservoirs",
    ),
    "kalman": Space(
        {
            "trend": ("auto", "none", "damped"),
            "anomaly": ("0", "4", "8"),
            "smoothness": ("1.0", "1.5", "2.0"),
            "stretch": ("6", "12", "24"),
        },
        "evaluations",
    ),
    "linear": Space({"harmonics": ("5", "10", "20", "40"), "hours": ("auto", "yes", "no")}),
}
