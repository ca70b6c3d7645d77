"""The command `voicestt gonogo`: checks everything that must be true before the first customer calls.

`report` has the values, the table and the verdict and knows no reactor; `examination` runs checks in their order;
each `*_checks` module is one family of them; `command` is the command line.
"""
