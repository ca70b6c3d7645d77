"""The application's own code in this process, and what a call can do for it."""
