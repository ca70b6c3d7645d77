"""How speech becomes text: recognisers behind the port of voicestt.recognisers.port."""
