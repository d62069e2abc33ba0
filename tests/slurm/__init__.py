"""Studies on a real SLURM that the tests bring up on this machine."""
