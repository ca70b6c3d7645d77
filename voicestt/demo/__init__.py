"""The main job in one command: local Google service, server, and a recorded call between them."""
