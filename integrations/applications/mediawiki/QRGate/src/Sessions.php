<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use BagOStuff;
use Config;
use MediaWiki\Auth\AuthenticationResponse;
use MediaWiki\Auth\AuthManager;
use MediaWiki\Auth\RememberMeAuthenticationRequest;
use MediaWiki\Session\Session;
use MediaWiki\Session\SessionManager;
use MediaWiki\User\UserFactory;
use MWCryptRand;
use Qrgate\SetupError;
use User;
use Wikimedia\ScopedCallback;

/**
 * Opens sessions for calls of qrgate, and ends them again.
 */
class Sessions {
	/** The time of the last password, as AuthManager keeps it for $wgReauthenticateTime. */
	private const AUTH_ID = 'AuthManager:lastAuthId';
	private const AUTH_TIME = 'AuthManager:lastAuthTimestamp';

	/** How long a session can be ended by its name; at least login.undo of qrgate. */
	private const NAMED_SECONDS = 86400;

	private Config $config;
	private AuthManager $authManager;
	private BagOStuff $stash;
	private UserFactory $userFactory;

	public function __construct(
		Config $config, AuthManager $authManager, BagOStuff $stash, UserFactory $userFactory
	) {
		$this->config = $config;
		$this->authManager = $authManager;
		$this->stash = $stash;
		$this->userFactory = $userFactory;
	}

	/**
	 * When the user of a session last typed a password there, in Unix time. 0: not in this session.
	 *
	 * @param Session $session
	 * @return int
	 */
	public static function authTime( Session $session ): int {
		$isTheirs = $session->get( self::AUTH_ID ) === $session->getUser()->getId();
		return $isTheirs ? (int)$session->get( self::AUTH_TIME, 0 ) : 0;
	}

	/**
	 * Signs the user in to the session of the current request, under a new id.
	 *
	 * @param User $user
	 * @param int|null $authTime
	 * @param string|int|null $stay "browser", seconds, or null
	 * @return string|null the name of the session for `end`, null if a provider refuses the sign-in or asks for more
	 * @throws SetupError
	 */
	public function open( User $user, ?int $authTime, $stay ): ?string {
		if ( !$this->authManager->canAuthenticateNow() ) {
			throw new SetupError( '$wgSessionProviders: the session provider does not let anybody sign in' );
		}
		$session = $this->authManager->getRequest()->getSession();
		$delay = $session->delaySave(); // AuthManager saves several times, and each would set cookies
		$session->remove( self::AUTH_TIME );
		$code = new CodeAuthenticationRequest();
		$code->username = $user->getName();
		$remember = new RememberMeAuthenticationRequest();
		$remember->rememberMe = $this->shouldRemember( $stay );
		$url = $this->config->get( 'CanonicalServer' );
		$response = $this->authManager->beginAuthentication( [ $code, $remember ], $url );
		$isPassed = $response->status === AuthenticationResponse::PASS;
		if ( !$isPassed ) {
			$session->unpersist();
		} elseif ( $authTime !== null ) {
			$session->set( self::AUTH_ID, $user->getId() );
			$session->set( self::AUTH_TIME, $authTime );
		}
		ScopedCallback::consume( $delay );
		return $isPassed ? $this->name( $session ) : null;
	}

	/**
	 * MediaWiki remembers people for $wgExtendedLoginCookieExpiration seconds or not at all. It does not remember those
	 * who want less.
	 *
	 * @param string|int|null $stay
	 * @return bool
	 */
	private function shouldRemember( $stay ): bool {
		$longest = $this->config->get( 'ExtendedLoginCookieExpiration' ) ?? $this->config->get( 'CookieExpiration' );
		return is_int( $stay ) && $longest > 0 && $stay >= $longest;
	}

	/** A random name: the id of the session would sign its reader in. */
	private function name( Session $session ): string {
		$name = MWCryptRand::generateHex( 32 );
		$made = [
			'id' => $session->getId(),
			'user' => $session->getUser()->getId(),
			'remembered' => $session->shouldRememberUser(),
		];
		$this->stash->set( $this->key( $name ), $made, self::NAMED_SECONDS );
		return $name;
	}

	/**
	 * Ends the session with this name, if it is one of this user. MediaWiki has one token for all devices that it
	 * remembers: if it remembers this one, all sessions of the user end.
	 *
	 * @param mixed $userId
	 * @param mixed $name
	 */
	public function end( $userId, $name ): void {
		$made = is_string( $name ) ? $this->stash->get( $this->key( $name ), BagOStuff::READ_LATEST ) : false;
		if ( !is_array( $made ) || (string)$made['user'] !== $userId ) {
			return;
		}
		$session = SessionManager::singleton()->getSessionById( $made['id'] );
		if ( $session ) {
			$session->unpersist();
		}
		if ( $made['remembered'] ) {
			SessionManager::singleton()->invalidateSessionsForUser( $this->userFactory->newFromId( $made['user'] ) );
		}
	}

	private function key( string $name ): string {
		return $this->stash->makeKey( 'qrgate-session', hash( 'sha256', $name ) );
	}
}
