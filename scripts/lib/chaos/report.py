"""What a run says at its end."""

# Seconds: after the last fault of a burst partitions decide again within the session timeout and these.
SESSION, GRACE = 6, 2


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))] if sorted_values else 0.0


def report(scenario, verdict, crew, faults):
    """Prints it; whether all is well."""
    count = verdict.count
    print(f"\nseed {scenario.seed}")
    print("faults: " + (", ".join(f"{number} {kind}" for kind, number in sorted(faults.done.items())) or "none")
          + f"; {faults.skipped} skipped, their target was under another one")
    print(f"read: {count['records']} payments in the log, {count['labels']} labels; {count['decisions']} decisions, "
          f"{count['dead letters']} dead letters, {count['delayed windows']} windows with a delay compared")
    latencies = sorted(verdict.latencies)
    print("from record to decision: " + ", ".join(f"{name} {percentile(latencies, share):.2f} s" for name, share in
                                                  [("p50", 0.5), ("p99", 0.99), ("longest", 1)]))
    silences(verdict, faults)
    after_bursts(verdict, faults)
    for when, number, code in crew.ended:
        print(f"copy {number} ended by itself at {when - verdict_began(faults):.0f} s with exit code {code}")
    for complaint in crew.complaints:
        print(f"wrong: {complaint}")
    for difference in verdict.differences:
        print(f"wrong: {difference}")
    is_well = not crew.complaints and not verdict.differences
    print(f"{count['differences']} differences" if not is_well else
          "each payment was decided once and as it had to be, or is a dead letter")
    return is_well


def verdict_began(faults):
    return faults.bursts[0][0] if faults.bursts else 0.0


def silences(verdict, faults):
    print("silences in s by partition, while something was to be decided: p50, p99, longest")
    for place in sorted(verdict.by_place):
        times = sorted(verdict.by_place[place])
        print(f"  {place[0]}[{place[1]}]: {percentile(times, 0.5):.2f} {percentile(times, 0.99):.2f} {times[-1]:.2f}")
    for ended, place, began in sorted(verdict.silences, key=lambda silence: silence[2] - silence[0])[:1]:
        print(f"the longest, {ended - began:.1f} s in {place[0]}[{place[1]}], and what was done in it and the 10 s before:")
        for when, what in faults.journal:
            if began - 10 < when <= ended:
                print(f"  {when - began:+6.1f} s {what}")


def after_bursts(verdict, faults):
    """The longest silence after the last fault of each burst, until the next burst."""
    times = []
    for number, (_, last) in enumerate(faults.bursts):
        until = faults.bursts[number + 1][0] if number + 1 < len(faults.bursts) else float("inf")
        after = [(ended - max(began, last), place) for ended, place, began in verdict.silences if last < ended <= until]
        times.append(max(after, default=(0.0, None)))
    goal = SESSION + GRACE
    missed = [time for time, _ in times if time > goal]
    print(f"longest silence after the last fault of each of {len(times)} bursts, in s: "
          + " ".join(f"{time:.1f}" for time, _ in times))
    print(f"the goal, session timeout + {GRACE} s = {goal} s, is " + (f"missed by {len(missed)}" if missed else "met by all"))
