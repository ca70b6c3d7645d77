"""The life of a call, without a socket: its state machine, its facts, its turns, and the audio played to it."""
