"""One file for each version of the tables. What was released is never edited: a change is a new file."""
