"""What a journal says happened: phases, outages, endings."""
