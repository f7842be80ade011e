"""The limits, measured in one run: `make bench`, or `python -m benchmarks`.

A figure is a module with `measure(scale, records)`, which measures its cells once, in turns. The
runner calls all figures in each round; targets are ratios within one run.
"""
