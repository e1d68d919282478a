"""Ask a real ``condor_config_val`` what the cases in ``cases.json`` give.

Usage: ``python record.py ROOT > results.json``, as root, where ROOT is the root
directory of a system that has HTCondor installed; ``/`` is this one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def asked(case: dict[str, Any]) -> list[str]:
    """The names a case asks for; a letter stands for all numbered ones."""
    ask = case.get("ask", [])
    if isinstance(ask, list):
        return ask
    names = []
    for line in case["config"]:
        name = line.lstrip(": ").partition("=")[0].strip()
        if re.fullmatch(ask + r"[0-9]+", name) and name not in names:
            names.append(name)
    return names


def main() -> None:
    root = Path(sys.argv[1])
    version = ""
    results = {}
    for case in json.loads((HERE / "cases.json").read_text()):
        directory = Path(tempfile.mkdtemp(dir=root / "tmp"))
        inside = "/" + str(directory.relative_to(root))
        main_file = "\n".join(case["config"]) + "\n"
        (directory / "main.conf").write_text(main_file)
        for name, text in case.get("files", {}).items():
            path = directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CONDOR_CONFIG": f"{inside}/main.conf",
            **case.get("env", {}),
        }
        options = []
        if "subsystem" in case:
            options += ["-subsystem", case["subsystem"]]
        if "local_name" in case:
            options += ["-local-name", case["local_name"]]

        command = ["chroot", str(root), "env", "-C", inside, "condor_config_val"]
        command += options

        def run(
            *arguments: str,
            command: list[str] = command,
            environment: dict[str, str] = environment,
        ) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        version = version or run("-version").stdout.splitlines()[0]
        result: dict[str, object] = {}
        if "listings" in case:
            result["listings"] = [
                {
                    "arguments": arguments,
                    "output": run(*arguments).stdout.replace(inside, "@DIR@"),
                }
                for arguments in case["listings"]
            ]
        elif case.get("error"):
            done = run("MAX_DEFAULT_LOG")
            lines = re.findall(r"Configuration Error Line (\d+)", done.stderr)
            result["exit_code"] = done.returncode
            result["line"] = int(lines[-1]) if lines else None
            result["standard_error"] = done.stderr.replace(inside, "@DIR@")
        else:
            values: dict[str, dict[str, str | None]] = {}
            for name in asked(case):
                raw, value = run("-raw", name), run(name)
                values[name] = {
                    "raw": raw.stdout[:-1] if raw.returncode == 0 else None,
                    "value": value.stdout[:-1] if value.returncode == 0 else None,
                }
                if value.returncode == 0 and value.stderr:
                    values[name]["standard_error"] = value.stderr
            result["values"] = values
        results[case["name"]] = result
        shutil.rmtree(directory)
    header = {"recorded_from": "condor_config_val", "version": version}
    print(json.dumps({"header": header, "results": results}, indent=1))


main()
