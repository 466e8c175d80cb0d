"""The data plane: what applications do with keys.

A call finds the key and checks it, works outside any transaction, and answers after the commit that holds its audit
entry. What it knows of the key comes from memory; that transaction checks that it still holds, so that no answer leaves
after the answer to a DisableKey, in whichever process.
"""
