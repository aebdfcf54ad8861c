# Needs nothing but what the two commands need, and saves typing them. `make` alone lists the targets.
PY := .venv/bin/python

.PHONY: help check test faults fuzz bench endurance learning prior demo soak
help:             ## this list
	@awk -F ': *## ' '/^[a-z]+: *## / { printf "%-10s%s\n", $$1, $$2 }' Makefile
check:            ## lint, types, layers, tests: what CI runs
	bash scripts/test.sh
test:             ## the tests alone, in the .venv that `make check` makes
	$(PY) -m pytest -n 2
faults:           ## the long counts of the fault table: hours, on from where it stopped; WRITE=docs/reliability.md
	mkdir -p logs
	$(PY) -m pytest tests -n 2 -m "faults or figures" --keep-faults logs/faults.jsonl $(if $(WRITE),--write-fault-table $(WRITE))
fuzz:             ## what reads files, given what no file should hold, for FUZZ_SECONDS each (60)
	bash scripts/fuzz.sh
bench:            ## every figure of benchmarks/ beside its target, measured here
	$(PY) benchmarks/table.py
endurance:        ## a year of a busy account in minutes: memory, files and latency
	$(PY) benchmarks/endurance.py
learning:         ## what is learnt on simulated worlds: hours, and on from where it was interrupted
	mkdir -p logs
	for kind in planted random no_edge fees; do \
		$(PY) benchmarks/learning.py $$kind --seconds 30 120 --out logs/learning_$$kind.json --json \
			> logs/learning_$$kind.txt && cat logs/learning_$$kind.txt || exit 1; \
	done
prior:            ## make the model that ships anew, from simulated worlds
	$(PY) ai/rl_trainer.py --pretrain
demo:             ## the whole loop on a simulated market
	bash scripts/start_rl_system.sh demo
soak:             ## half an hour of it: fails on an error in the logs, memory that grows, a file beyond its bound
	bash scripts/start_rl_system.sh demo --headless --minutes 30 --root .demo/soak
