"""The watch after a cutover: look, judge by rules, decide, tell. `monitor` is the way in, `watch` the main story."""
