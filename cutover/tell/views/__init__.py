"""What the commands that only look show: a plan, the state of hosts, what was judged, a bundle of evidence."""
