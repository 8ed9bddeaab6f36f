<?php

/**
 * English texts of the plugin qrgate
 */

$lang['button'] = 'Sign in on your phone';
$lang['link'] = 'Sign in with your phone';
$lang['link_intro'] = 'Signed in on another device already?';
$lang['refused'] = 'This account cannot sign in.';
