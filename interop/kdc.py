"""A realm of its own in a sandbox: a real KDC, a user, and the keys of this host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interop.errors import PeerDidNotStart
from interop.sandbox import HOST_NAME, Sandbox, wait_until

__all__ = ["REALM", "Realm", "start_realm"]

REALM = "POOL.EXAMPLE"
_PASSWORD = "not a secret"
_START_SECONDS = 20

_CLIENTS = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    default_ccache_name = FILE:{place}/caches/%{{uid}}
    default_keytab_name = FILE:{place}/nothing.keytab
    {more}
[realms]
    {realm} = {{
        kdc = 127.0.0.1:88
    }}
[domain_realm]
    localhost = {realm}
"""

_SERVER = """
[kdcdefaults]
    kdc_listen = 127.0.0.1:88
    kdc_tcp_listen = 127.0.0.1:88
[realms]
    {realm} = {{
        database_name = {place}/principals
        key_stash_file = {place}/stash
        acl_file = {place}/nobody
    }}
"""


@dataclass(frozen=True, slots=True)
class Realm:
    """A realm whose KDC runs.

    Args:
        sandbox: Where it runs.
        place: Its files.
        environment: What makes a program of the sandbox part of it.
    """

    sandbox: Sandbox
    place: Path
    environment: dict[str, str]

    def keytab(self, name: str) -> str:
        """A file of keys: ``host``, ``pool``, or one that is not there."""
        return f"FILE:{self.place}/{name}.keytab"

    def log_in(self, user: str, principal: str, *addresses: str) -> None:
        """Have a user get a ticket with the password.

        Args:
            user: The user.
            principal: Under this name.
            *addresses: Where alone it is to be good, and then only for ``host``.
        """
        config = self.place / f"{user}.conf"
        _write_client(config, self.place, *addresses)
        bound = ["-a", "-S", "host/localhost"] if addresses else []
        self.sandbox.run(
            ["kinit", *bound, principal],
            user=user,
            environment={**self.environment, "KRB5_CONFIG": str(config)},
            standard_input=f"{_PASSWORD}\n",
        ).checked()


@contextlib.contextmanager
def start_realm(sandbox: Sandbox) -> Iterator[Realm]:
    """Run a KDC for the length of a ``with`` block.

    Args:
        sandbox: Where it listens.

    Yields:
        The realm, with the users ``alice`` and ``bob/helper``, the hosts' service
        ``host``, and a service ``pool``.

    Raises:
        PeerDidNotStart: It gives no tickets.
    """
    place = sandbox.work / "realm"
    (place / "caches").mkdir(parents=True)
    (place / "caches").chmod(0o1777)
    _write_client(place / "krb5.conf", place)
    (place / "kdc.conf").write_text(_SERVER.format(realm=REALM, place=place))
    environment = {
        "KRB5_CONFIG": str(place / "krb5.conf"),
        "KRB5RCACHEDIR": str(place / "caches"),
    }
    of_server = {**environment, "KRB5_KDC_PROFILE": str(place / "kdc.conf")}
    create = ["kdb5_util", "create", "-s", "-r", REALM, "-P", _PASSWORD]
    sandbox.run(create, environment=of_server).checked()
    wanted = [f'addprinc -pw "{_PASSWORD}" {user}' for user in ("alice", "bob/helper")]
    for service in ("host", "pool"):
        for host in ("localhost", HOST_NAME):
            wanted.append(f"addprinc -randkey {service}/{host}")
            wanted.append(f"ktadd -k {place}/{service}.keytab {service}/{host}")
    sandbox.run(
        ["kadmin.local", "-r", REALM],
        environment=of_server,
        standard_input="".join(f"{line}\n" for line in wanted),
    ).checked()
    realm = Realm(sandbox, place, environment)
    command = sandbox.inside(["krb5kdc", "-n", "-r", REALM])
    log = sandbox.work / "kdc.log"
    with sandbox.daemon(command, log, of_server):
        ticket = ["kinit", "-k", "-t", f"{place}/host.keytab", "host/localhost"]
        in_memory = {**environment, "KRB5CCNAME": "MEMORY:"}
        if not wait_until(
            lambda: sandbox.run(ticket, environment=in_memory).exit_code == 0,
            _START_SECONDS,
        ):
            raise PeerDidNotStart("the KDC", log.read_text(errors="replace"))
        yield realm


def _write_client(file: Path, place: Path, *addresses: str) -> None:
    more = f"extra_addresses = {','.join(addresses)}" if addresses else ""
    file.write_text(_CLIENTS.format(realm=REALM, place=place, more=more))
