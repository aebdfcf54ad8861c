# Every target works on the .venv that scripts/test.sh makes.
PY := .venv/bin/python

.PHONY: check test bench demo
check:            ## lint, types, layers, tests: what CI runs
	bash scripts/test.sh
test:             ## the tests alone
	$(PY) -m pytest -n 2
bench:            ## the speed claims, measured here
	$(PY) benchmarks/history.py
demo:             ## the whole loop on a simulated market
	bash scripts/start_rl_system.sh demo
