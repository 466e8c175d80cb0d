"""Declarative key management: YAML in; plan, apply and drift against a KMS and its HSMs."""

__version__ = "0.1.0"
