#!/usr/bin/env bash
# Sets the checkout up where that is still to do, then runs the system.
set -euo pipefail

usage='usage: bash scripts/start_rl_system.sh [start|stop|restart|status|logs|doctor|demo] [OPTION...]

  start     the daemons, and keep them running (the default)
  stop      what start has started, and nothing else
  restart   stop, and start again what ran
  status    what the bot is told and why, and how every process is
  logs      what every process said last
  doctor    what stands in the way, and what to do about it
  demo      the whole loop on a simulated market, below .demo/

OPTION... goes to the command; --help after a command lists what it takes.'

case "${1:-}" in
    start | stop | restart | status | logs | doctor | demo) ;;
    '' | --root | --with | --only) set -- start "$@" ;;
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
