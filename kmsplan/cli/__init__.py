"""The command line: one module per command group. It parses arguments, calls, renders; there is no logic in it.

Exit codes, stable: 0 done or nothing to do; 1 error; 2 changes (`plan --detailed-exitcode`) or drift; 3 format;
4 policy or brake refused; 5 approval missing; 6 lock held; 7 plan stale or tampered; 8 partly applied;
9 cancelled; 10 an operation in doubt that could not be settled.
"""
