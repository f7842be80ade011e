"""Load tests: what a crowd does to a running service, over HTTP and nothing else."""
