"""The real client library, in a process of its own: commands in, what it said out.

Run as a script with the pool's sinful string; reads a JSON list of calls from standard
input and prints a JSON list of their outcomes. The library keeps global state and may
end its process, so it never gets into ours.

A call is a list of a name and arguments:

``advertise``: command, ads as texts in old syntax, whether over TCP
``query``: ad type, constraint or null, projection or null
``limited``: ad type, constraint, how many
``locate``: daemon type, name or null

An outcome is ``{"ads": [...]}``, each ad a dictionary of expression texts, or
``{"error": "..."}``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Outcome = dict[str, Any]


def _texts(ad: Any) -> dict[str, str]:
    return {name: str(ad.lookup(name)) for name in ad}


def _call(pool: str, name: str, arguments: list[Any]) -> Outcome:
    import classad2
    import htcondor2

    collector = htcondor2.Collector(pool)
    if name == "advertise":
        command, texts, over_tcp = arguments
        ads = [classad2.parseOne(text, classad2.ParserType.Old) for text in texts]
        collector.advertise(ads, command, over_tcp)
        return {"ads": []}
    if name == "query":
        ad_type, constraint, projection = arguments
        found = collector.query(htcondor2.AdType[ad_type], constraint, projection)
    elif name == "limited":
        ad_type, constraint, limit = arguments
        found = _limited(pool, ad_type, constraint, limit)
    else:
        daemon_type, daemon = arguments
        located = collector.locate(htcondor2.DaemonType[daemon_type], daemon)
        found = [] if located is None else [located]
    return {"ads": [_texts(ad) for ad in found]}


def main(pool: str) -> None:
    """Make the calls, each as if the ones before had not failed."""
    outcomes: list[Outcome] = []
    for name, *arguments in json.load(sys.stdin):
        try:
            outcomes.append(_call(pool, name, arguments))
        except Exception as error:  # what the library raises is what we are told
            outcomes.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
