"""What reads bytes that others wrote, for `make fuzz`: see `targets`."""
