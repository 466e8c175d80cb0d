"""The External Key Store Proxy API (AWS XKS proxy API 1.0.3), both sides.

As a client (`client`), the engine uses keys that a customer's own key manager holds. As a proxy (`proxy`), it offers
its keys to another KMS. What both sides share: `fault`, `message`, `signature`.
"""
