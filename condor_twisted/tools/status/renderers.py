"""How columns make what they show.

Source: ``src/condor_utils/print_format_tables.cpp``,
``src/condor_status.V6/status.cpp: LocalPrintFormats``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from condor_twisted.classad.full_values import ComposedValue, FullValue
from condor_twisted.config.values import split_words
from condor_twisted.tools.status.print_mask import Renderer
from condor_twisted.tools.status.printf import Conversion, duration, short_date
from condor_twisted.tools.status.rows import Row, as_integer, as_real
from condor_twisted.tools.status.states import (
    ACTIVITIES,
    STATES,
    activity_letter,
    state_letter,
)
from condor_twisted.tools.status.text import from_value

if TYPE_CHECKING:
    from condor_twisted.tools.status.print_mask import Column

__all__ = [
    "ACTIVITY_CODE",
    "ACTIVITY_OR_OCU",
    "ACTIVITY_TIME",
    "CONDOR_VERSION",
    "DATE",
    "DUE_DATE",
    "ELAPSED_TIME",
    "JOB_ID",
    "LOAD_AVG",
    "MEMBER_COUNT",
    "PLATFORM",
    "READABLE_MB",
    "SLOT_COUNT_TAG",
    "STRINGS_FROM_LIST",
    "TIME",
    "UNIQUE",
    "platform_name",
]

_UNITS: Final = ("B ", "KB", "MB", "GB", "TB")
_DATE = re.compile(r"[^-]{4}-[^-]{2}-")


def _text(value: FullValue) -> str:
    return from_value(value) if isinstance(value, str) else ""


def readable(size_bytes: float) -> str:
    """A size with its unit.

    Source: ``src/condor_utils/metric_units.cpp: metric_units``.
    """
    power = 0
    while size_bytes > 1024.0 and power < len(_UNITS) - 1:
        size_bytes /= 1024.0
        power += 1
    return f"{size_bytes:.1f} {_UNITS[power]}"


def platform_name(row: Row) -> str | None:
    """``x64/Debian12``: the architecture and the operating system with its version."""
    if row.string("OpSys") == "WINDOWS":
        system = row.string("OpSysShortName")
    else:
        system = row.string("OpSysAndVer")
    if system is None:
        return None
    architecture = row.string("Arch") or ""
    return (
        {"X86_64": "x64", "X86": "x86"}.get(architecture, architecture) + "/" + system
    )


def short_version(text: str, *, with_build: bool) -> str:
    """``25.14.1`` and the build, of a ``$CondorVersion$`` string.

    Source: ``src/condor_utils/print_format_tables.cpp: format_version``.
    """
    words = text.split(" ")
    rest = [word for word in words[1:] if word]
    version = rest[0][:19] if rest else ""
    rest = rest[1:]
    # The date is one word, or three: Feb 12 2016.
    rest = rest[1:] if rest and _DATE.match(rest[0]) else rest[3:]
    if rest and rest[0].startswith("B"):
        rest = rest[1:]
    build = rest[0] if rest else ""
    if build.startswith("$") or not with_build:
        return version
    return version + "." + build.partition("-")[0][: max(0, 20 - len(version))]


def _activity_code(value: FullValue, row: Row, column: Column) -> FullValue | None:
    text = _text(value)
    if ACTIVITIES.get(text):
        state, activity = row.string("State"), text
        return state_letter(state) + activity_letter(activity)
    if STATES.get(text):
        return state_letter(text) + activity_letter(row.string("Activity"))
    return None


def _activity_or_ocu(value: FullValue, row: Row, column: Column) -> FullValue | None:
    activity = row.string("Activity")
    if not activity:
        return "??"
    if activity == "Idle" and row.boolean("OCU"):
        return "OCU"
    return value if isinstance(value, str) else ""


def _activity_time(value: FullValue, row: Row, column: Column) -> FullValue | None:
    now = row.integer("MyCurrentTime")
    if now is None:
        now = row.integer("LastHeardFrom")
    return None if now is None else max(0, now - (as_integer(value) or 0))


def _elapsed_time(value: FullValue, row: Row, column: Column) -> FullValue | None:
    now = row.integer("LastHeardFrom")
    return None if now is None else now - (as_integer(value) or 0)


def _due_date(value: FullValue, row: Row, column: Column) -> FullValue | None:
    now = row.integer("LastHeardFrom")
    return None if now is None else now + (as_integer(value) or 0)


def _version(value: FullValue, row: Row, column: Column) -> FullValue | None:
    if not isinstance(value, str) or not value:
        return None
    return short_version(value, with_build=column.auto_width or abs(column.width) >= 10)


def _platform(value: FullValue, row: Row, column: Column) -> FullValue | None:
    name = platform_name(row)
    return (
        None
        if name is None
        else name.encode("latin-1").decode("utf-8", "surrogateescape")
    )


def _member_count(value: FullValue, row: Row, column: Column) -> FullValue | None:
    if isinstance(value, str):
        return len(split_words(value))
    if isinstance(value, ComposedValue) and value.kind == "list":
        return len(value.items())
    return None


def _list_texts(value: ComposedValue) -> list[bytes]:
    """A list's items: strings without their quotes."""
    return [
        each.value.encode("utf-8", "surrogateescape")
        if isinstance(each.value, str)
        else each.spelled()
        for each in value.items()
    ]


def _unique(value: FullValue, row: Row, column: Column) -> FullValue | None:
    if isinstance(value, str):
        items = [word.encode("utf-8", "surrogateescape") for word in split_words(value)]
    elif isinstance(value, ComposedValue) and value.kind == "list":
        items = _list_texts(value)
    else:
        return None
    return b", ".join(sorted(set(items))).decode("utf-8", "surrogateescape")


def _strings_from_list(value: FullValue, row: Row, column: Column) -> FullValue | None:
    if not isinstance(value, ComposedValue) or value.kind != "list":
        return None
    return ", ".join(
        each.value for each in value.items() if isinstance(each.value, str)
    )


def _slot_count_tag(value: FullValue, row: Row, column: Column) -> FullValue | None:
    kind = value if isinstance(value, str) else ""
    return {"Static": "S", "Partitionable": " "}.get(kind, kind[:1])


def _job_id(value: FullValue, row: Row, column: Column) -> FullValue | None:
    cluster = row.integer("ClusterId")
    if cluster is None:
        job_id = row.value("JobId")
        return job_id if isinstance(job_id, str) else None
    process = row.integer("ProcId")
    return f"{cluster}.{-1 if process is None else process}"


def _readable_mebibytes(value: FullValue) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "        "
    return readable(value * 1024.0 * 1024.0)


ACTIVITY_CODE: Final = Renderer(
    "ACTIVITY_CODE", Conversion.VALUE, render=_activity_code, needs=("State",)
)
ACTIVITY_OR_OCU: Final = Renderer(
    "ACTIVITY_OR_OCU", Conversion.VALUE, render=_activity_or_ocu, needs=("State",)
)
ACTIVITY_TIME: Final = Renderer(
    "ACTIVITY_TIME",
    Conversion.VALUE,
    render=_activity_time,
    printf="%T",
    needs=("LastHeardFrom", "MyCurrentTime"),
)
CONDOR_VERSION: Final = Renderer("CONDOR_VERSION", Conversion.VALUE, render=_version)
DATE: Final = Renderer(
    "DATE", Conversion.INTEGER, format=lambda value: short_date(as_integer(value) or 0)
)
DUE_DATE: Final = Renderer(
    "DUE_DATE",
    Conversion.VALUE,
    render=_due_date,
    printf="%Y",
    needs=("LastHeardFrom",),
)
ELAPSED_TIME: Final = Renderer(
    "ELAPSED_TIME",
    Conversion.VALUE,
    render=_elapsed_time,
    printf="%T",
    needs=("LastHeardFrom",),
)
JOB_ID: Final = Renderer(
    "JOB_ID", Conversion.VALUE, render=_job_id, needs=("ProcId", "JobId")
)
LOAD_AVG: Final = Renderer(
    "LOAD_AVG", Conversion.REAL, format=lambda value: f"{as_real(value) or 0.0:.3f}"
)
MEMBER_COUNT: Final = Renderer(
    "MEMBER_COUNT", Conversion.VALUE, render=_member_count, printf="%d"
)
PLATFORM: Final = Renderer(
    "PLATFORM",
    Conversion.VALUE,
    render=_platform,
    needs=("Arch", "OpSysAndVer", "OpSysShortName"),
)
READABLE_MB: Final = Renderer(
    "READABLE_MB", Conversion.VALUE, format=_readable_mebibytes
)
SLOT_COUNT_TAG: Final = Renderer(
    "SLOT_COUNT_TAG", Conversion.VALUE, render=_slot_count_tag
)
STRINGS_FROM_LIST: Final = Renderer(
    "STRINGS_FROM_LIST", Conversion.VALUE, render=_strings_from_list
)
TIME: Final = Renderer(
    "TIME", Conversion.INTEGER, format=lambda value: duration(as_integer(value) or 0)
)
UNIQUE: Final = Renderer("UNIQUE", Conversion.VALUE, render=_unique)
