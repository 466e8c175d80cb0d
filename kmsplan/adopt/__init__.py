"""From what a KMS holds to a configuration that declares it: objects to YAML, with an import block for each.

`inventory` decides what can be declared and under which name; `written` turns one object into what a user would write;
`files` turns the whole into text. All of it is pure.
"""
