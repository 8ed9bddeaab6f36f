<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Rest;

use MediaWiki\Extension\QRGate\Accounts;
use MediaWiki\Extension\QRGate\Calls;
use MediaWiki\Extension\QRGate\Sessions;
use MediaWiki\Rest\Response;

/**
 * The login hook: opens a session.
 */
class LoginHandler extends CallHandler {
	protected const TYPE = 'qr.login';

	private Accounts $accounts;
	private Sessions $sessions;

	public function __construct( Calls $calls, Accounts $accounts, Sessions $sessions ) {
		parent::__construct( $calls );
		$this->accounts = $accounts;
		$this->sessions = $sessions;
	}

	/** @inheritDoc */
	protected function serve( array $message ): Response {
		header_remove( 'Set-Cookie' ); // a session that the call itself named is not the phone's
		$user = $this->accounts->find( $message['user_id'] ?? null );
		$authTime = $message['auth_time'] ?? null;
		$name = $user
			? $this->sessions->open( $user, is_int( $authTime ) ? $authTime : null, $message['stay'] ?? null )
			: null;
		if ( $name === null ) {
			$text = wfMessage( 'qrgate-refused' )->inContentLanguage()->text();
			return $this->respond( 404, [ 'message' => $text ] );
		}
		return $this->respond( 200, [ 'session' => $name ] );
	}
}
