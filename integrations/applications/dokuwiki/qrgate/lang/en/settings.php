<?php

/**
 * English texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'The secret: the text of hook.secret. During a rotation two, separated by a space. '
    . 'An empty field keeps it.';
$lang['origins'] = 'The public address of the wiki, as people see it, and as public.url in proxy.toml. '
    . 'Several are separated by spaces. Empty: the origin of baseurl.';
$lang['administrators'] = 'Superusers and managers may sign in by a code, too';
