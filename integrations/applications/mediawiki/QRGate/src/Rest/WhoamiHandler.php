<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Rest;

use IDBAccessObject;
use MediaWiki\Extension\QRGate\Accounts;
use MediaWiki\Extension\QRGate\Sessions;
use MediaWiki\Rest\Response;

/**
 * The identify hook: returns the user of the session.
 */
class WhoamiHandler extends HookHandler {
	private Accounts $accounts;

	public function __construct( Accounts $accounts ) {
		$this->accounts = $accounts;
	}

	public function execute(): Response {
		$session = $this->getSession();
		$user = $session->getUser();
		if ( !$user->isNamed() ) {
			return $this->respond( 401 );
		}
		// A bot password opens a session with fewer rights: it must not open one with all of them.
		$isWhole = $session->getAllowedUserRights() === null;
		return $this->respond( 200, [
			'qrgate' => 1,
			'user_id' => (string)$user->getId(),
			'name' => $user->getName(),
			'allow' => $isWhole && $this->accounts->mayUseCodes( $user, IDBAccessObject::READ_LATEST ),
			'auth_time' => Sessions::authTime( $session ),
		] );
	}
}
