# A private RabbitMQ node for tests, to be sourced: on free ports of the loopback device, with an epmd and a cookie of its own, so that
# a broker of the system is not touched. Run as an ordinary user, gone without a trace.
#
#   . tests/lib/rabbitmq.sh
#   SCOMO_TEST_AMQP=$(rabbitmq_start "$dir/rabbitmq")
#   trap 'rabbitmq_stop "$dir/rabbitmq"' EXIT
#
# Where openssl is installed, DIR/tls holds ca.pem, client.pem and client.key, without which the port `tls` of DIR/node lets nobody in.
#
# There are two users: `scomo`, who may do everything, and `limited`, who may not declare. Their passwords are their names.

# rabbitmq_start DIR: makes a node in DIR, which must not exist, starts it, prints its URL.
rabbitmq_start() {
    local dir=$1 port
    _rabbitmq_bin >/dev/null || return 1
    mkdir -p "$dir/data" "$dir/log" && chmod 700 "$dir" || return 1
    port=$(_rabbitmq_free) || return 1
    printf 'port=%s\ntls=%s\ndist=%s\nepmd=%s\nnode=scomo%s@localhost\n' \
        "$port" "$(_rabbitmq_free)" "$(_rabbitmq_free)" "$(_rabbitmq_free)" "$port" >"$dir/node"
    printf '[].\n' >"$dir/plugins"
    : >"$dir/env.conf"
    cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
load_definitions = $dir/definitions.json
log.file.level = warning
disk_free_limit.absolute = 50MB
CONF
    if command -v openssl >/dev/null; then
        _rabbitmq_certificates "$dir/tls" || return 1
        cat >>"$dir/rabbitmq.conf" <<CONF
listeners.ssl.1 = 127.0.0.1:$(sed -n 's/^tls=//p' "$dir/node")
ssl_options.cacertfile = $dir/tls/ca.pem
ssl_options.certfile = $dir/tls/server.pem
ssl_options.keyfile = $dir/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
CONF
    fi
    cat >"$dir/definitions.json" <<'JSON'
{ "vhosts": [{ "name": "/" }],
  "users": [{ "name": "scomo", "password": "scomo", "tags": "" }, { "name": "limited", "password": "limited", "tags": "" }],
  "permissions": [
    { "user": "scomo", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*" },
    { "user": "limited", "vhost": "/", "configure": "^$", "write": ".*", "read": ".*" }] }
JSON
    (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/.erlang.cookie" && chmod 400 "$dir/.erlang.cookie") || return 1
    _rabbitmq_own "$dir" || return 1
    rabbitmq_again "$dir" || return 1
    printf 'amqp://scomo:scomo@127.0.0.1:%s/%%2f\n' "$port"
}

# rabbitmq_again DIR: starts the node in DIR, which was made before, and waits until it speaks AMQP.
rabbitmq_again() {
    local dir=$1 port dist epmd node byte bin tries
    bin=$(_rabbitmq_bin) || return 1
    . "$dir/node"
    _rabbitmq_as_user env HOME="$dir" LANG=C.UTF-8 ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
        RABBITMQ_NODENAME="$node" RABBITMQ_NODE_PORT="$port" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT="$dist" \
        RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_PID_FILE="$dir/pid" \
        RABBITMQ_CONF_ENV_FILE="$dir/env.conf" RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins" RABBITMQ_GENERATED_CONFIG_DIR="$dir/generated" \
        RABBITMQ_FEATURE_FLAGS_FILE="$dir/feature_flags" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        setsid "$bin/rabbitmq-server" </dev/null >"$dir/log/start" 2>&1 &
    for tries in $(seq 1200); do
        if exec 3<>"/dev/tcp/127.0.0.1/$port"; then
            printf 'AMQP\0\0\11\1' >&3
            byte=missing
            IFS= read -r -t 5 -n 1 -d '' byte <&3 && byte=there
            exec 3>&-
            [ "$byte" = there ] && return 0
        fi 2>/dev/null
        sleep 0.05
    done
    echo "the RabbitMQ node in $dir did not start:" >&2
    cat "$dir/log/start" >&2
    return 1
}

# rabbitmq_ctl DIR ARGUMENT…: asks something of the node in DIR, as rabbitmqctl does.
rabbitmq_ctl() {
    local dir=$1 epmd node bin
    shift
    bin=$(_rabbitmq_bin) || return 1
    epmd=$(sed -n 's/^epmd=//p' "$dir/node")
    node=$(sed -n 's/^node=//p' "$dir/node")
    _rabbitmq_as_user env HOME="$dir" LANG=C.UTF-8 ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME="$node" \
        RABBITMQ_CONF_ENV_FILE="$dir/env.conf" RABBITMQ_LOG_BASE="$dir/log" "$bin/rabbitmqctl" --quiet "$@"
}

# rabbitmq_halt DIR: stops the node in DIR in order; what is durable stays.
rabbitmq_halt() {
    local dir=$1 pid
    pid=$(cat "$dir/pid" 2>/dev/null) || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

# rabbitmq_kill DIR: ends the node in DIR at once; what is durable stays.
rabbitmq_kill() {
    local dir=$1 pid
    pid=$(cat "$dir/pid" 2>/dev/null) || return 0
    kill -KILL "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

# rabbitmq_stop DIR: stops the node in DIR, if it runs, and removes DIR.
rabbitmq_stop() {
    local dir=$1 pid epmd
    [ -d "$dir" ] || return 0
    pid=$(cat "$dir/pid" 2>/dev/null)
    if [ -n "$pid" ]; then
        kill -KILL "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    fi
    epmd=$(sed -n 's/^epmd=//p' "$dir/node" 2>/dev/null)
    # It forgets a dead node in a moment, and does not go before.
    for pid in $(seq 50); do
        [ -n "$epmd" ] && ERL_EPMD_PORT=$epmd epmd -kill >/dev/null 2>&1 || break
        sleep 0.05
    done
    rm -rf "$dir"
}

# rabbitmq_found: whether a server is installed.
rabbitmq_found() {
    _rabbitmq_bin >/dev/null 2>&1
}

# _rabbitmq_certificates DIR: an authority, and what it signed for the node and for a client; good for a day.
_rabbitmq_certificates() {
    local dir=$1 who
    mkdir "$dir" || return 1
    (
        cd "$dir" && exec 2>"$dir/log"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority -keyout ca.key -out ca.pem || exit 1
        for who in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$who" -keyout "$who.key" -out "$who.csr" || exit 1
            printf 'basicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n' >"$who.ext"
            openssl x509 -req -in "$who.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile "$who.ext" -out "$who.pem" || exit 1
        done
    ) || { cat "$dir/log" >&2; return 1; }
}

# The directory of the server's own scripts: those in PATH insist on the system's user.
_rabbitmq_bin() {
    local bin
    bin=$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$bin" ] && [ -x /opt/rabbitmq/sbin/rabbitmq-server ]; then
        bin=/opt/rabbitmq/sbin
    fi
    [ -n "$bin" ] || { echo "no RabbitMQ server found; on Debian: apt-get install rabbitmq-server" >&2; return 1; }
    printf '%s\n' "$bin"
}

# A port that nothing listens on, below those that the system hands out itself.
_rabbitmq_free() {
    local port tries
    for tries in $(seq 100); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    echo 'no free port found' >&2
    return 1
}

# As root the node runs as nobody, who must own DIR and reach it through the directory above.
_rabbitmq_own() {
    [ "$(id -u)" -eq 0 ] || return 0
    chown -R 65534:65534 "$1" && chmod 755 "$(dirname "$1")"
}

_rabbitmq_as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@")
    else
        (cd / && exec "$@")
    fi
}
