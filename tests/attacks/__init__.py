"""Files that somebody has made to do harm, by kind, and what must become of them.

`pickles` and `checkpoints`, `csvs`, `json_texts`, `configs` and `names` hold the cases, each under a name; the tests
beside them feed every case to what really reads such files. Nothing may run or take much memory, and every refusal
is one clear line. `confined` is where that is measured. The fuzz targets of `tests/fuzz` begin with the same cases.
"""
