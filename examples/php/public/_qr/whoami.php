<?php
// qrgate: whose session is this? 401 for nobody; never a redirect.
header('Cache-Control: no-store');
header('Content-Type: application/json');
if (isset($_COOKIE[session_name()])) { // else every visitor would get a session
    session_start(['read_and_close' => true, 'use_strict_mode' => true]);
}
if (empty($_SESSION['user_id'])) {
    http_response_code(401);
    exit('{}');
}
echo json_encode(['user_id' => (string) $_SESSION['user_id'], 'name' => $_SESSION['name'] ?? '']);
