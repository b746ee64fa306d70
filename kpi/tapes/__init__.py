"""Reading tapes: from bytes, files, data frames, as CSV or Parquet, in constant memory.

content (bytes of a tape, unpacked, watched for changes) -> records (blocks of whole lines) -> plain or arrow (columns)
-> parts (aggregates, quarantined rows, loans), which are added up. The whole of it is `kpi.reading.read_tape`.
"""
