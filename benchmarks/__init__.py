"""Side-by-side measurements; `make bench` runs each file here that has a name without an underscore."""
