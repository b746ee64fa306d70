"""What travels to the hosts and works there: look, compare, change, look again. Standard library only, Python 3.9 and later.

It is packed into one file, sent once, and run as root. The controller imports it too, so that both sides compare states with
the same code. It is started anew for each batch, which is most of what a short one costs: what few need is imported where it
is used, and records are named tuples, since `dataclasses` alone takes a fifth of the start.
"""
