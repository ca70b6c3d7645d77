"""All of it on one machine, by one command: recorded voices call the real server, and what it heard is judged."""
