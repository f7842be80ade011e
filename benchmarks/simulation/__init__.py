"""A simulation of the whole service on many machines, in discrete events, with measured costs.

`costs` is what each step takes, `calibration` measures that here, `machine` is cores and wires,
`primary`, `worker` and `writer` are the processes, `buckets` is one drop in parts, and `plays` puts
them together. `python -m benchmarks.simulate` is the command.
"""
