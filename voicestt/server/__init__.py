"""The server: HTTP, the WebSocket, the live calls, and their wiring."""
