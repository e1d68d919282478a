"""Text from peers in log lines: escaped, cut, and folded when it repeats.

A peer must not be able to make a line that begins like one of ours, nor to fill a
disk with lines: everything it says goes through `escaped`, and everything it can
provoke goes through a `FoldedLog`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.logger import Logger, LogLevel

__all__ = ["FoldedLog", "escaped"]

#: How much of one value of a peer goes into a line.
VALUE_LIMIT_BYTES = 1024
#: How many lines of one kind about one source a second has.
LINES_PER_SECOND = 10
#: How many lines of one kind a second has, whatever the sources say.
KIND_LINES_PER_SECOND = 200
#: How many (source, kind) pairs are told apart.
FOLDED_PAIRS_COUNT = 4096


def escaped(value: bytes | str, limit_bytes: int = VALUE_LIMIT_BYTES) -> str:
    r"""A peer's value as one printable piece of a log line.

    Control characters and bytes that are not UTF-8 become ``\xNN``, a backslash is
    doubled, and what is longer than the limit is cut with ``...``.
    """
    data = (
        value
        if isinstance(value, bytes)
        else value[: limit_bytes + 1].encode("utf-8", "backslashreplace")
    )
    cut = len(data) > limit_bytes
    text = data[:limit_bytes].decode("utf-8", "surrogateescape")
    if not text.isprintable() or "\\" in text:
        text = "".join(_escape(character) for character in text)
    return text + "..." if cut else text


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    if number < 0x20 or 0x7F <= number < 0xA0:
        return f"\\x{number:02x}"
    if not character.isprintable():
        return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
    return character


class FoldedLog:
    """Lines that peers can provoke, at most 10 a second of a kind and source.

    Sources can be made up, so there is a bound on a kind as a whole, too.

    What goes beyond is counted, and the count is logged with the next line of that
    kind and source, or by `flush`.

    Args:
        logger: Where the lines go.
        seconds: The monotonic clock.
    """

    __slots__ = ("_kinds", "_log", "_seconds", "_windows")

    def __init__(self, logger: Logger, seconds: Callable[[], float]) -> None:
        self._log = logger
        self._seconds = seconds
        #: (source, kind) -> [start of the second, lines in it, lines held back]
        self._windows: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        #: kind -> the same, of all sources; there are few kinds
        self._kinds: dict[str, list[float]] = {}

    def warn(self, kind: str, source: str, text: str, **fields: object) -> None:
        """Log a warning, or count it.

        Args:
            kind: What sort of line this is.
            source: Whom it is about: an address without its port.
            text: A `twisted.logger` format.
            fields: Its values; text from peers is `escaped` already.
        """
        if self.allowed(kind, source):
            self._log.warn(text, **fields)

    def info(self, kind: str, source: str, text: str, **fields: object) -> None:
        """Log an informational line, or count it, as `warn` does."""
        if self.allowed(kind, source):
            self._log.info(text, **fields)

    def allowed(self, kind: str, source: str) -> bool:
        """Whether one more line of this kind and source may be written now."""
        now = self._seconds()
        key = (source, kind)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = [now, 1, 0]
            if len(self._windows) > FOLDED_PAIRS_COUNT:
                old_key, old = self._windows.popitem(last=False)
                self._hold_back(old_key[1], now, int(old[2]))
            return self._kind_allowed(kind, now)
        if now - window[0] >= 1.0:
            held_back = int(window[2])
            window[:] = [now, 1, 0]
            self._windows.move_to_end(key)
            self._tell(key, held_back)
            return self._kind_allowed(kind, now)
        window[1] += 1
        if window[1] <= LINES_PER_SECOND:
            return self._kind_allowed(kind, now)
        window[2] += 1
        return False

    def _kind_allowed(self, kind: str, now: float) -> bool:
        """Whether a kind may have one more line, of whatever source."""
        total = self._kinds.get(kind)
        if total is None or now - total[0] >= 1.0:
            held_back = 0 if total is None else int(total[2])
            self._kinds[kind] = [now, 1, 0]
            self._tell(("other sources", kind), held_back)
            return True
        total[1] += 1
        if total[1] <= KIND_LINES_PER_SECOND:
            return True
        total[2] += 1
        return False

    def _hold_back(self, kind: str, now: float, count: int) -> None:
        """Count lines of a source that is forgotten."""
        self._kinds.setdefault(kind, [now, 0, 0])[2] += count

    def flush(self) -> None:
        """Log the counts of what was held back more than a second ago."""
        now = self._seconds()
        for key, window in list(self._windows.items()):
            if now - window[0] >= 1.0:
                del self._windows[key]
                self._tell(key, int(window[2]))
        for kind, total in self._kinds.items():
            if now - total[0] >= 1.0 and total[2]:
                self._tell(("other sources", kind), int(total[2]))
                total[2] = 0

    def _tell(self, key: tuple[str, str], count: int) -> None:
        if count:
            self._log.emit(
                LogLevel.warn,
                "{count} more lines about {kind} from {source} were left out",
                count=count,
                kind=key[1],
                source=key[0],
            )
