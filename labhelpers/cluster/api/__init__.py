"""The API server: what kubectl talks to."""
