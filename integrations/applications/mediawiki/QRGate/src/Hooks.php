<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate;

use Config;
use Html;
use MediaWiki\Auth\AuthManager;
use MediaWiki\Hook\BeforePageDisplayHook;
use MediaWiki\Hook\OutputPageCheckLastModifiedHook;
use MediaWiki\Hook\SkinTemplateNavigation__UniversalHook;
use MediaWiki\Permissions\Hook\TitleReadWhitelistHook;
use MediaWiki\SpecialPage\Hook\AuthChangeFormFieldsHook;
use RequestContext;
use SpecialPage;
use TitleFactory;

/**
 * The link in the personal menu, the one on the sign-in page, and what pages show to people who are signed out.
 */
class Hooks implements
	AuthChangeFormFieldsHook,
	BeforePageDisplayHook,
	OutputPageCheckLastModifiedHook,
	SkinTemplateNavigation__UniversalHook,
	TitleReadWhitelistHook
{
	private Config $config;
	private TitleFactory $titleFactory;
	private Accounts $accounts;

	public function __construct( Config $config, TitleFactory $titleFactory, Accounts $accounts ) {
		$this->config = $config;
		$this->titleFactory = $titleFactory;
		$this->accounts = $accounts;
	}

	/** @inheritDoc */
	public function onSkinTemplateNavigation__Universal( $sktemplate, &$links ): void {
		if ( !isset( $links['user-menu']['logout'] ) || !$this->accounts->mayUseCodes( $sktemplate->getUser() ) ) {
			return;
		}
		$link = [
			'text' => $sktemplate->msg( 'qrgate' )->text(),
			'href' => SpecialPage::getTitleFor( 'QRGate' )->getLocalURL(),
			'active' => $sktemplate->getTitle()->isSpecial( 'QRGate' ),
			'icon' => 'mobile',
		];
		$before = array_search( 'logout', array_keys( $links['user-menu'] ) );
		$links['user-menu'] = array_slice( $links['user-menu'], 0, $before ) + [ 'qrgate' => $link ] + $links['user-menu'];
	}

	/** @inheritDoc */
	public function onBeforePageDisplay( $out, $skin ): void {
		if ( $out->getUser()->isRegistered() ) {
			$out->addModuleStyles( 'ext.qrgate.styles' );
		}
	}

	/** @inheritDoc */
	public function onAuthChangeFormFields( $requests, $fieldInfo, &$formDescriptor, $action ) {
		if ( $action !== AuthManager::ACTION_LOGIN ) {
			return;
		}
		$address = $this->config->get( 'QRGatePath' ) . 'code/';
		$next = $this->wayBack();
		$formDescriptor['qrgate'] = [
			'type' => 'info',
			'raw' => true,
			'weight' => 150, // between the button and the link for help
			'cssclass' => 'mw-form-related-link-container',
			'default' => Html::element(
				'a',
				[ 'href' => $next === null ? $address : $address . '?next=' . rawurlencode( $next ) ],
				wfMessage( 'qrgate-link' )->text()
			),
		];
	}

	/** The page that the person came from, as Special:UserLogin has it. */
	private function wayBack(): ?string {
		$request = RequestContext::getMain()->getRequest();
		$title = $this->titleFactory->newFromText( $request->getVal( 'returnto', '' ) );
		return $title && !$title->isExternal() ? $title->getLocalURL( $request->getVal( 'returntoquery', '' ) ) : null;
	}

	/** On a private wiki the special page leads to the sign-in page, and not to an error. @inheritDoc */
	public function onTitleReadWhitelist( $title, $user, &$whitelisted ) {
		if ( $title->isSpecial( 'QRGate' ) ) {
			$whitelisted = true;
		}
	}

	/**
	 * A phone whose session was ended has copies of pages with the person's name. Without this, MediaWiki would say 304.
	 * @inheritDoc
	 */
	public function onOutputPageCheckLastModified( &$modifiedTimes, $out ) {
		if ( !$out->getUser()->isRegistered() && $out->getRequest()->getCookie( 'UserID' ) ) {
			$modifiedTimes['qrgate'] = wfTimestampNow();
		}
	}
}
