# Shared by the scripts in scripts/; to be sourced, not run.
# Bash only: messages go to standard error, results to standard output.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${RISKSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/riskstream}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Runs the rest of the arguments as root, through sudo where needed. Fails if that may not be.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

# Where cargo puts what it builds: target/ unless CARGO_TARGET_DIR or cargo's own settings say otherwise.
target_directory() {
    (cd "$ROOT" && cargo metadata --format-version 1 --no-deps --offline) | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# Whether something listens on a port of the loopback interface.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a port of the loopback interface on which nothing listens, below the range of outgoing connections.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! listens "$port"; then
            echo "$port"
            return
        fi
    done
    die "no free port found between 20000 and 32000"
}

# wait_until SECONDS COMMAND...: repeats COMMAND until it succeeds; fails after SECONDS.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            return 1
        fi
        sleep 0.1
    done
}

docker_runs() { command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; }

# Prints the major version of the Java on the path, 0 if there is none.
java_version() {
    local version
    version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
    echo "${version:-0}"
}

need_java_and_maven() {
    [ "$(java_version)" -ge 17 ] || die "Java 17 or newer is needed: run scripts/setup test"
    command -v mvn >/dev/null || die "Maven is needed: run scripts/setup test"
}

# maven GOAL...: quiet, without asking; a failed download is tried again.
maven() {
    local log try
    log=$(mktemp)
    for try in 1 2 3; do
        if mvn --batch-mode --quiet -Dmaven.wagon.http.retryHandler.count=3 "$@" >"$log" 2>&1 </dev/null; then
            rm -f "$log"
            return 0
        fi
        say "maven failed (try $try of 3)"
    done
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}
