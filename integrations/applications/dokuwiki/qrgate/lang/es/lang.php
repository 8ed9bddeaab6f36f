<?php

/**
 * Spanish texts of the plugin qrgate
 */

$lang['button'] = 'Inicia sesión en tu teléfono';
$lang['link'] = 'Inicia sesión con tu teléfono';
$lang['link_intro'] = '¿Ya tienes la sesión abierta en otro dispositivo?';
$lang['refused'] = 'Esta cuenta no puede iniciar sesión.';
