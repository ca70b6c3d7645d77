"""What can be set, read and checked."""
