#!/bin/bash
# Inside the machine: installs the package, and takes the service through its whole life. The first failure ends it.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"; systemctl status --no-pager qrgate.service qrgate.socket; journalctl --no-pager --unit qrgate --lines 30' ERR

# holds SENTENCE COMMAND...: the command succeeds
holds() { "${@:2}"; echo "ok    $1"; }
# until COMMAND...: at most 20 s
until_it() {
    for _ in $(seq 200); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "not within 20 s: $*"
    "$@"
}
show() { systemctl show --value --property "$1" "${2:-qrgate.service}"; }
page() { curl --silent --fail --max-time 20 http://127.0.0.1:8080/; }
same() { [ "$1" = "$2" ] || { echo "“$1” is not “$2”"; return 1; }; }
says() { [[ $1 == *"$2"* ]] || { echo "no “$2” in: $1"; return 1; }; }
journal() { journalctl --no-pager --unit qrgate --output cat; }

systemd-run --quiet --unit application perl /guest/application.pl
until_it curl --silent http://127.0.0.1:8000/

echo "== install"
dpkg --install /guest/qrgate.deb > /dev/null
holds 'the secrets are root’s alone' same "$(stat --format '%U %a' /etc/qrgate/hook.secret /etc/qrgate/ticket.secret | sort -u)" 'root 600'
holds 'nothing is started' same "$(show ActiveState)" inactive
secret=$(cat /etc/qrgate/hook.secret)
(cd /etc/qrgate && qrgate init --application http://127.0.0.1:8000 --site Notes) > /dev/null
holds '`qrgate init` keeps them' same "$(cat /etc/qrgate/hook.secret)" "$secret"

echo "== start"
systemctl enable --quiet --now qrgate.service
holds 'start returns when it listens' same "$(page)" 'the application'
holds 'it is notified of readiness' same "$(show Type) $(show SubState)" 'notify running'
pid=$(show MainPID)
holds 'the user is not root' test "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" -ge 61184
holds 'it can gain nothing' same "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$pid/status")" 1
holds 'its calls are filtered' same "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")" 2
holds 'its one right is a low port' same "$(awk '/^CapEff/ { print $2 }' "/proc/$pid/status")" 0000000000000400
holds 'it sees the disk as read-only' nsenter --mount --target "$pid" findmnt --noheadings --output OPTIONS / --options ro
holds 'the hook’s secret is a credential' same "$(nsenter --mount --target "$pid" cat /run/credentials/qrgate.service/hook.secret)" "$secret"
holds 'and is not in its environment' test -z "$(tr '\0' '\n' < "/proc/$pid/environ" | grep whsec_ || true)"
systemd-analyze security --no-pager qrgate.service | tail -n 1
holds 'its exposure is small' systemd-analyze security --no-pager --threshold=25 qrgate.service > /dev/null
holds 'a whole sign-in succeeds' env QRGATE_LOGIN__SECRET_FILE=/etc/qrgate/hook.secret QRGATE_TICKETS__SECRET_FILE=/etc/qrgate/ticket.secret \
    qrgate check --config /etc/qrgate/proxy.toml --user 42

echo "== reload"
curl --silent --fail http://127.0.0.1:8080/slow > /tmp/slow &
slow=$!
sed -i 's|^site = .*|site = "Renamed"|' /etc/qrgate/proxy.toml
systemctl reload qrgate.service
until_it eval 'journal | grep "configuration reloaded"'
holds 'the new name is shown' says "$(curl --silent http://127.0.0.1:8080/qr/invalid_code/)" Renamed
holds 'by the same process' same "$(show MainPID)" "$pid"
wait $slow
holds 'an answer under way was not cut' same "$(cat /tmp/slow | tr -d '\n')" abc
echo 'lifetime = 1' >> /etc/qrgate/proxy.toml
systemctl reload qrgate.service || true
until_it eval 'journal | grep "old configuration stays in use"'
holds 'a broken file changes nothing' same "$(page) $(show MainPID) $(show ActiveState)" "the application $pid active"
sed -i '$d' /etc/qrgate/proxy.toml

echo "== watchdog"
mkdir --parents /run/systemd/system/qrgate.service.d
printf '[Service]\nWatchdogSec=2\n' > /run/systemd/system/qrgate.service.d/test.conf
systemctl daemon-reload
systemctl restart qrgate.service
until_it page
pid=$(show MainPID)
# A sign of life that came when two whole periods of two seconds were over.
until_it eval '(( $(show WatchdogTimestampMonotonic) > $(show ExecMainStartTimestampMonotonic) + 4000000 ))'
holds 'it gives its signs of life' same "$(show NRestarts) $(show MainPID)" "0 $pid"
kill -STOP "$pid"
until_it eval '[ "$(show NRestarts)" != 0 ]'
until_it page
holds 'without them it is started anew' test "$(show MainPID)" != "$pid"
rm /run/systemd/system/qrgate.service.d/test.conf
systemctl daemon-reload

echo "== socket"
systemctl disable --quiet --now qrgate.service
sed -i '0,/^#address = .*/s||address = "systemd:http"|' /etc/qrgate/proxy.toml
systemctl enable --quiet --now qrgate.socket
holds 'the service sleeps' same "$(show ActiveState)" inactive
holds 'the first visitor wakes it' same "$(page)" 'the application'
holds 'and it is running' same "$(show SubState)" running
(for _ in $(seq 60); do page > /dev/null || echo "curl: $?"; done > /tmp/refused) &
visitors=$!
systemctl restart qrgate.service
systemctl restart qrgate.service
wait $visitors
holds 'no visitor is turned away by a restart' same "$(cat /tmp/refused)" ""

echo "== update"
pid=$(show MainPID)
dpkg --install /guest/qrgate.deb > /dev/null
holds 'an update runs the new program' test "$(show MainPID)" != "$pid"
holds 'and keeps the file and the secrets' same "$(grep -c systemd:http /etc/qrgate/proxy.toml) $(cat /etc/qrgate/hook.secret)" "1 $secret"
holds 'people are served' same "$(page)" 'the application'

echo "== stop"
curl --silent --fail http://127.0.0.1:8080/slow > /tmp/slow &
slow=$!
until_it eval 'curl --silent http://127.0.0.1:9180/metrics | grep "^qrgate_requests_in_flight 1"'
systemctl stop qrgate.socket qrgate.service
wait $slow
holds 'an answer under way was finished' same "$(cat /tmp/slow | tr -d '\n')" abc
holds 'the end was in order' same "$(show Result) $(show ExecMainStatus)" 'success 0'
dpkg --purge qrgate > /dev/null
holds 'a purge leaves nothing' same "$(ls -d /etc/qrgate /usr/bin/qrgate /lib/systemd/system/qrgate.* 2> /dev/null || true)" ''
echo "all holds"
