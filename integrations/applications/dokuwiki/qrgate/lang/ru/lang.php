<?php

/**
 * Russian texts of the plugin qrgate
 */

$lang['button'] = 'Вход на телефоне';
$lang['link'] = 'Войти с помощью телефона';
$lang['link_intro'] = 'Уже вошли на другом устройстве?';
$lang['refused'] = 'Эта учётная запись не может войти.';
