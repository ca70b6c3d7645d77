"""The life of a call, without a socket: its machine, its facts, its turns, what is said to the caller."""
