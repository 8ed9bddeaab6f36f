<?php require __DIR__ . '/../qrgate.php';
require __DIR__ . '/../app.php';
qrgate\handle(['session' => app_session(...), 'load' => find_user(...), 'login' => sign_in(...)]);
