"""What travels to the hosts and works there: look, compare, change, look again. Standard library only, Python 3.11.

It is packed into one file, sent once, named by its digest, and run as root. The controller imports it too, so that both
sides compare states with the same code.
"""
