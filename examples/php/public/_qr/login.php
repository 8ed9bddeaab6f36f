<?php
// qrgate: signs in the user that a signed message names; the response carries the session's cookie.
require __DIR__ . '/../../app.php';
require __DIR__ . '/../../qr_hooks.php';

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    http_response_code(405);
    exit;
}
$message = qr_signed_message(qr_secrets(), (string) getenv('QRGATE_ORIGINS'), '/_qr/login.php', 'qr_first_use');
if ($message === null) {
    http_response_code(401);
    exit;
}
$user = find_user((string) $message['user_id']);
if (!$user || !$user['active']) {
    http_response_code(404);
    header('Content-Type: application/json');
    exit(json_encode(['message' => 'This account cannot sign in.']));
}
app_session();
sign_in($user); // the application's own sign-in, with a fresh session id
http_response_code(204);
