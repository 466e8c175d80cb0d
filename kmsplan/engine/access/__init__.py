"""Who may do what: roles of access keys, key policies, rate limits."""
