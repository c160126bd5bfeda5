# Several nodes of Kafka, each broker and controller, in one directory. Sourced by scripts/kafka, whose settings it uses.
# The directory: `ports` (a line for each node: of the broker, of the controller), `id`, and `node-I` for each with its own `pid`,
# `log`, `config` and `data`. A node that was killed is started again on its data.

cluster_is_meant() {
    [ -n "$(service_number --brokers)$(service_number --broker)" ] || [ -e "$DIRECTORY/ports" ]
}

cluster_main() {
    local node
    node=$(service_number --broker)
    case $COMMAND in
    start)
        if [ -n "$node" ]; then
            cluster_need_node "$node"
            (cluster_enter "$node" && node_start)
        else
            cluster_start "$(service_number --brokers)"
        fi
        ;;
    kill)
        [ -n "$node" ] || service_usage
        cluster_need_node "$node"
        (cluster_enter "$node" && node_kill)
        ;;
    stop) cluster_stop ;;
    status) cluster_status ;;
    *) service_usage ;;
    esac
}

cluster_nodes() { wc -l <"$DIRECTORY/ports"; }

cluster_need_node() {
    [ -e "$DIRECTORY/ports" ] || die "there are no brokers in $DIRECTORY: scripts/kafka start --brokers 3 --dir $DIRECTORY"
    [ "$1" -le "$(cluster_nodes)" ] || die "there is no broker $1, only 1 to $(cluster_nodes)"
}

# Makes a node the service of the functions in service.sh; to be called in a subshell.
cluster_enter() {
    CLUSTER=$DIRECTORY
    NODE=$1
    DIRECTORY=$CLUSTER/node-$1
    read -r PORT CONTROLLER_PORT < <(sed -n "$1p" "$CLUSTER/ports")
}

# Distinct ports, two for each of $1 nodes.
cluster_ports() {
    local ports=" " port
    while [ "$(wc -w <<<"$ports")" -lt $((2 * $1)) ]; do
        port=$(free_port)
        [[ $ports = *" $port "* ]] || ports+="$port "
    done
    # shellcheck disable=SC2086
    printf '%s %s\n' $ports
}

cluster_address() { sed 's/^\([0-9]*\) .*/127.0.0.1:\1/' "$DIRECTORY/ports" | paste -sd ,; }

# node_settings: those of every node, and what makes the death of a broker known within seconds.
node_settings() {
    local nodes voters
    nodes=$(wc -l <"$CLUSTER/ports")
    voters=$(awk '{ printf "%s%d@127.0.0.1:%s", (NR > 1 ? "," : ""), NR, $2 }' "$CLUSTER/ports")
    settings 127.0.0.1 "$NODE" "$voters" $((nodes < 3 ? nodes : 3)) $((nodes < 2 ? nodes : 2))
    cat <<END
log.dirs=$DIRECTORY/data
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.fetch.timeout.ms=1500
controller.quorum.election.timeout.ms=500
replica.lag.time.max.ms=3000
END
}

node_start() {
    service_lock
    if ! service_alive; then
        # Two compiler threads and a small heap: the machine has other things to do.
        service_run java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "${KAFKA_JAVA[@]}" kafka.Kafka "$DIRECTORY/config"
    fi
    wait_until 120 service_ended_or_answers || true
    service_alive && service_answers && return
    tail -n 20 "$DIRECTORY/log" >&2
    die "broker $NODE did not start"
}

node_kill() {
    service_lock
    ! service_alive || kill -KILL "$(cat "$DIRECTORY/pid")"
    wait_until 15 service_dead || die "broker $NODE does not end"
}

node_stop() {
    # One that was stopped by SIGSTOP gets no other signal.
    ! service_alive || kill -CONT "$(cat "$DIRECTORY/pid")" 2>/dev/null || true
    service_end
}

# Formats the data directory, once.
node_prepare() {
    [ ! -e "$DIRECTORY/config" ] || return 0
    mkdir -p "$DIRECTORY/data"
    node_settings >"$DIRECTORY/config"
    java -Xmx256m "${KAFKA_JAVA[@]}" kafka.tools.StorageTool format -t "$(cat "$CLUSTER/id")" -c "$DIRECTORY/config" \
        >"$DIRECTORY/log" 2>&1 || {
        cat "$DIRECTORY/log" >&2
        die "the data directory of broker $NODE could not be formatted"
    }
}

cluster_start() {
    service_prepare
    mkdir -p "$DIRECTORY"
    local node nodes=${1:-}
    if [ ! -e "$DIRECTORY/ports" ]; then
        java "${KAFKA_JAVA[@]}" kafka.tools.StorageTool random-uuid >"$DIRECTORY/id" || die "Java could not run Kafka's tools"
        cluster_ports "$nodes" >"$DIRECTORY/ports"
    fi
    nodes=$(cluster_nodes)
    local starting=() pid
    for node in $(seq "$nodes"); do
        (cluster_enter "$node" && node_prepare && node_start) &
        starting+=($!)
    done
    for pid in "${starting[@]}"; do
        wait "$pid" || {
            cluster_stop
            die "$SERVICE did not start"
        }
    done
    cluster_address
}

cluster_stop() {
    [ -e "$DIRECTORY/ports" ] || return 0
    local node stopping=()
    for node in $(seq "$(cluster_nodes)"); do
        (cluster_enter "$node" && node_stop) &
        stopping+=($!)
    done
    wait "${stopping[@]}" || true
    rm -rf "$DIRECTORY"/{ports,id,node-*}
    rmdir "$DIRECTORY" 2>/dev/null || true
}

cluster_status() {
    local node
    for node in $(seq "$(cluster_nodes)"); do
        (cluster_enter "$node" && service_alive && service_answers) || {
            say "broker $node does not answer"
            return 1
        }
    done
    cluster_address
}
