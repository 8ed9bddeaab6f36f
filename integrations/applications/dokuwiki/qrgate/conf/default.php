<?php

/**
 * Default settings of the plugin qrgate
 */

$conf['secret'] = '';
$conf['origins'] = '';
$conf['administrators'] = 0;
