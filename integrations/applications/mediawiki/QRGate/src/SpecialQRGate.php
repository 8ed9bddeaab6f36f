<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use Html;
use OOUI\ButtonInputWidget;
use SpecialPage;

/**
 * The page with the button. With `?return=`, a path under the ticket path, it leads there after the sign-in: qrgate
 * sends people who are signed out here, because Special:UserLogin returns to pages only.
 */
class SpecialQRGate extends SpecialPage {
	private Accounts $accounts;

	public function __construct( Accounts $accounts ) {
		parent::__construct( 'QRGate' );
		$this->accounts = $accounts;
	}

	/** @inheritDoc */
	public function execute( $subPage ) {
		$this->setHeaders();
		$this->requireLogin();
		$path = $this->getConfig()->get( 'QRGatePath' );
		$return = $this->getRequest()->getRawVal( 'return' ) ?? '';
		if ( str_starts_with( $return, $path ) && preg_match( '/^[!-\[\]-~]+$/D', $return ) ) {
			$this->getOutput()->redirect( $return );
		} elseif ( $this->accounts->mayUseCodes( $this->getUser() ) ) {
			$this->showButton( $path );
		} else {
			$this->getOutput()->addWikiMsg( 'qrgate-unavailable' );
		}
	}

	private function showButton( string $path ): void {
		$out = $this->getOutput();
		$out->enableOOUI();
		$out->addWikiMsg( 'qrgate-explained' );
		$button = new ButtonInputWidget( [
			'type' => 'submit',
			'label' => $this->msg( 'qrgate' )->text(),
			'flags' => [ 'primary', 'progressive' ],
		] );
		$out->addHTML( Html::rawElement( 'form', [ 'method' => 'post', 'action' => $path ], $button ) );
	}

	/** @inheritDoc */
	public function getDescription() {
		return $this->msg( 'qrgate' )->text();
	}

	/** @inheritDoc */
	protected function getGroupName() {
		return 'login';
	}
}
