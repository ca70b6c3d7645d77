"""The journal: a database that holds every event before it is delivered anywhere."""
