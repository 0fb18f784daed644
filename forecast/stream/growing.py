"""Arrays whose leading axis grows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Growing:
    """Arrays whose leading axis grows, at a cost per entry that does not."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = {name: np.array(array) for name, array in arrays.items()}
        self._size = len(next(iter(self._arrays.values()), ()))
        self._room = self._size

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._arrays[name]
        return array if self._size == self._room else array[: self._size]

    def part(self, at: Any, copied: bool = False) -> dict[str, NDArray[Any]]:
        """Return the entries `at`, views where it is a slice unless `copied`."""
        part = {name: array[at] for name, array in self._arrays.items()}
        return {name: array.copy() for name, array in part.items()} if copied else part

    def put(self, at: Any, entries: dict[str, NDArray[Any]]) -> None:
        """Write entries back."""
        for name, array in entries.items():
            self._arrays[name][at] = array

    def append(self, entry: dict[str, NDArray[Any]]) -> None:
        """Add one entry."""
        if self._size == self._room:
            self._room = 2 * self._room + 8
            for name, array in self._arrays.items():
                wide = np.zeros((self._room, *array.shape[1:]), array.dtype)
                wide[: self._size] = array[: self._size]
                self._arrays[name] = wide
        self._size += 1
        self.put(slice(self._size - 1, self._size), entry)
