"""The limits, measured in one run: `make bench`, or `python -m benchmarks`.

A figure is a module with `measure(scale, records)`, which measures everything it compares once, in
turns. The runner calls all figures, round after round; targets are ratios inside one run.
"""
