<?php

return [
    'button' => 'Connexion sur votre téléphone',
    'signin' => 'Se connecter avec votre téléphone',
    'refused' => 'Ce compte ne peut pas se connecter.',
];
