<?php

/**
 * German texts of the plugin qrgate
 */

$lang['button'] = 'Auf dem Handy anmelden';
$lang['link'] = 'Mit dem Handy anmelden';
$lang['link_intro'] = 'Schon auf einem anderen Gerät angemeldet?';
$lang['refused'] = 'Dieses Konto kann sich nicht anmelden.';
