"""The processes of one service, joined by Redis: what must be known at once by all of them."""
