"""The files: names, shapes, publication, tolerant reading, locks, the clock, the daemon loop."""
