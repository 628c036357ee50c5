"""Mails of very different communities, and what each of their claims must rest on."""
