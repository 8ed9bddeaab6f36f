<?php
// What the login hook needs to know its caller. An operator adds this file and the two in public/_qr/; nothing here is
// about this example. qrgate signs as Standard Webhooks says, with a secret that both sides know.

// The message, if it was signed with our secret within the last minute, for this site, and is new; else null. $origins:
// where people see the site, 'https://app.example.com', separated by spaces. $path: login.path in proxy.toml.
function qr_signed_message(string $secret, string $origins, string $path, callable $first_use): ?array {
    $key = base64_decode(substr(trim($secret), strlen('whsec_')));
    if (strlen($key) < 32) {
        throw new RuntimeException('QRGATE_HOOK_SECRET is missing or too short');
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $ts = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $body = file_get_contents('php://input');
    $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$ts.$body", $key, true));
    $ok = array_filter(explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? ''), fn ($s) => hash_equals($want, $s));
    if (!$ok || !ctype_digit($ts) || abs(time() - (int) $ts) > 60) {
        return null;
    }
    $message = json_decode($body, true);
    return qr_is_for_this_site($message, $origins, $path) && $first_use("$id:$ts") ? $message : null;
}

// Whether a call was signed for this hook: another site may have the same secret, and a caller can send any Host.
function qr_is_for_this_site(mixed $message, string $origins, string $path): bool {
    $origin = $message['origin'] ?? '';
    return ($message['type'] ?? '') === 'qr.login'
        && ($message['method'] ?? '') === 'POST'
        && is_string($origin) && $origin !== '' && in_array($origin, explode(' ', $origins), true)
        && ($message['url'] ?? '') === $origin . $path;
}

// True once per key. 'x' makes the file or fails: one winner, however many processes try. The folder must be one that
// only PHP can write.
function qr_first_use(string $key): bool {
    $dir = getenv('QRGATE_USED_DIR') ?: sys_get_temp_dir() . '/qrgate-used';
    is_dir($dir) || @mkdir($dir, 0700, true);
    foreach (glob("$dir/*") as $old) {
        if (@filemtime($old) < time() - 900) {
            @unlink($old);
        }
    }
    return (bool) @fopen($dir . '/' . hash('sha256', $key), 'x');
}
