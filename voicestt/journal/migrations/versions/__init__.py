"""Migrations, one file for each version of the tables.

A released file is never edited: a change is a new file.
"""
