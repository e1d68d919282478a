"""The attributes that a listing asks for.

Source: ``src/condor_utils/compat_classad_util.cpp: IsValidClassAdExpression,
walk_attr_refs``, ``src/condor_status.V6/prettyPrint.cpp: ppAdjustProjection``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from condor_twisted.classad.literals import encode_text
from condor_twisted.classad.printing import read_expression
from condor_twisted.classad.syntax import NAME, OPERATOR
from condor_twisted.tools.status.print_mask import Column

__all__ = ["Projection", "named_attributes"]


def named_attributes(expression: str) -> list[str]:
    """The attributes that an expression names, as they are spelled there."""
    tokens = read_expression(encode_text(expression)).tokens
    signs = [token.text if token.kind == OPERATOR else b"" for token in tokens]
    found: list[str] = []
    for index, token in enumerate(tokens):
        if token.kind != NAME:
            continue
        following = signs[index + 1] if index + 1 < len(signs) else b""
        if following in (b"(", b"="):
            continue
        selected = index > 0 and signs[index - 1] == b"."
        if following == b"." and not selected:
            continue
        if selected and index > 1 and signs[index - 2] in (b")", b"]"):
            continue
        found.append(token.text.decode("utf-8", "surrogateescape"))
    return found


class Projection:
    """A set of attributes, in any case of letters; the first spelling stays.

    Args:
        names: What is in it at first.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[bytes, str] = {}
        self.add(*names)

    def add(self, *names: str) -> None:
        """Ask for attributes."""
        for name in names:
            self._names.setdefault(encode_text(name).lower(), name)

    def add_expression(self, expression: str) -> None:
        """Ask for what an expression names."""
        self.add(*named_attributes(expression))

    def add_columns(self, columns: Iterable[Column]) -> None:
        """Ask for what columns show.

        Kept for compatibility: expressions are asked for as if they were names, too.
        """
        for column in columns:
            self.add_expression(column.attribute)
            if column.renderer is not None:
                self.add(*column.renderer.needs)
            self.add(column.attribute)

    def __iter__(self) -> Iterator[str]:
        """The attributes in the order of their names."""
        return (self._names[key] for key in sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)
