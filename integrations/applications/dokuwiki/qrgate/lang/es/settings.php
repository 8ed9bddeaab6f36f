<?php

/**
 * Spanish texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'El texto de hook.secret. Durante un cambio, dos, separados por un espacio.';
$lang['origins'] = 'Tal como se ve en el navegador y como public.url en proxy.toml. '
    . 'Separa varias con espacios. Vacío: la de baseurl.';
$lang['administrators'] = 'Los administradores y los gestores también pueden iniciar sesión con un código';
