"""Virtual environments of pinned packages, kept in the cache, for the Python programs that need any."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path


def enter(requirements):
    """Goes on in a virtual environment that holds exactly the packages of a requirements file; makes it if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("RISKSTREAM_CACHE") or cache / "riskstream")
    pinned = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    environment = cache / f"python-{pinned}"
    complete = environment / "complete"
    if Path(sys.prefix) == environment.resolve() and complete.exists():
        return
    if not complete.exists():
        print(f"installing {requirements.name} into {environment}", file=sys.stderr)
        venv.create(environment, with_pip=True, clear=True)
        pip = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        complete.touch()
    python = environment.resolve() / "bin/python"
    os.execv(python, [str(python), *sys.argv])
