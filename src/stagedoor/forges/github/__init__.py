"""GitHub: a pure dialect, and nothing else."""
