"""The roles that a covariate may play; a module that imports nothing."""

from typing import Literal, get_args

Role = Literal["static", "known", "past"]
ROLES: tuple[Role, ...] = get_args(Role)  # the order in which columns stand
