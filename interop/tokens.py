"""Phase five: tokens asked for, approved, fetched and used, with both sets of tools.

The same steps are taken with ``condor_token_...`` and with ``condor-twisted token``,
against the real collector and against ours. What the tools print has to be the same
but for what is made by chance, and the tokens have to say the same. Then a collector of
the other kind takes over with the same signing key, and the tokens have to be as good
there.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from interop import ads
from interop.compare import compare_rows
from interop.peers import ADDRESS, REAL, TWISTED, Collector, Kind, start
from interop.queries import await_own_ad, settle
from interop.report import Report
from interop.sandbox import Result, Sandbox, wait_until

__all__ = ["Findings", "check_tokens", "compare", "normalized"]

_USER = "nobody"
_DOMAIN = "pool.example"
_FILE = "from-interop"
_WAIT_SECONDS = 40
_TRUSTING = {"SEC_FS_ENFORCE_CHANNEL_BINDING": "False"}
"""For our client: 23.9 lets it make a directory whose name does not say for whom."""

_TOOLS: Mapping[str, str] = {
    "create": "condor_token_create",
    "list": "condor_token_list",
    "fetch": "condor_token_fetch",
    "request": "condor_token_request",
    "request-list": "condor_token_request_list",
    "approve": "condor_token_request_approve",
    "auto-approve": "condor_token_request_auto_approve",
}
_JWT = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{20,}")


@dataclass(slots=True)
class Findings:
    """What the tools printed, by the name of the step."""

    outputs: dict[str, str] = field(default_factory=dict)


def check_tokens(kind: Kind, sandbox: Sandbox, report: Report, work: Path) -> Findings:
    """Take every step with both sets of tools.

    Args:
        kind: Which collector.
        sandbox: A fresh sandbox.
        report: Gets the checks.
        work: Where keys and tokens are.

    Returns:
        What is to be compared with the other collector's.
    """
    findings = Findings()
    keys = work / "keys"
    keys.mkdir(mode=0o700)
    policy = _policy(keys)
    sets = [_Steps(ours, report, work, findings) for ours in (False, True)]
    for steps in sets:
        with _fresh(kind, sandbox, policy) as collector:
            steps.take(collector)
    first, second = (steps.said for steps in sets)
    for name, output in first.items():
        report.differences(
            f"{kind.name}: condor-twisted token: {name}",
            compare_rows(f"token tools: {name}", output, second[name]),
        )
    with _fresh(TWISTED if kind.is_real else REAL, sandbox, policy) as collector:
        for steps in sets:
            steps.use(collector, f"of the {kind.name} collector")
    return findings


@contextmanager
def _fresh(
    kind: Kind, sandbox: Sandbox, policy: Mapping[str, str]
) -> Iterator[Collector]:
    """Run a collector in a sandbox of its own, with the same files."""
    with (
        Sandbox(sandbox.root, sandbox.work) as own,
        start(kind, own, policy) as collector,
    ):
        await_own_ad(collector)
        yield collector


def compare(report: Report, expected: Findings, actual: Findings) -> None:
    """Record one check per step."""
    for name, output in expected.outputs.items():
        found = compare_rows(f"token: {name}", output, actual.outputs[name])
        report.differences(f"token: {name}", found)


def _policy(keys: Path) -> Mapping[str, str]:
    return {
        "ALLOW_READ": "*",
        "ALLOW_WRITE": "condor@*",
        "ALLOW_DAEMON": "condor@*",
        "ALLOW_NEGOTIATOR": "condor@*",
        "ALLOW_ADMINISTRATOR": "condor@*, root@*",
        "SEC_DEFAULT_AUTHENTICATION": "REQUIRED",
        "SEC_DEFAULT_ENCRYPTION": "REQUIRED",
        "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
        "SEC_PASSWORD_DIRECTORY": str(keys),
        "SEC_TOKEN_POOL_SIGNING_KEY_FILE": f"{keys}/POOL",
        "TRUST_DOMAIN": _DOMAIN,
        "UID_DOMAIN": _DOMAIN,
    }


def normalized(text: str, work: Path) -> str:
    """Give an output without what is made by chance, tokens as what they say."""
    text = text.replace(str(work), "WORK")
    text = _JWT.sub(lambda match: _claims(match.group()), text)
    text = re.sub(r'("(?:iat|exp)":)\d+', r"\1TIME", text)
    text = re.sub(r'"jti":"\w+"', '"jti":"JTI"', text).replace("\\/", "/")
    text = re.sub(r"\binterop(\.[\w.]+)?-\d+", "CLIENT", text)
    text = re.sub(r"tokens-(theirs|ours)", "tokens", text)
    text = re.sub(r"run condor[-\w]+( token approve| manually)?", "run TOOL", text)
    text = re.sub(r"( manually)?\.$", ".", text, flags=re.MULTILINE)
    return re.sub(r"\b\d{7}\b", "REQUEST", text)


def _claims(token: str) -> str:
    """What a token says, its life instead of its times."""
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in token.split(".")[:2]
    )
    issued = payload.pop("iat")
    payload.pop("jti")
    if "exp" in payload:
        payload["exp"] -= issued
    return f"TOKEN {json.dumps(header)} {json.dumps(payload, sort_keys=True)}"


class _Steps:
    """The steps with one set of tools.

    Args:
        ours: Which set.
        report: Gets the checks.
        work: Where tokens are.
        findings: Gets what is compared between collectors.
    """

    def __init__(
        self, ours: bool, report: Report, work: Path, findings: Findings
    ) -> None:
        self._ours = ours
        self._report = report
        self._work = work
        self._findings = findings
        self._name = "condor-twisted token" if ours else "condor_token"
        self._directory = work / f"tokens-{'ours' if ours else 'theirs'}"
        self._directory.mkdir(mode=0o755)
        self.said: dict[str, str] = {}

    def take(self, collector: Collector) -> None:
        """Take all steps."""
        self._collector = collector
        nobody = self._directory / _USER
        nobody.mkdir(mode=0o700)
        uid, gid = collector.sandbox.ids_of(_USER)
        os.chown(nobody, uid, gid)
        self._record("nothing pending", self._tool("request-list"))
        self._request_and_approve()
        self._auto_approve()
        self._fetch()
        self._local()
        self._errors()
        self.use(collector, "of this collector")

    def _request_and_approve(self) -> None:
        wish = ("-identity", f"alice@{_DOMAIN}", "-authz", "READ", "-lifetime", "900")
        with self._waiting_request("a request", *wish) as request_id:
            for options in ((), ("-json",), ("-reqid", request_id())):
                shown = " ".join(options[:1])
                self._record(f"list {shown}", self._tool("request-list", *options))
            self._record("list by nobody", self._tool("request-list", user=_USER))
            approve = ("approve", "-reqid", request_id())
            for user, answer in ((_USER, "yes\n"), ("root", "no\n"), ("root", "yes\n")):
                said = self._tool(*approve, user=user, standard_input=answer)
                self._record(f"approve by {user}: {answer.strip()}", said)
        own = ("-identity", f"{_USER}@{_DOMAIN}", "-lifetime", "900")
        with self._waiting_request("a request for oneself", *own) as request_id:
            said = self._tool(
                *("approve", "-reqid", request_id()), user=_USER, standard_input="yes\n"
            )
            self._record("approve for oneself", said)

    def _auto_approve(self) -> None:
        rule = ("auto-approve", "-netblock", "127.0.0.0/24")
        self._record("auto-approve by nobody", self._tool(*rule, user=_USER), code=True)
        wish = ("-identity", f"condor@{_DOMAIN}", "-authz", "ADVERTISE_MASTER")
        with self._waiting_request("a daemon's request", *wish, "-token", _FILE):
            self._record("auto-approve", self._tool(*rule, "-lifetime", "1800"))
        for options in (("-lifetime", "0"), ("-netblock", "junk")):
            self._record(
                f"auto-approve {' '.join(options)}", self._tool(*rule, *options)
            )
        said = self._tool("request", *wish, user=_USER)
        self._record("a request with a rule", said)
        file = self._directory / _USER / _FILE
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0
        self._check("-token writes a file of mode 0600", mode == 0o600, f"{mode:o}")
        self._record("list of tokens", self._tool("list", user=_USER))

    def _fetch(self) -> None:
        for options in (
            (),
            ("-authz", "READ", "-authz", "WRITE", "-lifetime", "60"),
            ("-key", "POOL"),
            ("-key", "OTHER"),
            ("-key", "AP"),
        ):
            fetched = self._tool("fetch", "-type", "collector", *options, user=_USER)
            self._record(f"fetch {' '.join(options)}", fetched)

    def _local(self) -> None:
        identity = ("-identity", f"bob@{_DOMAIN}")
        for options in ((), ("-authz", "READ", "-lifetime", "60"), ("-key", "NONE")):
            created = self._tool("create", *identity, *options)
            name = f"create {' '.join(options)}"
            self._record(name, created, code="NONE" in options)
        self._record("create -token", self._tool("create", *identity, "-token", "a/b"))

    def _errors(self) -> None:
        for line in ("request-list -reqid junk", "approve -reqid 1", "fetch -type x"):
            failed = self._tool(*line.split())
            self._record(line, failed, code="-type" in line)

    def use(self, collector: Collector, whose: str) -> None:
        """Authenticate with the tokens that were got, at this collector or another."""
        self._collector = collector
        knobs = {
            "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
            "SEC_TOKEN_DIRECTORY": str(self._directory / _USER),
            "SEC_PASSWORD_DIRECTORY": "/nonexistent",
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "/nonexistent/POOL",
        }
        for ours in (False, True):
            tool = "condor-twisted advertise" if ours else "condor_advertise"
            for command, kind, accepted in (
                ("UPDATE_MASTER_AD", "-master", True),
                ("UPDATE_SCHEDD_AD", "-schedd", False),
            ):
                name = f"{'ours' if ours else 'theirs'}-{self._directory.name}"
                ad = ads.master_ad(f"{name}.{_DOMAIN}")
                ad["MyType"] = '"DaemonMaster"' if accepted else '"Scheduler"'
                file = self._work / "tokens.ads"
                file.write_text(ads.render_ads([ad]), encoding="utf-8")
                arguments = ("-pool", ADDRESS, "-tcp", command, str(file))
                run = collector.our_tool if ours else collector.tool
                first = "advertise" if ours else "condor_advertise"
                extra = _TRUSTING if ours else {}
                sent = run(first, *arguments, user=_USER, knobs={**knobs, **extra})
                settle(collector)
                listed = collector.tool(
                    "condor_status",
                    *(kind, "-constraint", f'Name == "{name}.{_DOMAIN}"'),
                    *("-af", "AuthenticatedIdentity", "AuthenticationMethod"),
                ).output.strip()
                wanted = f"condor@{_DOMAIN} IDTOKENS" if accepted else ""
                self._check(
                    f"with the token {whose} {tool} {command} is "
                    f"{'accepted' if accepted else 'refused'}",
                    listed == wanted and (sent.exit_code == 0 or not accepted),
                    f"stored: {listed}\n{sent.output}{sent.errors}",
                )

    # How.

    @contextmanager
    def _waiting_request(self, name: str, *options: str) -> Iterator[Callable[[], str]]:
        """Have a request waiting meanwhile; its token is recorded at the end."""
        results: list[Result] = []
        before = set(self._pending())

        def wait() -> None:
            results.append(
                self._tool(
                    "request", *options, user=_USER, timeout_seconds=_WAIT_SECONDS
                )
            )

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            wait_until(
                lambda: set(self._pending()) - before or not thread.is_alive(), 20
            )
            new = sorted(set(self._pending()) - before)
            self._check(f"{name} waits", len(new) == 1, str(new))
            yield lambda: new[0] if new else "0"
        finally:
            thread.join()
        self._record(name, results[0])

    def _pending(self) -> list[str]:
        listed = self._collector.tool("condor_token_request_list").output
        return re.findall(r'RequestId = "(\d+)"', listed)

    def _tool(
        self,
        action: str,
        *options: str,
        user: str = "root",
        standard_input: str = "",
        timeout_seconds: float = 60,
    ) -> Result:
        knobs = {"SEC_TOKEN_DIRECTORY": str(self._directory / user)}
        if self._ours:
            return self._collector.our_tool(
                *("token", action, *options),
                user=user,
                knobs={**knobs, **_TRUSTING},
                standard_input=standard_input,
                timeout_seconds=timeout_seconds,
            )
        return self._collector.tool(
            *(_TOOLS[action], *options),
            user=user,
            knobs=knobs,
            standard_input=standard_input,
            timeout_seconds=timeout_seconds,
        )

    def _record(self, name: str, result: Result, *, code: bool = False) -> None:
        """Keep what a tool said, or only whether it failed."""
        text = "" if code else f"{result.output}\n{result.errors}"
        outcome = "failed" if result.exit_code else "done"
        self.said[name] = f"{normalized(text, self._work)}\n{outcome}"
        self._findings.outputs[f"{self._name}: {name}"] = self.said[name]

    def _check(self, name: str, holds: bool, seen: str = "") -> None:
        self._report.check(
            f"{self._collector.kind.name}: {self._name}: {name}",
            holds,
            f"{seen}\n{'' if holds else self._collector.log_tail(8)}",
        )
