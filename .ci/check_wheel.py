"""Build a wheel, install it into an empty environment, and look for what must be there.

Prints what it checked; exits non-zero on the first thing that is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Imported in an interpreter that has the wheel only: the public face.
IMPORTS = """
import sys
import condor_twisted.client, condor_twisted.daemoncore
import condor_twisted.daemons.collector
assert "twisted.internet.reactor" not in sys.modules, "importing installed a reactor"
print("imports: fine")
"""


def run(*command: str, cwd: Path) -> str:
    """Run a command and return what it printed; fail loudly if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    """Build, install, look."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(
            sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check",
            "--no-deps", "--wheel-dir", str(place), str(ROOT), cwd=place,
        )  # fmt: skip
        (wheel,) = place.glob("condor_twisted-*.whl")
        print(f"wheel: {wheel.name}")
        environment = place / "environment"
        venv.create(environment, with_pip=True)
        python = str(environment / "bin" / "python")
        run(
            python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
            str(wheel), cwd=place,
        )  # fmt: skip
        listing = run(python, "-m", "twisted", "--help", cwd=place)
        listing += run(str(environment / "bin" / "twistd"), "--help", cwd=place)
        for plugin in (
            "condor-collector",
            "condor-shared-port",
            "condor-skeleton",
            "condor-daemon",
        ):
            if listing.count(plugin) < 2:
                sys.exit(f"the plugin {plugin} is not listed by twistd --help")
            print(f"twistd --help: {plugin} is listed")
        for daemon in ("collector", "shared-port", "skeleton"):
            said = run(
                str(environment / "bin" / f"condor-twisted-{daemon}"), "-v", cwd=place
            )
            print(f"condor-twisted-{daemon} -v: {said.splitlines()[0]}")
        print(run(python, "-c", IMPORTS, cwd=place), end="")
        run(str(environment / "bin" / "condor-twisted"), "--help", cwd=place)
        print("condor-twisted --help: fine")


if __name__ == "__main__":
    main()
