"""The flow language as text and as typed data: loading YAML, typed inputs and outputs."""
