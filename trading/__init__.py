"""The pure domain: arrays and numbers in, arrays and numbers out; no files, no clock."""
