"""The tests, a folder for each thing they need; ``python -m tests`` runs all of them."""
