"""The whole server: the REST API and the pages at one address."""
