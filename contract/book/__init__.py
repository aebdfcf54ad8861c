"""The daily book: rows by the million as arrays, and what each strategy and the account earned on each day."""
