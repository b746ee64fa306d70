"""The watch after a cutover: rules, the loop, its views."""
