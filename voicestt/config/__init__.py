"""The configuration: environment variables, their readers and checks."""
