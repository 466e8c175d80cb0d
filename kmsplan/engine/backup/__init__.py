"""Backups of a whole engine: made, verified, restored on this machine or another."""
