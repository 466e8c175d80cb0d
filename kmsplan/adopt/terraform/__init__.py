"""From a Terraform state to what a KMS holds according to it, which becomes a configuration as any inventory does.

`document` reads the state's forms; `mapping` is the table from Terraform's attributes to the API's fields; `present`
makes objects of these; `convert` joins them to one reading of a KMS. All of it is pure, asks no KMS, and looks at no
value of a resource of another kind.
"""
