#!/usr/bin/env bash
# Sets the checkout up where that is still to do, then runs each fuzz target for FUZZ_SECONDS (60), or those that are
# named. What each found stands in one line; the rest is in logs/. Fails if an input made a target fail.
set -euo pipefail

# shellcheck source=scripts/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
set_up dev fuzz
cd "$checkout"
mkdir -p logs
export PYTHONPATH="$checkout/tests:$checkout"

seconds="${FUZZ_SECONDS:-60}"
failed=0
if [ "$#" -eq 0 ]; then
    # shellcheck disable=SC2046 # names without spaces
    set -- $("$python" -c 'from fuzz.targets import TARGETS; print(*TARGETS)')
fi
for target in "$@"; do
    output="logs/fuzz_$target.log" status=0
    : >"$output"
    with_progress "$target" "$output" "$python" -m fuzz.guided "$target" "$seconds" || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$output"
        say "$target failed: what made it fail is in tests/fuzz/findings, and is a test from now on"
        failed=1
        continue
    fi
    awk -v target="$target" '
        /^#[0-9]+/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        END { printf "%-12s %9d runs %7d edges, nothing found\n", target, runs, edges }
    ' "$output"
done
exit "$failed"
