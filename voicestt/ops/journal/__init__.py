"""The journal's commands: `voicestt calls`, `voicestt transcript` and `voicestt deliveries`."""
