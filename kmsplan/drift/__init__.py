"""Recorded against observed: what changed behind kmsplan's back. Pure, and read-only by type: values in, values out."""
