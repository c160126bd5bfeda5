"""Parts of scripts/chaos: scenario, load, oracle, faults, verdict."""
