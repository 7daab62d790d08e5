"""GitLab: a pure dialect, and nothing else."""
