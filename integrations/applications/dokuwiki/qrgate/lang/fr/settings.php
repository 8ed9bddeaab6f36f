<?php

/**
 * French texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Le secret : le texte de hook.secret. Pendant un changement, deux, séparés par une espace. '
    . 'Un champ vide le garde.';
$lang['origins'] = 'L’adresse publique du wiki, telle qu’on la voit dans le navigateur, et comme public.url dans proxy.toml. '
    . 'Séparez plusieurs adresses par des espaces. Vide : celle de baseurl.';
$lang['administrators'] = 'Les administrateurs et les gestionnaires peuvent aussi se connecter par un code';
