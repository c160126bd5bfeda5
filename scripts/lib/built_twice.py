#!/usr/bin/env python3
"""Fails if a library of the demo is built once more for the tests, because they ask for other features of it.

Compares what cargo would build for `scripts/demo` and for `scripts/test`. Cargo prints that only with unstable options
allowed, hence RUSTC_BOOTSTRAP; nothing is built.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ["build", "--package", "riskstream", "--no-default-features"]
TESTS = ["test", "--no-run", "--workspace"]


def main():
    again = sorted(units(DEMO) - units(TESTS))
    for name, _, features in again:
        print(f"{name} is built for the demo with the features {', '.join(features) or '(none)'},", file=sys.stderr)
        print("  and with others for the tests: name the tests' in crates/riskstream/Cargo.toml", file=sys.stderr)
    sys.exit(1 if again else 0)


def units(command):
    """The libraries that a command builds: package, level of optimisation (build scripts have none), features."""
    command = ["cargo", *command, "--release", "--unit-graph", "-Z", "unstable-options"]
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout
    libraries = [unit for unit in json.loads(output)["units"] if unit["pkg_id"].startswith("registry+")]
    return {
        (unit["pkg_id"].split("#")[-1], unit["profile"]["opt_level"], tuple(unit["features"])) for unit in libraries
    }


if __name__ == "__main__":
    main()
