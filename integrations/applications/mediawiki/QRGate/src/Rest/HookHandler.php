<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Rest;

use MediaWiki\Rest\Handler;
use MediaWiki\Rest\Response;
use MediaWiki\Rest\Validator\Validator;

/**
 * Base class of the hooks. They are open to people who are signed out, on private wikis too.
 */
abstract class HookHandler extends Handler {
	/** @inheritDoc */
	public function needsReadAccess() {
		return false;
	}

	/** @inheritDoc */
	public function needsWriteAccess() {
		return false;
	}

	/** Nothing to validate: the content is signed as it is. @inheritDoc */
	public function validate( Validator $restValidator ) {
	}

	/**
	 * @param int $status
	 * @param array $content
	 * @return Response
	 */
	protected function respond( int $status, array $content = [] ): Response {
		$response = $this->getResponseFactory()->createJson( (object)$content );
		$response->setStatus( $status );
		$response->setHeader( 'Cache-Control', 'no-store' );
		return $response;
	}
}
