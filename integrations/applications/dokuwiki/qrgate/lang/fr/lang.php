<?php

/**
 * French texts of the plugin qrgate
 */

$lang['button'] = 'Connexion sur votre téléphone';
$lang['link'] = 'Se connecter avec votre téléphone';
$lang['link_intro'] = 'Déjà connecté sur un autre appareil ?';
$lang['refused'] = 'Ce compte ne peut pas se connecter.';
