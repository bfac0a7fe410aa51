"""Tests that start sandboxes themselves, as every front end would, and look at them from outside."""
