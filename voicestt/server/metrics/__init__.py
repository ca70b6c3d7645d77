"""The metrics at `/metrics`, for Prometheus: everything the server counts, made into families when asked."""
