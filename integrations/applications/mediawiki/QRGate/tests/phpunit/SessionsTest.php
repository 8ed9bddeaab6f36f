<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Tests;

use MediaWiki\Auth\AbstractSecondaryAuthenticationProvider;
use MediaWiki\Auth\AuthenticationResponse;
use MediaWiki\Auth\AuthManager;
use MediaWiki\Auth\PasswordAuthenticationRequest;
use MediaWiki\Extension\QRGate\Sessions;
use MediaWiki\Session\Session;
use MediaWiki\Session\SessionManager;
use MediaWikiIntegrationTestCase;
use Message;
use RequestContext;
use User;

/**
 * @covers \MediaWiki\Extension\QRGate\Sessions
 * @covers \MediaWiki\Extension\QRGate\CodePrimaryAuthenticationProvider
 * @group Database
 */
class SessionsTest extends MediaWikiIntegrationTestCase {
	private function sessions(): Sessions {
		return $this->getServiceContainer()->getService( 'QRGate.Sessions' );
	}

	/** Opens a session in a separate request. */
	private function open( User $user, ?int $authTime = null, $stay = null ): array {
		parent::setUp();
		$name = $this->sessions()->open( $user, $authTime, $stay );
		$request = RequestContext::getMain()->getRequest();
		return [ $name, $request->getSession(), array_keys( array_filter( $request->response()->getCookies() ?? [],
			static fn ( $cookie ) => $cookie['value'] !== '' ) ) ];
	}

	private function userOf( Session $session ): ?int {
		$stored = SessionManager::singleton()->getSessionById( $session->getId() );
		return $stored && $stored->isPersistent() ? $stored->getUser()->getId() : null;
	}

	private function reauthentication(): string {
		return $this->getServiceContainer()->getAuthManager()->securitySensitiveOperationStatus( 'test' );
	}

	public function testASignInHasANewIdAndNoTokenThatIsRemembered() {
		$user = $this->getMutableTestUser()->getUser();
		$before = RequestContext::getMain()->getRequest()->getSession()->getId();
		[ $name, $session, $cookies ] = $this->open( $user );
		$this->assertMatchesRegularExpression( '/^[0-9a-f]{32}$/', $name );
		$this->assertNotSame( $before, $session->getId() );
		$this->assertSame( $user->getId(), $this->userOf( $session ) );
		$this->assertStringContainsString( 'UserID', implode( ' ', $cookies ) );
		$this->assertStringNotContainsString( 'Token', implode( ' ', $cookies ) );
	}

	public function testTheTimeOfThePasswordComesFromTheCall() {
		$user = $this->getMutableTestUser()->getUser();
		[ , $session ] = $this->open( $user, time() - 10 );
		$this->assertEqualsWithDelta( time() - 10, Sessions::authTime( $session ), 2 );
		$this->assertSame( AuthManager::SEC_OK, $this->reauthentication() );
		[ , $session ] = $this->open( $user );
		$this->assertSame( 0, Sessions::authTime( $session ) );
		$this->assertSame( AuthManager::SEC_REAUTH, $this->reauthentication() );
	}

	public function testOnlyTheLongestStayIsRemembered() {
		$this->overrideConfigValue( 'ExtendedLoginCookieExpiration', 1209600 );
		$user = $this->getMutableTestUser()->getUser();
		foreach ( [ [ null, false ], [ 'browser', false ], [ 28800, false ], [ 1209600, true ] ] as [ $stay, $isRemembered ] ) {
			[ , $session ] = $this->open( $user, null, $stay );
			$this->assertSame( $isRemembered, $session->shouldRememberUser(), json_encode( $stay ) );
		}
	}

	public function testASessionIsEndedByItsNameAndOnlyForItsUser() {
		$user = $this->getMutableTestUser()->getUser();
		[ $name, $session ] = $this->open( $user );
		[ , $other ] = $this->open( $user );
		$id = (string)$user->getId();
		foreach ( [ [ '1', $name ], [ $user->getId(), $name ], [ $id, $session->getId() ], [ $id, '' ], [ $id, null ] ] as $call ) {
			$this->sessions()->end( ...$call );
		}
		$this->assertSame( $user->getId(), $this->userOf( $session ) );
		$this->sessions()->end( $id, $name );
		$this->sessions()->end( $id, $name );
		$this->assertNull( $this->userOf( $session ) );
		$this->assertSame( $user->getId(), $this->userOf( $other ) );
	}

	public function testEndingASessionThatIsRememberedChangesTheToken() {
		$user = $this->getMutableTestUser()->getUser();
		$token = $user->getToken();
		[ $name ] = $this->open( $user, null, 400 * 86400 );
		$this->sessions()->end( (string)$user->getId(), $name );
		$this->assertNotSame( $token, User::newFromId( $user->getId() )->getToken() );
	}

	/**
	 * @dataProvider provideAnswers
	 */
	public function testASecondProviderCanRefuseOrAskForMore( AuthenticationResponse $response ) {
		$this->overrideConfigValue( 'AuthManagerConfig', [ 'preauth' => [], 'secondaryauth' => [ 'test' => [
			'factory' => static fn () => self::provider( $response ),
		] ] ] + $GLOBALS['wgAuthManagerAutoConfig'] );
		[ $name, $session, $cookies ] = $this->open( $this->getMutableTestUser()->getUser() );
		$this->assertNull( $name );
		$this->assertSame( [], $cookies );
		$this->assertNull( $this->userOf( $session ) );
	}

	public static function provideAnswers() {
		$message = new Message( 'ok' );
		return [
			[ AuthenticationResponse::newFail( $message ) ],
			[ AuthenticationResponse::newUI( [ new PasswordAuthenticationRequest() ], $message ) ],
		];
	}

	private static function provider( AuthenticationResponse $response ) {
		return new class( $response ) extends AbstractSecondaryAuthenticationProvider {
			private AuthenticationResponse $response;

			public function __construct( AuthenticationResponse $response ) {
				$this->response = $response;
			}

			public function getAuthenticationRequests( $action, array $options ) {
				return [];
			}

			public function beginSecondaryAuthentication( $user, array $reqs ) {
				return $this->response;
			}

			public function beginSecondaryAccountCreation( $user, $creator, array $reqs ) {
				return AuthenticationResponse::newAbstain();
			}
		};
	}

	public function testNoFormOffersASignInByCode() {
		$manager = $this->getServiceContainer()->getAuthManager();
		foreach ( $manager->getAuthenticationRequests( AuthManager::ACTION_LOGIN ) as $request ) {
			$this->assertStringNotContainsString( 'QRGate', get_class( $request ) );
		}
	}
}
