<?php

/**
 * German texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'Der Text von hook.secret. Während eines Wechsels zwei, durch ein Leerzeichen getrennt.';
$lang['origins'] = 'So, wie man sie im Browser sieht und wie public.url in proxy.toml. '
    . 'Mehrere sind durch Leerzeichen getrennt. Leer: die von baseurl.';
$lang['administrators'] = 'Auch Administratoren und Manager dürfen sich mit einem Code anmelden';
