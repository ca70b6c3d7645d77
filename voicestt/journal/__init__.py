"""The journal: every event is in a database before it is delivered anywhere."""
