"""Many calls at once: what a call costs the server, how long its words take, and whether every byte arrives.

`said` is what the callers say and when it can be known, `wire`, `raw_call` and `talking` say it as cheaply as can
be done, `accounts` and `figures` judge what came of it, `table` and `plot` show it; `command` is `voicestt load`.
"""
