<?php
// What the login hook needs to know its caller. An operator adds this file and the two in public/_qr/; nothing here is
// about this example. qrgate signs as Standard Webhooks says, with a secret that both sides know.

// The message, if it was signed with our secret within the last minute and is seen for the first time; else null.
function qr_signed_message(string $secret, callable $first_use): ?array {
    $key = base64_decode(substr(trim($secret), strlen('whsec_')));
    if (strlen($key) < 32) {
        throw new RuntimeException('QRGATE_HOOK_SECRET is missing or too short');
    }
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $ts = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $body = file_get_contents('php://input');
    $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$ts.$body", $key, true));
    $ok = array_filter(explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? ''), fn ($s) => hash_equals($want, $s));
    if (!$ok || !ctype_digit($ts) || abs(time() - (int) $ts) > 60 || !$first_use("$id:$ts")) {
        return null;
    }
    $message = json_decode($body, true);
    return ($message['type'] ?? '') === 'qr.login' ? $message : null;
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
