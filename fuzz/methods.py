"""Conversations of every authentication method, alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from OpenSSL import SSL

from condor_twisted.constants.permissions import Permission
from condor_twisted.errors import (
    CondorTwistedError,
    NoMethodSucceeded,
    SecurityError,
)
from condor_twisted.security.handshake.pod_ads import PodAd
from condor_twisted.security.method_names import canonical_method
from condor_twisted.security.methods import find_method
from condor_twisted.security.methods.base import AuthResult, MethodContext
from condor_twisted.security.sspi import SspiProblem, SspiTurn
from condor_twisted.security.tickets import AcceptedTicket
from condor_twisted.security.tokens.token import SigningKey, create_token, scramble
from fuzz.carrying import (
    BOTH,
    CLIENT,
    METHOD_ERRORS,
    SERVER,
    Damage,
    Outcome,
    carry,
)
from fuzz.house import Broken
from tests.security.certificates import (
    HOST,
    OTHER_AUTHORITY,
    PROXY,
    USER,
    make_context,
)
from tests.security.kit import (
    CLIENT_ENDS,
    SERVER_ENDS,
    FakeFiles,
    FakeHost,
    FakeTicket,
    Side,
    counting_random,
    make_state,
)
from tests.security.methods.kit import NOW, VERSION, clock_of
from tests.security.scitoken_kit import ISSUER, KEYS, scitoken

__all__ = ["METHODS", "Method"]

_POOL_KEY: Final = b"the key of the pool"
_DIALLED: Final = "<127.0.0.1:9618?alias=localhost>"
#: Who nobody vouches for is trusted at first sight.
_TRUSTING: Final = {
    "SEC_KNOWN_HOSTS": "/known_hosts",
    "BOOTSTRAP_SSL_SERVER_TRUST": "True",
}
_REFUSED: Final = SspiProblem("The token supplied to the function is invalid.")


class _Login:
    """One side of a login by NTLM that expects its lines, however often it is asked."""

    def __init__(self, *lines: tuple[bytes, SspiTurn]) -> None:
        self._lines = list(lines)

    def advance(self, token: bytes) -> SspiTurn | SspiProblem:
        """Take a turn."""
        if not self._lines:
            return _REFUSED
        expected, turn = self._lines.pop(0)
        return turn if token == expected else _REFUSED


def _client_login() -> _Login:
    return _Login(
        (b"", SspiTurn(b"hello", False)), (b"challenge", SspiTurn(b"proof", True))
    )


def _server_login() -> _Login:
    return _Login(
        (b"hello", SspiTurn(b"challenge", False)),
        (b"proof", SspiTurn(b"", True, "CORP\\Alice")),
    )


@cache
def _token() -> str:
    key = SigningKey.from_file("POOL", _POOL_KEY)
    return create_token(key, "test.pool", "alice@test.domain", NOW, counting_random())


@cache
def _client_contexts() -> tuple[SSL.Context, ...]:
    return (
        make_context(),
        make_context(USER),
        make_context(PROXY, USER),
        make_context(USER, version=SSL.TLS1_2_VERSION),
        make_context(USER, trusts=OTHER_AUTHORITY),
    )


@cache
def _server_context() -> SSL.Context:
    return make_context(HOST, proxies=True)


@cache
def _scitoken() -> str:
    return scitoken()


@dataclass
class _Hosts:
    """The hosts of one conversation; one and the same where they share files."""

    client: FakeHost
    server: FakeHost


def _shared(chance: random.Random) -> _Hosts:
    host = FakeHost()
    return _Hosts(host, host)


def _with_credential(chance: random.Random) -> _Hosts:
    host = FakeHost(munge={"MUNGE:good:": 33})
    return _Hosts(host, host)


def _with_password(chance: random.Random) -> _Hosts:
    files = FakeFiles({"/password": scramble(b"a word")})
    return _Hosts(FakeHost(files=files), FakeHost(files=files))


def _with_tokens(chance: random.Random) -> _Hosts:
    return _Hosts(
        FakeHost(files=FakeFiles({"/tokens/t": _token().encode()})),
        FakeHost(files=FakeFiles({"/keys/POOL": _POOL_KEY})),
    )


def _with_certificates(chance: random.Random) -> _Hosts:
    context = chance.choice(_client_contexts())
    return _Hosts(
        FakeHost(tls=lambda settings: context),
        FakeHost(tls=lambda settings: _server_context()),
    )


def _with_scitoken(chance: random.Random) -> _Hosts:
    context = chance.choice(_client_contexts())
    return _Hosts(
        FakeHost(tls=lambda settings: context, bearer_token=_scitoken()),
        FakeHost(tls=lambda settings: _server_context(), issuer_keys={ISSUER: KEYS}),
    )


def _with_ticket(chance: random.Random) -> _Hosts:
    ticket = FakeTicket()
    accepted = AcceptedTicket("alice@TEST.REALM", ticket.reply)
    host = FakeHost(
        ticket=ticket,
        accepted={ticket.request: accepted},
        names={"127.0.0.1": ("localhost",)},
    )
    return _Hosts(host, host)


def _with_logins(chance: random.Random) -> _Hosts:
    return _Hosts(FakeHost(sspi=_client_login()), FakeHost(sspi=_server_login()))


def _mapped(method: str, name: str) -> str | None:
    return "alice@pool" if method == "SCITOKENS" else None


@dataclass
class Method:
    """Conversations of one method.

    Args:
        name: Its name, as map files have it.
        hosts: Makes the hosts of a conversation.
        knobs: The configuration of both sides.
        proves: Whether a damaged conversation cannot make anybody somebody else.
        peer_ad: What the server's ad says.
        allowed: What its sides may end with.
    """

    name: str
    hosts: Callable[[random.Random], _Hosts]
    knobs: Mapping[str, str] = field(default_factory=dict)
    proves: bool = True
    peer_ad: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[type[CondorTwistedError], ...] = METHOD_ERRORS

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that hear something."""
        return (CLIENT,) if self.name == "ANONYMOUS" else BOTH

    def run(self, chance: random.Random, victim: str, damage: Damage | None) -> Outcome:
        """One conversation, and what came of it.

        Raises:
            Broken: It ended as it must not.
        """
        hosts = self.hosts(chance)
        client, make_server = self.begin(hosts)
        server, outcome = carry(client, make_server, victim, damage, self.allowed)
        for host in (hosts.client, hosts.server):
            if isinstance(host.ticket, FakeTicket) and host.ticket.closed != [True]:
                raise Broken("a ticket was not given back once")
        if damage is not None and self.proves and server.value is not None:
            who = server.value.user, server.value.authenticated_name
            if who not in _honest(self.name):
                raise Broken(f"a damaged conversation made {who}")
        return outcome

    def begin(
        self, hosts: _Hosts
    ) -> tuple[Side[AuthResult], Callable[[bytes], Side[AuthResult]]]:
        """A client that has begun, and what makes the server."""
        ours, theirs = _contexts(self.name)
        method = find_method(canonical_method(self.name) or self.name)
        assert method is not None, self.name
        client = Side(method().client(ours), hosts.client)

        def make_server(first: bytes) -> Side[AuthResult]:
            side = Side(method().server(theirs), hosts.server)
            if client.sent:
                side.message_received(first)
            return side

        return client, make_server


@cache
def _contexts(name: str) -> tuple[MethodContext, MethodContext]:
    """What the sides of a method stand on: its client's, and its server's."""
    method = _find(name)
    hosts = method.hosts(random.Random(0))
    states = [
        make_state(
            method.knobs,
            files=host.files,
            clock=clock_of(NOW),
            identity_map=_mapped,
        )
        for host in (hosts.client, hosts.server)
    ]
    ad = PodAd({name.lower(): value for name, value in method.peer_ad.items()})
    ends = replace(CLIENT_ENDS, dialled=_DIALLED)
    return (
        MethodContext(states[0], ends, Permission.CLIENT, ad, VERSION),
        MethodContext(states[1], SERVER_ENDS, Permission.READ, PodAd({}), VERSION),
    )


@cache
def _honest(name: str) -> frozenset[tuple[str | None, str | None]]:
    """Whom undamaged conversations of a method make."""
    method = _find(name)
    found = set()
    for number in range(32):
        client, make_server = method.begin(method.hosts(random.Random(number)))
        server, _ = carry(client, make_server, SERVER, None, method.allowed)
        result = server.outcome()
        found.add((result.user, result.authenticated_name))
    return frozenset(found)


def _find(name: str) -> Method:
    return next(each for each in METHODS if each.name == name)


METHODS: Final = (
    Method("CLAIMTOBE", _shared, proves=False),
    Method("ANONYMOUS", _shared),
    Method("FS", _shared),
    Method("FS_REMOTE", _shared, {"FS_REMOTE_DIR": "/nfs"}),
    Method("PASSWORD", _with_password, {"SEC_PASSWORD_FILE": "/password"}),
    Method(
        "IDTOKENS",
        _with_tokens,
        {
            "SEC_PASSWORD_DIRECTORY": "/keys",
            "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "/keys/POOL",
            "SEC_TOKEN_DIRECTORY": "/tokens",
        },
        peer_ad={"TrustDomain": "test.pool", "IssuerKeys": "POOL"},
    ),
    Method("SSL", _with_certificates, _TRUSTING),
    Method("SCITOKENS", _with_scitoken, _TRUSTING),
    Method("MUNGE", _with_credential),
    Method("KERBEROS", _with_ticket, allowed=(*METHOD_ERRORS, SecurityError)),
    Method("NTSSPI", _with_logins, allowed=(*METHOD_ERRORS, NoMethodSucceeded)),
)
