"""A Google-compatible Speech-to-Text service on this machine, for calls without an account and for tests."""
