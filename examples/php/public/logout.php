<?php
require __DIR__ . '/../app.php';

app_session();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    check_form_token();
    $_SESSION = [];
    session_regenerate_id(true); // ends the old session on the server, and with it its codes
}
header('Location: /', true, 303);
