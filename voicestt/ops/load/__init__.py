"""The load test: measures many calls at once by cost, delays and the arrival of every byte.

`said` has the callers' words and the moments at which they can be known; `wire`, `raw_call` and `talking` send
them as cheaply as can be done; `accounts` and `figures` judge the results, `table` and `plot` show them; `command`
is `voicestt load`.
"""
