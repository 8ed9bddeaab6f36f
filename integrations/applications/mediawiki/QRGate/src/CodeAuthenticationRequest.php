<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use MediaWiki\Auth\AuthenticationRequest;

/**
 * A sign-in that qrgate has proven. No form and no API makes one: CodePrimaryAuthenticationProvider offers none.
 */
class CodeAuthenticationRequest extends AuthenticationRequest {
	/** @inheritDoc */
	public function getFieldInfo() {
		return [];
	}

	/** @inheritDoc */
	public function loadFromSubmission( array $data ) {
		return false;
	}
}
