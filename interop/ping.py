"""Phase four: what ``condor_ping`` says, both tools against both collectors.

Under several policies, as several users and with several wishes of the client, the real
tool and ours ask the same collector about the same levels. What the two print about one
collector is compared, and then what each prints about the two collectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from interop.compare import compare_rows
from interop.peers import ADDRESS, OPEN_POLICY, Collector, Kind, start
from interop.ping_facts import compare_facts
from interop.report import Report
from interop.sandbox import HOST_NAME, Result, Sandbox

__all__ = ["POLICIES", "Answers", "ask_everything", "check_daemons", "compare"]

_OWNER = "nobody"
_STRANGER = "daemon"
_LEVELS = ("READ", "WRITE", "DAEMON", "ADMINISTRATOR", "ADVERTISE_STARTD", "NEGOTIATOR")
_ADDRESS = ("-addr", f"<{ADDRESS}>")

_CLOSED = "one user, authenticated"

POLICIES: Mapping[str, Mapping[str, str]] = {
    "everything open": OPEN_POLICY,
    _CLOSED: {
        "ALLOW_READ": "*",
        **{
            f"ALLOW_{level}": f"{_OWNER}@*"
            for level in ("WRITE", "DAEMON", "NEGOTIATOR", "ADMINISTRATOR")
        },
        "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
        "SEC_READ_AUTHENTICATION": "OPTIONAL",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
    },
    "a policy for each level": {
        "ALLOW_READ": "127.0.0.1",
        "DENY_WRITE": f"{_STRANGER}@*",
        "ALLOW_WRITE": "*",
        "ALLOW_DAEMON_COLLECTOR": f"{_OWNER}@*/127.*",
        "ALLOW_DAEMON": "nobody.else@*",
        "COLLECTOR.ALLOW_ADVERTISE_STARTD": f"{_STRANGER}@*, {_OWNER}@*",
        "ALLOW_NEGOTIATOR": "interop.condor.example, localhost",
        "DENY_ADMINISTRATOR": "*",
        "ALLOW_ADMINISTRATOR": "*",
        "SEC_DEFAULT_AUTHENTICATION": "PREFERRED",
        "SEC_READ_AUTHENTICATION": "PREFERRED",
        "SEC_NEGOTIATOR_AUTHENTICATION": "NEVER",
        "SEC_DAEMON_ENCRYPTION": "REQUIRED",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "PASSWORD, FS_REMOTE, FS",
        "FS_REMOTE_DIR": "/nowhere/at/all",
        "SEC_DEFAULT_CRYPTO_METHODS": "BLOWFISH, AES",
    },
}
"""The policies of the collector, by what they are called in the report."""

_PLAIN: Mapping[str, str] = {"SEC_DEFAULT_AUTHENTICATION": "OPTIONAL"}
_TRUSTING = {"SEC_FS_ENFORCE_CHANNEL_BINDING": "False"}
"""For our client: 23.9 lets it make a directory whose name does not say for whom."""

_CLIENT: Mapping[str, str] = {
    "SEC_DEFAULT_AUTHENTICATION": "OPTIONAL",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS",
    "SEC_DEFAULT_CRYPTO_METHODS": "AES, BLOWFISH, 3DES",
    **_TRUSTING,
}
"""The tools' configuration, but for what a case wants."""

_WISHES: Mapping[str, Mapping[str, str]] = {
    "nothing in particular": {},
    "authentication": {"SEC_CLIENT_AUTHENTICATION": "REQUIRED"},
    "nothing at all": {
        f"SEC_CLIENT_{feature}": "NEVER"
        for feature in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
    },
    "Blowfish and integrity": {
        "SEC_CLIENT_CRYPTO_METHODS": "BLOWFISH",
        "SEC_CLIENT_INTEGRITY": "REQUIRED",
    },
    "3DES and encryption": {
        "SEC_CLIENT_CRYPTO_METHODS": "3DES",
        "SEC_CLIENT_ENCRYPTION": "REQUIRED",
    },
    "a method that the collector has not": {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "ANONYMOUS",
    },
    "two methods, the first of which fails": {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "FS_REMOTE, FS",
        "FS_REMOTE_DIR": "/nowhere/at/all",
    },
    "a method that fails": {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "FS_REMOTE",
        "FS_REMOTE_DIR": "/nowhere/at/all",
    },
    "authentication without a method": {
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION_METHODS": "NOTHING",
    },
    "no collector at this address": {"DENY_CLIENT": "127.0.0.1"},
}
"""What the client wants besides, by what it is called in the report."""

_STRANGERS_WISHES = ("nothing in particular", "authentication", "nothing at all")

_FORMS: tuple[tuple[str, ...], ...] = (
    (*_ADDRESS, "-table", "ALL"),
    (*_ADDRESS, "WRITE", "READ", "QUERY_ANY_ADS", "UPDATE_STARTD_AD", "60011"),
    (*_ADDRESS, "12345"),
    (*_ADDRESS, "-quiet", "WRITE"),
    ("-pool", ADDRESS, "-type", "collector", "READ"),
    ("-type", "collector", "-table", "WRITE"),
    ("-pool", ADDRESS, "-type", "startd", "READ"),
    ("-addr", "<127.0.0.1:9>", "READ"),
)


_DAEMONS: tuple[tuple[str, ...], ...] = (
    ("-type", "master"),
    ("-type", "schedd"),
    ("-type", "startd", "-name", HOST_NAME),
    ("-type", "negotiator"),
    ("-type", "collector"),
    ("-pool", ADDRESS, "-type", "schedd"),
    ("-pool", ADDRESS, "-name", HOST_NAME),
    ("-type", "master", "-name", "nowhere.example"),
    ("-addr", "<127.0.0.1:9622>"),
)


@dataclass(slots=True)
class Answers:
    """What the two tools printed about one collector.

    Args:
        facts: Outputs of ``-verbose`` by case and tool.
        rows: Outputs of other forms, likewise.
    """

    facts: dict[tuple[str, str], str] = field(default_factory=dict)
    rows: dict[tuple[str, str], str] = field(default_factory=dict)


def ask_everything(
    title: str, kind: Kind, sandbox: Sandbox, report: Report, suite: str
) -> Answers:
    """Ask a collector under one policy everything, with both tools.

    Args:
        title: Which of `POLICIES`.
        kind: Which collector.
        sandbox: A fresh sandbox.
        report: Gets the comparisons of the two tools.
        suite: The suite, for the names of cases that hang on the version.

    Returns:
        What is to be compared with the other collector's.
    """
    answers = Answers()
    policy = {**_PLAIN, **POLICIES[title]}
    with start(kind, sandbox, policy, user=_OWNER) as collector:
        asking = _Asking(collector, report, f"{suite} ping, {title}", answers)
        for user, wishes in ((_OWNER, tuple(_WISHES)), (_STRANGER, _STRANGERS_WISHES)):
            for wish in wishes:
                asking.facts(user, wish, _WISHES[wish])
        if title == _CLOSED:
            for user in (_OWNER, _STRANGER):
                for form in _FORMS:
                    asking.rows(user, form)
            _check_explanations(collector, report)
    return answers


def check_daemons(collector: Collector, report: Report) -> None:
    """Ask the other daemons of a pool, found in every way, with both tools.

    Args:
        collector: The pool's, with the configuration that its daemons have.
        report: Gets one check for each way.
    """
    for target in _DAEMONS:
        for form in ((), ("-table",)):
            words = (*target, *form, "READ", "DAEMON", "CONFIG", "ADMINISTRATOR")
            real = collector.tool("condor_ping", *words, user=_OWNER)
            ours = collector.our_tool("ping", *words, user=_OWNER, knobs=_TRUSTING)
            name = f"{collector.kind.name}: pool: ping {' '.join(words)}"
            report.differences(name, compare_rows(name, real.output, ours.output))
            report.check(
                f"{name}: exit code {real.exit_code}",
                real.exit_code == ours.exit_code,
                f"ours is {ours.exit_code}\n{ours.output}{ours.errors}",
            )


def compare(report: Report, expected: Answers, actual: Answers) -> None:
    """Record one check per case and tool: both collectors are told alike."""
    for (case, tool), output in expected.facts.items():
        with report.guarded(case):
            query = f"{case}: {tool}"
            found = compare_facts(query, output, actual.facts[case, tool])
            report.differences(f"{case}: {tool} finds the same", found)
    for (case, tool), output in expected.rows.items():
        found = compare_rows(f"{case}: {tool}", output, actual.rows[case, tool])
        report.differences(f"{case}: {tool} prints the same", found)


class _Asking:
    def __init__(
        self, collector: Collector, report: Report, title: str, answers: Answers
    ) -> None:
        self._collector = collector
        self._report = report
        self._title = title
        self._answers = answers

    def facts(self, user: str, wish: str, knobs: Mapping[str, str]) -> None:
        """Ask for all facts with both tools, and compare what they say."""
        case = f"{self._title}: {user} wants {wish}"
        done = self._both(user, (*_ADDRESS, "-verbose", *_LEVELS), knobs)
        for tool, result in done.items():
            self._answers.facts[case, tool] = result.output
        name = f"{case}: tools"
        real, ours = done.values()
        with self._report.guarded(name):
            found = compare_facts(name, real.output, ours.output)
            self._report.differences(f"{self._collector.kind.name}: {name}", found)
        self._codes(name, real, ours)

    def rows(self, user: str, form: tuple[str, ...]) -> None:
        """Ask in another form with both tools, and compare what they print."""
        case = f"{self._title}: {user}: ping {' '.join(form)}"
        done = self._both(user, form, {})
        for tool, result in done.items():
            self._answers.rows[case, tool] = result.output
        real, ours = done.values()
        found = compare_rows(f"{case}: tools", real.output, ours.output)
        self._report.differences(f"{self._collector.kind.name}: {case}: tools", found)
        self._codes(case, real, ours)

    def _both(
        self, user: str, arguments: tuple[str, ...], knobs: Mapping[str, str]
    ) -> dict[str, Result]:
        """Run both tools with plain wishes and these."""
        wanted = {**_CLIENT, **knobs}
        return {
            "condor_ping": self._collector.tool(
                "condor_ping", *arguments, user=user, knobs=wanted
            ),
            "condor-twisted ping": self._collector.our_tool(
                "ping", *arguments, user=user, knobs=wanted
            ),
        }

    def _codes(self, name: str, real: Result, ours: Result) -> None:
        self._report.check(
            f"{self._collector.kind.name}: {name}: exit code {real.exit_code}",
            real.exit_code == ours.exit_code,
            f"ours is {ours.exit_code}\n{ours.output}{ours.errors}",
        )


def _check_explanations(collector: Collector, report: Report) -> None:
    """What ``-explain`` tells whom."""
    ours = not collector.kind.is_real
    asked = (*_ADDRESS, "-explain", "WRITE")
    seen = {
        user: collector.our_tool("ping", *asked, user=user, knobs=_CLIENT).output
        for user in (_OWNER, _STRANGER)
    }
    raw = collector.our_tool(
        "ping",
        *_ADDRESS,
        "-explain",
        "READ",
        user=_STRANGER,
        knobs={**_CLIENT, **_WISHES["nothing at all"]},
    ).output
    expected = {
        "who is allowed": (
            seen[_OWNER],
            f"ALLOW_WRITE = {_OWNER}@*" if ours else "does not tell why",
        ),
        "who is refused": (
            seen[_STRANGER],
            "nothing in ALLOW_WRITE" if ours else "the server refuses",
        ),
        "nobody, who may know nothing": (raw, "the server does not tell its policy"),
    }
    for whom, (output, text) in expected.items():
        report.check(
            f"{collector.kind.name}: -explain for {whom}", text in output, output
        )
    report.check(
        f"{collector.kind.name}: -explain names no list to who has not authenticated",
        "ALLOW_READ" not in raw,
        raw,
    )
