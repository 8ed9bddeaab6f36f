<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

use MediaWiki\Extension\QRGate\Accounts;
use MediaWiki\Extension\QRGate\Calls;
use MediaWiki\Extension\QRGate\Sessions;
use MediaWiki\MediaWikiServices;

return [
	'QRGate.Accounts' => static function ( MediaWikiServices $services ): Accounts {
		return new Accounts(
			$services->getMainConfig(),
			$services->getUserFactory(),
			$services->getUserIdentityLookup(),
			$services->hasService( 'OATHUserRepository' ) ? $services->getService( 'OATHUserRepository' ) : null
		);
	},
	'QRGate.Calls' => static function ( MediaWikiServices $services ): Calls {
		return new Calls( $services->getMainConfig(), $services->getMainObjectStash() );
	},
	'QRGate.Sessions' => static function ( MediaWikiServices $services ): Sessions {
		return new Sessions(
			$services->getMainConfig(),
			$services->getAuthManager(),
			$services->getMainObjectStash(),
			$services->getUserFactory()
		);
	},
];
