<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Rest;

use MediaWiki\Extension\QRGate\Calls;
use MediaWiki\Extension\QRGate\Sessions;
use MediaWiki\Rest\Response;

/**
 * The revoke hook: ends a session that the login hook opened.
 */
class RevokeHandler extends CallHandler {
	protected const TYPE = 'qr.revoke';

	private Sessions $sessions;

	public function __construct( Calls $calls, Sessions $sessions ) {
		parent::__construct( $calls );
		$this->sessions = $sessions;
	}

	/** @inheritDoc */
	protected function serve( array $message ): Response {
		$this->sessions->end( $message['user_id'] ?? null, $message['session'] ?? null );
		return $this->getResponseFactory()->createNoContent();
	}
}
