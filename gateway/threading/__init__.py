"""Which messages belong together. Pure: what is known comes in, a placement with its reason goes out."""
