"""What a side can prove itself with, read when a configuration is taken over.

Secrets are read here and nowhere else, once: signing keys and the pool's password are
in memory from a start or a reconfiguration to the next one, under names that were
listed then. What a peer names is looked up among these, and never becomes a path.

Source: ``src/condor_utils/store_cred.cpp``,
``src/condor_io/condor_auth_passwd.cpp: findTokens, should_try_auth``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from condor_twisted.errors import TokenRefused
from condor_twisted.security.facts import HostFacts
from condor_twisted.security.identity_map import MapFiles
from condor_twisted.security.knobs import Knobs
from condor_twisted.security.steps import ReadTokens
from condor_twisted.security.tickets import parse_realm_map
from condor_twisted.security.tls.settings import TlsSettings
from condor_twisted.security.tokens.token import (
    POOL_KEY,
    SigningKey,
    is_key_name,
    parse_token,
    scramble,
)

__all__ = [
    "NO_CREDENTIALS",
    "NO_FILES",
    "ConfiguredFiles",
    "Credentials",
    "find_tokens",
    "load_credentials",
    "token_place",
]

_POOL_KEY_KNOB: Final = "SEC_TOKEN_POOL_SIGNING_KEY_IS_PASSWORD"
_EXCLUDE: Final = "LOCAL_CONFIG_DIR_EXCLUDE_REGEXP"


class ConfiguredFiles(MapFiles, Protocol):
    """Reads the files that a configuration names, when it is taken over."""

    def read_secret(self, path: str) -> bytes | None:
        """A secret file's content.

        Returns:
            ``None`` where there is no such file, or others than root and us could
            have read or written it: it is a link, is not ours, has a mode beyond
            0700, or is longer than 64 KiB.
        """

    def secret_names(self, directory: str, exclude: str) -> tuple[str, ...] | None:
        """The names of a directory's files, in order; ``None`` if it cannot be listed.

        Args:
            directory: The directory.
            exclude: Names that this regular expression matches are left out.
        """

    def is_readable(self, path: str) -> bool:
        """Whether a file can be read."""


class _NoFiles:
    """A host without files."""

    def read_text(self, path: str) -> str | None:
        return None

    def directory_files(self, path: str, exclude: str) -> tuple[str, ...] | None:
        return None

    def read_secret(self, path: str) -> bytes | None:
        return None

    def secret_names(self, directory: str, exclude: str) -> tuple[str, ...] | None:
        return ()

    def is_readable(self, path: str) -> bool:
        return False


#: For whoever has nothing to read, as most tests.
NO_FILES: Final[ConfiguredFiles] = _NoFiles()


#: A server takes proxies, and knows them by what VOMS says of them.
_VOMS_SWITCHES: Final = (
    ("USE_VOMS_ATTRIBUTES", False),
    ("AUTH_SSL_USE_VOMS_IDENTITY", True),
    ("AUTH_SSL_ALLOW_CLIENT_PROXY", False),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a side can prove itself with.

    Args:
        signing_keys: Keys that sign tokens, by name, in the order of their names.
        pool_password: The pool's password.
        keys_hidden: Whether there may be signing keys that we may not even list.
        has_token: Whether a token was found.
        has_server_certificate: Whether a certificate and its key were found.
        problems: What was wrong with the files, a line each.
        libraries: Optional libraries that are here.
        realm_domains: The domains of Kerberos' realms, where a file lists them: no
            other realm has one then. ``None`` where every realm is a domain.
    """

    signing_keys: Mapping[str, SigningKey] = field(default_factory=dict)
    pool_password: bytes | None = field(default=None, repr=False)
    keys_hidden: bool = False
    has_token: bool = False
    has_server_certificate: bool = False
    problems: tuple[str, ...] = ()
    libraries: frozenset[str] = frozenset()
    realm_domains: Mapping[str, str] | None = None

    @property
    def issuer_keys(self) -> str:
        """``IssuerKeys`` as an ad has it; empty without a key."""
        return ", ".join(self.signing_keys)


NO_CREDENTIALS: Final = Credentials()


def token_place(knobs: Knobs, host: HostFacts) -> ReadTokens | None:
    """Where our own tokens are; ``None`` where no place is configured."""
    directory = knobs.text("SEC_TOKEN_DIRECTORY")
    if not directory and host.user_directory:
        directory = f"{host.user_directory}/tokens.d"
    directory = directory or knobs.text("SEC_TOKEN_SYSTEM_DIRECTORY")
    if not directory:
        return None
    first_name = f"{knobs.subsystem}_auto_generated_token"
    return ReadTokens(directory, first_name, knobs.text(_EXCLUDE) or "")


def _token_lines(content: bytes) -> list[str]:
    """The tokens in a file's content: one a line, ``#`` begins a comment."""
    lines = (line.strip() for line in content.decode("ascii", "replace").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def find_tokens(place: ReadTokens, files: ConfiguredFiles) -> tuple[str, ...]:
    """Every token of a directory, in the order in which they are tried."""
    names = list(files.secret_names(place.directory, place.exclude) or ())
    first = [name for name in names if name.lower() == place.first_name.lower()]
    found: list[str] = []
    for name in first[:1] + names:
        content = files.read_secret(f"{place.directory.rstrip('/')}/{name}")
        if content is not None:
            found += _token_lines(content)
    return tuple(dict.fromkeys(found))


def _is_token(text: str) -> bool:
    """Whether a line of a file is a token."""
    try:
        parse_token(text)
    except TokenRefused:
        return False
    return True


def _cut(content: bytes) -> bytes:
    """What is before the first NUL."""
    return content.partition(b"\0")[0]


def _read_password(knobs: Knobs, files: ConfiguredFiles) -> bytes | None:
    path = knobs.text("SEC_PASSWORD_FILE")
    content = files.read_secret(path) if path else None
    if content is None:
        return None
    return _cut(scramble(_cut(content))) or None


def _read_realms(
    knobs: Knobs, files: ConfiguredFiles, problems: list[str]
) -> Mapping[str, str] | None:
    """The realms of KERBEROS_MAP_FILE; none at all where it cannot be read."""
    path = knobs.text("KERBEROS_MAP_FILE")
    if not path:
        return None
    text = files.read_text(path)
    if text is None:
        problems.append(f"{path}: cannot be read, so no realm of Kerberos is mapped")
        return {}
    domains, wrong = parse_realm_map(text)
    problems += (f"{path}: {problem}" for problem in wrong)
    return domains


def _unread_attributes(knobs: Knobs) -> list[str]:
    """What a configuration wants of proxies that nobody here does, in words."""
    if not all(knobs.boolean(*switch) for switch in _VOMS_SWITCHES):
        return []
    return [
        "USE_VOMS_ATTRIBUTES: attributes of VOMS are not read here; a proxy is known "
        "by the name of the certificate that it stands for"
    ]


def load_credentials(
    knobs: Knobs, host: HostFacts, files: ConfiguredFiles
) -> Credentials:
    """Read all that a configuration names.

    Args:
        knobs: The configuration.
        host: Who we are.
        files: Reads files.
    """
    problems = _unread_attributes(knobs)
    keys: dict[str, SigningKey] = {}
    is_password = knobs.boolean(_POOL_KEY_KNOB, False)

    def add_key(name: str, path: str) -> None:
        content = files.read_secret(path)
        if content is None:
            if files.is_readable(path):
                problems.append(f"the signing key {path} is not ours alone")
            return
        try:
            keys[name] = SigningKey.from_file(name, content, is_password=is_password)
        except TokenRefused as error:
            problems.append(f"{path}: {error}")

    hidden = False
    directory = knobs.text("SEC_PASSWORD_DIRECTORY")
    if directory:
        names = files.secret_names(directory, knobs.text(_EXCLUDE) or "")
        hidden = names is None
        for name in names or ():
            if name != POOL_KEY and is_key_name(name):
                add_key(name, f"{directory.rstrip('/')}/{name}")
    pool_path = knobs.text("SEC_TOKEN_POOL_SIGNING_KEY_FILE")
    if pool_path:
        add_key(POOL_KEY, pool_path)
    place = token_place(knobs, host)
    realm_domains = _read_realms(knobs, files, problems)
    return Credentials(
        signing_keys=dict(sorted(keys.items())),
        pool_password=_read_password(knobs, files),
        keys_hidden=hidden,
        has_token=place is not None
        and any(_is_token(text) for text in find_tokens(place, files)),
        has_server_certificate=any(
            files.is_readable(certificate) and files.is_readable(key)
            for certificate, key in TlsSettings.for_server(knobs).pairs
        ),
        problems=tuple(problems),
        libraries=host.libraries,
        realm_domains=realm_domains,
    )
