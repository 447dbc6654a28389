# A private PostgreSQL for tests, to be sourced: reached by a Unix socket alone, so that no port is taken; only who may enter the
# socket's directory gets in, so there is no password. Run as an ordinary user, gone without a trace.
#
#   . tests/lib/postgres.sh
#   SCOMO_TEST_POSTGRES=$(postgres_start "$dir/postgres" -c fsync=off)
#   trap 'postgres_stop "$dir/postgres"' EXIT

# postgres_start DIR [OPTION…]: makes a cluster in DIR, which must not exist, starts it with these options, prints its URL.
postgres_start() {
    local dir=$1 bin
    shift
    bin=$(_postgres_bin) || return 1
    mkdir -p "$dir/socket" && chmod 700 "$dir" "$dir/socket" || return 1
    _postgres_own "$dir" || return 1
    _postgres_as_user "$bin/initdb" --pgdata="$dir/data" --username=scomo --auth=trust --encoding=UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }
    printf '%s\n' "-c listen_addresses='' -c unix_socket_directories='$dir/socket' -c max_connections=200 $*" >"$dir/options"
    _postgres_as_user "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/server.log" --wait --timeout=60 \
        --options="$(cat "$dir/options")" \
        start >"$dir/start.log" 2>&1 || { cat "$dir/start.log" "$dir/server.log" >&2; return 1; }
    printf 'postgres://scomo@localhost/postgres?host=%s\n' "$dir/socket"
}

# postgres_stop DIR: stops the cluster in DIR, if it runs, and removes DIR.
postgres_stop() {
    local dir=$1 bin
    [ -d "$dir" ] || return 0
    if [ -f "$dir/data/postmaster.pid" ] && bin=$(_postgres_bin); then
        _postgres_as_user "$bin/pg_ctl" --pgdata="$dir/data" --mode=immediate --wait stop >/dev/null 2>&1
    fi
    rm -rf "$dir"
}

# postgres_found: whether a server is installed.
postgres_found() {
    _postgres_bin >/dev/null 2>&1
}

# The directory of the newest server's binaries: Debian keeps them out of PATH.
_postgres_bin() {
    local bin
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$bin" ] && command -v initdb >/dev/null; then
        bin=$(dirname "$(command -v initdb)")
    fi
    [ -n "$bin" ] || { echo "no PostgreSQL server found; on Debian: apt-get install postgresql" >&2; return 1; }
    printf '%s\n' "$bin"
}

# PostgreSQL refuses to run as root: then it runs as nobody, who must own DIR and reach it through the directory above.
_postgres_own() {
    [ "$(id -u)" -eq 0 ] || return 0
    chown -R 65534:65534 "$1" && chmod 755 "$(dirname "$1")"
}

_postgres_as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@")
    else
        (cd / && "$@")
    fi
}

# postgres_halt DIR immediate|kill: ends the cluster in DIR without order; what was committed stays.
postgres_halt() {
    local dir=$1 pid bin
    pid=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null) || return 0
    case $2 in
        kill) kill -KILL "$pid" 2>/dev/null ;;
        *) bin=$(_postgres_bin) && _postgres_as_user "$bin/pg_ctl" --pgdata="$dir/data" --mode="$2" --wait stop >/dev/null 2>&1 ;;
    esac
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

# postgres_again DIR: starts the cluster in DIR, which was made before, with its former options; it may run already.
postgres_again() {
    local dir=$1 bin tries
    bin=$(_postgres_bin) || return 1
    for tries in $(seq 200); do
        _postgres_as_user "$bin/pg_ctl" --pgdata="$dir/data" status >/dev/null 2>&1 &&
            _postgres_as_user "$bin/pg_isready" --host="$dir/socket" --quiet && return 0
        # Backends of a postmaster that was killed may still be leaving.
        _postgres_as_user "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/server.log" --wait --timeout=60 \
            --options="$(cat "$dir/options")" start >"$dir/start.log" 2>&1 || true
        sleep 0.1
    done
    cat "$dir/start.log" >&2
    return 1
}
