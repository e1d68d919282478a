"""Columns that the command line itself describes: ``-format`` and ``-autoformat``.

Source: ``src/condor_utils/ad_printmask.cpp: parse_autoformat_args``.
"""

from __future__ import annotations

from condor_twisted.classad.expressions import check_expression
from condor_twisted.classad.literals import encode_text
from condor_twisted.classad.printing import read_expression
from condor_twisted.classad.syntax import NAME
from condor_twisted.tools.option_table import UsageError
from condor_twisted.tools.status.print_mask import Column, PrintMask
from condor_twisted.tools.status.printf import PrintfFormat
from condor_twisted.tools.status.renderers import JOB_ID
from condor_twisted.tools.status.text import from_value

__all__ = [
    "autoformat_columns",
    "format_column",
    "require_expression",
    "take_attributes",
]


def require_expression(text: str) -> None:
    """Refuse what is neither an attribute nor an expression.

    Raises:
        UsageError: It is neither.
    """
    data = encode_text(text).strip()
    if not data or not check_expression(data):
        raise UsageError(f"{text!r} is neither an attribute nor an expression")


def format_column(mask: PrintMask, text: str, attribute: str) -> None:
    """Add the column of one ``-format``.

    Args:
        mask: Where it goes.
        text: The format.
        attribute: What it shows.

    Raises:
        UsageError: That is no expression.
    """
    require_expression(attribute)
    printf = PrintfFormat.parse(from_value(text))
    if not mask.columns:
        mask.before_column = mask.after_row = ""
    mask.columns.append(
        Column(attribute, width=printf.width, left=printf.left, printf=printf)
    )


def take_attributes(
    arguments: list[str], start: int, argument: str
) -> tuple[list[str], int]:
    """What stands behind ``-af``.

    Args:
        arguments: The command line.
        start: Where its attributes begin.
        argument: How it was spelled.

    Returns:
        The attributes, and where the command line goes on; a lone dash ends them.

    Raises:
        UsageError: There is none.
    """
    end = start
    while end < len(arguments) and not arguments[end].startswith("-"):
        end += 1
    attributes = arguments[start:end]
    if not attributes:
        raise UsageError(f"{argument} needs at least one attribute")
    return attributes, end + (arguments[end : end + 1] == ["-"])


def autoformat_columns(mask: PrintMask, letters: str, attributes: list[str]) -> None:
    """Add the columns of one ``-af``.

    Args:
        mask: Where they go.
        letters: What stands behind the colon.
        attributes: What they show.

    Raises:
        UsageError: One of them is no expression.
    """
    mask.before_row, mask.before_column, mask.after_column = "", " ", ""
    mask.after_row = "\n"
    for letter in letters:
        if letter == ",":
            mask.after_column = ","
        elif letter == "n":
            mask.after_column = "\n"
        elif letter == "g":
            mask.before_row, mask.before_column = "\n", ""
        elif letter == "t":
            mask.before_column = "\t"
    conversion = "%v"
    for letter, wanted in (("r", "%r"), ("o", "%r"), ("V", "%V"), ("Y", "%Y")):
        if letter in letters:
            conversion = wanted
            break
    else:
        if "T" in letters:
            conversion = "%T"
    headings = "h" in letters or mask.has_headings
    labels = "l" in letters
    if "j" in letters:
        mask.columns.append(
            Column(
                "ClusterId",
                " ID" if headings else "",
                left=True,
                auto_width=headings,
                printf=PrintfFormat.parse("ID = %v" if labels else "%v"),
                renderer=JOB_ID,
            )
        )
    for attribute in attributes:
        require_expression(attribute)
        text = from_value(attribute)
        if headings:
            heading = text
            if "h" not in letters and len(text) > 16 and not _is_simple(attribute):
                heading = "(expr)"
            mask.columns.append(
                Column(
                    attribute,
                    heading,
                    len(heading),
                    left=True,
                    auto_width=True,
                    printf=PrintfFormat.parse(conversion),
                )
            )
            continue
        label = text.replace("%", "%%") + " = " if labels else ""
        mask.columns.append(
            Column(
                attribute,
                truncate=labels,
                printf=PrintfFormat.parse(label + conversion),
            )
        )
    mask.has_headings = headings


def _is_simple(attribute: str) -> bool:
    expression = read_expression(encode_text(attribute))
    tokens = expression.tokens
    return expression.value is not None or (len(tokens) == 1 and tokens[0].kind == NAME)
