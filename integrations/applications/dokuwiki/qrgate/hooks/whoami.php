<?php

/**
 * The identify hook: returns the user of the session
 */

use dokuwiki\plugin\qrgate\Hooks;

ob_start(); // what another plugin prints is no part of the response
require_once __DIR__ . '/../../../../inc/init.php';
Hooks::serve('whoami');
