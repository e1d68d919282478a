"""The configuration corpus: what ``condor_config_val`` makes of each of its files.

A file may say in comments how it is read::

    #: subsystem STARTD
    #: local-name LOC
    #: environment NAME=VALUE
    #: types int

The last one asks for the values of that type as they are evaluated.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CORPUS", "Case", "blocks_of", "comparable", "copy_corpus", "read_cases"]

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "config" / "corpus"

_DIRECTIVE = re.compile(r"#: ([a-z-]+) ?(.*)")
_BLOCK = re.compile(r"(\S+) (?:=|@=)")
_TEMPLATE_LINE = re.compile(r"(, use [A-Za-z]+:\w+)\+\d+")
_CHANCE = re.compile(r"(# expanded: \(.*LastPeriodicCheckpoint.* \+ )-?\d+( \* 60 )?\)")


@dataclass(slots=True)
class Case:
    """One file of the corpus.

    Args:
        name: The file's name.
        options: How the tool has to be told who reads it.
        environment: Variables that the reader sees.
        types: The type whose values are to be shown, if any.
    """

    name: str
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    types: str | None = None

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read the directives of a file."""
        case = cls(path.name)
        for line in path.read_text(encoding="utf-8").split("\n"):
            match = _DIRECTIVE.match(line)
            if match is None:
                continue
            word, value = match.groups()
            if word == "environment":
                name, _, text = value.partition("=")
                case.environment[name] = text
            elif word == "types":
                case.types = value
            else:
                case.options += [f"-{word}", value]
        return case

    @property
    def arguments(self) -> list[str]:
        """What ``condor_config_val`` is asked."""
        return [*self.options, "-dump", "-verbose"]

    @property
    def typed_arguments(self) -> list[str]:
        """What it is asked for the values of a type."""
        return [*self.options, f"-verbose:{self.types}", *self.typed_names()]

    def typed_names(self) -> list[str]:
        """The names that the file sets."""
        text = (CORPUS / self.name).read_text(encoding="utf-8")
        return re.findall(r"^(\w+) =", text, re.MULTILINE)


def read_cases() -> list[Case]:
    """Every case of the corpus, in the order of the alphabet."""
    return [Case.read(path) for path in sorted(CORPUS.glob("*.conf"))]


def copy_corpus(target: Path) -> None:
    """Put the files of the corpus somewhere, for whoever reads them there."""
    for path in CORPUS.glob("*.conf"):
        shutil.copy(path, target)
    shutil.copytree(CORPUS / "parts", target / "parts")


def blocks_of(dump: str) -> Iterator[tuple[str, str]]:
    """Cut the output of ``-dump -verbose`` into names with all that is said of each."""
    name, lines = "", list[str]()
    for line in dump.split("\n"):
        match = _BLOCK.match(line)
        if match is not None:
            if name:
                yield name, "\n".join(lines)
            name, lines = match[1], []
        if name and line:
            lines.append(line)
    if name:
        yield name, "\n".join(lines)


def comparable(block: str) -> str:
    """A block without what differs from one reading to the next, or may.

    That is the random number of one template, and the lines of templates: they are
    counted in the template's text, which is not the same text.
    """
    return _CHANCE.sub(r"\1N)", _TEMPLATE_LINE.sub(r"\1", block))
