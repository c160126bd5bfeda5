#!/usr/bin/env python3
"""Fails if a library of the demo or of the Python package is built once more for the tests, because they ask for other
features of it.

Compares what cargo would build for `scripts/demo` and `scripts/python` with that for `scripts/test`. Cargo prints that only
with unstable options allowed, hence RUSTC_BOOTSTRAP; nothing is built.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ["build", "--package", "riskstream", "--no-default-features"]
# What maturin runs.
PYTHON = ["rustc", "--package", "riskstream-python", "--lib"]
TESTS = ["test", "--no-run", "--workspace"]


def main():
    of_tests = units(TESTS)
    demo = {unit for unit in units(DEMO) if unit[0].startswith("registry+")} - of_tests
    # The package's own libraries, and those that only they need, are in no test.
    tested = {package for package, *_ in of_tests}
    python = {unit for unit in units(PYTHON) if unit[0] in tested} - of_tests
    for what, crate, again in ("the demo", "riskstream", demo), ("the Python package", "python", python):
        for package, _, features in sorted(again):
            name = package.split("#")[-1] if package.startswith("registry+") else package.split("/")[-1]
            print(f"{name} is built for {what} with the features {', '.join(features) or '(none)'},", file=sys.stderr)
            print(f"  and with others for the tests: name the tests' in crates/{crate}/Cargo.toml", file=sys.stderr)
    sys.exit(1 if demo or python else 0)


def units(command):
    """The libraries that a command builds: package, level of optimisation (build scripts have none), features."""
    command = ["cargo", *command, "--release", "--unit-graph", "-Z", "unstable-options"]
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout
    libraries = [unit for unit in json.loads(output)["units"] if unit["mode"] != "test"]
    return {(unit["pkg_id"], unit["profile"]["opt_level"], tuple(unit["features"])) for unit in libraries}


if __name__ == "__main__":
    main()
