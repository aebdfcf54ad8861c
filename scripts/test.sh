#!/usr/bin/env bash
# Sets the checkout up where that is still to do, then runs lint, types, layers and tests, up to the first that fails.
# Arguments go to pytest.
set -euo pipefail

# shellcheck source=scripts/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
{ true 3<&0; } 2>/dev/null || exec </dev/null # a closed stdin would lend its number to the next file opened

set_up dev torch report
cd "$checkout"
mkdir -p logs

# step NAME COMMAND...: what it says is shown only if it fails.
step() {
    local name="$1" began=$SECONDS output="logs/test_$1.log" status=0
    shift
    : >"$output"
    with_progress "$name" "$output" "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$output"
        fail "$name failed after $((SECONDS - began)) s (status $status)"
    fi
    printf '%-6s  passed in %d s\n' "$name" $((SECONDS - began))
}

step lint "$python" -m ruff check
step types "$python" -m mypy
step layers "$python" -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

pytest_options=(-n 2)
if [ "$#" -eq 0 ]; then # the whole of them: then contract/ is covered whole
    pytest_options+=(--cov=contract --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100)
fi
exec "$python" -m pytest "${pytest_options[@]}" "$@"
