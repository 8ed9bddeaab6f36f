<?php

/**
 * German texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Das Geheimnis: der Text von hook.secret. Während eines Wechsels zwei, durch ein Leerzeichen getrennt. '
    . 'Ein leeres Feld behält es.';
$lang['origins'] = 'Die öffentliche Adresse des Wikis, wie man sie im Browser sieht und wie public.url in proxy.toml. '
    . 'Mehrere sind durch Leerzeichen getrennt. Leer: die von baseurl.';
$lang['administrators'] = 'Auch Administratoren und Manager dürfen sich mit einem Code anmelden';
