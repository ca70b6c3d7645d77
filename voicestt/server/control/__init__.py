"""Control of a running server: the flag, its socket, SIGHUP."""
