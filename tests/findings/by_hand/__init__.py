"""The same figures straight from the published files: nothing of the product helps here."""
