"""A fitted recurrent network as a dynamical system."""

from forecast.dynamics.driven import inspect
from forecast.dynamics.measures import Dynamics

__all__ = ["Dynamics", "inspect"]
