"""The watch in the report."""
