<?php
require __DIR__ . '/../app.php';

app_session();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    check_form_token();
    $_SESSION = [];
    session_regenerate_id(true); // the old session ends at the server, and with it the codes made in it
}
header('Location: /', true, 303);
