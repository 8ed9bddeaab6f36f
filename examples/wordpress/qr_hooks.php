<?php
// The signature check of qrgate 0.1's login hook. Copy this file as it is to a folder that the web server does not serve.
// qrgate signs its call (Standard Webhooks) with a secret that only qrgate and this application have.

// The text of QRGATE_HOOK_SECRET, or of the file QRGATE_HOOK_SECRET_FILE: one secret, or two during a rotation.
function qr_secrets(): string {
    $file = getenv('QRGATE_HOOK_SECRET_FILE');
    return (string) ($file ? file_get_contents($file) : getenv('QRGATE_HOOK_SECRET'));
}

// The message, if its signature is valid, less than a minute old, meant for this site, and not used before; else null.
// $origins: the site's public origins, separated by spaces: 'https://app.example.com'. $path: login.path in proxy.toml.
function qr_signed_message(string $secrets, string $origins, string $path, callable $first_use): ?array {
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $ts = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $body = file_get_contents('php://input');
    if (!qr_is_signed($secrets, "$id.$ts.$body") || !ctype_digit($ts) || abs(time() - (int) $ts) > 60) {
        return null;
    }
    $message = json_decode($body, true);
    return qr_is_for_this_site($message, $origins, $path) && $first_use("$id:$ts") ? $message : null;
}

// Whether a signature of this request was made with one of the secrets.
function qr_is_signed(string $secrets, string $signed): bool {
    $valid = false;
    foreach (preg_split('/\s+/', trim($secrets)) as $secret) {
        $key = base64_decode(substr($secret, strlen('whsec_')));
        if (strlen($key) < 32) {
            throw new RuntimeException('QRGATE_HOOK_SECRET is missing or too short');
        }
        $want = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
        foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) {
            $valid = hash_equals($want, $signature) || $valid;
        }
    }
    return $valid;
}

// Whether the call was signed for this hook. Compares with a setting, because a caller chooses its own Host.
function qr_is_for_this_site(mixed $message, string $origins, string $path): bool {
    $origin = $message['origin'] ?? '';
    return ($message['type'] ?? '') === 'qr.login'
        && ($message['method'] ?? '') === 'POST'
        && is_string($origin) && $origin !== '' && in_array($origin, explode(' ', $origins), true)
        && ($message['url'] ?? '') === $origin . $path;
}

// True once per key, also among several processes: 'x' creates the file or fails. Only PHP may write to the folder.
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
