"""Pieces of a stream to lines; an endless one is given up, its rest skipped."""

from forecast.stream.feed import LONGEST


class Lines:
    """Cuts what arrives into lines and keeps the one that has not ended."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def cut(self, piece: bytes) -> list[bytes]:
        """Return the lines that end in `piece`; of one too long only its beginning, at once."""
        *lines, rest = piece.split(b"\n")
        if not lines:
            return self._grow(rest)
        if self._skipping:
            del lines[0]
        else:
            lines[0] = bytes(self._rest) + lines[0]
        self._rest, self._skipping = bytearray(rest), False
        return lines

    def end(self) -> list[bytes]:
        """Return the last line where nothing ended it."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest else []

    def _grow(self, piece: bytes) -> list[bytes]:
        if self._skipping:
            return []
        self._rest += piece
        if len(self._rest) <= LONGEST:
            return []
        self._skipping = True
        return self.end()
