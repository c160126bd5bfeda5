# A local service for tests and trials: a process (or a container) with a directory of its own that
# holds everything it writes. Sourced by scripts/kafka and scripts/registry, which set SERVICE, parse the
# command line with `service_arguments` and define:
#   service_prepare    download what is missing (only for the process)
#   service_launch     start the process in the background, `service_run COMMAND...` does it
#   service_container  start the container named $CONTAINER
#   service_answers    whether it answers requests
#   service_address    print where
# and SERVICE_FLAGS, the options without a value that it takes; `service_flag NAME` says whether one was given;
# and SERVICE_NUMBERS, the options with a whole number; `service_number NAME` prints what was given, if anything.
# The directory: `address`, `pid` or `container`, `log`, `data`, and what the service writes of its own.

# shellcheck source=scripts/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

service_usage() {
    say "usage: scripts/$SERVICE start|stop|status [--port N] [--dir DIRECTORY] ${SERVICE_FLAGS:-} ${SERVICE_USAGE:-}"
    say "start prints the address when the service answers; started twice, it prints the same address again."
    exit 2
}

service_arguments() {
    [ $# -ge 1 ] || service_usage
    COMMAND=$1
    shift
    WANTED_PORT=
    DIRECTORY=$ROOT/.riskstream/$SERVICE
    FLAGS=
    NUMBERS=
    while [ $# -gt 0 ]; do
        if [[ " ${SERVICE_FLAGS:-} " = *" $1 "* ]]; then
            FLAGS+=" $1 "
            shift
            continue
        fi
        [ $# -ge 2 ] || service_usage
        if [[ " ${SERVICE_NUMBERS:-} " = *" $1 "* ]]; then
            [[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 is a whole number, not $2"
            NUMBERS+=" $1=$2 "
            shift 2
            continue
        fi
        case $1 in
        --port) WANTED_PORT=$2 ;;
        --dir) DIRECTORY=$2 ;;
        *) service_usage ;;
        esac
        shift 2
    done
    DIRECTORY=$(realpath -m "$DIRECTORY")
    CONTAINER=riskstream-$SERVICE-$(printf '%s' "$DIRECTORY" | cksum | cut -d ' ' -f 1)
}

service_flag() { [[ $FLAGS = *" $1 "* ]]; }

service_number() { [[ ! $NUMBERS =~ \ $1=([0-9]+)\  ]] || echo "${BASH_REMATCH[1]}"; }

service_main() {
    case $COMMAND in
    start) service_start ;;
    stop) service_stop ;;
    status) service_status ;;
    *) service_usage ;;
    esac
}

# Two starts or stops at once take turns.
service_lock() {
    mkdir -p "$DIRECTORY"
    exec 9>"$DIRECTORY.lock"
    flock -w 300 9 || die "$DIRECTORY.lock is held by another start or stop"
}

# The process is ours if its command line names our directory: process ids are used again.
service_alive() {
    local pid
    if [ -f "$DIRECTORY/container" ]; then
        [ "$(docker inspect -f '{{.State.Running}}' "$CONTAINER" 2>/dev/null)" = true ]
    else
        pid=$(cat "$DIRECTORY/pid" 2>/dev/null) || return 1
        { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF "$DIRECTORY"
    fi
}

# service_run COMMAND...: in the background, detached from the terminal and from our descriptors.
service_run() {
    setsid "$@" >"$DIRECTORY/log" 2>&1 </dev/null 9>&- &
    echo $! >"$DIRECTORY/pid"
    # Until the new process has replaced this shell its command line is still ours.
    wait_until 10 service_replaced || true
}

service_replaced() {
    local pid
    pid=$(cat "$DIRECTORY/pid")
    service_alive || ! kill -0 "$pid" 2>/dev/null
}

service_ended_or_answers() { ! service_alive || service_answers; }

service_start() {
    service_lock
    if service_alive; then
        PORT=$(cat "$DIRECTORY/port")
        wait_until 120 service_ended_or_answers || true
        if service_alive && service_answers; then
            service_address
            return
        fi
        say "$SERVICE in $DIRECTORY does not answer, starting it anew"
        service_end
    fi
    service_clear
    local try
    for try in 1 2 3; do
        PORT=${WANTED_PORT:-$(free_port)}
        mkdir -p "$DIRECTORY"
        echo "$PORT" >"$DIRECTORY/port"
        service_begin
        wait_until 120 service_ended_or_answers || true
        if service_alive && service_answers; then
            service_address
            return
        fi
        say "$SERVICE did not start (try $try of 3); the end of its log:"
        { [ -f "$DIRECTORY/container" ] && docker logs "$CONTAINER" 2>&1 || cat "$DIRECTORY/log"; } 2>/dev/null | tail -n 20 >&2
        service_end
        service_clear
    done
    rm -f "$DIRECTORY.lock"
    die "$SERVICE did not start"
}

service_begin() {
    if docker_runs; then
        echo "$CONTAINER" >"$DIRECTORY/container"
        docker rm -f "$CONTAINER" >/dev/null 2>&1 || true
        if service_container >"$DIRECTORY/log" 2>&1; then
            return
        fi
        say "docker could not start $SERVICE, using Java instead"
        rm -f "$DIRECTORY/container"
    fi
    service_prepare
    service_launch
}

service_end() {
    if [ -f "$DIRECTORY/container" ]; then
        docker rm -f "$CONTAINER" >/dev/null 2>&1 || true
    elif service_alive; then
        local pid
        pid=$(cat "$DIRECTORY/pid")
        kill "$pid" 2>/dev/null || true
        if ! wait_until 15 service_dead; then
            kill -KILL "$pid" 2>/dev/null || true
            wait_until 15 service_dead || die "process $pid does not end"
        fi
    fi
}

service_dead() { ! service_alive; }

# Removes the directory, but only what we wrote there.
service_clear() {
    rm -rf "$DIRECTORY"/{address,pid,port,container,log,data,config,listeners,tls}
    rmdir "$DIRECTORY" 2>/dev/null || true
}

service_stop() {
    if [ ! -e "$DIRECTORY" ]; then
        return
    fi
    service_lock
    service_end
    service_clear
    rm -f "$DIRECTORY.lock"
}

service_status() {
    if service_alive; then
        PORT=$(cat "$DIRECTORY/port")
        if service_answers; then
            service_address
            return
        fi
        say "$SERVICE runs but does not answer"
    else
        say "$SERVICE does not run"
    fi
    return 1
}
