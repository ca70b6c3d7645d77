"""Google Speech-to-Text, v1 and v2, by gRPC."""
