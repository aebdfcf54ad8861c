#!/usr/bin/env bash
# Sets the checkout up where that is still to do, then runs the system.
set -euo pipefail

usage='usage: bash scripts/start_rl_system.sh demo|status|doctor [OPTION...]

  demo      the whole loop on a simulated market
  status    what every part of the system last did
  doctor    what stands in its way, and what to do about it

OPTION... goes to the command; --help after a command lists what it takes.'

case "${1:-}" in
    demo | status | doctor) ;;
    start | stop | restart | logs)
        printf '%s: %s is not built yet\n' "${0##*/}" "$1" >&2
        exit 2
        ;;
    help | -h | --help)
        printf '%s\n' "$usage"
        exit 0
        ;;
    *)
        printf '%s\n' "$usage" >&2
        exit 2
        ;;
esac

# shellcheck source=scripts/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"
set_up torch report
exec "$venv/bin/tiller" "$@"
