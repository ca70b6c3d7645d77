"""What an operator types: go/no-go, load, demo, journal, flag, settings and schema."""
