"""Hosts, groups, patterns, variables and how to connect, from an inventory in the shape of Ansible."""
