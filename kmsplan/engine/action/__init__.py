"""What each control-plane operation does: its own part, and nothing of the execution path."""
