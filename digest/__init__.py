"""Tells every author, once a week, by e-mail: who saw what you posted, and what did best."""
