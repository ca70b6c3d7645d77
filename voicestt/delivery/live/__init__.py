"""Live events for listeners, as server-sent events and by WebSocket."""
