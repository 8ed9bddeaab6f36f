<?php
// SPDX-License-Identifier: MIT OR Apache-2.0

namespace MediaWiki\Extension\QRGate\Tests;

use FauxRequest;
use MediaWiki\Auth\AuthManager;
use MediaWiki\Extension\QRGate\Hooks;
use MediaWikiIntegrationTestCase;
use RequestContext;
use SkinTemplate;
use SpecialPage;
use User;

/**
 * @covers \MediaWiki\Extension\QRGate\Hooks
 * @group Database
 */
class HooksTest extends MediaWikiIntegrationTestCase {
	private function hooks(): Hooks {
		$services = $this->getServiceContainer();
		return new Hooks( $services->getMainConfig(), $services->getTitleFactory(), $services->getService( 'QRGate.Accounts' ) );
	}

	private function menuOf( User $user ): array {
		$context = new RequestContext();
		$context->setUser( $user );
		$context->setTitle( SpecialPage::getTitleFor( 'Preferences' ) );
		$skin = new SkinTemplate( [ 'name' => 'test', 'menus' => [] ] );
		$skin->setContext( $context );
		$links = [ 'user-menu' => [ 'preferences' => [], 'logout' => [] ] ];
		$this->hooks()->onSkinTemplateNavigation__Universal( $skin, $links );
		return array_keys( $links['user-menu'] );
	}

	private function linkFor( array $query ): ?string {
		RequestContext::getMain()->setRequest( new FauxRequest( $query ) );
		$form = [];
		$this->hooks()->onAuthChangeFormFields( [], [], $form, AuthManager::ACTION_LOGIN );
		return preg_match( '/href="([^"]*)"/', $form['qrgate']['default'], $found ) ? $found[1] : null;
	}

	public function testTheMenuHasTheLinkForThoseWhoMayUseCodes() {
		$this->assertSame( [ 'preferences', 'qrgate', 'logout' ], $this->menuOf( $this->getMutableTestUser()->getUser() ) );
		$this->assertSame( [ 'preferences', 'logout' ], $this->menuOf( $this->getMutableTestUser( 'sysop' )->getUser() ) );
	}

	public function testTheSignInPageLinksToTheWayBack() {
		$this->overrideConfigValue( 'ArticlePath', '/wiki/$1' );
		$this->assertSame( '/qr/code/', $this->linkFor( [] ) );
		$this->assertSame( '/qr/code/?next=%2Fwiki%2FHelp%3AA_page', $this->linkFor( [ 'returnto' => 'Help:A page' ] ) );
		foreach ( [ '<invalid>', 'wikipedia:Another wiki' ] as $title ) {
			$this->assertSame( '/qr/code/', $this->linkFor( [ 'returnto' => $title ] ), $title );
		}
		$form = [];
		$this->hooks()->onAuthChangeFormFields( [], [], $form, AuthManager::ACTION_CREATE );
		$this->assertSame( [], $form );
	}

	public function testAPrivateWikiLetsOnlyThisPageThrough() {
		foreach ( [ 'QRGate' => true, 'Preferences' => false ] as $name => $expected ) {
			$isListed = false;
			$this->hooks()->onTitleReadWhitelist( SpecialPage::getTitleFor( $name ), new User(), $isListed );
			$this->assertSame( $expected, $isListed, $name );
		}
	}

	public function testACopyOfAPageEndsWithTheSession() {
		foreach ( [ [ '3', new User(), true ], [ null, new User(), false ], [ '3', $this->getMutableTestUser()->getUser(), false ] ] as [ $cookie, $user, $isNew ] ) {
			$request = new FauxRequest();
			$request->setCookie( 'UserID', $cookie );
			$context = new RequestContext();
			$context->setRequest( $request );
			$context->setUser( $user );
			$times = [];
			$this->hooks()->onOutputPageCheckLastModified( $times, $context->getOutput() );
			$this->assertSame( $isNew, isset( $times['qrgate'] ) );
		}
	}

	public function testAllLanguagesHaveAllMessages() {
		$keys = static fn ( $file ) => array_keys( json_decode( file_get_contents( $file ), true ) );
		foreach ( glob( dirname( __DIR__, 2 ) . '/i18n/*.json' ) as $file ) {
			$this->assertSame( $keys( dirname( __DIR__, 2 ) . '/i18n/qqq.json' ), $keys( $file ), $file );
		}
	}
}
