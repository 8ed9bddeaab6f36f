<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use BagOStuff;
use Config;
use MediaWiki\Rest\RequestInterface;
use Qrgate\Call;
use Qrgate\Refused;
use Qrgate\Settings;
use Qrgate\SetupError;
use Qrgate\Verifier;

/**
 * Accepts signed calls of qrgate, each once.
 */
class Calls {
	private const REMEMBERED_SECONDS = 900;

	private Config $config;
	private BagOStuff $stash;

	public function __construct( Config $config, BagOStuff $stash ) {
		$this->config = $config;
		$this->stash = $stash;
	}

	/**
	 * The message of a call.
	 *
	 * @param string $type `qr.login` or `qr.revoke`
	 * @param RequestInterface $request
	 * @return array
	 * @throws Refused if the call is not accepted
	 * @throws SetupError if the configuration is incomplete
	 */
	public function accept( string $type, RequestInterface $request ): array {
		$call = new Call(
			(string)$request->getBody(),
			$request->getHeaderLine( 'webhook-id' ),
			$request->getHeaderLine( 'webhook-timestamp' ),
			$request->getHeaderLine( 'webhook-signature' )
		);
		$keys = Settings::keys( $this->config->get( 'QRGateSecret' ) );
		$verifier = new Verifier( $keys, $this->origins(), [ $this, 'isFirst' ] );
		return $verifier->accept( $type, $request->getUri()->getPath(), $call );
	}

	/**
	 * @return string[]
	 * @throws SetupError
	 */
	private function origins(): array {
		$configured = $this->config->get( 'QRGateOrigins' ) ?: getenv( 'QRGATE_ORIGINS' );
		if ( $configured ) {
			return Settings::origins( $configured );
		}
		$parts = wfParseUrl( $this->config->get( 'CanonicalServer' ) );
		$port = isset( $parts['port'] ) ? ":{$parts['port']}" : '';
		return Settings::origins( "{$parts['scheme']}://{$parts['host']}$port" );
	}

	/**
	 * Whether a text is used for the first time in 15 minutes. Waits for the stash's lock: `BagOStuff::add` of a database
	 * fails while another process holds it, as if the stash did not work.
	 *
	 * @internal
	 * @param string $text
	 * @return bool
	 * @throws SetupError if the stash does not store
	 */
	public function isFirst( string $text ): bool {
		$key = $this->stash->makeKey( 'qrgate-call', hash( 'sha256', $text ) );
		$lock = $this->stash->getScopedLock( $key, 5 );
		if ( !$lock ) {
			throw new SetupError( '$wgMainStash: the lock of a call is not available' );
		}
		if ( $this->stash->get( $key, BagOStuff::READ_LATEST ) !== false ) {
			return false;
		}
		$isStored = $this->stash->set( $key, 1, self::REMEMBERED_SECONDS )
			&& $this->stash->get( $key, BagOStuff::READ_LATEST ) !== false;
		if ( !$isStored ) {
			throw new SetupError( '$wgMainStash does not store: is the wiki read-only, or the stash CACHE_NONE?' );
		}
		return true;
	}
}
