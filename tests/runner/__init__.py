"""Runs the stages of the tests, each as the user it is about, and counts them together."""
