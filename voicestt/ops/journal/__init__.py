"""The journal at the command line: `voicestt calls`, `voicestt transcript` and `voicestt deliveries`."""
