"""Time, threads and measurement; nothing here knows a telephone."""
