<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use MediaWiki\Auth\AbstractPrimaryAuthenticationProvider;
use MediaWiki\Auth\AuthenticationRequest;
use MediaWiki\Auth\AuthenticationResponse;
use MediaWiki\Auth\AuthManager;
use StatusValue;

/**
 * Replaces the password in AuthManager, so that all other providers check a sign-in by code: throttles,
 * captchas, blocks, second factors.
 */
class CodePrimaryAuthenticationProvider extends AbstractPrimaryAuthenticationProvider {
	/** @inheritDoc */
	public function beginPrimaryAuthentication( array $reqs ) {
		$code = AuthenticationRequest::getRequestByClass( $reqs, CodeAuthenticationRequest::class );
		if ( !$code ) {
			return AuthenticationResponse::newAbstain();
		}
		// A code proves no password, so it does not count for $wgReauthenticateTime.
		$this->manager->setAuthenticationSessionData( AuthManager::LOGIN_WAS_INTERACTIVE, false );
		return AuthenticationResponse::newPass( $code->username );
	}

	/** @inheritDoc */
	public function getAuthenticationRequests( $action, array $options ) {
		return [];
	}

	/** @inheritDoc */
	public function testUserCanAuthenticate( $username ) {
		return false;
	}

	/** @inheritDoc */
	public function testUserExists( $username, $flags = 0 ) {
		return false;
	}

	/** @inheritDoc */
	public function providerAllowsAuthenticationDataChange( AuthenticationRequest $req, $checkData = true ) {
		return StatusValue::newGood( 'ignored' );
	}

	/** @inheritDoc */
	public function providerChangeAuthenticationData( AuthenticationRequest $req ) {
	}

	/** @inheritDoc */
	public function accountCreationType() {
		return self::TYPE_NONE;
	}

	/** @inheritDoc */
	public function beginPrimaryAccountCreation( $user, $creator, array $reqs ) {
		return AuthenticationResponse::newAbstain();
	}
}
