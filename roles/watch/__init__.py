"""The hours after: what is measured on a host while V2 in service is watched, how often, by what it is judged, who signs."""
