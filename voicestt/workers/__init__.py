"""Several processes of one server on one machine, under a supervisor that is cheap and opens the sockets."""
