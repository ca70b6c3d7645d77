"""The operator's commands: go/no-go, load, demo, journal, flag, settings and schema."""
