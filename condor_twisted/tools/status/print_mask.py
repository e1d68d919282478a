"""A table of columns: values of ads are rendered first, then shown in aligned columns.

Rendering all rows before the first is shown lets columns grow to their widest value.

Source: ``src/condor_utils/ad_printmask.cpp: AttrListPrintMask``,
``src/condor_utils/make_printmask.cpp: AddAttrListRow``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from condor_twisted.classad.full_values import ComposedValue, FullValue
from condor_twisted.classad.literals import UNDEFINED, encode_text
from condor_twisted.classad.printing import read_expression
from condor_twisted.classad.syntax import NAME
from condor_twisted.tools.status.printf import (
    Conversion,
    PrintfFormat,
    duration,
    short_date,
)
from condor_twisted.tools.status.rows import Row, as_integer, as_real, shown
from condor_twisted.tools.status.text import from_bytes, from_value

__all__ = ["Column", "PrintMask", "RenderedRow", "Renderer", "column"]

Format: TypeAlias = Callable[[FullValue], str]
Render: TypeAlias = Callable[[FullValue, Row, "Column"], "FullValue | None"]


@dataclass(frozen=True, slots=True)
class Renderer:
    """How a column makes what it shows, where a format alone does not do.

    Args:
        name: Its name in HTCondor's print formats.
        wants: The kind of value that it takes.
        format: Makes text of a valid value, when the row is shown.
        render: Makes another value of it when the row is rendered, or ``None`` for
            no value.
        printf: The format for the rendered value.
        needs: Attributes that it looks at.
    """

    name: str
    wants: Conversion
    format: Format | None = None
    render: Render | None = None
    printf: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(slots=True)
class Column:
    """One column; widths grow while rows are rendered.

    Args:
        attribute: An attribute's name, or an expression.
        heading: What stands above it.
        width: How wide it is; 0 for as wide as each value.
        left: Whether values stand on the left.
        auto_width: Whether it grows with its values.
        truncate: Whether longer values are cut.
        printf: The format of values.
        renderer: Makes the values.
        otherwise: What is shown where there is no value; a doubled character fills
            the column.
        prefix: Whether the separator stands in front of it.
        compute: Gives the value, instead of the attribute.
        needs: Attributes that ``compute`` looks at.
        multi_line: Whether values have several lines.
    """

    attribute: str
    heading: str = ""
    width: int = 0
    left: bool = False
    auto_width: bool = False
    truncate: bool = False
    printf: PrintfFormat | None = None
    renderer: Renderer | None = None
    otherwise: str = ""
    prefix: bool = True
    compute: Callable[[Row], FullValue] | None = None
    needs: tuple[str, ...] = ()
    text: bytes = field(default=b"", init=False)
    is_reference: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.text = encode_text(self.attribute)
        tokens = read_expression(self.text).tokens
        self.is_reference = len(tokens) == 1 and tokens[0].kind == NAME


def column(
    attribute: str,
    heading: str | None = None,
    *,
    width: int | None = None,
    printf: str | None = None,
    renderer: Renderer | None = None,
    otherwise: str = "",
    fit: bool = False,
    truncate: bool = False,
    prefix: bool = True,
    compute: Callable[[Row], FullValue] | None = None,
    needs: tuple[str, ...] = (),
) -> Column:
    """A column as one line of HTCondor's print formats describes it.

    Args:
        attribute: An attribute's name, or an expression.
        heading: What stands above it; the attribute by default.
        width: A fixed width, negative for the left; by default it grows from the
            heading's.
        printf: The format; ``%v`` by default, and none with a width or a renderer.
        renderer: Makes the values.
        otherwise: What is shown where there is no value.
        fit: Never cut.
        truncate: Cut longer values.
        prefix: Whether the separator stands in front of it.
        compute: Gives the value, instead of the attribute.
        needs: Attributes that ``compute`` looks at.
    """
    label = attribute if heading is None else heading
    if printf is None and renderer is not None:
        printf = renderer.printf
    elif printf is None and width is None:
        printf = "%v"
    wanted = -len(label) if width is None else width
    return Column(
        attribute,
        label,
        abs(wanted),
        left=wanted < 0,
        auto_width=width is None,
        truncate=truncate and not fit,
        printf=None if printf is None else PrintfFormat.parse(printf),
        renderer=renderer,
        otherwise=otherwise,
        prefix=prefix,
        compute=compute,
        needs=needs,
    )


@dataclass(slots=True)
class RenderedRow:
    """One row's values.

    Args:
        values: One for each column.
        valid: Whether each is to be shown, rather than what stands for no value.
    """

    values: list[FullValue]
    valid: list[bool]


_NUMERIC: Final = (Conversion.INTEGER, Conversion.CHARACTER, Conversion.TIME)
_PRINTED: Final = (Conversion.VALUE, Conversion.STRING, Conversion.RAW)


class PrintMask:
    """Columns, and what separates them.

    Args:
        columns: The columns.
        before_row: Stands in front of each row.
        before_column: Stands between columns.
        after_column: Likewise, behind each column but the last.
        after_row: Ends each row.
        has_headings: Whether columns have headings.
    """

    def __init__(
        self,
        columns: Iterable[Column] = (),
        *,
        before_row: str = "",
        before_column: str = " ",
        after_column: str = "",
        after_row: str = "\n",
        has_headings: bool = True,
    ) -> None:
        self.columns = list(columns)
        self.before_row = before_row
        self.before_column = before_column
        self.after_column = after_column
        self.after_row = after_row
        self.has_headings = has_headings
        #: Rows are cut to this width; 0 for none.
        self.max_width = 0

    def headings(self) -> str:
        """The line of headings."""
        parts = [self.before_row]
        last = len(self.columns) - 1
        for index, each in enumerate(self.columns):
            if index and each.prefix:
                parts.append(self.before_column)
            parts.append(each.heading.ljust(abs(each.width)))
            if index < last:
                parts.append(self.after_column)
        return self._cut("".join(parts)) + self.after_row

    def render(self, row: Row) -> RenderedRow:
        """Compute a row's values; columns grow to fit them."""
        rendered = RenderedRow([], [])
        for each in self.columns:
            value, valid = _rendered(each, row)
            if valid and each.auto_width:
                each.width = max(each.width, _value_width(each, value))
            rendered.values.append(value)
            rendered.valid.append(valid)
        return rendered

    def show(self, rendered: RenderedRow) -> str:
        """The line of a row."""
        parts = [self.before_row]
        last = len(self.columns) - 1
        for index, each in enumerate(self.columns):
            if index and each.prefix:
                parts.append(self.before_column)
            text = _shown(each, rendered.values[index], rendered.valid[index])
            if each.auto_width:
                each.width = max(each.width, len(text))
            parts.append(_aligned(each, text))
            if index < last:
                parts.append(self.after_column)
        return self._cut("".join(parts)) + self.after_row

    def _cut(self, line: str) -> str:
        return line[: self.max_width] if self.max_width else line


def _aligned(each: Column, text: str) -> str:
    """A value's text at its place in the column."""
    width = abs(each.width)
    if not width:
        return text
    if len(text) > width:
        return text[:width] if each.truncate else text
    return text.ljust(width) if each.left or each.width < 0 else text.rjust(width)


def _wanted(each: Column) -> tuple[Conversion, bool]:
    """The kind of value a column wants, and whether it wants one at all."""
    renderer = each.renderer
    if renderer is not None:
        return renderer.wants, True
    printf = each.printf
    if printf is None:
        return Conversion.VALUE, True
    return printf.kind, printf.kind is not Conversion.NONE and not printf.unsafe


def _rendered(each: Column, row: Row) -> tuple[FullValue, bool]:
    """A column's value for one ad, and whether it is valid."""
    kind, wants_value = _wanted(each)
    if not wants_value:
        printf = each.printf
        return ("" if printf is None else printf.text), True
    value, found = _evaluated(each, row)
    if each.renderer is None and found:
        if kind is Conversion.STRING and not isinstance(value, str):
            # What is no string is shown as the expression that it is.
            kind = Conversion.RAW
        if kind is Conversion.RAW:
            return _Text(row.spelled(each.attribute) or ""), True
    elif each.renderer is None and kind is Conversion.RAW:
        if each.is_reference:
            return "undefined", True
        return _Text(from_bytes(read_expression(each.text).spelled())), True
    if each.renderer is not None and each.renderer.render is not None:
        result = each.renderer.render(value, row, each)
        return (UNDEFINED, False) if result is None else (result, True)
    return _typed(kind, value)


def _evaluated(each: Column, row: Row) -> tuple[FullValue, bool]:
    """A column's value, and whether it is an attribute of the ad."""
    if each.compute is not None:
        return each.compute(row), False
    if row.has(each.attribute):
        return row.value(each.attribute), True
    if each.is_reference and b"." not in each.text:
        return UNDEFINED, False
    return row.evaluate(each.text), False


def _typed(kind: Conversion, value: FullValue) -> tuple[FullValue, bool]:
    """A value of the kind that the format takes."""
    if kind in _NUMERIC:
        integer = as_integer(value)
        return (0, False) if integer is None else (integer, True)
    if kind is Conversion.REAL:
        real = as_real(value)
        return (0.0, False) if real is None else (real, True)
    if kind is Conversion.STRING:
        return value, isinstance(value, str)
    if kind is Conversion.DATE:
        integer = as_integer(value)
        if integer is not None:
            return integer, True
        return value, isinstance(value, ComposedValue) and value.kind == "time"
    return value, True


class _Text(str):
    """A string that is text already."""

    __slots__ = ()


def text_of(value: str) -> str:
    """The text of a rendered string."""
    return value if isinstance(value, _Text) else from_value(value)


def _value_width(each: Column, value: FullValue) -> int:
    """How wide a value asks its column to be.

    Kept for compatibility: reals under ``%v`` ask for the width of their long form,
    and values of other kinds for nothing.

    Source: ``src/condor_utils/ad_printmask.cpp: calc_column_width``.
    """
    printf = each.printf
    kind = Conversion.NONE if printf is None else printf.kind
    if isinstance(value, str):
        return len(text_of(value))
    if isinstance(value, (bool, ComposedValue)) or not isinstance(value, (int, float)):
        return each.width
    if kind in _PRINTED:
        return len(str(value) if isinstance(value, int) else _long_real(value))
    if printf is None or kind is Conversion.NONE:
        return each.width
    if kind is Conversion.CHARACTER:
        return each.width
    return len(_formatted(each, printf, value))


def _long_real(value: float) -> str:
    return shown(value) if value == 0.0 else f"{value:1.15E}"


def _formatted(each: Column, printf: PrintfFormat, value: float) -> str:
    """A number in its format, at least as wide as the column."""
    if printf.kind is Conversion.TIME:
        text = duration(as_integer(value) or 0)
    elif printf.kind is Conversion.DATE:
        text = short_date(as_integer(value) or 0)
    elif isinstance(value, float):
        text = printf.of_real(value)
    else:
        text = printf.of_integer(value)
    return text.rjust(each.width)


def _shown(each: Column, value: FullValue, valid: bool) -> str:
    """The text of a value, not yet aligned."""
    if not valid:
        return _alternative(each)
    renderer = each.renderer
    if renderer is not None and renderer.format is not None:
        return renderer.format(value)
    printf = each.printf
    if printf is None or printf.is_plain_string:
        return text_of(value) if isinstance(value, str) else ""
    kind = printf.kind
    if kind is Conversion.NONE or printf.unsafe:
        return printf.text
    if kind in (Conversion.VALUE, Conversion.RAW):
        if isinstance(value, str) and printf.letter != "V":
            return printf.of_text(text_of(value))
        return printf.of_text(shown(value))
    if kind is Conversion.STRING:
        return printf.of_text(text_of(value) if isinstance(value, str) else "")
    if kind is Conversion.REAL:
        return _formatted(each, printf, as_real(value) or 0.0)
    return _formatted(each, printf, as_integer(value) or 0)


def _alternative(each: Column) -> str:
    """What stands for no value."""
    character = each.otherwise[:1]
    if not character or character == " ":
        return ""
    width = abs(each.width)
    if len(each.otherwise) == 1:
        return character
    if width == 0:
        return ""
    if width < 3:
        return character
    if character == "?":
        return "[" + "?" * (width - 2) + "]"
    return character * width
