"""Hostile input: files and names made to run, to write, to take all memory or never to end."""
