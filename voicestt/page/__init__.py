"""The page: what callers say while they say it, the journal, and the server's health, in a browser."""
