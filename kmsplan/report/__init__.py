"""Finished values to text: one renderer per file, each a function that computes nothing and looks at nothing else.

1. Text for people takes a `Style`; whether there are colours is the command line's decision.
2. Everything that users or a KMS wrote goes through `escape`: it cannot move the cursor or forge a line.
3. Every renderer's text ends in one newline; JSON documents are one line, with `format_version` first.
"""
