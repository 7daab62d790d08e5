"""The read index: its room. Nothing stands here yet; every question is answered from git."""
