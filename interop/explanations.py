"""The differences that may be, each with its reason. Every other one is a fault.

A difference is judged by what it is about (`Rule.where`), by its field, and, where both
sides have a value, by the values: two times may differ only if both are times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from interop.compare import Difference

__all__ = ["RULES", "Rule", "explain"]

_NEAR_SECONDS = 900
_DURATION = re.compile(r"(\d+)\+(\d\d):(\d\d):(\d\d)")
_MOMENT = re.compile(r"\b1[0-9]{9}\b")
_HISTOGRAM = re.compile(r'"\d+(, \d+)*"')
_CLOCK = re.compile(r"\d\d[:/]\d\d")
_VERSION = re.compile(r"\$CondorVersion: .* \$")
_SESSION = re.compile(r"[\w.-]+:\d+:\d+:\d+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([Ee][-+]?\d+)?")


def _are_numbers(left: str | None, right: str | None) -> bool:
    return all(text is not None and _NUMBER.fullmatch(text) for text in (left, right))


def _numbers_if_there(left: str | None, right: str | None) -> bool:
    return all(text is None or _NUMBER.fullmatch(text) for text in (left, right))


def _left_out(left: str | None, right: str | None) -> bool:
    return left is not None and right is None


def _same_histogram_sums(left: str | None, right: str | None) -> bool:
    """Two texts like ``"0, 1, 0"`` that count equally many jobs."""
    if left is None or right is None:
        return False
    if not (_HISTOGRAM.fullmatch(left) and _HISTOGRAM.fullmatch(right)):
        return False
    counts = [[int(n) for n in re.findall(r"\d+", text)] for text in (left, right)]
    return sum(counts[0]) == sum(counts[1]) and len(counts[0]) == len(counts[1])


def _added(left: str | None, right: str | None) -> bool:
    return left is None and right is not None


def _zero_and_number(left: str | None, right: str | None) -> bool:
    return left in ("0", "0.0") and right is not None and _are_numbers(left, right)


def _method_left_out(left: str | None, right: str | None) -> bool:
    return left in ('"FS"', "FS") and right in (None, "undefined")


def _is_without_domain(left: str | None, right: str | None) -> bool:
    """Two identities, of which the first has no domain and the second has one."""
    return left is not None and right is not None and right.startswith(f"{left}@")


def _near_times(left: str | None, right: str | None) -> bool:
    """Two whole numbers of seconds that lie as far apart as two phases of one run."""
    if left is None or right is None or not (left.isdigit() and right.isdigit()):
        return False
    return abs(int(left) - int(right)) <= _NEAR_SECONDS


def _near_durations(left: str | None, right: str | None) -> bool:
    seconds = [_duration_seconds(text) for text in (left, right)]
    if seconds[0] is None or seconds[1] is None:
        return False
    return abs(seconds[0] - seconds[1]) <= _NEAR_SECONDS


def _duration_seconds(text: str | None) -> int | None:
    match = _DURATION.fullmatch(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _near_moments(left: str | None, right: str | None) -> bool:
    """Two texts that differ only in moments, and in those not by much."""
    if left is None or right is None:
        return False
    return (
        _MOMENT.sub("a moment", left) == _MOMENT.sub("a moment", right)
        and _MOMENT.search(left) is not None
        and all(map(_near_times, _MOMENT.findall(left), _MOMENT.findall(right)))
    )


def _idle_times(left: str | None, right: str | None) -> bool:
    return all(
        text == "[?????]" or _duration_seconds(text) is not None
        for text in (left, right)
    )


def _are_clocks(left: str | None, right: str | None) -> bool:
    return all(text is not None and _CLOCK.fullmatch(text) for text in (left, right))


def _anything(_left: str | None, _right: str | None) -> bool:
    return True


def _are_versions(left: str | None, right: str | None) -> bool:
    return all(text is not None and _VERSION.fullmatch(text) for text in (left, right))


def _are_session_ids(left: str | None, right: str | None) -> bool:
    return all(text is not None and _SESSION.match(text) for text in (left, right))


def _is_cached_reason(left: str | None, right: str | None) -> bool:
    """The same refusal of the server, with the reason that stood there before."""
    if left is None or right is None:
        return False
    before, cached, _ = left.partition("cached result for CLIENT")
    return bool(cached) and right.startswith(before)


def _are_of_no_common_method(left: str | None, right: str | None) -> bool:
    """The two ways to say it, nothing else."""
    ways = {
        "AUTHENTICATE:1003:Failed to authenticate with any method",
        "SECMAN:2005:Protocol Error: No auth methods.",
    }
    return {left, right} <= ways


def _is_closed_for_no_cipher(left: str | None, right: str | None) -> bool:
    """An answer without a cipher, and none: the client goes on with neither."""
    if left is None or right is None:
        return False
    return "provided no crypto method" in left and right.startswith("SECMAN:2011:")


def _both_there(left: str | None, right: str | None) -> bool:
    return left is not None and right is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of difference that may be.

    Args:
        reason: Why, as the report says it.
        field: Which attributes or columns, matched as a whole, whatever their case.
        values: Whether these two values may differ.
        query: Which queries, matched from their start.
        row: Which ads or lines, matched from their start.
    """

    reason: str
    field: str
    values: Callable[[str | None, str | None], bool] = _both_there
    query: str = ""
    row: str = ""

    def covers(self, difference: Difference) -> bool:
        """Say whether this rule explains a difference."""
        return bool(
            re.match(self.query, difference.query)
            and re.match(self.row, difference.row)
            and re.fullmatch(self.field, difference.field, re.IGNORECASE)
            and self.values(difference.expected, difference.actual)
        )


_OWN_AD = "Collector My Pool "
_POOL_ADS = "pool .*-(long|json)$"

_ON_ANY_COLLECTOR: tuple[Rule, ...] = (
    Rule("when it arrived", "LastHeardFrom", _near_times),
    Rule("elapsed time", r"column \d+", _near_durations),
    # The real collector's datagram socket names the method that a session could have
    # used; ours names one only with the identity that it proved.
    Rule(
        "no method where nobody authenticated", "AuthenticationMethod", _method_left_out
    ),
    Rule(
        "no method where nobody authenticated",
        "column 3",
        _method_left_out,
        query="condor_status -any -af Name AuthenticatedIdentity",
        row=r".* unauthenticated@unmapped FS$",
    ),
)

_OWN_AD_RULES: tuple[Rule, ...] = (
    Rule(
        "its clock",
        "MyCurrentTime|MonitorSelfTime|StatsLastUpdateTime|(Recent)?StatsLifetime",
        _near_times,
        row=_OWN_AD,
    ),
    Rule(
        "its own use of the machine",
        "MonitorSelf(Age|CPUUsage|ImageSize|RegisteredSocketCount|ResidentSetSize"
        "|SecuritySessions)|(Recent)?DaemonCoreDutyCycle",
        _are_numbers,
        row=_OWN_AD,
    ),
    Rule(
        "how often it had been asked by then",
        "(Recent)?(InProc|Fork)QueriesFrom[A-Z]+|ActiveQueryWorkers(Peak)?"
        "|PendingQueries(Peak)?",
        _anything,
        row=_OWN_AD,
    ),
)

_DIFFERENCES_OF_PROGRAMS: tuple[Rule, ...] = (
    Rule("another program", "CondorVersion|CondorPlatform", row=_OWN_AD),
    Rule(
        "ours says more about itself",
        "HandlerErrors|DaemonStartTime",
        _added,
        row=_OWN_AD,
    ),
    Rule("no broker of connections", "(Recent)?CCB.*", _left_out, row=_OWN_AD),
    Rule(
        "counted when it is asked, not when it last looked",
        "(Machine|Submitter)Ads(Peak)?",
        _are_numbers,
        query="condor_status -collector",
        row=_OWN_AD,
    ),
    # The real one's sums of lost updates stay 0, its ads' own counts do not.
    Rule(
        "lost updates are summed up",
        "(Recent)?UpdatesLost(Max|Ratio|_[A-Za-z]+)?",
        _zero_and_number,
        row=_OWN_AD,
    ),
    Rule(
        "23.9 keeps the spellings of a type apart",
        "<whole>",
        _added,
        query="condor_status -subsystem Frob",
        row="FROB frob-3$",
    ),
    # Two spellings of one type share an attribute; which of them shows is chance.
    Rule(
        "a type in two spellings",
        "(the spelling of )?(Recent)?Updates(Total|Initial|Lost)_frob",
        row=_OWN_AD,
    ),
)

_STATISTICS = "daemon statistics: "

_STATISTICS_RULES: tuple[Rule, ...] = (
    Rule(
        "handlers are functions of one program",
        "DC(Timer|Signal|Socket|Pipe)_.*",
        _anything,
        query=_STATISTICS,
    ),
    Rule(
        "commands that ours does not serve",
        "DCCommand_(CCB_[A-Z_]+|IMPERSONATION_TOKEN_REQUEST)(Runtime)?",
        _left_out,
        query=_STATISTICS,
    ),
    Rule("written files are not timed", "DCfsync(Runtime)?", _left_out, _STATISTICS),
    # The real one makes its ad a second later, when it has been asked.
    Rule(
        "what had not happened when it told of itself",
        "(Recent)?(InProc|Fork)QueriesFromTOOL|(Recent)?DC.*(Avg|Min|Max|Std)",
        _left_out,
        query=f"{_STATISTICS}.* -statistics ",
    ),
)

_SETTLED_NUMBERS = (
    "Cpus|Memory|GPUs|SlotID|SlotTypeID|TotalSlots|NumDynamicSlots|TotalSlot(Cpus|Memory)"
    "|Total(Cpus|Memory|GPUs)|TotalInUse(Cpus|Memory)|Detected(Cpus|Memory|GPUs)"
    "|Total(Running|Idle|Held|Removed)Jobs|TotalJobAds|(Running|Idle|Held)Jobs|NumUsers"
    "|Jobs(Submitted|Started|Completed|Running|Exited)|ShadowsRunning"
    "|UpdatesLost|PriorityFactor|JobUniverse|JobStarts"
)
"""Numbers that a pool in one state always has alike, whenever it got there."""

_POOL_RULES: tuple[Rule, ...] = (
    Rule("a moment of this run", ".*", _near_moments, query=_POOL_ADS),
    Rule(
        "measured or counted by the daemons",
        f"(?!({_SETTLED_NUMBERS})$).*",
        _are_numbers,
        query=_POOL_ADS,
    ),
    Rule(
        "what a slot says once it has it",
        "TotalTime.*|(Console|Keyboard)Idle",
        _numbers_if_there,
        query=_POOL_ADS,
    ),
    Rule("idle time, if known", "column 5", _idle_times, query="pool .*-state$"),
    Rule(
        "in which class a job's size or time falls",
        "(Recent)?Jobs.*(Sizes|Runtimes)",
        _same_histogram_sums,
        query=_POOL_ADS,
    ),
    Rule("which cycles were the last", "LastNegotiationCycle.*", query=_POOL_ADS),
    Rule("the load", "column 9", _are_numbers, query="pool .*-compact$"),
    Rule("the load", "column 5", _are_numbers, query="pool .*-claimed$"),
    Rule("the time of day", "column [23]", _are_clocks, query="pool .*-negotiator$"),
    Rule("the last cycle", "column [4-9]", _are_numbers, query="pool .*-negotiator$"),
)

_PING = "[a-z]+ ping, "
_OURS = "(tools|condor-twisted ping)$"

_PING_RULES: tuple[Rule, ...] = (
    Rule("another program", "(Local|Remote) +Version", _are_versions, query=_PING),
    Rule("each session has its own id", "Session ID", _are_session_ids, query=_PING),
    Rule(
        "the real client gives its reason once",
        "Error",
        _is_cached_reason,
        query=f"{_PING}.*wants no collector at this address",
    ),
    Rule(
        "ours closes where there is no cipher in common",
        "Error",
        _is_closed_for_no_cipher,
        query=f"{_PING}.*wants 3DES and encryption",
    ),
    # A client of 23.9 does not say what it wishes for apart from what the other
    # features need, and a server of 23.9 does not listen.
    Rule(
        "23.9 authenticates for encryption and integrity",
        "Authenticat(ion|ed using)|All authentication methods|Remote Mapping",
        _anything,
        query="trixie ping, .*wants (Blowfish and integrity|3DES and encryption)",
    ),
    Rule(
        "23.9 authenticates for the level that is open to everyone",
        r"column [2346]",
        query=f"trixie ping, .*-table ALL: {_OURS}",
        row="ALLOW ",
    ),
    Rule(
        "23.9 authenticates for the level that is open to everyone",
        "<whole>",
        _anything,
        query=f"trixie ping, .*60011: {_OURS}",
        row="60011 command using .* succeeded as",
    ),
    Rule(
        "23.9 tries methods that nobody has in common",
        "Error",
        _are_of_no_common_method,
        query="trixie ping, .*wants (a method that|two methods, )",
    ),
)

_TOKEN_RULES: tuple[Rule, ...] = (
    # The tool of 23.9 takes a token without a request's id for a mistake.
    Rule(
        "23.9 wants an id besides the token",
        "<whole>",
        _left_out,
        query="token tools: a request with a rule",
        row="Remote daemon did not provide a valid request ID|failed$",
    ),
    Rule(
        "23.9 wants an id besides the token",
        "<whole>",
        _added,
        query="token tools: a request with a rule",
        row="TOKEN |done$",
    ),
    Rule(
        "ours tells nobody the paths of its files",
        "<whole>",
        _left_out,
        query="token: condor.*: fetch -key AP",
        row="Failed to request a session token: DAEMON:1:TOKEN:1:Failed to read file",
    ),
    Rule(
        "ours tells nobody the paths of its files",
        "<whole>",
        _added,
        query="token: condor.*: fetch -key AP",
        row="Failed to request a session token: DAEMON:1:Server does not have access",
    ),
)

_MATRIX_RULES: tuple[Rule, ...] = (
    Rule(
        "23.9 leaves names without a domain as they are",
        "outcome",
        _is_without_domain,
        query="CLAIMTOBE: ",
    ),
)

RULES: tuple[Rule, ...] = (
    *_PING_RULES,
    *_MATRIX_RULES,
    *_ON_ANY_COLLECTOR,
    *_OWN_AD_RULES,
    *_DIFFERENCES_OF_PROGRAMS,
    *_STATISTICS_RULES,
    *_POOL_RULES,
    *_TOKEN_RULES,
)


def explain(difference: Difference) -> str | None:
    """Give the reason why a difference may be, or ``None`` if it may not."""
    for rule in RULES:
        if rule.covers(difference):
            return rule.reason
    return None
