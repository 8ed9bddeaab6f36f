<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Rest;

use MediaWiki\Extension\QRGate\Calls;
use MediaWiki\Logger\LoggerFactory;
use MediaWiki\Rest\Response;
use Qrgate\Refused;
use Qrgate\SetupError;

/**
 * Base class of the handlers that only qrgate calls, with a signature.
 */
abstract class CallHandler extends HookHandler {
	/** The `type` of the message. */
	protected const TYPE = '';

	private Calls $calls;

	public function __construct( Calls $calls ) {
		$this->calls = $calls;
	}

	/**
	 * @param array $message of an accepted call
	 * @return Response
	 * @throws SetupError
	 */
	abstract protected function serve( array $message ): Response;

	public function execute(): Response {
		$logger = LoggerFactory::getInstance( 'QRGate' );
		try {
			return $this->serve( $this->calls->accept( static::TYPE, $this->getRequest() ) );
		} catch ( Refused $refused ) {
			$logger->warning( 'A {type} call is refused: {reason}', [
				'type' => static::TYPE,
				'reason' => $refused->getMessage(),
			] );
			return $this->respond( 401 );
		} catch ( SetupError $error ) {
			$logger->error( 'A {type} call cannot be served: {reason}', [
				'type' => static::TYPE,
				'reason' => $error->getMessage(),
			] );
			return $this->respond( 500 );
		}
	}
}
