"""Speech recognisers behind the port of voicestt.recognisers.port."""
