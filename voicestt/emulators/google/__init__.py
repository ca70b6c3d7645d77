"""A Google-compatible Speech-to-Text service on this machine, for calls without accounts and for tests."""
