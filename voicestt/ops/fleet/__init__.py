"""The fleet's commands: `voicestt fleet`, and `voicestt flag --fleet`."""
