<?php
/**
 * Aliases for special pages of the QRGate extension.
 *
 * @file
 * @ingroup Extensions
 */

$specialPageAliases = [];

/** English (English) */
$specialPageAliases['en'] = [
	'QRGate' => [ 'QRGate' ],
];
