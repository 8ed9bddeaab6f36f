<?php

return [
    'button' => 'Auf dem Handy anmelden',
    'signin' => 'Mit dem Handy anmelden',
    'refused' => 'Dieses Konto kann sich nicht anmelden.',
];
