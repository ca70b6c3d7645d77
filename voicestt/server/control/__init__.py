"""What is changed while the server runs: the flag, its socket, SIGHUP."""
