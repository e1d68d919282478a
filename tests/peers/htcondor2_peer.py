"""The real client library, in a process of its own: commands in, what it said out.

Run as a script; reads a JSON list of calls from standard input and prints a JSON list
of their outcomes. The pool is the configuration's ``COLLECTOR_HOST``. The library keeps
global state and may end its process, so it never gets into ours.

A call is a list of a name and arguments:

``advertise``: command, ads as texts in old syntax, whether over TCP
``query``: ad type, constraint or null, projection or null
``locate``: daemon type, name
``locate_local``: daemon type; the daemon that the configuration names, asked for with a
limit of one ad

An outcome is ``{"ads": [...]}``, each ad a dictionary of texts in old syntax, or
``{"error": "..."}``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Outcome = dict[str, Any]


def _texts(ad: Any) -> dict[str, str]:
    lines = ad.printOld().splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def _call(name: str, arguments: list[Any]) -> Outcome:
    import classad2
    import htcondor2

    pool = htcondor2.param["COLLECTOR_HOST"]
    collector = htcondor2.Collector(None if name == "locate_local" else pool)
    if name == "advertise":
        command, texts, over_tcp = arguments
        ads = [classad2.parseOne(text, classad2.ParserType.Old) for text in texts]
        collector.advertise(ads, command, over_tcp)
        return {"ads": []}
    if name == "query":
        ad_type, constraint, projection = arguments
        found = collector.query(htcondor2.AdType[ad_type], constraint, projection)
    else:
        daemon_type, *names = arguments
        located = collector.locate(htcondor2.DaemonType[daemon_type], *names)
        found = [] if located is None else [located]
    return {"ads": [_texts(ad) for ad in found]}


def main() -> None:
    """Make the calls, each as if the ones before had not failed."""
    outcomes: list[Outcome] = []
    for name, *arguments in json.load(sys.stdin):
        try:
            outcomes.append(_call(name, arguments))
        except Exception as error:  # what the library raises is what we are told
            outcomes.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
