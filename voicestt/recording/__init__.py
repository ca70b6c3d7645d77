"""The audio of calls in files: written as it comes, kept for a while, moved to a store, read again."""
