"""The demonstration: recorded voices call the real server on one machine, and the recognised words are judged."""
