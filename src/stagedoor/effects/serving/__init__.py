"""Serving: each version in a process of its own, and one door in front of them."""
