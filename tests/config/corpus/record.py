"""Ask a real ``condor_config_val`` what the files of the corpus give.

Usage: ``python tests/config/corpus/record.py > tests/config/corpus/expected.json`` as
root in the checkout's top directory; the chroots are those of ``make interop``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from interop.chroots import SUITES, find_chroot
from interop.corpus import Case, blocks_of, copy_corpus, read_cases
from interop.sandbox import Result, Sandbox

DETECTED = (
    *("DETECTED_CORES", "DETECTED_CPUS", "DETECTED_PHYSICAL_CPUS", "DETECTED_MEMORY"),
    *("HOSTNAME", "FULL_HOSTNAME", "IP_ADDRESS", "IPV6_ADDRESS", "USERNAME", "TILDE"),
)


def ask(sandbox: Sandbox, directory: Path, case: Case, arguments: list[str]) -> Result:
    """Run the tool in the corpus's directory."""
    return sandbox.run(
        ["env", "-C", str(directory), "condor_config_val", *arguments],
        environment={"CONDOR_CONFIG": f"{directory}/{case.name}", **case.environment},
    )


def main() -> None:
    base = Path(tempfile.mkdtemp(prefix="condor-twisted-corpus-", dir="/tmp"))
    base.chmod(0o755)
    directory = base / "corpus"
    directory.mkdir()
    copy_corpus(directory)
    cases: dict[str, object] = {}
    host: dict[str, str] = {}
    try:
        with Sandbox(find_chroot(SUITES[0]), base) as sandbox:
            version = sandbox.run(["condor_config_val", "-version"]).output
            for case in read_cases():
                done = ask(sandbox, directory, case, case.arguments)
                result: dict[str, object] = {
                    "exit_code": done.exit_code,
                    "errors": done.errors.replace(str(directory), "@DIR@"),
                }
                settings = []
                for name, block in blocks_of(done.output):
                    if name in DETECTED and "<Detected>" in block:
                        host[name] = block.split("\n")[0].partition(" = ")[2]
                    elif "<Detected>" not in block and "<Default>" not in block:
                        settings.append(block.replace(str(directory), "@DIR@"))
                result["settings"] = settings
                if case.types:
                    typed = ask(sandbox, directory, case, case.typed_arguments)
                    result["typed"] = typed.output.replace(str(directory), "@DIR@")
                    result["typed_errors"] = typed.errors
                cases[case.name] = result
    finally:
        shutil.rmtree(base)
    header = {
        "recorded_from": "condor_config_val",
        "version": version.split("\n")[0],
        "host": host,
    }
    print(json.dumps({"header": header, "cases": cases}, indent=1, ensure_ascii=False))


main()
