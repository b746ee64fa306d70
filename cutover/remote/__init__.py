"""The one room that does SSH: commands and uploads on a host, by one connection a host that lives as long as the run.

Nothing is imported here, so that asking for a small part (a Result, an error) does not pay for Fabric.
"""
