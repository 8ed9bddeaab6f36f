<?php

/**
 * English texts for the settings of the plugin qrgate
 */

$lang['secret'] = 'The text of hook.secret. During a rotation two, separated by a space.';
$lang['origins'] = 'As people see it, and as public.url in proxy.toml. Several are separated by spaces. '
    . 'Empty: the origin of baseurl.';
$lang['administrators'] = 'Superusers and managers may sign in by a code, too';
