"""``config-val use CATEGORY[:TEMPLATE]``: which templates there are, and their text.

Source: ``src/condor_tools/config_val.cpp: PrintMetaParam, PrintMetaKnob``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from condor_twisted.config.metaknobs import (
    apply_arguments,
    compiled_in_metaknobs,
    parse_uses,
)
from condor_twisted.tools.beginning import warn

__all__ = ["show_template"]

_USE = re.compile(r"\s*use[ \t]+([A-Za-z]+)[ \t]*:(.*)", re.DOTALL)


def show_template(text: str, *, expand: bool = False, verbose: bool = False) -> None:
    """Print the names of a category, or the statements of a template.

    Args:
        text: ``CATEGORY``, or ``CATEGORY:TEMPLATE`` with arguments or without.
        expand: Print the statements of templates that it uses itself.
        verbose: Print which ones, too.
    """
    table = compiled_in_metaknobs()
    parts = re.split("([:=])", text, maxsplit=1)
    category, separator, rest = parts if len(parts) == 3 else (text, "", "")
    if not separator and "." in category:
        category, _, rest = category.partition(".")
        warn(f"{text} is not valid, assuming {category}:{rest} was intended")
    spelling = next(
        (each.category for each in table if each.category.lower() == category.lower()),
        None,
    )
    out = sys.stdout
    if spelling is not None and not rest:
        names = "".join(f"  {name}\n" for name in table.names(spelling))
        out.write(f"use {spelling} accepts\n{names}")
        return
    uses = parse_uses(rest)
    template = table.get(category, uses[0].name) if uses else None
    if template is None:
        name = f"{spelling}:{rest}" if spelling is not None else category
        out.write(f"Not defined: use {name.upper()}\n")
    elif expand or uses[0].arguments:
        verb = "expands to" if expand else "is"
        body = apply_arguments(template.text, uses[0].arguments)
        lines = "".join(f"{line}\n" for line in _lines(body, expand, verbose))
        out.write(f"use {template.category}:{rest} {verb}\n{lines}\n")
    else:
        out.write(f"use {template.category}:{template.name} is\n{template.text}\n")


def _lines(body: str, expand: bool, verbose: bool, depth: int = 20) -> Iterator[str]:
    """The statements of a template, and of those that it uses."""
    for line in body.split("\n"):
        match = _USE.match(line)
        if (match is None or verbose or not expand) and line.strip():
            yield line
        if match is None or not expand or not depth:
            continue
        if verbose:
            yield f" #begin-expanding# use {match[1]} : {match[2].strip()}"
        for use in parse_uses(match[2]):
            template = compiled_in_metaknobs().get(match[1], use.name)
            if template is not None:
                inner = apply_arguments(template.text, use.arguments)
                yield from _lines(inner, expand, verbose, depth - 1)
        if verbose:
            yield f" #end-expanding# use {match[1]} : {match[2].strip()}"
