"""Networks: the parts that CNI families are made of, each on a page of its own."""
