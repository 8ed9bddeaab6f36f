<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Tests;

use BagOStuff;
use EmptyBagOStuff;
use GuzzleHttp\Psr7\Uri;
use MediaWiki\Extension\QRGate\Calls;
use MediaWiki\Rest\RequestData;
use MediaWikiIntegrationTestCase;
use Qrgate\Refused;
use Qrgate\SetupError;

/**
 * @covers \MediaWiki\Extension\QRGate\Calls
 * @group Database
 */
class CallsTest extends MediaWikiIntegrationTestCase {
	private const KEY = 'a key of thirty-two bytes or more';
	private const PATH = '/w/rest.php/qrgate/v1/login';

	protected function setUp(): void {
		parent::setUp();
		$this->overrideConfigValue( 'QRGateSecret', 'whsec_' . base64_encode( self::KEY ) );
		$this->overrideConfigValue( 'CanonicalServer', 'https://wiki.example.com:8443' );
	}

	private function calls( ?BagOStuff $stash = null ): Calls {
		$services = $this->getServiceContainer();
		return new Calls( $services->getMainConfig(), $stash ?? $services->getMainObjectStash() );
	}

	private function request( string $origin = 'https://wiki.example.com:8443', string $key = self::KEY ): RequestData {
		$body = json_encode( [ 'type' => 'qr.login', 'method' => 'POST', 'origin' => $origin, 'url' => $origin . self::PATH ] );
		[ $id, $time ] = [ bin2hex( random_bytes( 8 ) ), (string)time() ];
		$signature = base64_encode( hash_hmac( 'sha256', "$id.$time.$body", $key, true ) );
		return new RequestData( [
			'method' => 'POST',
			'uri' => new Uri( self::PATH ),
			'bodyContents' => $body,
			'headers' => [ 'webhook-id' => $id, 'webhook-timestamp' => $time, 'webhook-signature' => "v1,$signature" ],
		] );
	}

	public function testASignedCallIsAcceptedOnce() {
		$request = $this->request();
		$this->assertSame( 'POST', $this->calls()->accept( 'qr.login', $request )['method'] );
		$this->expectException( Refused::class );
		$this->calls()->accept( 'qr.login', $request );
	}

	public function testACallOfAnotherKeyIsRefused() {
		$this->expectException( Refused::class );
		$this->calls()->accept( 'qr.login', $this->request( key: 'another key of thirty-two bytes..' ) );
	}

	public function testACallForAnotherWikiIsRefused() {
		$this->expectException( Refused::class );
		$this->calls()->accept( 'qr.login', $this->request( 'https://wiki.example.com' ) );
	}

	public function testOriginsReplaceThatOfTheWiki() {
		$this->overrideConfigValue( 'QRGateOrigins', [ 'https://a.example', 'https://b.example' ] );
		$this->assertIsArray( $this->calls()->accept( 'qr.login', $this->request( 'https://b.example' ) ) );
		$this->expectException( Refused::class );
		$this->calls()->accept( 'qr.login', $this->request() );
	}

	public function testAMissingSecretIsAnErrorOfTheSetup() {
		$this->overrideConfigValue( 'QRGateSecret', null );
		$this->expectException( SetupError::class );
		$this->calls()->accept( 'qr.login', $this->request() );
	}

	public function testAStashThatDoesNotStoreIsAnErrorOfTheSetup() {
		$this->expectException( SetupError::class );
		$this->calls( new EmptyBagOStuff() )->accept( 'qr.login', $this->request() );
	}
}
