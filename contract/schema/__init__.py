"""The schema of every file that crosses a process boundary: names, fields, and a parser and an encoder for each."""
