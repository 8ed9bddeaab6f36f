<?php

/**
 * Spanish texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'El secreto: el texto de hook.secret. Durante un cambio, dos, separados por un espacio. '
    . 'Un campo vacío lo conserva.';
$lang['origins'] = 'La dirección pública del wiki, tal como se ve en el navegador y como public.url en proxy.toml. '
    . 'Separa varias con espacios. Vacío: la de baseurl.';
$lang['administrators'] = 'Los administradores y los gestores también pueden iniciar sesión con un código';
