"""Our client, asked many times by one process: a new Python for each would take long.

Run beside a sandbox as ``python -m interop.many_pings ADDRESS``. Standard input has a
JSON list of configurations (knob to text), each of which is set upon that of this
environment; standard output gets a JSON list of what came of one ping under each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectError

from condor_twisted.client import CommandClient
from condor_twisted.client.configured import read_tool_settings
from condor_twisted.tools.ping.texts import paragraph
from interop.peers import Collector, our_environment

__all__ = ["ask_with_ours", "ping_under"]

_TIMEOUT_SECONDS = 20.0
_ALL_SECONDS = 300


def ask_with_ours(
    collector: Collector, address: str, user: str, knobs: Sequence[Mapping[str, str]]
) -> list[str]:
    """Ping a collector with our client, once under each configuration.

    Args:
        collector: Whom to ask.
        address: How to dial it.
        user: Who asks.
        knobs: The configurations, on top of the tools'.

    Returns:
        What ``ping -verbose WRITE`` prints under each.
    """
    done = collector.sandbox.run(
        [sys.executable, "-m", "interop.many_pings", address],
        user=user,
        environment={
            **our_environment(),
            "CONDOR_CONFIG": str(collector.config),
            **collector.environment,
        },
        standard_input=json.dumps([dict(each) for each in knobs]),
        timeout_seconds=_ALL_SECONDS,
        beside=True,
    )
    answers: list[str] = json.loads(done.checked())
    return answers


def _settings(knobs: Mapping[str, str]) -> Any:
    """The configuration of this host with some knobs set."""
    names = {f"_CONDOR_{name}": text for name, text in knobs.items()}
    os.environ.update(names)
    try:
        return read_tool_settings()
    finally:
        for name in names:
            del os.environ[name]


@inlineCallbacks
def ping_under(
    reactor: Any, address: str, knobs: Mapping[str, str]
) -> Generator[Deferred[Any], Any, str]:
    """Ping once, with a client of its own.

    Args:
        reactor: Where to run.
        address: Whom to ask.
        knobs: What is configured besides.

    Returns:
        A `Deferred` of what ``ping -verbose WRITE`` prints.
    """
    client = CommandClient(_settings(knobs), reactor)
    try:
        result = yield client.ping(address, "WRITE", timeout_seconds=_TIMEOUT_SECONDS)
    except ConnectError as error:
        return f"WRITE failed!\n{error}\n\n"
    finally:
        yield client.close()
    return paragraph("WRITE", address, result)


@inlineCallbacks
def _main(reactor: Any, address: str) -> Generator[Deferred[Any], Any, None]:
    answers = []
    for knobs in json.load(sys.stdin):
        answers.append((yield ping_under(reactor, address, knobs)))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    task.react(_main, sys.argv[1:2])
