<?php
// qrgate: returns the user of the session, or 401. Never redirects.
header('Cache-Control: no-store');
header('Content-Type: application/json');
if (isset($_COOKIE[session_name()])) { // without a cookie, start no session
    session_start(['read_and_close' => true, 'use_strict_mode' => true]);
}
if (empty($_SESSION['user_id'])) {
    http_response_code(401);
    exit('{}');
}
echo json_encode(['user_id' => (string) $_SESSION['user_id'], 'name' => $_SESSION['name'] ?? '']);
