# Shared by the examples; each run.sh sources it. A real application does not need it.
#
#   PORT              the application's port (8000)
#   HOST              the address it listens on (127.0.0.1, so that only qrgate reaches it)
#   DATA              the folder for its data (data/ beside run.sh)
#   HOOK_SECRET_FILE  the secret that signs calls of the login hook (hook.secret beside run.sh; created on the first run)
#   QRGATE_HOOK_SECRET  its text, used by the application in place of the file
#   QRGATE_ORIGINS    the site's public origins; the login hook refuses calls for any other (every address of this computer,
#                     on qrgate's port)
#   QRGATE            the program for `./run.sh qrgate` (the one built in this repository, else the one in PATH)

set -euo pipefail
cd "$(dirname "$0")"
export PORT=${PORT:-8000} HOST=${HOST:-127.0.0.1} DATA=${DATA:-$PWD/data} HOOK_SECRET_FILE=${HOOK_SECRET_FILE:-$PWD/hook.secret}
mkdir -p "$DATA"

# The same as `qrgate secret > hook.secret`.
if [ ! -e "$HOOK_SECRET_FILE" ]; then
    (umask 077 && echo "whsec_$(head -c 32 /dev/urandom | base64)" > "$HOOK_SECRET_FILE")
fi
# The hooks read this file, unless they are given the secret itself.
if [ -z "${QRGATE_HOOK_SECRET:-}" ]; then export QRGATE_HOOK_SECRET_FILE=$HOOK_SECRET_FILE; fi

# An example accepts every address of this computer. A real site has one origin.
origins() {
    local host port=${QRGATE_LISTEN__ADDRESS:-8080}
    for host in localhost 127.0.0.1 "${HOSTNAME:-localhost}" "${HOSTNAME:-localhost}.local" $(hostname -I 2> /dev/null || true); do
        case $host in *:*) host="[$host]" ;; esac
        printf 'http://%s:%s ' "$host" "${port##*:}"
    done
    printf '%s' "${QRGATE_PUBLIC__URL:-}"
}
QRGATE_ORIGINS=${QRGATE_ORIGINS:-$(origins)}
export QRGATE_ORIGINS

# serve MODE COMMAND...: runs the application alone, or with MODE "qrgate" puts qrgate in front of it.
serve() {
    local mode=$1
    shift
    case $mode in
        "") exec "$@" ;;
        qrgate) ;;
        *) echo "usage: ./run.sh [qrgate]" >&2; exit 2 ;;
    esac
    application= gate=
    local built=../../target/release/qrgate
    [ -x "$built" ] || built=../../target/debug/qrgate
    [ -x "$built" ] || built=qrgate
    set -m # starts the application in a separate process group, to end its workers with it
    "$@" &
    application=$!
    set +m
    trap stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    QRGATE_APPLICATION__URL=http://127.0.0.1:$PORT QRGATE_LOGIN__SECRET_FILE=$HOOK_SECRET_FILE \
        "${QRGATE:-$built}" --config proxy.toml &
    gate=$!
    wait "$gate"
}

stop() {
    kill "$gate" 2> /dev/null && wait "$gate" || true
    kill -- "-$application" 2> /dev/null || true
}
