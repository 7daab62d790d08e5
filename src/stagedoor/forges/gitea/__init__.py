"""Gitea and Forgejo: a pure dialect, and nothing else."""
