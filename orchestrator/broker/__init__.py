"""The broker, which carries nudges to the workers, and nothing else."""
