"""The pair of services: what V1 and V2 are called, where their things lie, where they answer. It has no steps."""
