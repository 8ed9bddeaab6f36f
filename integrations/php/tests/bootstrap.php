<?php
// QRGATE_PHP is what to test: the single file, or the autoloader of an application that installed the package.
require getenv('QRGATE_PHP') ?: __DIR__ . '/../qrgate.php';
