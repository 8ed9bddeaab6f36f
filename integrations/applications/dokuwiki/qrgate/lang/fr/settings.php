<?php

/**
 * French texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Le texte de hook.secret. Pendant un changement, deux, séparés par une espace.';
$lang['origins'] = 'Telle qu’on la voit dans le navigateur, et comme public.url dans proxy.toml. '
    . 'Séparez plusieurs adresses par des espaces. Vide : celle de baseurl.';
$lang['administrators'] = 'Les administrateurs et les gestionnaires peuvent aussi se connecter par un code';
