"""Tables of the books as files: what there is, in which formats, and how to prove them."""
